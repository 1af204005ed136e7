"""The pages of evaluations and benchmarks: every number, escaped, the same bytes, nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace

import made_evaluations
import numpy as np
import pytest
from html_pages import Page

from explain.errors import EvaluationError
from explain.metrics.presentation.words import method_labels
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Measurement
from explain.results.names import number

HOSTILE = "<script>alert('1')</script>\" onerror=\"x"


def rows_of(page: str, label: str) -> list[list[str]]:
    """The cells of a table, by its label, as text."""
    (table,) = re.findall(rf'aria-label="{label}".*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    # A name may be broken after each underline.
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row.replace("<wbr>", ""), re.DOTALL) for row in rows]


def test_a_page_of_an_evaluation_has_every_number():
    found = made_evaluations.evaluation(12, 32)
    page = found.to_html()
    means = rows_of(page, "Means of the metrics")
    assert [row[0] for row in means] == list(found)
    for row, one in zip(means, found.measurements.values(), strict=True):
        assert row[1] == number(one.mean)
        assert row[3] == str(one.count)
        assert row[4].startswith(str(len(one.left_out)))
        if one.worst is not None:
            assert row[5] == f"{one.worst}: {number(float(one.values[one.worst]))}"
    examples = rows_of(page, "Values of the examples")
    assert len(examples) == 32
    for index, row in enumerate(examples):
        values = [number(float(one.values[index])) for one in found.measurements.values()]
        assert row == [str(index), str(found.target[index]), *values]
    words = Page(page).words
    assert "1 sparseness: example 2: The map is constant." in words
    assert "The baseline equals the input." in words
    assert "steps=16, fill=mean" in words
    assert "explain 0.9.0, PyTorch 2.7.0, NumPy 2.2.0" in words


def test_a_page_of_a_benchmark_has_every_number_and_marks_the_best():
    found = made_evaluations.benchmark(10, 5, 8)
    page = found.to_html()
    labels = method_labels(found)
    rows = rows_of(page, "Means of the metrics by method")
    assert [row[0] for row in rows] == [labels[method] for method in found]
    for row, method in zip(rows, found, strict=True):
        for cell, metric in zip(row[1:], found.metrics, strict=True):
            one = found.measurement(metric, method)
            assert cell.startswith("–" if one is None else number(one.mean))
            assert ("(best)" in cell) == (method in found.best(metric))
            if one is not None:
                low, high = one.interval(found.seed)
                assert f"<small>[{number(low)}, {number(high)}]</small>" in cell
    document = Page(page)
    # The methods ranked, and the curves of two metrics.
    images = document.all("img")
    assert len(images) == 3
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in images)
    assert "Its maps are of 8 × 8 values" in document.words
    assert "The intervals are not adjusted for the number of comparisons." in document.words
    assert [row[1:] for row in rows_of(page, "Passes of the model by method")][:2] == [["1", "0"], ["4", "1"]]


@pytest.mark.parametrize(
    "found",
    [
        made_evaluations.evaluation(1, 1),
        made_evaluations.benchmark(1, 1, 1),
        Evaluation({}),
        Benchmark({}),
        Benchmark({"rise": Evaluation({})}, {"rise": {"": "It explains no tables."}}),
        Benchmark({"a": Evaluation({"b": Measurement("b", np.array([np.nan]), "", left_out={0: "why"})})}),
    ],
)
def test_little_and_nothing_are_pages_too(found):
    document = Page(found.to_html())
    assert len(document.all("h1")) == 1
    assert "Settings" in document.words
    if isinstance(found, Benchmark) and found.reasons:
        assert "RISE: It explains no tables." in document.words


def test_everything_is_escaped():
    one = Measurement(
        HOSTILE,
        np.array([0.5, np.nan]),
        "lower",
        left_out={1: HOSTILE},
        options={HOSTILE: HOSTILE},
        seeded=True,
    )
    evaluation = Evaluation(
        {HOSTILE: one},
        method=HOSTILE,
        framework=HOSTILE,
        model=HOSTILE,
        score=HOSTILE,
        layout=HOSTILE,
        target=(HOSTILE, None),
        versions={HOSTILE: HOSTILE},
        notes=(HOSTILE,),
    )
    benchmark = Benchmark({HOSTILE: evaluation, "rise": Evaluation({})}, {"rise": {HOSTILE: HOSTILE}})
    for page in (evaluation.to_html(), benchmark.to_html(), evaluation._repr_mimebundle_()[0]["text/html"]):
        document = Page(page)
        assert not document.all("script")
        assert not [attributes for _, attributes in document.elements if "onerror" in attributes]
    assert "script" in Page(benchmark._repr_mimebundle_()[0]["text/html"]).all("img")[0]["alt"]


def test_a_page_needs_nothing_else_and_no_script():
    for page in (made_evaluations.evaluation().to_html(), made_evaluations.benchmark().to_html()):
        document = Page(page)
        assert not document.all("script") + document.all("link")
        assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
        (policy,) = [
            one["content"]
            for one in document.all("meta")
            if "content" in one and "default-src" in one["content"]
        ]
        assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        ids = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
        assert len(set(ids)) == len(ids)
        assert {one["aria-labelledby"] for one in document.all("section")} <= set(ids)


def test_the_same_result_gives_the_same_bytes(tmp_path):
    for make in (made_evaluations.evaluation, made_evaluations.benchmark):
        found = make()
        path = tmp_path / "deep" / "page.html"
        page = found.to_html(path)
        assert path.read_bytes() == page.encode() == make().to_html().encode()
        # What was stored is the same page.
        stored = type(found).load(found.save(tmp_path / "stored"))
        assert stored.to_html() == page
        assert [one.name for one in path.parent.iterdir()] == ["page.html"]


def test_a_folder_is_no_page(tmp_path):
    with pytest.raises(EvaluationError, match=r"is a folder: give the name of the page in it"):
        made_evaluations.evaluation().to_html(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_of_many_examples_the_first_are_written():
    page = made_evaluations.evaluation(1, 230).to_html()
    assert len(rows_of(page, "Values of the examples")) == 200
    assert "The first 200 examples; 30 more are in the data frame" in Page(page).words


def test_warnings_name_their_methods():
    found = made_evaluations.benchmark(3, 1)
    other = replace(found["saliency"], notes=("Another.",))
    page = Page(Benchmark({**found.evaluations, "saliency": other}).to_html())
    assert "Saliency: Another." in page.words
    assert "Integrated gradients, Input × gradient: The baseline equals the input." in page.words
