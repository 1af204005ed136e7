"""The notebooks run, and show what is stored in them.

``make notebooks`` runs them and stores what they show: texts and pictures, without times.
"""

from __future__ import annotations

import copy
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from explain.files.atomic_write import replace_file

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))
# A log line of TensorFlow's libraries, with the time, and what is said before the first.
_CHATTER = re.compile(r"[IWE]\d{4} |WARNING: All log messages before absl|$")
LARGEST_BYTES = 500_000  # of a notebook with its pictures


def executed(path, folder):
    """A notebook with the outputs of this run, and nothing that differs from one run to the next."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if not _is_passing(one)]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _is_passing(output):
    """Whether an output is TensorFlow's chatter at its start, or the empty place of a slow machine's progress bar."""
    if output.output_type == "stream" and output.name == "stderr":
        return all(_CHATTER.match(line) for line in output.text.splitlines())
    return output.get("data", {}).get("text/plain") == ""


def texts_of(notebook):
    """What each cell writes: lines, and the text beside each picture."""
    return [
        [
            output.text if output.output_type == "stream" else output.data["text/plain"]
            for output in cell.outputs
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_shows_what_is_stored(path, tmp_path):
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(copy.deepcopy(stored))
    assert texts_of(executed(path, tmp_path)) == texts_of(stored)
    pictures = [
        one for cell in stored.cells for one in cell.get("outputs", ()) if "image/png" in one.get("data", ())
    ]
    assert pictures
    assert path.stat().st_size < LARGEST_BYTES


def test_one_notebook_compares_the_frameworks():
    sources = {path.stem: path.read_text(encoding="utf-8") for path in NOTEBOOKS}
    assert set(sources) == {"first-look", "twins"}
    assert all(name in sources["twins"] for name in ('\\"torch\\"', '\\"tensorflow\\"'))


if __name__ == "__main__":
    import tempfile

    for each in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as empty:
            replace_file(each, nbformat.writes(executed(each, empty)).encode())
        print(each)
