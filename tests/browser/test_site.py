"""The built site, opened from its folder: it asks no network, fits a phone and a screen, and its search finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from browser_pages import PHONE, SCREEN, is_wider_than_its_window, violations

REPOSITORY = Path(__file__).parents[2]
PAGES = (
    "index.html",
    "tutorials/cifar_net.html",
    "notebooks/first-look.html",
    "guides/choose-a-method.html",
    "api/attribution.html",
    "conventions/methods.html",
    "support.html",
    "benchmarks/results.html",
    "source/src/explain/errors.py.html",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """What `make docs` builds, here into a folder of the test."""
    folder = tmp_path_factory.mktemp("site")
    arguments = ["--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-4000:]
    return folder


@pytest.mark.parametrize("width", [PHONE, SCREEN])
@pytest.mark.parametrize("name", PAGES)
def test_page_fits_and_asks_no_network(site, open_page, name, width):
    page = open_page(site / name, width)
    page.wait_for_load_state("networkidle")
    assert not is_wider_than_its_window(page)
    assert page.complaints == []
    broken = page.evaluate(
        "[...document.images].filter(one => one.complete && !one.naturalWidth).map(one => one.src)"
    )
    assert broken == []


@pytest.mark.parametrize("name", PAGES)
def test_page_can_be_read_by_everyone(site, open_page, name):
    assert violations(open_page(site / name, SCREEN)) == []


def test_search_finds_a_function_from_a_folder(site, open_page):
    page = open_page(site / "index.html", SCREEN)
    field = page.locator("input[name=query]")
    field.click()
    field.press_sequentially("check_migration")
    found = page.locator(".md-search-result__link").first
    found.wait_for()
    assert "migration" in found.get_attribute("href")


def test_a_tab_that_is_chosen_once_is_chosen_everywhere(site, open_page):
    page = open_page(site / "tutorials/cifar_net.html", SCREEN)
    page.locator("label", has_text="TensorFlow").first.click()
    shown = page.locator(".tabbed-block:visible")
    assert shown.count() == 2
    assert all('framework="tensorflow"' in text or "keras" in text for text in shown.all_inner_texts())
