"""The README's code and commands, as they are written."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from own_files import write_own_files
from torch import nn
from typer.testing import CliRunner

import explain
from explain.command_line.main import app

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = [
    line.split(" #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture
def own_files(tmp_path):
    return write_own_files(tmp_path)


def test_the_picture_is_made_by_the_lines_below_it(tmp_path, monkeypatch):
    assert len(PYTHON[0].splitlines()) == 5
    monkeypatch.chdir(tmp_path)
    exec(compile(PYTHON[0], "README.md", "exec"), {})
    made = matplotlib.image.imread(tmp_path / "readme.png")
    shown = matplotlib.image.imread(REPOSITORY / "docs" / "images" / "readme.png")
    assert made.shape == shown.shape
    # Colours are bytes; a last bit of a map may move one by a step on another processor.
    assert np.mean(np.abs(made - shown) > 0.02) < 1e-3


def test_the_lines_for_a_users_own_model_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 5, stride=3), nn.Tanh(), nn.Flatten(), nn.Linear(400, 5))
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    names = {"model": model, "x": x, "b": explain.attribute(model, x, "saliency")}
    exec(compile(PYTHON[1], "README.md", "exec"), names)
    assert names["a"].values.shape == x.shape
    assert names["m"].values.shape == (1, 3, 32, 32)
    assert np.array_equal(explain.load("a.npz").values, names["a"].values)


def test_the_lines_for_files_on_disk_run(own_files, monkeypatch):
    monkeypatch.chdir(own_files)
    names = {"explain": explain}
    exec(compile(PYTHON[2], "README.md", "exec"), names)
    assert names["a"].target == (0, 0)
    assert names["a"].display.example_names == ("one.png", "two.png")


@pytest.mark.parametrize("target", ["gallery", "test", "install"])
def test_every_make_command_is_a_target(target):
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)


def test_ci_runs_the_readmes_test_command():
    assert "make test" in SHELL
    assert "make test" in (REPOSITORY / ".ci" / "run").read_text()


@pytest.mark.parametrize(
    "command", [line for line in SHELL if line.startswith("explain ") and "gallery" not in line]
)
def test_commands_run_as_written(command, own_files, monkeypatch):
    monkeypatch.chdir(own_files)
    monkeypatch.setattr(sys, "path", list(sys.path))
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output


def test_every_link_leads_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("http") or (REPOSITORY / link).exists(), link
