"""The pages of evaluations and benchmarks in Chromium: on a phone and a screen, light and dark, for everyone."""

from __future__ import annotations

import made_evaluations
import pytest
from browser_pages import PHONE, SCREEN, is_wider_than_its_window, violations

PAGES = {
    "evaluation": lambda: made_evaluations.evaluation(12, 32),
    "one": lambda: made_evaluations.evaluation(1, 1),
    "benchmark": lambda: made_evaluations.benchmark(30, 10, 8),
}


@pytest.fixture(scope="module")
def page_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    for name, make in PAGES.items():
        make().to_html(folder / f"{name}.html")
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, SCREEN])
@pytest.mark.parametrize("name", PAGES)
def test_it_reads_at_every_width(open_page, page_files, name, width, scheme):
    page = open_page(page_files / f"{name}.html", width, scheme=scheme)
    assert not is_wider_than_its_window(page)
    assert violations(page) == []
    assert page.complaints == []
    sizes = page.evaluate(
        "[...document.images].map(one => [one.naturalWidth / 150, one.getBoundingClientRect().width])"
    )
    assert sizes
    # Text of 7 points is 8 dots high, at least.
    assert all(shown >= 79 * inches for inches, shown in sizes)


def test_the_names_of_the_rows_stay_while_a_table_scrolls(open_page, page_files):
    page = open_page(page_files / "benchmark.html", PHONE)
    box = page.locator(".scroll").first
    before = box.locator("tbody th").first.bounding_box()
    box.evaluate("one => { one.scrollLeft = 300 }")
    assert box.evaluate("one => one.scrollLeft") == 300
    assert box.locator("tbody th").first.bounding_box() == before


def test_it_prints_in_black_on_white(open_page, page_files):
    page = open_page(page_files / "benchmark.html", scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.set_viewport_size({"width": 670, "height": 900})  # A4 between its margins
    assert not is_wider_than_its_window(page)
    cut = page.evaluate(
        "[...document.querySelectorAll('figure')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
    )
    assert cut == 0
