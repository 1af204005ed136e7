"""A report in Chromium: on a phone and a screen, printed, by keyboard alone, without scripts, for everyone."""

from __future__ import annotations

import pytest
from browser_pages import PHONE, SCREEN, is_wider_than_its_window, violations

import explain


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "card.md").write_text("# Use\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", encoding="utf-8")
    model = explain.zoo.load("cifar_net", framework="torch")
    samples = explain.zoo.samples("cifar_net", framework="torch")
    results = [
        explain.attribute(model, samples.x[:2], method, display=samples.display)
        for method in ("ig", "gradcam")
    ]
    return explain.report(results, folder / "report.html", model=model, card=folder / "card.md")[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, SCREEN])
def test_it_reads_at_every_width(open_page, page_file, width, scheme):
    page = open_page(page_file, width, scheme=scheme)
    assert not is_wider_than_its_window(page)
    assert violations(page) == []
    assert page.complaints == []
    sizes = page.evaluate(
        "[...document.images].map(one => [one.naturalWidth, one.getBoundingClientRect().width])"
    )
    assert len(sizes) == 4
    # Every picture is there, and wide enough that its text can be read.
    assert all(natural > 600 and shown >= 500 for natural, shown in sizes)


def test_it_reads_without_scripts(open_page, page_file):
    page = open_page(page_file, scripts=False)
    assert page.locator("h1").inner_text() == "Integrated gradients, Grad-CAM of Sequential"
    assert page.locator("table").count() == 3
    assert page.locator("pre").count() == 2


def test_the_keyboard_reaches_every_part(open_page, page_file):
    page = open_page(page_file, PHONE)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.tagName + ' ' + (document.activeElement.hash || '')")
        )
    assert {"A #models", "A #warnings", "A #call-0", "A #call-1", "A #card", "A #repeat"} <= set(reached)
    # What scrolls sideways can be reached and scrolled.
    assert {"DIV ", "FIGURE ", "PRE "} <= set(reached)
    page.goto(page_file.as_uri())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#models")


def test_it_prints_in_black_on_white_with_nothing_cut_off(open_page, page_file):
    page = open_page(page_file, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    content = page.pdf(format="A4")
    assert content.startswith(b"%PDF")
    page.set_viewport_size({"width": 670, "height": 900})  # A4 between its margins
    cut = page.evaluate(
        "[...document.querySelectorAll('pre, .scroll, figure')]"
        ".filter(one => one.scrollWidth > one.clientWidth + 1).length"
    )
    assert cut == 0


def test_a_pdf_has_every_page_and_asks_for_nothing(tmp_path):
    model = explain.zoo.load("names_rnn", framework="torch")
    samples = explain.zoo.samples("names_rnn", framework="torch")
    a = explain.attribute(model, samples.x[:2], "saliency", display=samples.display)
    pdf, data = explain.report(a, tmp_path / "report.pdf", model=model)
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    assert b"%%EOF" in content[-64:]
    assert data.name == "report.json"
    assert explain.reports.verify(pdf, model).passed
