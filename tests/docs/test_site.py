"""The site has every page, every public name, and every link leads to a page of it. `make docs` builds it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import griffe
import pytest
import yaml

from explain import callbacks

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
ENTRY = re.compile(r"^::: (\S+)", re.MULTILINE)
# What users import, and what another package's backend may import.
PUBLIC_MODULES = (
    "explain",
    "explain.backends",
    "explain.callbacks",
    "explain.metrics",
    "explain.migration",
    "explain.preprocessing",
    "explain.render",
    "explain.reports",
    "explain.running",
    "explain.zoo",
)


class _Plain(yaml.SafeLoader):
    """Reads the settings of the site without the Python objects that some of them name."""


_Plain.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


@pytest.fixture(scope="module")
def settings():
    return yaml.load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"), Loader=_Plain)


def pages_in(nav):
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for below in entry.values():
                yield from [below] if isinstance(below, str) else pages_in(below)


def named(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def hook(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / "site" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_navigation_once(settings):
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    pages |= {path.relative_to(DOCS).with_suffix(".md").as_posix() for path in DOCS.rglob("*.ipynb")}
    pages |= {path.relative_to(REPOSITORY).as_posix() for path in REPOSITORY.glob("benchmarks/*.md")}
    pages |= {"CHANGELOG.md"}
    listed = list(pages_in(settings["nav"]))
    assert len(listed) == len(set(listed))
    assert set(listed) == pages


def test_every_public_name_has_its_entry():
    entries = [
        name for page in (DOCS / "api").glob("*.md") for name in ENTRY.findall(page.read_text("utf-8"))
    ]
    assert len(entries) == len(set(entries))
    expected = {
        f"{module}.{name}" for module in PUBLIC_MODULES for name in importlib.import_module(module).__all__
    }
    # Its entry is that of all classes in it.
    assert "explain.errors" in entries
    expected -= set(PUBLIC_MODULES)
    # Modules of the same names have the classes, one for each framework.
    expected -= {f"explain.callbacks.{name}" for name in callbacks.__all__}
    # `explain.migration.MigrationReport` is `explain.MigrationReport`.
    documented = [named(entry) for entry in entries]
    assert {
        one for one in expected - set(entries) if not any(named(one) is other for other in documented)
    } == set()


def test_every_module_with_public_names_is_known():
    """A new public package gets its entries: whichever has `__all__` is listed above, or is an internal one."""
    with_names = {
        ".".join(path.parent.relative_to(REPOSITORY / "src").parts)
        for path in (REPOSITORY / "src" / "explain").rglob("__init__.py")
        if "__all__ = [" in path.read_text(encoding="utf-8")
    }
    assert with_names - set(PUBLIC_MODULES) == {"explain.gallery"}  # the command calls it


def test_the_site_asks_no_network(settings):
    assert settings["theme"]["font"] is False
    assert "offline" in settings["plugins"]
    assert not any(
        "://" in str(one) for name in ("extra_css", "extra_javascript") for one in settings.get(name, ())
    )


def test_links_out_of_docs_lead_to_pages_of_the_site():
    outside = hook("outside_pages")
    text = "[a](../../benchmarks/results.md#x) [b](../../src/explain/api.py) [c](text.md) [d](https://e.org/f.md)\n"
    found = dict(outside.outward_links("docs/guides/tables.md", text + "```\n[code](../../LICENSE)\n```\n"))
    assert {link: outside.site_path(place) for link, place in found.items()} == {
        "../../benchmarks/results.md": "benchmarks/results.md",
        "../../src/explain/api.py": "source/src/explain/api.py.md",
    }
    of_changes = dict(outside.outward_links("CHANGELOG.md", "[a](docs/guides/text.md), [b](README.md)"))
    assert [outside.site_path(place) for place in of_changes.values()] == ["guides/text.md", "index.md"]


@pytest.mark.parametrize(
    "page", [*DOCS.rglob("*.md"), *REPOSITORY.glob("benchmarks/*.md")], ids=lambda page: page.stem
)
def test_lists_begin_after_an_empty_line(page):
    """A list right below a sentence is a list in the repository and a part of the sentence on the site."""
    outside = hook("outside_pages")
    before = ""
    for line, fenced in outside.lines_and_fences(page.read_text(encoding="utf-8")):
        begins = re.match(r"(-|\*|1\.) ", line) is not None and not fenced
        assert not (begins and re.match(r"[A-Za-z`(]", before)), f"{page.name}: {line}"
        before = line


def test_each_parameter_of_the_api_has_its_own_type_and_default():
    extension = hook("own_types").OwnTypes()
    figure = griffe.load(
        "explain.render.figure",
        search_paths=[REPOSITORY / "src"],
        extensions=griffe.load_extensions(extension),
        docstring_parser="numpy",
        docstring_options={"warn_missing_types": False},
    )
    (section,) = (one for one in figure["plot"].docstring.parsed if one.kind.value == "parameters")
    found = {one.name: (str(one.annotation), str(one.value)) for one in section.value}
    assert found["max_examples"] == ("int", "8")
    assert found["pieces"] == ("bool", "False")
    assert found["title"] == ("str | None", "None")
