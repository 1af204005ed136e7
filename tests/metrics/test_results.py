"""Measurements, their means and intervals, and what is said about methods beside each other."""

from __future__ import annotations

import math

import made_evaluations
import numpy as np
import pytest

import explain
from explain.errors import EvaluationError
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import LEVEL, N_RESAMPLES, Aggregate, Measurement

NAN = float("nan")


def one(values, better="higher", **fields):
    return Measurement("a metric", np.array(values, np.float64), better, **fields)


def of(values, better="higher"):
    return Evaluation({"a metric": one(values, better)})


@pytest.mark.parametrize("count", [2, 5, 32, 300])
def test_the_interval_is_the_bootstrap_as_it_is_defined(count):
    values = np.random.default_rng(1).gamma(2.0, size=count)
    drawn = np.random.default_rng((7, count)).integers(0, count, (N_RESAMPLES, count))
    expected = np.quantile([values[row].mean() for row in drawn], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    np.testing.assert_allclose(one(values).interval(7), expected, rtol=1e-12)
    # With two examples every seed finds the two values.
    assert (one(values).interval(7) != one(values).interval(8)) == (count > 2)


def test_the_interval_is_near_that_of_the_normal_distribution_for_many_examples():
    values = np.random.default_rng(2).normal(3.0, 2.0, 4000)
    half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
    expected = [values.mean() - half, values.mean() + half]
    np.testing.assert_allclose(one(values).interval(), expected, atol=0.05 * half)


def test_examples_without_a_value_are_in_no_number():
    with_gap, whole = one([0.2, NAN, 0.7, 0.9], left_out={1: "why"}), one([0.2, 0.7, 0.9])
    assert (with_gap.count, with_gap.mean) == (3, whole.mean)
    assert with_gap.interval(3) == whole.interval(3)
    none = one([NAN, NAN], left_out={0: "why", 1: "why"})
    assert (none.count, none.worst) == (0, None)
    assert math.isnan(none.mean)
    assert all(map(math.isnan, none.interval()))
    assert all(map(math.isnan, one([0.5]).interval()))


@pytest.mark.parametrize(
    ("better", "worst"), [("higher", 1), ("lower", 3), ("nearer to zero", 1), ("", None)]
)
def test_the_worst_example_is_the_one_that_speaks_against(better, worst):
    assert one([0.1, -5.0, NAN, 2.0], better, left_out={2: "why"}).worst == worst


def test_the_mean_is_a_number_that_knows_its_interval():
    found = of([0.25, 0.75], "lower")
    mean = found.means["a metric"]
    assert isinstance(mean, Aggregate)
    assert mean == 0.5
    assert 2 * mean == 1.0
    assert (mean.low, mean.high) == (0.25, 0.75)
    assert repr(mean) == "0.5 [0.25, 0.75] (a metric, n=2; worst: example 1, 0.75)"


def test_arrays_cannot_be_changed():
    values = np.ones(3)
    found = one(values)
    values[0] = 9
    assert found.values.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 2


def test_what_was_not_measured_is_named():
    found = made_evaluations.evaluation()
    with pytest.raises(EvaluationError, match=r"'delition' was not measured.*Did you mean 'deletion'"):
        found["delition"]
    with pytest.raises(AttributeError, match="'insertoin' was not measured"):
        found.insertoin  # noqa: B018
    assert not hasattr(found, "_private")
    assert found.deletion == found["deletion"].mean
    with pytest.raises(EvaluationError, match=r"'salency' is not a method.*Did you mean 'saliency'"):
        made_evaluations.benchmark()["salency"]


class TestBenchmark:
    @pytest.mark.parametrize(
        ("better", "order"),
        [("higher", ["c", "a", "b"]), ("lower", ["b", "a", "c"]), ("nearer to zero", ["a", "c", "b"])],
    )
    def test_the_order_is_from_the_best_mean_to_the_worst(self, better, order):
        values = {"a": [0.1, 0.1], "b": [-0.9, -0.9], "c": [0.4, 0.4]}
        found = Benchmark({name: of(row, better) for name, row in values.items()} | {"none": Evaluation({})})
        assert found.order("a metric") == order
        assert found.best("a metric") == order[:1]

    def test_methods_differ_by_the_differences_of_the_same_examples(self):
        spread = np.random.default_rng(0).normal(size=64)
        # The means have intervals that overlap, but one is better on every example.
        found = Benchmark(
            {"one": of(spread), "other": of(spread + 0.1), "shuffled": of(np.roll(spread + 0.1, 7))}
        )
        assert found["one"]["a metric"].interval()[1] > found["other"]["a metric"].interval()[0]
        assert found.differ("a metric", "one", "other")
        assert found.differ("a metric", "other", "one")
        assert not found.differ("a metric", "one", "shuffled")
        assert not found.differ("a metric", "one", "one")
        assert found.best("a metric") == ["other", "shuffled"]

    def test_nearer_to_zero_compares_distances_from_zero(self):
        noise = 0.01 * np.random.default_rng(0).normal(size=32)
        below, above, far = -0.2 + noise, 0.2 - noise[::-1], 0.5 + noise
        found = Benchmark(
            {
                name: of(row, "nearer to zero")
                for name, row in {"below": below, "above": above, "far": far}.items()
            }
        )
        assert not found.differ("a metric", "below", "above")
        assert set(found.best("a metric")) == {"below", "above"}

    def test_an_infinite_mean_differs_and_has_no_interval(self):
        found = Benchmark({"a": of([0.1, 0.2], "lower"), "b": of([0.1, np.inf], "lower")})
        assert found.best("a metric") == ["a"]
        assert found.differ("a metric", "a", "b")
        assert not found.differ("a metric", "b", "b")
        assert all(map(math.isnan, found["b"]["a metric"].interval()))

    def test_where_neither_end_is_better_none_is_best(self):
        found = Benchmark({"a": of([1.0, 2.0], ""), "b": of([5.0, 6.0], "")})
        assert found.best("a metric") == []
        assert found.order("a metric") == ["a", "b"]
        assert found.best("another") == found.order("another") == []

    def test_a_missing_value_has_its_reason(self):
        found = made_evaluations.benchmark(4, 3)
        assert found.reason("deletion", "input_x_gradient").startswith("Its maps are of 8 × 8")
        assert found.reason("insertion", "input_x_gradient") == ""
        assert found.reason("insertion", "smoothgrad").startswith("It needs attention heads")
        gone = Benchmark({"a": Evaluation({"a metric": one([NAN], left_out={0: "The map is constant."})})})
        assert gone.reason("a metric", "a") == "The map is constant."

    def test_the_data_frame_has_a_row_for_each_method_and_metric(self):
        found = made_evaluations.benchmark(4, 3)
        frame = found.to_dataframe().set_index(["method", "metric"])
        assert len(frame) == 12
        for (method, metric), row in frame.iterrows():
            measured = found.measurement(metric, method)
            if measured is None:
                assert row["count"] == 0
                assert math.isnan(row["mean"])
                assert row["reason"] == found.reason(metric, method) != ""
            else:
                assert row["mean"] == measured.mean
                assert (row["low"], row["high"]) == measured.interval(found.seed)
                assert (row["count"], row["left_out"]) == (measured.count, len(measured.left_out))


def test_several_are_shown_together():
    one, several = made_evaluations.evaluation(), made_evaluations.benchmark()
    data, _ = explain.render.show(one)._repr_mimebundle_()
    assert data["text/html"] == one._repr_mimebundle_()[0]["text/html"]
    assert data["text/plain"] == repr(one)
    data, _ = explain.render.show({"ig": one, "all": several})._repr_mimebundle_()
    assert data["text/html"].count("<img") == 2
    assert "[&#x27;all&#x27;]" in data["text/html"]


def test_a_notebook_shows_the_figure_and_a_terminal_the_table():
    for found in (made_evaluations.evaluation(), made_evaluations.benchmark()):
        data, _ = found._repr_mimebundle_()
        assert data["text/plain"] == str(found)
        assert data["text/html"].count("<img") == 1
        assert list(found._repr_mimebundle_(include=["text/plain"])[0]) == ["text/plain"]
    data, _ = Evaluation({})._repr_mimebundle_()
    assert "not drawn: EvaluationError: The evaluation has no metric" in data["text/plain"]
