"""Reports are whole, escaped, honest about what is not known, and follow their published schema."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from importlib.resources import files

import html_pages
import jsonschema
import numpy as np
import pytest

import explain
from explain.errors import ConvergenceWarning, InputError, PackageNotInstalledError, ReportError


def schema():
    return json.loads(files("explain.reports").joinpath("schema.json").read_text("utf-8"))


def written(folder, results, **arguments):
    page, data = explain.report(results, folder / "report.html", **arguments)
    return page.read_text("utf-8"), json.loads(data.read_text("utf-8"))


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_a_report_follows_its_schema_and_holds_what_was_explained(explained, tmp_path):
    model, a = explained
    page, record = written(tmp_path, a, model=model)
    jsonschema.validate(record, schema(), cls=jsonschema.Draft202012Validator)
    (call,) = record["calls"]
    (result,) = call["results"]
    assert call["model"]["fingerprint"] == explain.fingerprint(model)
    assert [row["score"] for row in result["examples"]] == a.scores.tolist()
    assert [row["steps"] for row in result["examples"]] == a.steps.tolist()
    content = base64.b64decode(result["attribution"]["content"])
    (tmp_path / "held.npz").write_bytes(content)
    assert explain.load(tmp_path / "held.npz") == a
    # What the page says of its data is so.
    data = (tmp_path / "report.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() in page
    assert explain.fingerprint(model) in page
    for name in ("ship", "Integrated gradients", "arXiv:1703.01365", "tolerance", "max_steps"):
        assert name in page
    html_pages.Page(page)
    assert "<script" not in page
    assert len(re.findall(r'<img src="data:image/png;base64,', page)) == 3


def test_inputs_have_the_digests_of_their_canonical_values(explained, tmp_path):
    model, a = explained
    _, record = written(tmp_path, a, model=model)
    canonical = a.inputs if a.layout == "NHWC" else a.inputs.transpose(0, 2, 3, 1)
    expected = [
        hashlib.sha256(str(one.shape).encode() + (one + np.float32(0)).tobytes()).hexdigest()
        for one in np.ascontiguousarray(canonical)
    ]
    assert record["calls"][0]["results"][0]["inputs_sha256"] == expected


def test_without_a_model_the_report_says_so(plain, tmp_path):
    page, record = written(tmp_path, plain)
    assert record["calls"][0]["model"]["identified"] is False
    assert "The model is not identified" in page


def test_models_that_are_not_given_are_told_apart(plain, tmp_path):
    other = replace(plain, model="Other", framework="tensorflow")
    _, record = written(tmp_path, [replace(plain, model="One", framework="torch"), other])
    assert [call["model"]["class"] for call in record["calls"]] == ["One", "Other"]
    assert [call["model"]["framework"] for call in record["calls"]] == ["torch", "tensorflow"]


def test_a_model_without_weights_has_no_fingerprint(plain, tmp_path):
    page, record = written(tmp_path, plain, model=lambda x: x)
    assert record["calls"][0]["model"]["identified"] is True
    assert "Its weights cannot be read" in page


def test_every_warning_is_in_the_report(tmp_path):
    model = explain.zoo.load("cifar_net", framework="torch")
    x = explain.zoo.samples("cifar_net", framework="torch").x[:1]
    with pytest.warns(ConvergenceWarning):
        a = explain.attribute(model, x, method="ig", tolerance=1e-6, max_steps=9)
    page, record = written(tmp_path, a, model=model)
    assert record["calls"][0]["results"][0]["warnings"] == list(a.notes)
    assert "has not reached tolerance=1e-06" in page
    assert "No call gave a warning" not in page


def test_names_are_escaped(plain, tmp_path):
    evil = "<script>alert(1)</script>"
    named = plain.with_display(classes=(evil, "b"), example_names=(evil, "y"), feature_names=(evil, "q", "r"))
    page, _ = written(tmp_path, named, title=evil)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_several_calls_and_models(tmp_path):
    models = [explain.zoo.load("names_rnn", framework) for framework in ("torch", "tensorflow")]
    results = [
        explain.attribute(one, explain.zoo.samples("names_rnn", framework).x[:2], "saliency")
        for one, framework in zip(models, ("torch", "tensorflow"), strict=True)
    ]
    page, record = written(tmp_path, results, model=models)
    prints = {call["model"]["fingerprint"] for call in record["calls"]}
    assert prints == {explain.fingerprint(models[0])}
    assert [call["model"]["framework"] for call in record["calls"]] == ["torch", "tensorflow"]
    assert "Saliency (1)" in page
    assert "Saliency (2)" in page


def test_inputs_of_one_call_are_one_call(tmp_path):
    import torch
    from torch import nn

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 2), nn.Linear(4, 2)

        def forward(self, a, b):
            return torch.relu(self.a(a)) + self.b(b)

    model = Two()
    x = tuple(np.random.default_rng(0).normal(size=(2, n)).astype(np.float32) for n in (3, 4))
    for given in (x, list(x), {"a": x[0], "b": x[1]}):
        found = explain.attribute(model, given, "ig")
        _, record = written(tmp_path, found, model=model)
        (call,) = record["calls"]
        assert call["structure"] == type(given).__name__
        assert len(call["results"]) == 2
        assert explain.reports.verify(tmp_path / "report.json", model).passed


def test_the_same_results_give_the_same_bytes(plain, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = [one.read_bytes() for one in explain.report(plain, tmp_path / "a" / "report.html")]
    again = [one.read_bytes() for one in explain.report(plain, tmp_path / "b" / "report.html")]
    assert first == again
    assert b"2023-11-14T22:13:20+00:00" in first[1]


def test_a_card_is_shown_and_not_obeyed(plain, tmp_path):
    card = tmp_path / "card.md"
    card.write_text(
        "---\nlicense: mit\n---\n# Intended use\n\nFor **triage**.\n\n| group | recall |\n|---|---|\n| a | 0.9 |\n\n"
        "<img src=x onerror=alert(1)> ![scan](https://elsewhere.example/scan.png)\n\n[x](javascript:alert(1))\n",
        encoding="utf-8",
    )
    page, record = written(tmp_path, plain, card=card)
    assert record["model_card"] == card.read_text("utf-8")
    assert "<h3>Intended use</h3>" in page
    assert "<strong>triage</strong>" in page
    assert "<td>0.9</td>" in page
    assert "license: mit" in page
    assert "<img src=x" not in page
    assert 'src="https://elsewhere' not in page
    assert 'href="javascript' not in page
    html_pages.Page(page)


@pytest.mark.parametrize("name", ["card.docx", "missing.md"])
def test_a_card_that_cannot_be_read(plain, tmp_path, name):
    with pytest.raises(ReportError, match=re.escape(name)):
        explain.report(plain, tmp_path / "report.html", card=tmp_path / name)
    assert not list(tmp_path.glob("report.*"))


def test_wrong_arguments_write_nothing(plain, tmp_path):
    with pytest.raises(ReportError, match="does not end in"):
        explain.report(plain, tmp_path / "report.doc")
    with pytest.raises(InputError, match="list of 2 for 1 result"):
        explain.report(plain, tmp_path / "report.html", model=[None, None])
    with pytest.raises(InputError, match="empty list"):
        explain.report([], tmp_path / "report.html")
    with pytest.raises(InputError, match="of type str"):
        explain.report("a.npz", tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_an_older_report(plain, tmp_path, monkeypatch):
    files_before = [one.read_bytes() for one in explain.report(plain, tmp_path / "report.html")]
    monkeypatch.setattr("explain.reports.writing.as_html", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explain.report([plain, plain], tmp_path / "report.html")
    assert [(tmp_path / name).read_bytes() for name in ("report.html", "report.json")] == files_before


@pytest.mark.parametrize("content", ['{"rows": []}', "no JSON", "[1]"])
def test_a_file_that_is_no_report_is_not_replaced(plain, tmp_path, content):
    other = tmp_path / "report.json"
    other.write_text(content, encoding="utf-8")
    with pytest.raises(ReportError, match="is a file of yours"):
        explain.report(plain, tmp_path / "report.html")
    assert other.read_text("utf-8") == content
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


def test_pdf_without_weasyprint(plain, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    with pytest.raises(PackageNotInstalledError, match=r"explain-toolkit\[pdf\]"):
        explain.report(plain, tmp_path / "report.pdf")
    assert not list(tmp_path.iterdir())


def test_many_examples_are_in_the_table_and_the_first_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("explain.reports.page.MOST_PICTURES", 2)
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    a = explain.Attribution(values=x, inputs=x, layout="NC", method="saliency", scores=np.arange(4.0))
    page, _ = written(tmp_path, a)
    assert "The first 2 of 4 examples are drawn." in page
    assert page.count("<img ") == 2
    assert page.count('<th scope="row">') == 4
