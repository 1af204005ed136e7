"""The pages of the benchmarks say what was measured, and nothing that was changed since."""

from __future__ import annotations

import json
import shutil

import pytest

from benchmarks import attn_lrp, bar, bert_calls, first_call, report


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


def test_the_table_of_attn_lrp_says_how_a_call_stands_beside_a_pass_and_beside_lxt():
    names = ("one pass", "lxt", "lrp", "deep_lift", "saliency")
    spread = {"median": 2.5, "quartiles": [2.0, 3.0], "rounds": 3}
    own = {
        "first": dict.fromkeys(names, 4.0),
        "seconds": dict.fromkeys(names, spread),
        "ratios": {method: {"one pass": spread} for method in ("lrp", "deep_lift", "saliency")},
        "versions": {"PyTorch": "2.13.0", "transformers": "5.24.0"},
        "threads": 2,
    }
    peers = {**own, "ratios": {"lrp": {"one pass": spread, "lxt": spread}}, "apart": {"lrp": 4e-7}}
    page = report.page(
        "attn_lrp.md.jinja",
        quick=True,
        machine="x86_64, 2 cores",
        sizes=bert_calls.SIZES,
        examples=bert_calls.EXAMPLES,
        tokens=bert_calls.TOKENS,
        bars=attn_lrp.BARS,
        found={"own": own, "peers": peers},
    )
    time, times = "2500 (2000–3000)", "2.50 (2.00–3.00)"
    assert f"| `deep_lift` | 4000 | {time} | {time} | {times} | 3.0 |" in page
    assert f"| `saliency` | 4000 | {time} | {time} | {times} | – |" in page
    assert f"| `lrp` | {time} | {time} | {times} | 1.2 | {time} | 4.0e-07 |" in page


def test_the_table_of_attn_lrp_is_the_one_that_its_figures_give():
    results = json.loads((report.FOLDER / "attn_lrp.json").read_text())
    assert report.page("attn_lrp.md.jinja", **results) == (report.FOLDER / "attn_lrp.md").read_text()


def test_results_in_the_repository_are_of_a_run_in_earnest():
    for name in ("results.json", "calibration.json", "family.json", "first_call.json", "attn_lrp.json"):
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
