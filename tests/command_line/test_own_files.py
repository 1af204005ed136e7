"""Models and inputs of the user's own, from files on disk, through the command line."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

import explain
from explain.command_line.main import app

CLASSES = ("cat", "dog", "green frog")
NETS = """
import torch
from torch import nn


def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 3)
    ).eval()


def table():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).eval()


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.rnn = nn.GRU(2, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


def two():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.left, self.right = nn.Linear(4, 3), nn.Linear(2, 3)

        def forward(self, left, right):
            return torch.tanh(self.left(left)) + self.right(right)

    return Two().eval()


def broken():
    raise RuntimeError("no weights here")
"""


def run(*arguments, **options):
    return CliRunner().invoke(app, [str(one) for one in arguments], **options)


def done(*arguments, **options):
    result = run(*arguments, **options)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the user's own: models in both frameworks, pictures, tables, series, names of classes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("nets.py").write_text(textwrap.dedent(NETS))
    Path("classes.txt").write_text("\n".join(CLASSES) + "\n")
    rng = np.random.default_rng(0)
    Path("photos").mkdir()
    for name in ("a cat.png", "frog.png", "z10.png"):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(Path("photos") / name)
    (tmp_path / "table.csv").write_text(
        "age,weight,height,dose\n"
        + "\n".join(",".join(f"{v:.3f}" for v in row) for row in rng.normal(size=(3, 4)))
    )
    yield tmp_path
    sys.modules.pop("nets", None)


def keras_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input((16, 16, 3)),
            keras.layers.Rescaling(1 / 127.5, offset=-1.0),
            keras.layers.Conv2D(4, 3, activation="tanh", name="features"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, name="scores"),
        ]
    )
    model.save("model.keras")
    return model


def pixels(*names):
    return np.stack([np.asarray(Image.open(Path("photos") / name)) for name in names]).astype(np.float32)


class TestPictures:
    def test_a_keras_file_and_a_picture_to_one_file(self, here):
        model = keras_model()
        done(
            "attribute", "model.keras", "photos/frog.png", "--target", "green frog", "--classes", "classes.txt",
            "--method", "input_x_gradient", "--out", "frog.npz",
        )  # fmt: skip
        a = explain.load("frog.npz")
        expected = explain.attribute(model, pixels("frog.png"), method="input_x_gradient", target=2)
        # The model scales its own pixels: it gets them as they are in the file.
        assert np.array_equal(a.inputs, pixels("frog.png"))
        assert np.allclose(a.values, expected.values, rtol=1e-6, atol=1e-9)
        assert a.target == (2,)
        assert a.display.classes == CLASSES
        assert a.display.example_names == ("frog.png",)

    def test_a_function_and_a_folder_to_a_folder(self, here):
        done(
            "attribute", "nets:build", "photos", "--divide-by", 255, "--mean", "0.5,0.4,0.3", "--std", 0.25,
            "--channels-first", "--method", "saliency", "--classes", "classes.txt", "--out", "maps",
        )  # fmt: skip
        names = {path.name for path in Path("maps").iterdir()}
        pictures = {name for name in names if name.endswith(".png")}
        assert len(pictures) == 3
        assert names - pictures == {"attribution.npz", "attribution.json"}
        a = explain.load("maps/attribution.npz")
        x = (pixels("a cat.png", "frog.png", "z10.png") / 255 - np.float32([0.5, 0.4, 0.3])) / np.float32(
            0.25
        )
        assert np.allclose(a.inputs, x.transpose(0, 3, 1, 2), atol=1e-6)
        assert a.display.preprocessing["divide_by"] == 255
        said = json.loads(Path("maps/attribution.json").read_text(encoding="utf-8"))
        assert [row["name"] for row in said["examples"]] == ["a cat.png", "frog.png", "z10.png"]
        assert {row["picture"] for row in said["examples"]} == pictures
        assert [row["score"] for row in said["examples"]] == pytest.approx(a.scores.tolist())
        assert {row["class"] for row in said["examples"]} <= set(CLASSES)

    @pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
    def test_pictures_are_drawn_by_their_suffix(self, here, suffix, start):
        arguments = (
            "attribute",
            "nets:build",
            "photos/frog.png",
            "--preset",
            "torch",
            "--method",
            "saliency",
        )
        done(*arguments, "-o", f"new/one.{suffix}")
        first = Path(f"new/one.{suffix}").read_bytes()
        assert first.startswith(start)
        done(*arguments, "-o", f"new/one.{suffix}")
        assert Path(f"new/one.{suffix}").read_bytes() == first

    def test_without_out_a_folder_that_is_not_used(self, here):
        arguments = (
            "attribute",
            "nets:build",
            "photos/frog.png",
            "--preset",
            "torch",
            "--method",
            "saliency",
        )
        assert done(*arguments).stdout.splitlines()[-1] == "explanation"
        assert done(*arguments).stdout.splitlines()[-1] == "explanation-2"
        assert Path("explanation-2/attribution.npz").exists()

    def test_a_torchscript_file(self, here):
        sys.path.insert(0, str(here))
        import nets

        torch.jit.trace(nets.build(), torch.zeros(1, 3, 16, 16)).save("model.pt")
        done(
            "attribute",
            "model.pt",
            "photos/frog.png",
            "--preset",
            "torch",
            "--method",
            "saliency",
            "-o",
            "a.npz",
        )
        done(
            "attribute",
            "nets:build",
            "photos/frog.png",
            "--preset",
            "torch",
            "--method",
            "saliency",
            "-o",
            "b.npz",
        )
        assert np.allclose(explain.load("a.npz").values, explain.load("b.npz").values, atol=1e-7)

    def test_a_seed_model_takes_a_picture_of_any_size(self, here):
        done("attribute", "zoo:cifar_net@torch", "photos/frog.png", "--method", "saliency", "-o", "a.npz")
        a = explain.load("a.npz")
        assert a.inputs.shape == (1, 3, 32, 32)
        assert np.abs(a.inputs).max() <= 1
        assert a.display.classes[3] == "cat"


class TestOtherInputs:
    def test_a_table_with_names(self, here):
        done(
            "attribute", "nets:table", "table.csv", "--method", "ig", "--option", "n_steps=20", "-o", "a.npz"
        )
        a = explain.load("a.npz")
        assert a.values.shape == (3, 4)
        assert a.display.feature_names == ("age", "weight", "height", "dose")
        rows = np.loadtxt("table.csv", delimiter=",", skiprows=1)
        assert np.allclose(a.inputs, rows, atol=1e-6)

    def test_arrays_and_their_axes(self, here):
        series = np.random.default_rng(1).normal(size=(2, 30, 2)).astype(np.float32)
        np.save("x.npy", series)
        done("attribute", "nets:Recurrent", "x.npy", "--layout", "NTC", "--method", "saliency", "-o", "a.npz")
        a = explain.load("a.npz")
        assert a.layout == "NTC"
        assert np.array_equal(a.inputs, series)

    def test_several_inputs_to_a_folder(self, here):
        rng = np.random.default_rng(2)
        left, right = rng.normal(size=(2, 4)).astype(np.float32), rng.normal(size=(2, 2)).astype(np.float32)
        np.savez("x.npz", left=left, right=right)
        refused = run("attribute", "nets:two", "x.npz", "--method", "ig", "-o", "a.npz")
        assert refused.exit_code == 2
        assert "give a folder" in refused.output
        done("attribute", "nets:two", "x.npz", "--method", "ig", "--option", "n_steps=8", "-o", "both")
        assert np.array_equal(explain.load("both/attribution-left.npz").inputs, left)
        assert np.array_equal(explain.load("both/attribution-right.npz").inputs, right)

    def test_standard_input(self, here):
        picture = Path("photos/frog.png").read_bytes()
        arguments = (
            "attribute",
            "nets:build",
            "-",
            "--preset",
            "torch",
            "--method",
            "saliency",
            "-o",
            "a.npz",
        )
        done(*arguments, input=picture)
        assert explain.load("a.npz").inputs.shape == (1, 3, 16, 16)

    def test_weights_with_a_factory(self, here):
        from safetensors.torch import save_file

        sys.path.insert(0, str(here))
        import nets

        model = nets.table()
        with torch.no_grad():
            model[0].weight.mul_(2)
        save_file(model.state_dict(), "weights.safetensors")
        done(
            "attribute", "weights.safetensors", "table.csv", "--factory", "nets:table", "--method", "saliency",
            "--target", 1, "-o", "a.npz",
        )  # fmt: skip
        x = explain.load("a.npz").inputs
        expected = explain.attribute(model, x, method="saliency", target=1)
        assert np.allclose(explain.load("a.npz").values, expected.values, atol=1e-7)


def test_json_is_one_object_and_writes_nothing(here):
    result = done("attribute", "nets:table", "table.csv", "--method", "ig", "--option", "n_steps=8", "--json")
    said = json.loads(result.stdout)
    assert said["files"] == []
    (row, *_) = said["results"]["attribution"]["examples"]
    assert row["score"] == pytest.approx(float(row["score"]))
    assert {"target", "class", "predicted", "delta", "relative_delta", "steps"} <= set(row)
    assert not Path("explanation").exists()


def test_json_has_no_number_that_json_cannot_write(here):
    ones = np.ones((2, 2), np.float32)
    shares = np.array([np.inf, 0.5])
    explain.Attribution(
        ones,
        ones,
        "NC",
        "ig",
        np.array([np.nan, 2.0]),
        target=(0, 1),
        delta=np.ones(2),
        relative_delta=shares,
    ).save("a.npz")

    def refused(constant):
        raise AssertionError(f"{constant} is not JSON")

    said = json.loads(done("show", "a.npz", "--json").stdout, parse_constant=refused)
    first, second = said["results"]["attribution"]["examples"]
    assert (first["score"], first["relative_delta"]) == (None, None)
    assert (second["score"], second["relative_delta"]) == (2.0, 0.5)
    assert "–" in done("show", "a.npz").stdout


def test_errors_as_json(here):
    result = run("attribute", "nets:table", "table.csv", "--method", "igg", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["type"] == "MethodError"


def test_layers_are_named_as_layer_takes_them(here):
    model = keras_model()
    table = json.loads(done("layers", "model.keras", "--json").stdout)
    names = [row["name"] for row in table["rows"]]
    assert names == [layer.name for layer in model.layers]
    assert "features" in done("layers", "model.keras").stdout
    done(
        "attribute",
        "model.keras",
        "photos/frog.png",
        "--method",
        "gradcam",
        "--layer",
        "features",
        "-o",
        "a.npz",
    )
    assert explain.load("a.npz").layer == "features"


def test_maximize(here):
    keras_model()
    done(
        "maximize", "model.keras", "--target", "dog", "--classes", "classes.txt", "--bounds", 0, 255, "--option",
        "n_steps=4", "--out", "ideal.npz",
    )  # fmt: skip
    m = explain.load("ideal.npz")
    assert m.target == (1,)
    assert m.history[-1] > m.history[0]
    assert m.values.min() >= 0
    assert m.values.max() <= 255


def test_show_and_compare(here):
    arguments = ("attribute", "nets:build", "photos", "--preset", "torch")
    done(*arguments, "--method", "saliency", "--target", 0, "-o", "a.npz")
    done(*arguments, "--method", "input_x_gradient", "--target", 0, "-o", "b.npz")
    shown = done("show", "a.npz", "--examples", "0,2", "-o", "two.svg")
    assert "a cat.png" in shown.stdout
    assert Path("two.svg").read_bytes().startswith(b"<?xml")
    compared = json.loads(done("compare", "a.npz", "b.npz", "--json", "-o", "pair.png").stdout)
    expected = explain.compare(explain.load("a.npz"), explain.load("b.npz"))
    assert compared["examples"]["pearson"] == pytest.approx(expected.pearson.tolist())
    assert Path("pair.png").read_bytes()[1:4] == b"PNG"


def test_old_options_go_on_working_and_name_what_replaces_them(here):
    np.save("x.npy", np.zeros((1, 3, 32, 32), np.float32))
    result = done(
        "attribute",
        "-m",
        "cifar_net",
        "-f",
        "tensorflow",
        "--method",
        "saliency",
        "--count",
        1,
        "-o",
        "a.npz",
    )
    assert "explain attribute zoo:cifar_net@tensorflow INPUT..." in result.stderr
    assert explain.load("a.npz").framework == "tensorflow"
    done("attribute", "-m", "cifar_net", "--input", "x.npy", "--method", "saliency", "-o", "b.npz")
    assert not explain.load("b.npz").inputs.any()


class TestWrongCalls:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("attribute",), "MODEL is missing"),
            (("attribute", "nets:table"), "INPUT is missing"),
            (("attribute", "nets:table", "none.csv"), "none.csv"),
            (("attribute", "none.keras", "table.csv"), "none.keras"),
            (("attribute", "nets:nothing", "table.csv"), "nets:nothing"),
            (("attribute", "nets:broken", "table.csv"), "no weights here"),
            (("attribute", "nets:table", "table.csv", "-o", "a.jpg"), "give a name that ends in .npz"),
            (("attribute", "nets:table", "table.csv", "-o", "photos"), "--overwrite"),
            (("attribute", "nets:table", "table.csv", "--target", "cat"), "classes"),
            (("attribute", "nets:table", "table.csv", "--classes", "none.txt"), "none.txt"),
            (("attribute", "nets:table", "table.csv", "--classes", "photos/frog.png"), "not text"),
            (("attribute", "nets:build", "photos", "--mean", "grey"), "--mean 'grey'"),
            (("attribute", "nets:build", "photos", "--size", "big"), "--size 'big'"),
            (("attribute", "nets:build", "photos", "--size", "24", "32"), "--size 224,192"),
            (("attribute", "nets:build", "photos", "--preset", "imagnet"), "imagenet"),
            (("attribute", "nets:table", "table.csv", "--framework", "troch"), "--framework troch"),
            (("attribute", "nets:table", "table.csv", "--option", "n_steps"), "NAME=VALUE"),
            (("show", "table.csv"), "table.csv"),
            (("show", "none.npz", "-o", "a.npz"), "picture"),
            (("maximize", "nets:table", "--target", "0", "--shape", "some"), "--shape 'some'"),
        ],
    )
    def test_each_is_one_sentence_and_writes_nothing(self, here, arguments, words):
        before = {path for path in here.rglob("*") if "__pycache__" not in path.parts}
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert words in result.stderr
        assert "Traceback" not in result.output
        assert sum(line.startswith("explain: ") for line in result.stderr.splitlines()) == 1
        assert {path for path in here.rglob("*") if "__pycache__" not in path.parts} == before

    @pytest.mark.parametrize("out", ["sealed", "sealed/a.png", "sealed/new/a.npz"])
    def test_a_folder_that_may_not_be_written_is_refused_before_the_model_runs(self, here, monkeypatch, out):
        Path("sealed").mkdir()
        # The permissions of a folder do not hold for root.
        monkeypatch.setattr(
            "explain.command_line.outputs.os.access",
            lambda path, mode: not (mode & os.W_OK and Path(path).name == "sealed"),
        )
        result = run("attribute", "nets:broken", "table.csv", "--out", out)
        assert result.exit_code == 2
        assert "nothing may be written in" in result.stderr

    def test_a_place_in_a_file_is_refused_before_the_model_runs(self, here):
        result = run("attribute", "nets:broken", "table.csv", "--out", "table.csv/a/b.png")
        assert result.exit_code == 2
        assert "table.csv is a file" in result.stderr

    def test_debug_shows_the_traceback(self, here):
        result = run("attribute", "nets:broken", "table.csv", "--debug")
        assert result.exit_code == 2
        assert "Traceback" in result.stderr
        assert "nets.py" in result.stderr

    def test_an_unexpected_error_has_a_status_of_its_own(self, here, monkeypatch):
        monkeypatch.setattr("explain.api.attribute", lambda *_, **__: 1 // 0)
        result = run("attribute", "nets:table", "table.csv")
        assert result.exit_code == 3
        assert "ZeroDivisionError" in result.stderr
        assert "--debug" in result.stderr

    def test_an_interrupt_is_no_traceback(self, here, monkeypatch):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("explain.api.attribute", interrupted)
        result = run("attribute", "nets:table", "table.csv", "-o", "results")
        assert result.exit_code == 130
        assert not Path("results").exists()

    def test_warnings_are_sentences_and_each_once(self, here):
        np.save("zeros.npy", np.zeros((2, 4), np.float32))
        result = done("attribute", "nets:table", "zeros.npy", "--method", "ig", "-o", "a.npz")
        warnings = [line for line in result.stderr.splitlines() if line.startswith("explain: warning: ")]
        assert warnings
        assert len(set(warnings)) == len(warnings)
        assert "Warning:" not in result.stderr


class TestSafety:
    def test_a_folder_is_written_whole_or_not_at_all(self, here, monkeypatch):
        def fail(*_, **__):
            raise OSError(28, "No space left on device", "maps")

        monkeypatch.setattr("explain.command_line.outputs.picture_of", fail)
        result = run(
            "attribute", "nets:build", "photos", "--preset", "torch", "--method", "saliency", "-o", "maps"
        )
        assert result.exit_code == 2
        assert "No space left" in result.stderr
        assert not Path("maps").exists()
        assert not [path for path in here.iterdir() if path.name.startswith(".")]

    def test_overwrite_keeps_other_files(self, here):
        Path("maps").mkdir()
        Path("maps/notes.txt").write_text("mine")
        arguments = (
            "attribute",
            "nets:build",
            "photos/frog.png",
            "--preset",
            "torch",
            "--method",
            "saliency",
        )
        done(*arguments, "-o", "maps", "--overwrite")
        assert Path("maps/notes.txt").read_text() == "mine"
        assert Path("maps/attribution.npz").exists()

    def test_names_never_lead_out_of_the_folder(self, here):
        table = {"../../outside": np.zeros((1, 4), np.float32), "right": np.zeros((1, 2), np.float32)}
        np.savez("x.npz", **table)
        result = run("attribute", "nets:two", "x.npz", "--method", "saliency", "-o", "both")
        assert not list(here.parent.glob("outside*"))
        assert not list(here.glob("outside*"))
        assert result.exit_code in (0, 2)

    def test_pickles_are_refused(self, here):
        torch.save(nn.Linear(4, 3), "whole.pt")
        result = run("attribute", "whole.pt", "table.csv", "-o", "a.npz")
        assert result.exit_code == 2
        assert "weights_only" not in result.output
        np.save("objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
        result = run("attribute", "nets:table", "objects.npy", "-o", "a.npz")
        assert result.exit_code == 2
        assert "allow_pickle" not in result.output


def test_every_command_has_examples_and_completes():
    for command in (
        "attribute",
        "layers",
        "maximize",
        "compare",
        "check-migration",
        "show",
        "gallery",
        "methods",
    ):
        said = done(command, "--help").output
        assert "Examples" in said
        assert f"explain {command}" in said
    environment = {
        "_EXPLAIN_COMPLETE": "complete_bash",
        "COMP_WORDS": "explain attribute --method grad_",
        "COMP_CWORD": "3",
    }
    completed = CliRunner().invoke(app, [], prog_name="explain", env=environment)
    assert "grad_cam" in completed.output
