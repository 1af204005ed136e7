"""A report holds for its model, and not for another, a changed one, or a changed file."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import ReportError
from explain.reports import read, verify


def report_of(folder, results, **arguments):
    return explain.report(results, folder / "report.html", **arguments)[1]


def test_it_holds_for_its_model(explained, tmp_path):
    model, a = explained
    found = verify(report_of(tmp_path, a, model=model), model)
    assert found.passed
    (check,) = found.checks
    assert check.same_model is True
    # The same nodes, chunks and weights: the same map.
    assert check.max_error < 1e-6
    assert str(found).startswith(f"{tmp_path / 'report.json'} holds.")
    assert verify(tmp_path / "report.html", model).passed


def test_it_does_not_hold_for_other_weights(explained, tmp_path):
    model, a = explained
    file = report_of(tmp_path, a, model=model)
    other = explain.zoo.load("cifar_net", framework=a.framework)
    if a.framework == "torch":
        other = copy.deepcopy(other)
        with torch.no_grad():
            other[0].weight.mul_(1.5)
    else:
        other.layers[0].set_weights([1.5 * one for one in other.layers[0].get_weights()])
    found = verify(file, other)
    assert not found.passed
    (check,) = found.checks
    assert check.same_model is False
    assert check.holds is False
    assert check.max_error > 0.02
    assert "differs" in str(found)


def test_small_changes_of_weights_are_told_even_if_the_maps_hold(explained, tmp_path):
    model, a = explained
    if a.framework != "torch":
        return
    file = report_of(tmp_path, a, model=model)
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[0].weight.mul_(1 + 1e-6)
    found = verify(file, other)
    assert found.checks[0].holds is True
    assert not found.passed


X = np.random.default_rng(0).normal(size=(3, 2, 6, 6)).astype(np.float32)


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)
    ).eval()


@pytest.mark.parametrize("method", [row.name for row in explain.methods()])
def test_calls_of_every_method_are_repeated(method, tmp_path):
    if explain.methods().by_name[method].family == "attention":
        model = explain.zoo.load("names_transformer", framework="torch")
        samples = explain.zoo.samples("names_transformer", framework="torch")
        arguments = {"x": samples.x[:2], "lengths": None if samples.lengths is None else samples.lengths[:2]}
    else:
        model, arguments = net(), {"x": X}
    given = {}
    if explain.methods().by_name[method].takes_references:
        given["baseline"] = X[:2] * 0.5
    if explain.methods().by_name[method].layer == "must":
        arguments["layer"] = "0"
    if method == "activation_maximization":
        arguments["bounds"] = (-1.0, 1.0)
        given["bounds"] = (-1.0, 1.0)
    if method == "xrai":
        arguments["x"] = X[:, :1].repeat(3, axis=1)[:, :2]
        arguments["bounds"] = (-3.0, 3.0)
        given["bounds"] = (-3.0, 3.0)
    x = arguments.pop("x")
    # The inputs of these are outputs of the layer: the report does not hold those of the model.
    again = {**given, **({"x": x} if "layer" in arguments else {})}
    a = explain.attribute(model, x, method, **{**arguments, **given})
    found = verify(report_of(tmp_path, a, model=model), model, **again)
    assert found.passed, str(found)
    assert found.checks[0].max_error < 1e-5


@pytest.mark.parametrize(
    "arguments",
    [
        {"target": [1, 2, 3]},
        {"baseline": "blur"},
        {"baseline": 0.25},
        {"score": "probability"},
        {"neuron": (1, 2, 2), "layer": "0"},
        {"n_steps": 7, "rule": "midpoint"},
        {"seed": 4, "method": "smoothgrad", "n_samples": 3},
        {"method": "occlusion", "sliding_window_shapes": (2, 3, 3)},
        {"method": "gradcam", "layer": ("0", 0)},
        {"engine": "captum", "n_steps": 9},
    ],
)
def test_arguments_are_repeated(arguments, tmp_path):
    model = net()
    a = explain.attribute(model, X, **{"method": "ig", **arguments})
    found = verify(report_of(tmp_path, a, model=model), model)
    assert found.passed, str(found)
    assert found.checks[0].max_error < 1e-5


def test_adaptive_nodes_are_repeated(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 30), nn.Tanh(), nn.Linear(30, 3))
    with torch.no_grad():
        model[0].weight.mul_(8)
    x = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    a = explain.attribute(model, x, "ig", rule="adaptive")
    assert a.nodes is not None
    found = verify(report_of(tmp_path, a, model=model), model)
    assert found.passed, str(found)


def test_what_a_report_lacks_is_named_and_can_be_given(tmp_path):
    model = net()
    a = explain.attribute(model, X, "ig", layer="0", target=1)
    file = report_of(tmp_path, a, model=model)
    found = verify(file, model)
    assert not found.passed
    assert found.checks[0].holds is None
    assert "give x=" in str(found)
    assert verify(file, model, x=X).passed


def test_the_lines_of_a_report_run(explained, tmp_path, monkeypatch):
    _, a = explained
    source = f"zoo:cifar_net@{a.framework}"
    file = report_of(tmp_path, a, model=explain.load_model(source), source=source)
    code = json.loads(file.read_text("utf-8"))["calls"][0]["repeat"]["code"]
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    np.testing.assert_allclose(names["again"].values, a.values, rtol=1e-5, atol=1e-7)
    assert "load_model('zoo:cifar_net@" in code
    assert "method='integrated_gradients'" in code


def test_the_model_is_read_from_where_the_report_says(explained, tmp_path):
    _, a = explained
    source = f"zoo:cifar_net@{a.framework}"
    file = report_of(tmp_path, a, model=explain.load_model(source), source=source)
    assert verify(file).passed
    unknown = report_of(tmp_path, a)
    with pytest.raises(ReportError, match="give the model"):
        verify(unknown)


def test_token_ids_are_repeated_as_whole_numbers(tmp_path):
    torch.manual_seed(0)

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.fc = nn.Embedding(20, 6), nn.Linear(6, 3)

        def forward(self, ids):
            return self.fc(torch.tanh(self.embedding(ids).mean(dim=1)))

    model = Reader()
    ids = np.random.default_rng(0).integers(1, 20, size=(2, 5))
    a = explain.attribute(model, ids, "ig", baseline=0)
    found = verify(report_of(tmp_path, a, model=model), model)
    assert found.passed, str(found)
    assert (
        ".inputs.astype(int)"
        in json.loads((tmp_path / "report.json").read_text())["calls"][0]["repeat"]["code"]
    )


def test_texts_are_repeated_with_their_tokenizer(tmp_path):
    torch.manual_seed(0)

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.fc = nn.Embedding(300, 6), nn.Linear(6, 3)

        def forward(self, ids):
            return self.fc(torch.tanh(self.embedding(ids)).mean(dim=1))

    def tokenizer(text):
        return [ord(sign) for sign in text]

    model = Reader()
    a = explain.attribute(model, ["hello", "jelly"], "saliency", tokenizer=tokenizer)
    file = report_of(tmp_path, a, model=model)
    assert "give tokenizer=" in str(verify(file, model))
    assert verify(file, model, tokenizer=tokenizer).passed
    code = json.loads(file.read_text("utf-8"))["calls"][0]["repeat"]["code"]
    assert "x=[text.text for text in recorded.texts]" in code


def changed(file, change):
    record = json.loads(file.read_text("utf-8"))
    change(record)
    file.write_text(json.dumps(record), encoding="utf-8")
    return file


def test_changed_files_are_refused(explained, tmp_path):
    model, a = explained
    file = report_of(tmp_path, a, model=model)
    content = file.read_bytes()

    def other_inputs(record):
        record["calls"][0]["results"][0]["inputs_sha256"][0] = "0" * 64

    with pytest.raises(ReportError, match="has been changed"):
        read(changed(file, other_inputs))
    # The page states the SHA-256 of its data.
    with pytest.raises(ReportError, match="was not written with"):
        read(tmp_path / "report.html")
    file.write_bytes(content)
    assert read(tmp_path / "report.html").results[0] == a


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 5000, b'{"format": "other"}', b"\xff\xfe", b"null"])
def test_what_is_no_report(content, tmp_path):
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(ReportError, match="cannot be read as a report"):
        read(file)


def test_newer_and_missing_reports(explained, tmp_path):
    model, a = explained
    file = report_of(tmp_path, a, model=model)
    with pytest.raises(ReportError, match="format version 99"):
        read(changed(file, lambda record: record.update(format_version=99)))
    with pytest.raises(ReportError, match="nothing"):
        read(tmp_path / "nothing.json")


def test_a_list_of_models_must_fit(explained, tmp_path):
    model, a = explained
    with pytest.raises(ReportError, match="list of 2 for the 1 calls"):
        verify(report_of(tmp_path, a, model=model), [model, model])


def test_to_json_is_plain(explained, tmp_path):
    model, a = explained
    found = verify(report_of(tmp_path, a, model=model), model).to_json()
    assert json.loads(json.dumps(found)) == found
    assert found["passed"] is True
