"""The guides run as they are written, the table of methods is the catalogue's, and links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import explain

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), REPOSITORY / "CHANGELOG.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Keras runs on one framework in a process.
IN_A_PROCESS_OF_ITS_OWN = {"docs/guides/jax.md": {"KERAS_BACKEND": "jax"}}
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def name_of(page):
    return str(page.relative_to(REPOSITORY))


def blocks_of(page):
    """The Python blocks of a page, each after as many line ends as put its lines where the page has them."""
    text = page.read_text(encoding="utf-8")
    return ["\n" * text.count("\n", 0, match.start(1)) + match.group(1) for match in BLOCK.finditer(text)]


@pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)], ids=name_of)
def test_python_blocks_run_in_order(page, tmp_path, monkeypatch, capsys):
    if name_of(page) in IN_A_PROCESS_OF_ITS_OWN:
        return run_in_a_process_of_its_own(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    # A module of its own, so that classes and functions of the page know where they live.
    module = types.ModuleType(f"page_{page.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks_of(page):
        exec(compile(block, str(page), "exec"), module.__dict__)
    return None


def run_in_a_process_of_its_own(page, folder):
    warnings = "import warnings, explain\nwarnings.simplefilter('error', explain.errors.ExplainWarning)\n"
    ran = subprocess.run(
        [sys.executable, "-c", warnings + "\n".join(blocks_of(page))],
        env={**os.environ, **IN_A_PROCESS_OF_ITS_OWN[name_of(page)]},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]


def test_every_guide_has_something_to_run():
    guides = sorted((DOCS / "guides").glob("*.md"))
    assert len(guides) >= 4
    assert all(blocks_of(guide) for guide in guides)


def test_table_of_methods_is_the_catalogues():
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in (DOCS / "conventions" / "methods.md")
        .read_text(encoding="utf-8")
        .split("\n## ")[1]
        .splitlines()
        if line.startswith("| `")
    ]
    found = {cells[0].strip("`"): cells[1:] for cells in rows}
    for row in explain.methods():
        aliases, family, needs, options, baseline, engines, paper = found[row.name]
        assert aliases == ", ".join(f"`{alias}`" for alias in row.aliases)
        assert family == row.family
        assert needs == ", ".join(f"`{need}`" for need in sorted(row.needs))
        assert options == (", ".join(f"`{one.name}={one.default!r}`" for one in row.options) or "–")
        assert baseline == ("yes" if row.uses_baseline else "–")
        assert engines == (", ".join(f"`{engine}`" for engine in row.reference_engines) or "–")
        assert re.sub(r"\[(.+?)\]\(.+?\)", r"\1", paper) == row.paper


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"
