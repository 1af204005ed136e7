"""The commands of the guide, as it has them, on a user's own models and files."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from own_files import write_own_files
from typer.testing import CliRunner

from explain.command_line.main import app

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "command-line.md").read_text(encoding="utf-8")
LINES = [
    line.split(" #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with what the guide names, in which its lines run one after the other."""
    return write_own_files(tmp_path_factory.mktemp("guide"))


def test_the_lines_run_one_after_the_other(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for line in LINES:
        command, *arguments = shlex.split(line)
        assert command == "explain"
        # The shell would put the names of files in the place of a pattern; the command does so too.
        result = CliRunner().invoke(app, arguments)
        sys.modules.pop("nets", None)
        assert result.exit_code == 0, f"{line}: {result.output}"
        if "--out" in arguments:
            assert Path(arguments[arguments.index("--out") + 1]).exists()


def test_the_error_stream_has_no_log_lines_of_a_framework(folder):
    done = subprocess.run(
        [sys.executable, "-c", "from explain.command_line.main import app; app()", "layers", "model.keras"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "conv2d" in done.stdout
    assert done.stderr == ""
