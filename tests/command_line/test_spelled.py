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


class StepsFirst(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.rnn = torch.nn.GRU(3, 5)
        self.head = torch.nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[1][-1])


def steps_first():
    return StepsFirst().eval()


def sound():
    torch.manual_seed(2)
    return torch.nn.Sequential(
        torch.nn.Conv1d(1, 2, 9, stride=4), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(2 * 23, 2)
    ).eval()


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


def gradient(model, x, target):
    """The plain gradient of an output."""
    import torch

    x = torch.tensor(x, requires_grad=True)
    return torch.autograd.grad(model(x)[:, target].sum(), x)[0].numpy()


def test_a_series_for_a_model_with_the_steps_first_has_its_axes_moved(here):
    """Named only, each step would be an example."""
    series = np.random.default_rng(1).normal(size=(2, 7, 3)).round(3).astype(np.float32)
    for number, one in enumerate(series):
        np.savetxt(f"s{number}.csv", one, delimiter=",", header="x,y,z", comments="", fmt="%.3f")
    files = ("s0.csv", "s1.csv")
    arguments = ("--series", "--layout", "TNC", "--target", 1, "--method", "saliency", "-o", "a.npz")
    done = run("attribute", "heads_of_mine:steps_first", *files, *arguments)
    assert done.exit_code == 0, done.stderr
    import heads_of_mine

    found = explain.load("a.npz")
    wanted = gradient(heads_of_mine.steps_first(), series.transpose(1, 0, 2), 1)
    np.testing.assert_allclose(found.values, wanted, atol=1e-6)
    assert found.layout == "TNC"
    assert len(found) == 2


def test_a_sound_of_one_channel_gets_the_axis_that_its_message_names(here):
    import soundfile

    for name in ("one.wav", "two.wav"):
        soundfile.write(name, np.sin(np.arange(100) / 9), 8000)
    for files in (("one.wav",), ("one.wav", "two.wav")):
        refused = run("attribute", "heads_of_mine:sound", *files)
        assert "(of sounds: --layout NCT)" in refused.stderr
        arguments = ("--layout", "NCT", "--target", 1, "--method", "saliency", "-o", "a.npz")
        assert run("attribute", "heads_of_mine:sound", *files, *arguments).exit_code == 0
        found = explain.load("a.npz")
        import heads_of_mine

        np.testing.assert_allclose(found.values, gradient(heads_of_mine.sound(), found.inputs, 1), atol=1e-6)
        assert found.values.shape == (len(files), 1, 100)
