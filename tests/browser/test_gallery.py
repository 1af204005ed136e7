"""The gallery in a browser: its first page opens light and with pictures, at both widths, and its filter works."""

from __future__ import annotations

import json

import pytest
from browser_pages import PHONE, SCREEN, is_wider_than_its_window, violations
from playwright.sync_api import expect

from explain.gallery import generate

FEW = {
    "activation_maximization": {"n_steps": 4},
    "kernel_shap": {"n_samples": 32},
    "integrated_gradients": {"n_steps": 4},
    "conductance": {"n_steps": 4},
    "smoothgrad": {"n_samples": 4},
}
METHODS = (
    *(
        "saliency",
        "smoothgrad",
        "integrated_gradients",
        "lrp",
        "conductance",
        "grad_cam",
        "attention_rollout",
    ),
    *("occlusion", "kernel_shap", "activation_maximization"),
)
MODELS = ("cifar_keras", "names_rnn", "names_transformer")
PAGES = ("index", "parity", *MODELS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("gallery")
    generate(out, models=MODELS, methods=METHODS, count=6, options=FEW)
    return out


def shown(page):
    """The pairs that are seen, as model and method."""
    return page.evaluate(
        "[...document.querySelectorAll('[data-pair]')].filter(one => one.offsetParent !== null)"
        ".map(one => [one.dataset.model, one.dataset.method])"
    )


def loaded(page):
    """The pictures that the browser has fetched, of those that it need not have."""
    return page.evaluate(
        "[...document.images].filter(one => one.loading === 'lazy' && one.complete && one.naturalWidth > 0).length"
    )


@pytest.mark.parametrize("width", [PHONE, SCREEN])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_their_window_and_pass_axe(folder, open_page, name, width, scheme):
    page = open_page(folder / f"{name}.html", width, scheme=scheme)
    assert not is_wider_than_its_window(page)
    assert violations(page) == []
    assert page.complaints == []


@pytest.mark.parametrize("width", [PHONE, SCREEN])
def test_the_first_page_begins_with_pictures_and_is_light(folder, open_page, width):
    page = open_page(folder / "index.html", width)
    page.wait_for_load_state("networkidle")
    seen = page.evaluate(
        "[...document.images].map(one => one.getBoundingClientRect())"
        ".filter(box => box.top < innerHeight && box.width >= 90).length"
    )
    assert seen >= (3 if width == PHONE else 10)
    files = page.evaluate(
        "[...document.images].filter(one => one.complete && one.naturalWidth > 0).map(one => one.src)"
    )
    weight = sum(
        (folder / one.split(f"{folder.name}/")[-1]).stat().st_size for one in files if one.startswith("file:")
    )
    assert (folder / "index.html").stat().st_size + weight < 1e6


def test_pictures_load_when_they_are_scrolled_to(folder, open_page):
    page = open_page(folder / "cifar_keras.html")
    page.wait_for_load_state("networkidle")
    lazy = page.locator("img[loading=lazy]").count()
    assert 0 < loaded(page) < lazy / 2
    # Nothing moves: every picture has its room before it is there.
    height = page.evaluate("document.documentElement.scrollHeight")
    for _ in range(200):
        page.mouse.wheel(0, 800)
        page.wait_for_timeout(20)
    for _ in range(50):
        if loaded(page) == lazy:
            break
        page.wait_for_timeout(100)
    assert loaded(page) == lazy
    assert page.evaluate("document.documentElement.scrollHeight") == height


@pytest.mark.parametrize("name", ["index", "parity"])
def test_the_filter_works_by_keyboard(folder, open_page, name):
    page = open_page(folder / f"{name}.html")
    everything = shown(page)
    assert len(everything) == len({tuple(one) for one in everything}) > 12
    method, model = page.get_by_label("Method", exact=True), page.get_by_label("Network", exact=True)
    for _ in range(200):
        page.keyboard.press("Tab")
        if method.evaluate("one => one === document.activeElement"):
            break
    page.keyboard.type("Sali")
    assert {one[1] for one in shown(page)} == {"saliency"}
    page.keyboard.press("Tab")
    assert model.evaluate("one => one === document.activeElement")
    page.keyboard.type("names_r")
    assert shown(page) == [["names_rnn", "saliency"]]
    assert page.get_by_role("status").inner_text() == f"1 of {len(everything)} shown"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    # The page's policy refuses what Playwright's wait_for_function evaluates; `expect` asks from outside.
    expect(model).to_have_value("")
    expect(page.get_by_role("status")).to_have_text(f"{len(everything)} of {len(everything)} shown")
    assert shown(page) == everything


def test_a_family_is_a_choice_and_empty_parts_go(folder, open_page):
    page = open_page(folder / "cifar_keras.html")
    page.get_by_label("Method", exact=True).select_option("family gradient")
    assert shown(page) == [["cifar_keras", "saliency"], ["cifar_keras", "smoothgrad"]]
    page = open_page(folder / "index.html")
    page.get_by_label("Network", exact=True).select_option("names_transformer")
    assert {one[0] for one in shown(page)} == {"names_transformer"}
    headings = page.locator(".sheet thead th:visible").all_inner_texts()
    assert headings == ["names_transformer"]


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_everything_is_there_but_the_filter(folder, open_page, name):
    page = open_page(folder / f"{name}.html", PHONE, scripts=False)
    assert page.locator("form.filter").count() <= 1
    assert page.locator("form.filter:visible").count() == 0
    assert page.locator("[data-pair]:visible").count() == page.locator("[data-pair]").count() > 0
    assert not is_wider_than_its_window(page)


def test_a_foreign_script_does_not_run(folder, open_page, tmp_path):
    text = (folder / "parity.html").read_text(encoding="utf-8")
    hostile = tmp_path / "parity.html"
    hostile.write_text(
        text.replace("</main>", "<script>document.title = 'run'</script></main>"), encoding="utf-8"
    )
    page = open_page(hostile)
    assert page.title() != "run"
    assert "Content Security Policy" in json.dumps(page.complaints)
