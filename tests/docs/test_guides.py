"""The guides run as they are written, the table of methods is the catalogue's, and links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from docs.pages import blocks_of, tabs_of

import explain

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), REPOSITORY / "CHANGELOG.md"]
# Keras runs on one framework in a process.
IN_A_PROCESS_OF_ITS_OWN = {"docs/guides/jax.md": {"KERAS_BACKEND": "jax"}}
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def name_of(page):
    return str(page.relative_to(REPOSITORY))


def text_of(page):
    return page.read_text(encoding="utf-8")


# A page with tabs is run once for each, as its readers do.
READ = [(page, tab) for page in PAGES if blocks_of(text_of(page)) for tab in tabs_of(text_of(page))]


@pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")
@pytest.mark.parametrize(
    ("page", "tab"), READ, ids=[f"{name_of(page)}-{tab}" if tab else name_of(page) for page, tab in READ]
)
def test_python_blocks_run_in_order(page, tab, tmp_path, monkeypatch, capsys):
    if name_of(page) in IN_A_PROCESS_OF_ITS_OWN:
        return run_in_a_process_of_its_own(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    # A module of its own, so that classes and functions of the page know where they live.
    module = types.ModuleType(f"page_{page.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks_of(text_of(page), tab):
        exec(compile(block, str(page), "exec"), module.__dict__)
    return None


def run_in_a_process_of_its_own(page, folder):
    warnings = "import warnings, explain\nwarnings.simplefilter('error', explain.errors.ExplainWarning)\n"
    ran = subprocess.run(
        [sys.executable, "-c", warnings + "\n".join(blocks_of(text_of(page)))],
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
    assert all(blocks_of(text_of(guide)) for guide in guides)


def test_every_tutorial_is_run_in_both_frameworks():
    tutorials = sorted(set((DOCS / "tutorials").glob("*.md")) - {DOCS / "tutorials" / "index.md"})
    assert {page.stem for page in tutorials} == set(explain.zoo.names())
    assert all(tabs_of(text_of(page)) == ["PyTorch", "TensorFlow"] for page in tutorials)


def test_blocks_of_a_tab_and_of_all():
    page = """
```python
first
```

=== "PyTorch"

    ```python
    of_torch
    ```

=== "TensorFlow"

    ```sh
    not python
    ```

    ```python
    if of_tensorflow:
        pass
    ```

```python
last
```
"""
    assert tabs_of(page) == ["PyTorch", "TensorFlow"]
    assert [block.strip() for block in blocks_of(page, "PyTorch")] == ["first", "of_torch", "last"]
    others = blocks_of(page, "TensorFlow")
    assert [block.strip() for block in others] == ["first", "if of_tensorflow:\n    pass", "last"]
    assert page.splitlines()[others[1].count("\n") - 2].strip() == "if of_tensorflow:"
    assert tabs_of("no code") == [None]


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
    for target in LINK.findall(text_of(page)):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"
