"""`explain evaluate`, `explain benchmark` and `explain metrics`: with files on disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import explain
from explain.command_line.main import app


def run(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2)).eval()
    torch.jit.trace(net, torch.zeros(1, 3, 8, 8)).save(folder / "net.pt")
    x = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)
    np.save(folder / "x.npy", x)
    masks = np.zeros((3, 8, 8), bool)
    masks[:, 2:5, 2:5] = True
    np.save(folder / "masks.npy", masks)
    explain.attribute(explain.load_model(folder / "net.pt"), x, "saliency").save(folder / "a.npz")
    return folder


def test_evaluate_gives_the_numbers_of_the_call(files):
    result = run(
        "evaluate", files / "net.pt", files / "x.npy", "--method", "saliency", "--metrics", "deletion,pointing_game",
        "--masks", files / "masks.npy", "--metric-option", "deletion.n_steps=8", "--json", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    model, x = explain.load_model(files / "net.pt"), np.load(files / "x.npy")
    e = explain.evaluate(
        model,
        explain.attribute(model, x, "saliency"),
        {"deletion": {"n_steps": 8}, "pointing_game": {}},
        masks=np.load(files / "masks.npy"),
    )
    assert found["metrics"]["deletion"]["mean"] == pytest.approx(float(e.deletion))
    assert found["metrics"]["pointing_game"]["values"] == e["pointing_game"].values.tolist()
    assert found["metrics"]["deletion"]["options"]["n_steps"] == 8


def test_evaluate_takes_a_saved_attribution_and_writes_what_is_asked_for(files, tmp_path):
    for suffix in (".npz", ".html", ".png"):
        out = tmp_path / f"e{suffix}"
        result = run(
            "evaluate",
            files / "net.pt",
            "--attribution",
            files / "a.npz",
            "--metrics",
            "sparseness",
            "-o",
            out,
        )
        assert result.exit_code == 0, result.output
        assert "sparseness" in result.stdout
        assert out.stat().st_size > 100
    again = explain.Evaluation.load(tmp_path / "e.npz")
    assert again.method == "saliency"
    refused = run("evaluate", files / "net.pt", "--attribution", files / "a.npz", "-o", out)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.output


def test_benchmark_compares_methods(files, tmp_path):
    out = tmp_path / "b.html"
    result = run(
        "benchmark", files / "net.pt", files / "x.npy", "--methods", "saliency,ig", "--metrics", "deletion,sparseness",
        "--out", out, "--json", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["methods"]) == ["saliency", "integrated_gradients"]
    assert set(found["methods"]["saliency"]["metrics"]) == {"deletion", "sparseness"}
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_metrics_lists_the_catalogue():
    found = json.loads(run("metrics", "--json").stdout)
    assert [one["name"] for one in found] == list(explain.metrics.names())
    listed = run("metrics").stdout
    assert "deletion.n_steps=32" in listed.replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "NET", "X", "--metrics", "delete"], "deletion"),
        (
            ["evaluate", "NET", "X", "--metrics", "deletion", "--metric-option", "n_steps=3"],
            "METRIC.NAME=VALUE",
        ),
        (
            ["evaluate", "NET", "X", "--metrics", "deletion", "--metric-option", "sparseness.a=3"],
            "Add it to --metrics",
        ),
        (
            ["evaluate", "NET", "X", "--metrics", "pointing_game", "--masks", "none.npy"],
            "there is no such file",
        ),
        (["evaluate", "NET", "X", "--metrics", "pointing_game"], "give --masks, True where it is"),
        (["evaluate", "NET", "X", "--attribution", "A"], "leave"),
        (["evaluate", "NET", "X", "--out", "e.txt"], "does not end in"),
        (["benchmark", "--zoo", "NET"], "leave the others out"),
        (["benchmark", "--zoo", "--out", "page.png"], "ends in .html"),
        (["benchmark", "NET", "X", "--full"], "--full is for --zoo"),
        (["benchmark", "NET", "X", "--methods", "salience"], "saliency"),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(files, arguments, said):
    known = {"NET": files / "net.pt", "X": files / "x.npy", "A": files / "a.npz"}
    result = run(*(known.get(one, one) for one in arguments))
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.output.split())
