"""The page of a migration check: every row is there, every name escaped, nothing else is needed."""

from __future__ import annotations

import base64
import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from html_pages import Page
from PIL import Image

import explain
from explain.migration.presentation.page import MOST_EXAMPLES, as_html, method_section
from explain.migration.report import Divergence, MigrationReport, Row, Tolerances, load_report
from explain.results.attribution import Attribution

ROWS = (
    Row("outputs", "", "", 0.31, 1e-4, False, figures={"greatest difference": 1.5}),
    Row("classes", "", "", 0.05, 0.0, False, note="1 of 20"),
    Row("layers", "conv1", "conv2d", 1e-7, 1e-4, True),
    Row("layers", "conv2", "conv2d_1", 0.25, 1e-4, False),
    Row("layers", "reshape", "", None, 1e-4, None, note="no layer of b gives this"),
    Row("layers", "fc", "dense", math.inf, 1e-4, False),
    Row("attributions", "grad_cam", "grad_cam", 0.4, 0.02, False, figures={"rank correlation": 0.9}),
)


def report(**changes):
    values = {
        "model_a": "Net (PyTorch)",
        "model_b": "Net (TensorFlow)",
        "passed": False,
        "first_divergence": Divergence("conv2", "conv2d_1", 0.25, 1e-7),
        "cause": "padding",
        "evidence": "The rim differs by 0.4.",
        "remedy": "Pad alike.",
        "rows": ROWS,
        "count": 20,
        "tolerances": Tolerances(outputs=3e-3),
        "notes": ("Only b ends in a softmax.",),
        "versions": {"torch": "2.13.0", "explain": "0.1.0"},
    }
    return MigrationReport(**{**values, **changes})


