"""Evaluations and benchmarks as text: every number, aligned, with a note for each dash."""

from __future__ import annotations

from dataclasses import replace

import made_evaluations
import numpy as np
import pytest

from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Measurement
from explain.results.names import number


def test_an_evaluation_has_a_line_for_each_metric():
    found = made_evaluations.evaluation(12, 32)
    lines = str(found).splitlines()
    assert lines[0] == "Integrated gradients of Net (PyTorch): 32 examples, score logit"
    rows = {line.split()[0]: line for line in lines[3:15]}
    assert list(rows) == list(found)
    for name, one in found.measurements.items():
        low, high = one.interval(found.seed)
        words = rows[name].split()
        assert words[1:5] == [number(one.mean), f"[{number(low)},", f"{number(high)}]", str(one.count)]
    # Means end in one column.
    assert (
        len(
            {
                line.index(number(found[name].mean)) + len(number(found[name].mean))
                for name, line in rows.items()
            }
        )
        == 1
    )
    assert rows["sparseness"].endswith("31     1 [1]  higher is better")
    assert rows["completeness_error"].endswith("nearer to zero is better")
    assert lines[-1] == "[1] sparseness: example 2: The map is constant."


def test_each_dash_of_an_evaluation_has_a_note():
    one = Measurement("a", np.array([np.nan, np.nan]), "lower", left_out={0: "No map.", 1: "No map."})
    text = str(Evaluation({"a": one}))
    assert "a          –  – [2]          0     2 [1]  lower is better" in text
    assert "[1] a: examples 0, 1: No map." in text
    assert "[2] an interval needs two examples with a value" in text


def test_a_benchmark_marks_the_best_and_notes_what_has_no_value():
    found = made_evaluations.benchmark(10, 12, 32)
    text = str(found)
    lines = text.splitlines()
    assert lines[0] == "10 methods of Net (PyTorch), 12 metrics, 32 examples: means"
    assert max(map(len, lines)) <= 100
    stars = 0
    for method in found:
        row = " ".join(line.removeprefix(method) for line in lines if line.startswith(f"{method} ")).split()
        for metric in found.metrics:
            one = found.measurement(metric, method)
            assert row.pop(0) == ("–" if one is None else number(one.mean))
            is_best = bool(row) and row[0] == "*"
            assert is_best == (method in found.best(metric))
            if is_best:
                row.pop(0)
                stars += 1
            if row and row[0].startswith("["):
                row.pop(0)
        assert not row
    assert stars == sum(len(found.best(metric)) for metric in found.metrics) > 12
    assert "* The best mean, and those that do not differ from it" in text
    assert "[1] Its maps are of 8 × 8 values, and the input has 32 × 32." in lines
    assert sum(line.startswith("[2] It needs attention heads") for line in lines) == 1
    assert "[3] 1 of 32 examples left out: The map is constant." in lines


def test_where_nothing_is_best_no_star_is_explained():
    one = Evaluation({"a": Measurement("a", np.array([1.0, 2.0]), "")})
    assert "*" not in str(Benchmark({"x": one, "y": one}))
    assert "One example cannot tell methods apart" in str(made_evaluations.benchmark(2, 1, 1))


@pytest.mark.parametrize("found", [Evaluation({}), Benchmark({}), Benchmark({"rise": Evaluation({})})])
def test_nothing_measured_is_a_text_too(found):
    assert str(found).strip()


def test_names_obey_no_terminal():
    hostile = "\x1b[2Jname\nof a metric " + "x" * 200
    one = Measurement(hostile, np.array([1.0, np.nan]), "lower", left_out={1: "why\x1b[1m"})
    evaluation = replace(made_evaluations.evaluation(1, 2), measurements={hostile: one}, model="N\x07et")
    for text in (str(evaluation), str(Benchmark({hostile: evaluation}, seed=1))):
        assert all(sign.isprintable() for line in text.splitlines() for sign in line)
        assert max(map(len, text.splitlines())) <= 120
        assert "?[2Jname of a metric" in text
