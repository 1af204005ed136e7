"""The pages of the benchmarks say what was measured, and nothing that was changed since."""

from __future__ import annotations

import json
import shutil

import pytest

from benchmarks import bar, first_call, report


def test_the_page_of_results_is_the_one_that_its_figures_give(tmp_path):
    shutil.copy(report.FOLDER / "results.json", tmp_path)
    report.write(tmp_path)
    assert (tmp_path / "results.md").read_text() == (report.FOLDER / "results.md").read_text()


def test_the_table_of_the_calibration_is_the_one_that_its_figures_give():
    results = json.loads((report.FOLDER / "calibration.json").read_text())
    page = report.page("calibration.md.jinja", **results)
    assert page == (report.FOLDER / "calibration.md").read_text()


def test_the_table_of_every_method_is_the_one_that_its_figures_give():
    results = json.loads((report.FOLDER / "family.json").read_text())
    assert report.page("family.md.jinja", **results) == (report.FOLDER / "family.md").read_text()


def test_the_table_of_the_first_call_is_the_one_that_its_figures_give():
    results = json.loads((report.FOLDER / "first_call.json").read_text())
    assert report.page("first_call.md.jinja", **results) == (report.FOLDER / "first_call.md").read_text()
    assert {name.split(",")[0] for name in results["models"]} == set(first_call.CASES)


def test_results_in_the_repository_are_of_a_run_in_earnest():
    for name in ("results.json", "calibration.json", "family.json", "first_call.json"):
        assert json.loads((report.FOLDER / name).read_text())["quick"] is False


@pytest.mark.parametrize(("kind", "measured", "met"), [("at least", 2.5, True), ("at most", 1.4, False)])
def test_a_bar_is_met_by_what_was_measured_alone(kind, measured, met):
    slow, fast = {"median": measured, "quartiles": [1.0, 3.0]}, {"median": 1.0, "quartiles": [1.0, 1.0]}
    pictures = {"case": {"framework": "torch"}, "ratios": {"explain / Captum": slow}}
    ratios = {
        f"Captum, {which} / explain, the peer's error": ratio
        for which, ratio in (("default", {**slow, "median": 5.0}), ("best chunk", slow))
    }
    ratios["explain, the peer's steps / bare loop"] = {**fast, "rounds": 20}
    found = bar.rows(
        {"cases": {"cifar_keras-torch": {"ratios": ratios}}, "overhead": {"one": pictures}, "memory": {}},
        None,
    )
    (row,) = [row for row in found if row["measured"] == measured and row["kind"] == kind]
    assert row["met"] is met
