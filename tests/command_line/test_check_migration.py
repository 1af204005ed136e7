"""The command `explain check-migration`: the models it takes, what it writes, the statuses it leaves with."""

from __future__ import annotations

import io
import json
import pickle
import sys
import textwrap
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import explain
from explain.command_line.main import app
from explain.errors import UnsupportedModelError
from explain.migration.report import Divergence, MigrationReport, Row, Tolerances, load_report
from explain.models.opening import opened_model


def run(*arguments):
    return CliRunner().invoke(app, ["check-migration", *(str(one) for one in arguments)])


def report(passed):
    row = Row("layers", "conv1", "conv2d", 1e-7 if passed else 0.3, 1e-4, passed)
    parted = None if passed else Divergence("conv1", "conv2d", 0.3, 0.0)
    cause = None if passed else "padding"
    return MigrationReport("A (PyTorch)", "B ∞ (TensorFlow)", passed, parted, cause, "", "", (row,), 20)


@pytest.fixture
def checked(monkeypatch):
    """Stand in for the check: gives the report that is asked for, and keeps what it was called with."""
    calls = []

    def stand_in(*models, **options):
        calls.append((models, options))
        return report(stand_in.passed)

    stand_in.passed, stand_in.calls = True, calls
    monkeypatch.setattr("explain.migration.check.check_migration", stand_in)
    return stand_in


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the user's own, with inputs and a module that builds models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    np.save("x.npy", np.ones((2, 3, 32, 32), np.float32))
    Path("my_nets.py").write_text(
        textwrap.dedent(
            """
            import explain

            def build():
                return explain.zoo.load("cifar_net", "torch")

            class Nets:
                made = build()

            def broken():
                raise RuntimeError("no weights here")

            def refused():
                explain.zoo.load("nothing", "torch")

            number = 3
            """
        )
    )
    Path("my_broken.py").write_text("import a_module_that_is_not_there\n")
    yield tmp_path
    for name in ("my_nets", "my_broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("passed", "status"), [(True, 0), (False, 1)])
def test_the_table_is_printed_and_the_status_is_the_verdict(checked, passed, status):
    checked.passed = passed
    result = run("cifar_net@torch", "cifar_net@tensorflow")
    assert result.exit_code == status
    assert result.output == f"{report(passed)}\n"


def test_seed_models_bring_their_samples(checked):
    assert run("cifar_net@tensorflow", "cifar_net@torch").exit_code == 0
    (((a, b, x, x_b), options),) = checked.calls
    samples = explain.zoo.samples("cifar_net", "tensorflow")
    np.testing.assert_array_equal(x, samples.x)
    assert x_b is None
    assert type(a).__module__.startswith("keras")
    assert type(b).__module__.startswith("torch")
    assert options["display"].classes == samples.display.classes
    assert options["display"].mean == samples.display.mean
    assert {name: options[name] for name in ("methods", "target", "layout", "layout_b", "batch_size", "seed")} == {
        "methods": None, "target": None, "layout": None, "layout_b": None, "batch_size": None, "seed": 0,
    }  # fmt: skip
    assert options["tolerances"] == {}


def test_every_option_reaches_the_check(checked, here):
    np.save("y.npy", np.zeros((2, 32, 32, 3), np.float32))
    result = run(
        "my_nets:build", "cifar_net@tensorflow", "--inputs", "x.npy", "--inputs-b", "y.npy", "--method", "saliency",
        "--method", "ig", "--target", 3, "--tolerance", "outputs=1e-3", "--tolerance", "layers=0.5", "--layout", "NCHW",
        "--layout-b", "NHWC", "--batch-size", 4, "--seed", 7,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    (((_, _, x, x_b), options),) = checked.calls
    assert x.shape == (2, 3, 32, 32)
    assert x_b.shape == (2, 32, 32, 3)
    assert options == {
        "methods": ["saliency", "ig"],
        "target": 3,
        "layout": "NCHW",
        "layout_b": "NHWC",
        "tolerances": {"outputs": 1e-3, "layers": 0.5},
        "batch_size": 4,
        "seed": 7,
        "display": explain.Display(),
        "progress": None,
    }


@pytest.mark.parametrize("passed", [True, False])
def test_files_are_written_whatever_the_verdict(checked, passed, tmp_path):
    checked.passed = passed
    json_file, page = tmp_path / "new" / "report.json", tmp_path / "new" / "report.html"
    result = run("cifar_net@torch", "cifar_net@torch", "--json", json_file, "--html", page)
    assert result.exit_code == (0 if passed else 1)
    assert load_report(json_file) == report(passed)
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert f"written: {page}" in result.output


def test_the_real_check_of_twins_passes(tmp_path):
    result = run(
        "cifar_net@torch", "cifar_net@tensorflow", "--method", "saliency", "--json", tmp_path / "report.json",
        "--html", tmp_path / "report.html",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = load_report(tmp_path / "report.json")
    assert found.passed
    assert {row.stage for row in found.rows} == {"outputs", "classes", "layers", "attributions"}
    assert "data:image/png" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_real_check_of_two_networks_does_not_pass(here):
    Path("my_nets.py").write_text(
        textwrap.dedent(
            """
            import explain

            def other():
                model = explain.zoo.load("cifar_net", "tensorflow")
                kernel, bias = model.get_layer("conv2").get_weights()
                model.get_layer("conv2").set_weights([0.5 * kernel, bias])
                return model
            """
        )
    )
    result = run("cifar_net@torch", "my_nets:other", "--method", "saliency")
    assert result.exit_code == 1, result.output
    assert "First divergence: conv2. " in result.output
    again = run("cifar_net@torch", "my_nets:other", "--method", "saliency", "--tolerance", "outputs=9",
                "--tolerance", "layers=9", "--tolerance", "classes=1", "--tolerance", "attributions=9")  # fmt: skip
    assert again.exit_code == 0, again.output


class TestModels:
    def test_a_function_a_class_and_a_model_that_is_there(self, here):
        for name in ("my_nets:build", "my_nets:Nets.made"):
            assert type(opened_model(name).model).__name__ == "Sequential"
        assert opened_model("my_nets:build").seed_model == ""

    def test_a_keras_file(self, here):
        import keras

        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.save("net.keras")
        x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
        np.testing.assert_array_equal(opened_model("net.keras").model(x), model(x))

    def test_a_torchscript_file(self, here):
        import torch

        model = torch.nn.Sequential(torch.nn.Linear(4, 3)).eval()
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            torch.jit.save(torch.jit.script(model), "net.pt")
        x = torch.ones(2, 4)
        loaded = opened_model("net.pt").model
        assert not loaded.training
        torch.testing.assert_close(loaded(x), model(x))

    def test_both_kinds_of_file_are_checked_against_each_other(self, here):
        import keras
        import torch

        linear = torch.nn.Sequential(torch.nn.Linear(4, 3)).eval()
        dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        dense.set_weights([linear[0].weight.detach().numpy().T, linear[0].bias.detach().numpy()])
        dense.save("net.keras")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            torch.jit.save(torch.jit.script(linear), "net.ts")
        np.save("table.npy", np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))
        result = run("net.ts", "net.keras", "--inputs", "table.npy", "--layout", "NC", "--method", "saliency")
        assert result.exit_code == 0, result.output
        assert "Saliency" in result.output
        assert "not compared" not in result.output


class Harmful:
    """Would leave a file behind, were it unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("harm"),)


class TestNothingOfAFileIsRun:
    def refuse(self, name, words):
        with pytest.raises(UnsupportedModelError, match=words):
            opened_model(name)
        assert not Path("harm").exists()
        result = run(name, name, "--inputs", "x.npy")
        assert result.exit_code == 2
        assert not Path("harm").exists()

    @pytest.mark.parametrize("name", ["net.pt", "net.ts"])
    def test_a_pickle_of_pytorch(self, here, name):
        import torch

        torch.save(Harmful(), name)
        self.refuse(name, "a file of torch.save.*would run code")

    def test_a_torchscript_archive_with_a_pickle_in_it(self, here):
        import torch

        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            stream = io.BytesIO()
            torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), stream)
        with zipfile.ZipFile(stream) as good, zipfile.ZipFile("net.pt", "w") as bad:
            for entry in good.namelist():
                harmful = entry.endswith("data.pkl")
                bad.writestr(entry, pickle.dumps(Harmful(), protocol=2) if harmful else good.read(entry))
        self.refuse("net.pt", "not a readable TorchScript file")

    def test_a_lambda_of_keras(self, here):
        import keras

        keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)]).save("net.keras")
        self.refuse("net.keras", "safe mode")

    @pytest.mark.parametrize("name", ["net.pt", "net.keras"])
    def test_a_file_that_is_none(self, here, name):
        Path(name).write_bytes(b"none")
        self.refuse(name, name)

    @pytest.mark.parametrize(
        "name", ["net.pt2", "net.pth", "net.pkl", "net.h5", "net.safetensors", "net.onnx"]
    )
    def test_other_kinds_are_not_opened(self, here, name):
        Path(name).write_bytes(pickle.dumps(Harmful()))
        self.refuse(name, "is a pickle, and reading one runs code")


WRONG = {
    "no such file": (("net.pt", "net.pt", "--inputs", "x.npy"), "There is no file net.pt"),
    "a seed model without a framework": (("cifar_net", "cifar_net@torch"), "give zoo:cifar_net@torch or"),
    "no such seed model": (("cifar_nte@torch", "cifar_net@torch"), "Did you mean 'cifar_net'?"),
    "no such framework": (("cifar_net@jax", "cifar_net@torch"), "framework='jax'"),
    "nothing": (("net", "cifar_net@torch"), "'net' names no model, and no file of this name exists"),
    "no module": (
        ("no_such_module:build", "x:y"),
        "no_such_module:build cannot be imported (ModuleNotFoundError",
    ),
    "a module that fails": (("my_broken:build", "x:y"), "a_module_that_is_not_there"),
    "no function": (("my_nets:no", "x:y"), "my_nets:no cannot be imported (AttributeError"),
    "half a name": (("my_nets:", "x:y"), "my_nets: names no function"),
    "no callable": (("my_nets:number", "x:y"), "my_nets:number is a int, which builds no model"),
    "a function that fails": (
        ("my_nets:broken", "x:y"),
        "my_nets:broken raised RuntimeError while it built the model",
    ),
    "a function that fails in explain": (("my_nets:refused", "x:y"), "name='nothing'"),
    "no inputs": (("my_nets:build", "cifar_net@torch"), "INPUT is missing"),
    "no such inputs": (("my_nets:build", "cifar_net@torch", "--inputs", "none.npy"), "none.npy"),
    "no such second inputs": (("cifar_net@torch", "cifar_net@torch", "--inputs-b", "none.npy"), "none.npy"),
    "no tolerance": (
        ("cifar_net@torch", "cifar_net@torch", "--tolerance", "layers"),
        "--tolerance layers is not",
    ),
    "no number": (("cifar_net@torch", "cifar_net@torch", "--tolerance", "layers=low"), "layers=low is not"),
    "no stage": (
        ("cifar_net@torch", "cifar_net@torch", "--tolerance", "weights=1"),
        "tolerances has 'weights'",
    ),
    "no method": (("cifar_net@torch", "cifar_net@torch", "--method", "igg"), "Did you mean 'ig'?"),
    "a folder as a file": (
        ("cifar_net@torch", "cifar_net@torch", "--method", "saliency", "--json", "."),
        "explain: ",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_one_line(here, arguments, words):
    before = set(here.iterdir())
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output
    assert sum(line.startswith("explain: ") for line in result.output.splitlines()) == 1
    assert {one for one in here.iterdir() if one.name != "__pycache__"} == before


def test_an_error_that_nobody_foresaw_is_no_verdict(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("explain.migration.check.check_migration", fail)
    result = run("cifar_net@torch", "cifar_net@torch")
    assert result.exit_code == 3
    assert "ZeroDivisionError: a fault of ours" in result.output


def test_a_terminal_without_the_signs_is_no_reason_to_fail(checked, monkeypatch):
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding="latin-1", errors="strict"))
    app(["check-migration", "cifar_net@torch", "cifar_net@torch"], standalone_mode=False)
    sys.stdout.flush()
    assert stream.getvalue().startswith(b"Passed: A (PyTorch) and B ? (TensorFlow) agree")


def test_pickled_inputs_are_refused(here):
    np.save("bad.npy", np.array([Harmful()], object), allow_pickle=True)
    result = run("my_nets:build", "my_nets:build", "--inputs", "bad.npy")
    assert result.exit_code == 2
    assert not Path("harm").exists()


def test_the_json_is_for_every_tool(checked, tmp_path):
    run("cifar_net@torch", "cifar_net@torch", "--json", tmp_path / "report.json")
    plain = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert plain["passed"] is True
    assert plain["tolerances"]["layers"] == Tolerances().layers
