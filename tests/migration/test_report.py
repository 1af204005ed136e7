"""A migration report as data: written and read again, damaged, interrupted."""

from __future__ import annotations

import json
import math
import os
from dataclasses import fields

import numpy as np
import pytest

from explain.errors import MigrationError
from explain.migration.report import Divergence, MigrationReport, Row, Tolerances, load_report
from explain.results.attribution import Attribution

ROWS = (
    Row("outputs", "", "", 0.3, 1e-4, False, figures={"greatest difference": 1.5}),
    Row("classes", "", "", 0.05, 0.0, False, note="1 of 20"),
    Row("layers", "conv1", "conv2d", 0.0, 1e-4, True),
    # Layers may be called what JSON has no numbers for.
    Row("layers", "nan", "inf", math.inf, 1e-4, False, note="-inf"),
    Row("layers", "flatten", "", None, math.inf, None, note="no layer of b does this"),
    Row(
        "attributions",
        "saliency",
        "saliency",
        0.4,
        0.02,
        False,
        figures={"rank correlation": None, "SSIM": -math.inf},
    ),
)


def report(**changes):
    values = {
        "model_a": "Net (PyTorch)",
        "model_b": "Net (TensorFlow) “ü”",
        "passed": False,
        "first_divergence": Divergence("nan", "inf", math.inf, 1e-7),
        "cause": "padding",
        "evidence": "The rim differs.",
        "remedy": "Pad alike.",
        "rows": ROWS,
        "count": 20,
        "tolerances": Tolerances(outputs=1e-3, layers=math.inf),
        "notes": ("Only b ends in a softmax.",),
        "versions": {"torch": "2.13.0", "explain": "0.1.0"},
    }
    return MigrationReport(**{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "passed": True,
            "first_divergence": None,
            "cause": None,
            "evidence": "",
            "remedy": "",
            "rows": ROWS[:1],
        },
        {"first_divergence": Divergence("input", "input", 0.5), "notes": (), "versions": {}, "rows": ()},
    ],
    ids=["differs", "passes", "bare"],
)
def test_what_is_written_is_read_again(changes, tmp_path):
    written = report(**changes)
    path = written.save(tmp_path / "new" / "report.json")
    again = load_report(path)
    assert again == written
    for name in (field.name for field in fields(written)):
        assert type(getattr(again, name)) is type(getattr(written, name)), name
    assert again.save(tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert str(again) == str(written)


def test_it_is_json_for_everyone(tmp_path):
    def refused(name):
        raise AssertionError(f"{name} is no JSON")

    plain = json.loads(
        report().save(tmp_path / "report.json").read_text(encoding="utf-8"), parse_constant=refused
    )
    assert plain["rows"][3]["error"] == "inf"
    assert plain["rows"][3]["a"] == "nan"
    assert plain["tolerances"] == {"outputs": 1e-3, "classes": 0.0, "layers": "inf", "attributions": 0.02}


def test_the_maps_stay_behind(tmp_path):
    x = np.ones((1, 4), np.float32)
    maps = Attribution(x, x, "NC", "saliency", np.ones(1))
    written = report(attributions={"saliency": (maps, maps)})
    again = load_report(written.save(tmp_path / "report.json"))
    assert again.attributions == {}
    assert again == written
    assert "array" not in repr(written)


def test_numbers_of_numpy_are_numbers(tmp_path):
    row = Row(
        "outputs", "", "", np.float64(0.25), 1e-4, False, figures={"greatest difference": np.float64(2.0)}
    )
    assert load_report(report(rows=(row,)).save(tmp_path / "report.json")).rows[0].error == 0.25


def damaged(change):
    plain = report().to_json()
    change(plain)
    return json.dumps(plain)


DAMAGED = {
    "empty": "",
    "no JSON": "\x00\x01",
    "cut off": json.dumps(report().to_json())[:-40],
    "another thing": "[1, 2]",
    "a number": "3",
    "nested too deep": "[" * 100_000,
    "another format": damaged(lambda plain: plain.update(format=99)),
    "no format": damaged(lambda plain: plain.pop("format")),
    "no rows": damaged(lambda plain: plain.pop("rows")),
    "a field too many": damaged(lambda plain: plain.update(more=1)),
    "rows that are none": damaged(lambda plain: plain.update(rows=[1])),
    "a row of no stage": damaged(lambda plain: plain["rows"][0].update(stage="weights")),
    "an error that is no number": damaged(lambda plain: plain["rows"][0].update(error="much")),
    "figures that are none": damaged(lambda plain: plain["rows"][0].update(figures=[1])),
    "a divergence without layers": damaged(lambda plain: plain["first_divergence"].pop("layer_a")),
    "a tolerance that is none": damaged(lambda plain: plain["tolerances"].update(layers="low")),
    "a tolerance too many": damaged(lambda plain: plain["tolerances"].update(weights=1.0)),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_by_its_name(text, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MigrationError, match=r"report\.json is no migration report"):
        load_report(path)


def test_bytes_that_are_no_text_and_a_file_that_is_not_there(tmp_path):
    (tmp_path / "report.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MigrationError, match="no migration report"):
        load_report(tmp_path / "report.json")
    with pytest.raises(FileNotFoundError):
        load_report(tmp_path / "none.json")


@pytest.mark.parametrize("write", [MigrationReport.save, MigrationReport.to_html])
@pytest.mark.parametrize("failure", [OSError("no room"), KeyboardInterrupt()])
def test_a_failure_leaves_the_older_file_whole(write, failure, tmp_path, monkeypatch):
    path = tmp_path / "report"
    write(report(), path)
    before = path.read_bytes()

    def fail(*_):
        raise failure

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(failure)):
        write(report(count=21), path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["report"]


def test_a_report_that_cannot_be_written_down_leaves_the_older_file_whole(tmp_path):
    path = report().save(tmp_path / "report.json")
    before = path.read_bytes()
    with pytest.raises(TypeError):
        report(evidence=object()).save(path)
    assert path.read_bytes() == before


def test_rows_by_stage():
    assert [row.a for row in report().of_stage("layers")] == ["conv1", "nan", "flatten"]
    assert report(rows=()).of_stage("outputs") == ()
