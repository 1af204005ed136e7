"""The page of all methods on networks whose reasons are known, in Chromium."""

from __future__ import annotations

import pytest
from browser_pages import PHONE, SCREEN, is_wider_than_its_window, violations

from explain.benchmark_page.writing import write_page


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    return write_page(folder / "page.html", methods=["saliency", "grad_cam", "occlusion", "conductance"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, SCREEN])
def test_it_reads_at_every_width(open_page, page_file, width, scheme):
    page = open_page(page_file, width, scheme=scheme)
    assert not is_wider_than_its_window(page)
    assert violations(page) == []
    assert page.complaints == []


def test_what_is_wider_than_a_phone_scrolls_in_its_own_box(open_page, page_file):
    page = open_page(page_file, PHONE)
    boxes = page.locator(".scroll, .sheet")
    assert boxes.count() == 8
    assert page.evaluate(
        "[...document.querySelectorAll('.scroll, .sheet')].every(one => getComputedStyle(one).overflowX == 'auto')"
    )
    table = page.locator(".scroll").first
    before = table.locator("tbody th").first.bounding_box()
    table.evaluate("one => { one.scrollLeft = 300 }")
    assert table.locator("tbody th").first.bounding_box() == before
