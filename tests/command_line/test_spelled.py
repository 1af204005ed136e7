"""Sentences that speak of parameters in Python, in the words of a command line."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from typer.testing import CliRunner

import explain
from explain.command_line.main import app
from explain.command_line.spelled import as_options

NETS = """
import torch


class Heads(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x):
        return {"logits": self.head(x), "features": x * x}


def heads():
    return Heads().eval()


def head():
    return Heads().eval().head


class Plain:
    def __init__(self, net):
        self.net = net

    def __call__(self, x):
        return self.net(x)


def function():
    net = head()
    return lambda x: net(x)


def plain():
    return Plain(head())
"""


def options_of(name):
    (found,) = (one.callback for one in app.registered_commands if one.name == name)
    return inspect.signature(found).parameters


def run(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heads_of_mine.py").write_text(NETS)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    np.save("x.npy", x)
    return x


@pytest.mark.parametrize(
    ("command", "said", "spelled"),
    [
        ("attribute", "drop=['id'], or index='id'.", "--drop id, or --index id."),
        ("attribute", "drop=['id', 'label'].", "--drop id,label."),
        ("attribute", "target=[3, 5] or target=(2, 7)", "--target 3 --target 5 or --target 2,7"),
        ("attribute", "target='green frog' is", "--target 'green frog' is"),
        ("attribute", "divide_by=255 with mean= and std=.", "--divide-by 255 with --mean and --std."),
        ("attribute", "preprocessing='imagenet' (", "--preset imagenet ("),
        ("attribute", "output=None: the model", "--output: the model"),
        ("attribute", "display=explain.Display(classes=(...)); x", "--classes FILE; x"),
        ("attribute", "channels='first', series='who', series=True",
         "--channels-first, --series-by who, --series"),
        ("maximize", "bounds=(least, greatest), such as bounds=(0, 1)",
         "--bounds least greatest, such as --bounds 0 1"),
        # Code stays code, and so does what the command has no option for.
        ("attribute", "baseline=np.zeros(3), f(layout='NC'), forward_kwargs={'a': b}, a.layer='c'",
         "baseline=np.zeros(3), f(layout='NC'), forward_kwargs={'a': b}, a.layer='c'"),
        ("show", "drop=['id'], method='ig'", "drop=['id'], method='ig'"),
    ],
)  # fmt: skip
def test_keywords_are_options_of_the_command(command, said, spelled):
    assert as_options(said, options_of(command)) == spelled


def test_the_output_that_a_message_asks_for_is_taken(here):
    refused = run("attribute", "heads_of_mine:heads", "x.npy")
    assert refused.exit_code == 2
    assert "--output: the model returns 2 outputs" in refused.stderr
    for name in ("logits", "0"):
        arguments = ("--output", name, "--target", 1, "--method", "saliency", "-o", f"{name}.npz")
        assert run("attribute", "heads_of_mine:heads", "x.npy", *arguments).exit_code == 0
        # The gradient of a linear score is its row of weights.
        import heads_of_mine

        weight = heads_of_mine.head().weight[1].detach().numpy()
        np.testing.assert_allclose(explain.load(f"{name}.npz").values, np.stack([weight] * 2), atol=1e-6)


@pytest.mark.parametrize("name", ["function", "plain"])
def test_a_function_of_arrays_is_explained_with_the_framework_that_its_message_asks_for(here, name):
    refused = run("attribute", f"heads_of_mine:{name}", "x.npy")
    assert refused.exit_code == 2
    assert "--framework" in refused.stderr
    arguments = (
        "--framework",
        "torch",
        "--method",
        "saliency",
        "--score",
        "output",
        "--target",
        1,
        "-o",
        "a.npz",
    )
    done = run("attribute", f"heads_of_mine:{name}", "x.npy", *arguments)
    assert done.exit_code == 0, done.stderr


def test_a_file_of_too_few_names_of_classes_is_no_silent_shift(here, tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    arguments = ("--classes", "classes.txt", "--method", "saliency", "-o", "a.npz")
    done = run("attribute", "heads_of_mine:head", "x.npy", *arguments)
    assert done.exit_code == 0
    assert "2 names, but the model has 3 outputs" in done.stderr
    assert "--classes FILE" in done.stderr
    assert explain.load("a.npz").display.classes == ()


def test_methods_are_readable_in_a_narrow_terminal():
    said = run("methods").stdout
    lines = said.splitlines()
    assert len(lines) < 12 * len(explain.methods())
    assert any(line.startswith("integrated_gradients (") for line in lines)
