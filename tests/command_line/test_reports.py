"""`explain report`: written from files on disk, and verified."""

from __future__ import annotations

import hashlib
import json

import keras
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

import explain
from explain.command_line.main import app


def run(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model of each framework on disk, and pictures."""
    folder = tmp_path_factory.mktemp("own")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2)).eval()
    torch.jit.trace(net, torch.zeros(1, 3, 8, 8)).save(folder / "net.pt")
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()]
    keras.Sequential([*layers, keras.layers.Dense(2)]).save(folder / "net.keras")
    (folder / "photos").mkdir()
    generator = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        pixels = generator.integers(0, 256, size=(8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / name)
    (folder / "classes.txt").write_text("cat\ndog\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["net.pt", "net.keras"])
def test_a_report_of_own_files_is_written_and_holds(files, name, tmp_path):
    out = tmp_path / "report.html"
    result = run(
        "report", files / name, files / "photos", "--divide-by", 255, "--size", 8, "--classes", files / "classes.txt",
        "--target", "cat", "--method", "ig", "--method", "occlusion", "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == [str(out), str(out.with_suffix(".json"))]
    record = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert [call["method"]["name"] for call in record["calls"]] == ["integrated_gradients", "occlusion"]
    (one,) = record["calls"][0]["results"]
    assert [row["name"] for row in one["examples"]] == ["a.png", "b.png"]
    assert {row["class"] for row in one["examples"]} == {"cat"}

    stated = record["calls"][0]["model"]["file_sha256"]
    assert stated == hashlib.sha256((files / name).read_bytes()).hexdigest()
    for further in ([], ["--model", files / name], ["--json"]):
        verified = run("report", "--verify", out, *further)
        assert verified.exit_code == 0, verified.output
    assert json.loads(verified.stdout)["passed"] is True


def test_it_exits_with_1_for_another_model(files, tmp_path):
    out = tmp_path / "report.json"
    assert (
        run("report", "zoo:cifar_net@torch", "--count", 1, "--method", "saliency", "-o", out).exit_code == 0
    )
    verified = run("report", "--verify", out, "--model", "zoo:cifar_keras@torch")
    assert verified.exit_code == 1
    assert "does not hold" in verified.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["zoo:cifar_net@torch", "--out", "report.doc"], "does not end in .html"),
        (["--verify", "nothing.html"], "cannot be read"),
        (["zoo:cifar_net@torch", "a.png", "--verify", "report.html"], "leave a.png out"),
        ([], "MODEL is missing"),
    ],
)
def test_wrong_calls(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("report", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_an_older_report_is_not_replaced_unasked(tmp_path):
    out = tmp_path / "report.json"
    call = ("report", "zoo:cifar_net@torch", "--count", 1, "--method", "saliency", "-o", out)
    assert run(*call).exit_code == 0
    before = out.read_bytes()
    refused = run(*call)
    assert refused.exit_code == 2
    assert "would be replaced" in " ".join(refused.output.split())
    assert out.read_bytes() == before
    assert run(*call, "--overwrite").exit_code == 0
    assert explain.reports.read(out).results[0].method == "saliency"
