"""The command line, through typer's own runner."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import explain
from explain.command_line.main import app


def run(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    for framework in ("torch", "tensorflow"):
        result = run(
            "attribute", f"zoo:cifar_net@{framework}", "--method", "saliency", "--target", 3,
            "--count", 2, "-o", folder / f"{framework}.npz",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
    return folder


def test_starting_up_waits_for_no_framework():
    code = (
        "import explain.command_line.main, sys;"
        "print({'torch', 'tensorflow', 'keras', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_version():
    result = run("--version")
    assert result.exit_code == 0
    assert explain.__version__ in result.output


def test_every_command_has_its_help():
    result = run("--help")
    for command in ("gallery", "methods", "models", "attribute", "compare", "show"):
        assert command in result.output
        assert run(command, "--help").exit_code == 0


def test_methods_as_a_table_and_as_json():
    assert "saliency" in run("methods").output
    rows = json.loads(run("methods", "--json").output)
    assert [row["name"] for row in rows] == [row.name for row in explain.methods()]
    (integrated,) = (row for row in rows if row["name"] == "integrated_gradients")
    defaults = {option["name"]: option["default"] for option in integrated["options"]}
    assert defaults == {"n_steps": "auto", "rule": None, "tolerance": 0.02, "max_steps": 405, "nodes": None}
    assert all(set(option) == {"name", "default", "expects", "summary"} for option in integrated["options"])


def test_models():
    result = run("models")
    assert result.exit_code == 0
    for name in explain.zoo.names():
        assert name in result.output
    assert "%" in result.output


def test_attribute_keeps_the_result(saved):
    a = explain.load(saved / "torch.npz")
    assert a.values.shape == (2, 3, 32, 32)
    assert a.target == (3, 3)
    assert a.display.classes[3] == "cat"


def test_attribute_draws_names_and_takes_options(tmp_path):
    result = run(
        "attribute", "zoo:names_rnn@torch", "--method", "ig", "--option", "n_steps=3",
        "--option", "rule=midpoint", "--score", "log_probability", "--count", 2, "-o", tmp_path / "names.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "names.png") as picture:
        picture.verify()


@pytest.fixture
def integrated(tmp_path):
    """Integrate one picture with the options given, through the command, and load what it saved."""

    def explained(*arguments):
        path = tmp_path / "a.npz"
        result = run(
            "attribute", "zoo:cifar_net@torch", "--method", "ig", "--count", 2, "-o", path, *arguments
        )
        assert result.exit_code == 0, result.output
        return explain.load(path)

    return explained


def test_steps_to_a_tolerance(integrated):
    a = integrated(
        "--option", "n_steps=auto", "--option", "tolerance=0.2", "--option", "max_steps=135", "--batch-size", 8
    )  # fmt: skip
    assert a.options == {"n_steps": "auto", "rule": None, "tolerance": 0.2, "max_steps": 135, "nodes": None}
    assert a.rule == "golden"
    assert (a.map_error <= 0.2).all()
    assert a.steps.max() <= 135
    assert (a.map_error <= 0.2).all()
    assert a.batch_size == 8


def test_steps_and_rule_as_asked_for(integrated):
    a = integrated("--option", "n_steps=20", "--option", "rule=trapezoid", "--memory-budget", 500_000_000)
    assert a.steps.tolist() == [20, 20]
    assert a.rule == "trapezoid"
    each = integrated("--option", "n_steps=[5, 15]", "--option", "rule=null")
    assert each.steps.tolist() == [5, 15]
    assert each.rule == "gauss_legendre"


def test_attribute_takes_an_input(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 32, 32), np.float32))
    result = run(
        "attribute", "zoo:cifar_net@torch", "--method", "saliency", tmp_path / "x.npy",
        "-o", tmp_path / "a.npz",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert not explain.load(tmp_path / "a.npz").inputs.any()


def test_compare_prints_the_table(saved):
    result = run("compare", saved / "torch.npz", saved / "tensorflow.npz")
    assert result.exit_code == 0
    assert "relative L2" in result.output
    assert "PyTorch | TensorFlow" in result.output


def test_show_draws(saved, tmp_path):
    result = run("show", saved / "torch.npz", "-o", tmp_path / "new" / "a.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "new" / "a.png").read_bytes()[1:4] == b"PNG"


def test_gallery_of_one_model_and_method(tmp_path):
    result = run("gallery", "-o", tmp_path, "-m", "cifar_net", "--method", "gradient")
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {
        *("index.html", "parity.html", "cifar_net.html", "cifar_net")
    }
    assert f"open it now, the rest follows: {tmp_path}" in "".join(result.output.split("\n"))
    assert result.output.rstrip().endswith("index.html")


def test_different_questions_are_not_compared(saved, tmp_path):
    a = explain.load(saved / "torch.npz")
    other = tmp_path / "other.npz"
    explain.Attribution(a.values, a.inputs, a.layout, a.method, a.scores, target=(5, 5), score=a.score).save(
        other
    )
    result = run("compare", saved / "torch.npz", other)
    assert result.exit_code == 2
    assert "targets" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("attribute", "zoo:cifar_nte@torch", "-o", "a.npz"), "Did you mean 'cifar_net'?"),
        (("attribute", "zoo:cifar_net@jax", "-o", "a.npz"), "--framework jax"),
        (("attribute", "zoo:cifar_net@torch", "--method", "igg", "-o", "a.npz"), "Did you mean 'ig'?"),
        (("attribute", "zoo:cifar_net@torch", "--target", "10", "-o", "a.npz"), "10"),
        (("attribute", "zoo:cifar_net@torch", "-o", "a.jpg"), "give a name that ends in .npz"),
        (("attribute", "zoo:cifar_net@torch", "-o", "a.npz", "--option", "n_steps"), "not NAME=VALUE"),
        (("attribute", "zoo:cifar_net@torch", "-o", "a.npz", "--option", "n_steps=0"), "n_steps=0"),
        (("attribute", "zoo:cifar_net@torch", "-o", "a.npz", "--option", "n_steps=some"), "n_steps='some'"),
        (("attribute", "zoo:cifar_net@torch", "-o", "a.npz", "--option", "tolerance=0"), "tolerance=0"),
        (("attribute", "zoo:cifar_net@torch", "-o", "a.npz", "--option", "rule=simpson"), "rule='simpson'"),
        (("attribute", "zoo:cifar_net@torch", "-o", "a.npz", "--batch-size", "0"), "--batch-size 0"),
        (
            ("attribute", "zoo:cifar_net@torch", "-o", "a.npz", "--memory-budget", "1"),
            "--memory-budget 1 bytes are too few",
        ),
        (("attribute", "zoo:cifar_net@torch", "none.npy", "-o", "a.npz"), "none.npy"),
        (("compare", "none.npz", "none.npz"), "none.npz"),
        (("show", "none.npz", "-o", "a.jpg"), "does not end in .png"),
        (("gallery", "-m", "nothing"), "name='nothing'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output
    assert sum(line.startswith("explain: ") for line in result.output.splitlines()) == 1
    assert not any(tmp_path.iterdir())


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    result = run("attribute", "zoo:cifar_net@torch", tmp_path / "x.npy", "-o", tmp_path / "a.npz")
    assert result.exit_code == 2
    assert "numpy.save" in result.output