class ReportPage(Page):
    """Collects the cells of its tables too, row by row, and no words of its style sheet."""

    def __init__(self, text):
        self.rows = []
        super().__init__(text)

    def handle_starttag(self, tag, attrs):
        super().handle_starttag(tag, attrs)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if "style" not in self.open:
            super().handle_data(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def pictures(page):
    """The pictures of a page, decoded."""
    found = []
    for attributes in page.all("img"):
        kind, _, code = attributes["src"].partition(",")
        assert kind == "data:image/png;base64"
        assert attributes["alt"]
        with Image.open(io.BytesIO(base64.b64decode(code, validate=True))) as image:
            image.verify()
            assert image.format == "PNG"
        found.append(attributes)
    return found


def maps(count=3, seed=0, factor=1.0):
    """Maps of pictures by two models, laid out as each likes."""
    values = np.random.default_rng(seed).normal(size=(count, 3, 8, 8)).astype(np.float32)
    noise = np.random.default_rng(seed + 1).normal(size=(count, 3, 8, 8)).astype(np.float32)
    noise *= factor * np.arange(count, dtype=np.float32)[:, None, None, None]
    common = {"method": "saliency", "scores": np.ones(count), "target": (1,) * count}
    a = Attribution(values, abs(values), "NCHW", framework="torch", model="Net", **common)
    other = (values + noise).transpose(0, 2, 3, 1)
    b = Attribution(
        other, abs(values).transpose(0, 2, 3, 1), "NHWC", framework="tensorflow", model="Net", **common
    )
    return a, b


@pytest.fixture(scope="module")
def html():
    return as_html(report(attributions={"saliency": maps()}))


@pytest.fixture(scope="module")
def page(html):
    return ReportPage(html)


def test_the_page_needs_no_other_file_and_runs_nothing(html, page):
    assert "//" not in re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", html)
    assert "url(" not in html
    (policy,) = (
        one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    for name, attributes in page.elements:
        assert name not in {"link", "iframe", "object", "script", "form", "base"}
        assert not any(key.startswith("on") for key in attributes)
        assert attributes.get("src", "data:").startswith("data:")
        assert "href" not in attributes


def test_every_id_is_there_once_and_every_label_leads_to_one(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {one["aria-labelledby"] for _, one in page.elements if "aria-labelledby" in one} <= set(ids)


def test_the_verdict_comes_first_then_where_they_part_and_why(page):
    parts = (
        "Migration check ✗ Differs Net (PyTorch) and Net (TensorFlow) do not agree on 20 examples.",
        "First divergence: conv2 | conv2d_1. Their outputs are 0.250 apart (relative L2), their inputs 1.0e-07",
        "In Net (PyTorch) conv2 In Net (TensorFlow) conv2d_1 Likely cause padding Evidence The rim differs by 0.4.",
        "What to do Pad alike.",
        "Only b ends in a softmax.",
    )
    places = [page.words.index(part) for part in parts]
    assert places == sorted(places)
    assert any("differs" in one.get("class", "") for one in page.all("div"))


def test_a_pass_is_said_and_nothing_of_a_divergence():
    rows = (ROWS[2],)
    words = ReportPage(
        as_html(report(passed=True, first_divergence=None, cause=None, evidence="", remedy="", rows=rows))
    ).words
    assert "✓ Passed Net (PyTorch) and Net (TensorFlow) agree on 20 examples." in words
    assert "part" not in words.replace("parts", "")
    assert "Likely cause" not in words


def test_every_row_is_there(page):
    cells = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert [row for row in cells if row[-1] != "Notes"] == [
        ["all examples", "0.310", "1.0e-04", "differs", "greatest difference 1.500"],
        ["all examples", "0.050", "0", "differs", "1 of 20"],
        ["conv1", "conv2d", "1.0e-07", "1.0e-04", "passed", ""],
        ["conv2", "conv2d_1", "0.250", "1.0e-04", "differs", "first divergence"],
        ["reshape", "", "–", "1.0e-04", "not compared", "no layer of b gives this"],
        ["fc", "dense", "∞", "1.0e-04", "differs", ""],
        ["Grad-CAM", "0.400", "0.020", "differs", "rank correlation 0.9000"],
    ]
    assert "2 of 4 beyond the tolerance" in page.words


def test_pictures_are_of_the_layers_and_of_each_method(page):
    chart, pair, scatter = (one["alt"] for one in pictures(page))
    assert chart.startswith(
        "The error of 4 layers in the models' order, 2 of them beyond the tolerance 1.0e-04."
    )
    assert "both maps on one scale, and their difference" in pair
    assert "every value of the one map against that of the other" in scatter
    found = re.findall(r"example (\d): relative L2 ([\d.e-]+|0)", pair)
    assert [int(example) for example, _ in found] == [2, 1, 0]
    a, b = maps()
    for example, text in found:
        one, other = a.values[int(example)], b.values[int(example)].transpose(2, 0, 1)
        expected = np.linalg.norm(one - other) / max(np.linalg.norm(one), np.linalg.norm(other))
        assert float(text) == pytest.approx(expected, abs=6e-4)


def test_tolerances_and_versions_are_at_the_foot(page):
    foot = page.words.partition("Tolerances and versions")[2]
    assert "Outputs 3.0e-03, relative L2" in foot
    assert "Attributions 0.020, median relative L2 of the maps" in foot
    assert "Made with PyTorch 2.13.0, explain 0.1.0" in foot


def test_of_many_examples_the_least_similar_are_shown():
    a, b = maps(9)
    section = method_section("saliency", a, b)
    assert (
        section.words
        == f"The {MOST_EXAMPLES} least similar of the 9 examples that were explained, the least similar first."
    )
    shown = [int(one) for one in re.findall(r"example (\d)", section.pictures[0].alt)]
    gaps = [explain.compare(a, b).relative_l2[one] for one in range(9)]
    assert shown == sorted(range(9), key=lambda one: -gaps[one])[:MOST_EXAMPLES]


def test_what_cannot_be_drawn_says_why_and_the_rest_is_there():
    a, b = maps()
    page = ReportPage(
        as_html(report(attributions={"saliency": (a, replace(b, target=(1, 2, 1))), "ig": maps(1)}))
    )
    assert "There is no picture: a and b explain different things" in page.words
    assert "The only example." in page.words
    assert len(pictures(page)) == 3


def test_a_report_from_a_file_says_that_it_has_no_maps(html, tmp_path):
    loaded = load_report(report(attributions={"saliency": maps()}).save(tmp_path / "report.json"))
    page = ReportPage(loaded.to_html(tmp_path / "new" / "report.html").read_text(encoding="utf-8"))
    assert "There are no pictures: this report has no maps." in page.words
    assert len(pictures(page)) == 1
    assert page.rows == ReportPage(html).rows


def test_without_layers_there_is_no_chart():
    page = ReportPage(as_html(report(rows=ROWS[:2], first_divergence=None)))
    assert not page.all("img")
    assert "Finding" in page.words


def test_every_name_is_escaped():
    strange = '<script>alert("1")</script><img src=x onerror=y>&amp;\'"'
    row = Row("layers", strange, strange + "2", 0.3, 1e-4, False, note=strange, figures={strange: 1.0})
    method = Row("attributions", strange, strange, 0.3, 1e-4, False)
    a, b = (
        replace(one, model=strange, framework=strange).with_display(classes=(strange, strange))
        for one in maps(1)
    )
    html = as_html(
        report(
            model_a=strange,
            model_b=strange,
            first_divergence=Divergence(strange, strange + "2", 0.3),
            cause=strange,
            evidence=strange,
            remedy=strange,
            rows=(row, method),
            notes=(strange,),
            versions={strange: strange},
            attributions={strange: (a, b)},
        )
    )
    page = ReportPage(html)
    assert {"script"}.isdisjoint(name for name, _ in page.elements)
    assert all(one["src"].startswith("data:") for one in page.all("img"))
    assert len(pictures(page)) == 3
    assert page.words.count('<script>alert("1")</script>') >= 12
    assert "<script" not in html


def test_a_page_twice_is_the_same_bytes():
    again = report(attributions={"saliency": maps(1)})
    assert as_html(again) == as_html(again)


METHODS = {
    # Pictures, channels first and last; rows over time; characters.
    "cifar_net": ("saliency", "grad_cam"),
    "fashion_rnn": ("saliency",),
    "names_rnn": ("input_x_gradient",),
}


@pytest.mark.parametrize("name", METHODS)
def test_maps_of_real_models_in_both_frameworks(name):
    def explained(framework, method):
        samples = explain.zoo.samples(name, framework)
        display = replace(samples.display, step_names=samples.display.step_names[:5])
        lengths = {} if samples.lengths is None else {"lengths": samples.lengths[:5]}
        return explain.attribute(
            explain.zoo.load(name, framework),
            samples.x[:5],
            method=method,
            target=3,
            display=display,
            **lengths,
        )

    pairs = {
        method: (explained("torch", method), explained("tensorflow", method)) for method in METHODS[name]
    }
    html = as_html(report(attributions=pairs))
    page = ReportPage(html)
    shown = pictures(page)
    assert len(shown) == 1 + 2 * len(pairs)
    assert page.words.count("The 4 least similar of the 5 examples") == len(pairs)
    # Twins agree to rounding: the page must not make more of it.
    errors = [
        float(one) for one in re.findall(r"relative L2 ([\d.e-]+)[,;]", " ".join(one["alt"] for one in shown))
    ]
    assert max(errors) < 1e-4
    assert len(html) < 1_000_000 * len(pairs)


def test_fine_pictures_do_not_make_a_large_page():
    values = np.random.default_rng(0).normal(size=(4, 224, 224)).astype(np.float32)
    a, b = (
        Attribution(factor * values, values, "NHW", "saliency", np.ones(4), framework=framework)
        for framework, factor in (("torch", 1.0), ("tensorflow", 1.1))
    )
    # Noise, of which no other map of this size has more, does not compress.
    assert sum(len(picture.image) for picture in method_section("saliency", a, b).pictures) < 3_000_000


def test_tables_and_volumes():
    def pair(layout, shape):
        values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        return tuple(
            Attribution(factor * values, values, layout, "saliency", np.ones(2), framework=framework)
            for framework, factor in (("torch", 1.0), ("tensorflow", 1.1))
        )

    pairs = {"ig": pair("NC", (2, 5)), "saliency": pair("NCDHW", (2, 1, 4, 5, 6))}
    page = ReportPage(as_html(report(attributions=pairs)))
    assert len(pictures(page)) == 5
    assert "There is no picture" not in page.words
