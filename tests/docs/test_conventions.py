"""The conventions: their table is the catalogue's, they are short, and each family has its page.

The table, docs/conventions/methods.md, is written anew by ``python tests/docs/test_conventions.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import explain

DOCS = Path(__file__).parents[2] / "docs"
FIRST = DOCS / "conventions.md"
TABLE = DOCS / "conventions" / "methods.md"
# A table too, whose rows tests/metrics/quantus holds to the catalogue.
METRICS = DOCS / "conventions" / "metrics.md"
WRITTEN = [
    FIRST,
    *(page for page in sorted((DOCS / "conventions").glob("*.md")) if page not in (TABLE, METRICS)),
]
MOST_WORDS = 6000
LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]*))?\)")

INTRODUCTION = """# Methods and options

`python tests/docs/test_conventions.py` writes this page from the catalogue, which `explain.methods()` gives. The
[conventions](../conventions.md) say what the values mean.

- Case, spaces and hyphens in a method's name do not matter.
- *needs*: the primitives that the backend must provide.
- *baseline*: whether `baseline=` is used; a method that uses none refuses it.
- *engines*: what `engine=` takes besides `"explain"`.
"""
SHOWN = """- *inputs*: what the method is for; others raise an `UnsupportedInputError`.
- *`layer=`*: whether it may be given.
- *sign*: signed values, unsigned ones, or an input that was found.
- *`reduce=`*: the default for token ids. `"norm"` and `"max"` make unsigned values.
"""
LAYER = {"none": "–", "may": "optional", "must": "required", "map": "the layer of the map"}


def family_page(family):
    return DOCS / "conventions" / f"{family.replace(' ', '-')}.md"


def listed(names):
    return ", ".join(f"`{name}`" for name in names) or "–"


def linked(paper):
    """A paper with its arXiv number or its DOI as a link."""
    paper = re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)
    return re.sub(r"doi:(10\.[^\s;]+)", r"[doi:\1](https://doi.org/\1)", paper)


def table(head, rows):
    header, *lines = (f"| {' | '.join(cells)} |" for cells in (head, *rows))
    return "\n".join([header, "|---" * len(head) + "|", *lines])


def methods_table():
    return table(
        ("method", "aliases", "family", "needs", "options and defaults", "baseline", "engines", "paper"),
        [
            (
                f"`{row.name}`",
                listed(row.aliases) if row.aliases else "",
                row.family,
                listed(sorted(row.needs)),
                listed(f"{option.name}={option.default!r}" for option in row.options),
                "yes" if row.uses_baseline else "–",
                listed(row.reference_engines),
                linked(row.paper),
            )
            for row in explain.methods()
        ],
    )


def shown_table():
    every = max((row.kinds for row in explain.methods()), key=len)
    return table(
        ("method", "what it shows", "inputs", "`layer=`", "sign", "`reduce=`"),
        [
            (
                f"`{row.name}`",
                row.summary,
                "all" if row.kinds == every else ", ".join(row.kinds),
                LAYER[row.layer],
                row.drawn,
                "–" if row.drawn == "input" or row.takes_references else row.token_reduction,
            )
            for row in explain.methods()
        ],
    )


def options_table():
    return table(
        ("method", "option", "default", "takes", "meaning"),
        [
            (f"`{row.name}`", f"`{option.name}`", f"`{option.default!r}`", option.expects, option.summary)
            for row in explain.methods()
            for option in row.options
        ],
    )


def page():
    """Write the page."""
    return "\n".join(
        (
            INTRODUCTION,
            f"## Methods\n\n{methods_table()}\n",
            f"## What each method shows\n\n{SHOWN}\n{shown_table()}\n",
            f"## Options\n\n{options_table()}\n",
        )
    )


def heading_anchors(text):
    """The anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).strip().replace(" ", "-") for title in titles
    }


def test_the_table_is_what_the_catalogue_gives():
    assert TABLE.read_text(encoding="utf-8") == page(), "see the top of this file"


def test_every_family_has_its_page_and_the_first_page_names_all_pages():
    first = FIRST.read_text(encoding="utf-8")
    for row in explain.methods():
        assert family_page(row.family).exists(), f"{row.family} has no page"
    for written in (TABLE, METRICS, *WRITTEN[1:]):
        assert f"(conventions/{written.name}" in first, f"the first page does not name {written.name}"


def test_the_conventions_are_short():
    words = {written.name: len(written.read_text(encoding="utf-8").split()) for written in WRITTEN}
    assert sum(words.values()) < MOST_WORDS, words


@pytest.mark.parametrize("source", sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.relative_to(DOCS)))
def test_links_lead_to_headings(source):
    for target, anchor in LINK.findall(source.read_text(encoding="utf-8")):
        if anchor and "://" not in target:
            page = source.parent / target if target else source
            assert anchor in heading_anchors(page.read_text(encoding="utf-8")), f"{target}#{anchor}"


if __name__ == "__main__":
    TABLE.write_text(page(), encoding="utf-8")
