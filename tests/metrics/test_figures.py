"""The figures of metrics draw the numbers of the results, and all their words can be read."""

from __future__ import annotations

from dataclasses import replace

import made_evaluations
import numpy as np
import pytest
from figure_texts import assert_no_text_is_clipped_or_overlaps, drawn_texts

from explain.errors import EvaluationError
from explain.metrics.presentation.benchmark_figure import plot_benchmark
from explain.metrics.presentation.curves_figure import plot_curves
from explain.metrics.presentation.evaluation_figure import plot_evaluation
from explain.metrics.presentation.interval_rows import grouped
from explain.metrics.presentation.words import method_labels
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Measurement
from explain.results.names import number

GOLDEN = pytest.mark.mpl_image_compare(
    tolerance=0.2, savefig_kwargs={"dpi": 100, "metadata": {"Software": None}}
)
HOSTILE = "a <b>metric</b> with $x^2$ & " + "a very long name " * 6


@GOLDEN
def test_golden_evaluation():
    return plot_evaluation(made_evaluations.evaluation(9, 32), example=3)


@GOLDEN
def test_golden_benchmark():
    return plot_benchmark(made_evaluations.benchmark(10, 6, 32))


def words_of(figure):
    return [text.get_text() for text in figure.texts]


def panels(figure):
    """Axes with data: those of the legend have no ticks."""
    return [axes for axes in figure.axes if axes.axison]


class TestEvaluation:
    @pytest.mark.parametrize(("metrics", "examples"), [(1, 1), (1, 2), (3, 8), (12, 32), (12, 500)])
    @pytest.mark.parametrize("example", [None, 0])
    def test_all_words_can_be_read(self, metrics, examples, example):
        assert_no_text_is_clipped_or_overlaps(
            plot_evaluation(made_evaluations.evaluation(metrics, examples), example)
        )

    def test_the_numbers_are_those_of_the_evaluation(self):
        found = made_evaluations.evaluation(12, 32)
        figure = found.plot(example=5)
        means, bars, points, chosen = {}, {}, {}, {}
        rows = panels(figure)
        for axes, group in zip(rows, grouped(found.measurements), strict=False):
            names = iter(group.names)
            name = next(names)
            for marks in axes.collections:
                places = np.asarray(marks.get_offsets())[:, 0].tolist()
                if marks.get_alpha():
                    name = next(names) if name in points else name
                    points[name] = places
                elif len(marks.get_facecolor()) and marks.get_linewidths()[0] < 1:
                    chosen[name] = places[0]
                else:
                    means[name] = places[0]
            for name, line in zip(
                group.names, [one for one in axes.lines if one.get_linewidth() == 1.8], strict=True
            ):
                bars[name] = tuple(np.asarray(line.get_xdata()).tolist())
        assert list(means) == list(bars) == list(points) == list(chosen)
        assert set(means) == set(found)
        for name, one in found.measurements.items():
            assert means[name] == one.mean
            assert bars[name] == one.interval(found.seed)
            assert points[name] == one.measured.tolist()
            assert chosen[name] == one.values[5]
        words = words_of(figure)
        for one in found.measurements.values():
            assert number(one.mean) in words
            assert any(text.startswith(f"example 5: {number(float(one.values[5]))}") for text in words)
        value = number(float(found["sparseness"].values[5]))
        assert f"example 5: {value}, n=31 of 32" in words

    def test_curves_are_drawn_whole_with_their_mean(self):
        found = made_evaluations.evaluation(12, 32)
        with_curve = [one for one in found.measurements.values() if one.curve is not None]
        assert len(with_curve) == 3
        drawn = panels(found.plot(example=2))[-3:]
        for axes, one in zip(drawn, with_curve, strict=True):
            (thin,) = axes.collections
            np.testing.assert_array_equal([path[:, 1] for path in thin.get_segments()], one.curve)
            bold = max(axes.lines, key=lambda line: line.get_linewidth())
            np.testing.assert_allclose(bold.get_ydata(), one.curve.mean(axis=0))
            dashed = [line for line in axes.lines if line.get_linewidth() == 1.5]
            np.testing.assert_array_equal(dashed[0].get_ydata(), one.curve[2])
        labels = [label.get_text() for label in drawn[-1].get_xticklabels()]
        assert labels[:2] == ["conv1", "conv2"]
        assert labels[2].endswith("…")

    def test_metrics_share_an_axis_that_their_values_fit(self):
        found = made_evaluations.evaluation(12, 32).measurements
        groups = grouped(found)
        assert sorted(name for group in groups for name in group.names) == sorted(found)
        for group in groups:
            for name in group.names:
                assert group.low <= found[name].measured.min()
                assert found[name].measured.max() <= group.high
        shared = {group.names for group in groups if (group.low, group.high) == (0.0, 1.0)}
        assert shared == {("sparseness", "pointing_game", "monotonicity(steps=16)")}

    def test_a_metric_without_a_value_says_why(self):
        gone = Measurement(
            "a", np.array([np.nan, np.nan]), "lower", left_out=dict.fromkeys([0, 1], "No map.")
        )
        figure = plot_evaluation(
            Evaluation({"a": gone, "b": Measurement("b", np.array([0.5, 0.6]), "lower")})
        )
        assert "a: no value (examples 0, 1: No map.)" in words_of(figure)
        assert_no_text_is_clipped_or_overlaps(figure)
        assert "a: no value (examples 0, 1: No map.)" in words_of(plot_evaluation(Evaluation({"a": gone})))

    def test_infinite_values_and_long_names_do_no_harm(self):
        odd = Measurement(HOSTILE, np.array([1.0, np.inf, -1e30]), "higher")
        curve = Measurement("c", np.array([0.0]), "", np.array([[np.nan, np.inf]]))
        for one in (odd, curve):
            figure = plot_evaluation(Evaluation({one.metric: one}, method=HOSTILE, model=HOSTILE))
            assert_no_text_is_clipped_or_overlaps(figure)

    @pytest.mark.parametrize("example", [8, -1, 1.0, True, "1"])
    def test_an_example_that_is_not_there(self, example):
        with pytest.raises(EvaluationError, match=r"is not one of the 8 examples: give a number from 0 to 7"):
            made_evaluations.evaluation().plot(example=example)

    def test_nothing_to_draw(self):
        with pytest.raises(EvaluationError, match="has no metric, so there is nothing to draw"):
            Evaluation({}).plot()


class TestBenchmark:
    @pytest.mark.parametrize(
        ("methods", "metrics", "examples"), [(1, 1, 1), (2, 1, 1), (4, 2, 8), (10, 12, 32), (30, 10, 32)]
    )
    def test_all_words_can_be_read(self, methods, metrics, examples):
        found = made_evaluations.benchmark(methods, metrics, examples)
        assert_no_text_is_clipped_or_overlaps(plot_benchmark(found))
        assert_no_text_is_clipped_or_overlaps(plot_curves(found, found.metrics[0]))

    def test_the_numbers_are_those_of_the_benchmark(self):
        found = made_evaluations.benchmark(10, 12, 32)
        for axes, metric in zip(panels(found.plot()), found.metrics, strict=True):
            order, best = found.order(metric), found.best(metric)
            bars = [line for line in axes.lines if line.get_linewidth() == 1.8]
            assert len(axes.collections) == len(bars) == len(order)
            for row, (method, mark, bar) in enumerate(zip(order, axes.collections, bars, strict=True)):
                one = found[method][metric]
                assert mark.get_offsets().tolist() == [[one.mean, row]]
                assert tuple(bar.get_xdata()) == one.interval(found.seed)
                is_filled = not np.allclose(mark.get_facecolor()[0, :3], 1.0)
                assert is_filled == (method in best or not found.better(metric))
            # The first row is at the top.
            assert axes.yaxis_inverted()

    def test_names_stand_beside_their_marks_from_the_best_to_the_worst(self):
        found = made_evaluations.benchmark(10, 1, 32)
        figure = found.plot()
        labels = method_labels(found)
        order = found.order("deletion")
        height = {text.get_text(): text.get_position()[1] for text in figure.texts}
        heights = [height[labels[method]] for method in order]
        assert heights == sorted(heights, reverse=True)
        assert len(set(heights)) == len(order)
        bold = {text.get_text() for text in figure.texts if text.get_fontweight() == "bold"}
        assert {labels[method] for method in order if labels[method] in bold} == {
            labels[method] for method in found.best("deletion")
        }

    def test_each_panel_says_which_end_is_better(self):
        found = made_evaluations.benchmark(4, 12, 8)
        words = words_of(found.plot())
        for direction, count in (("← lower is better", 5), ("higher is better →", 5)):
            assert words.count(direction) == count
        assert words.count("→ nearer to zero is better ←") == 1
        assert words.count("neither end is better") == 1

    def test_what_has_no_value_is_named_once_with_its_reason(self):
        found = made_evaluations.benchmark(5, 3, 8)
        words = " ".join(words_of(found.plot()))
        assert (
            words.count("No value: SmoothGrad (Its maps are of 8 × 8 values, and the input has 32 × 32.)")
            == 1
        )
        assert words.count("No value: Guided backprop (It needs attention heads") == 1
        assert words.count("n=7 of 8 examples") == 1
        many = Benchmark(
            {"saliency": found["saliency"]} | {f"m{place}": Evaluation({}) for place in range(20)},
            {f"m{place}": {"": f"Reason {place}. " * 30} for place in range(20)},
        )
        figure = plot_benchmark(many)
        assert "No value: 16 more, for other reasons" in words_of(figure)
        assert_no_text_is_clipped_or_overlaps(figure)

    def test_one_example_is_said_to_tell_nothing(self):
        words = words_of(made_evaluations.benchmark(3, 1, 1).plot())
        assert "One example cannot tell methods apart: no mean has an interval." in words
        assert not [one for one in words if "different from the best" in one]

    def test_methods_far_apart_have_a_logarithmic_axis(self):
        near = {"a": [1.0, 2.0], "b": [150.0, 250.0]}
        for values, scale in (
            (near, "linear"),
            ({**near, "c": [1e-6, 3e-6]}, "log"),
            ({**near, "c": [-1, 1e9]}, "linear"),
        ):
            figure = plot_benchmark(
                Benchmark(
                    {
                        name: Evaluation({"d": Measurement("d", np.array(row), "lower")})
                        for name, row in values.items()
                    }
                )
            )
            (axes,) = panels(figure)
            assert axes.get_xscale() == scale
            assert ("← lower is better, log axis" in words_of(figure)) == (scale == "log")
            low, high = axes.get_xlim()
            assert low < min(map(np.mean, values.values())) < max(map(np.mean, values.values())) < high
            assert_no_text_is_clipped_or_overlaps(figure)

    def test_metrics_can_be_chosen_in_any_order(self):
        found = made_evaluations.benchmark(4, 3)
        words = words_of(found.plot(metrics=["sparseness", "deletion"]))
        assert words.index("sparseness") < words.index("deletion")
        assert "insertion" not in words

    def test_odd_names_and_values_do_no_harm(self):
        odd = {
            HOSTILE: Measurement(HOSTILE, np.array([1.0, np.inf]), "higher"),
            "same": Measurement("same", np.array([0.5, 0.5]), "nearer to zero"),
        }
        evaluations = {name: Evaluation(odd) for name in (HOSTILE, "ig", "integrated_gradients", "$\\alpha$")}
        gone = {
            "gone": Evaluation({"same": Measurement("same", np.array([np.nan, np.nan]), "nearer to zero")})
        }
        figure = plot_benchmark(Benchmark(evaluations | gone))
        assert_no_text_is_clipped_or_overlaps(figure)
        # Two spellings of a method keep their own.
        assert {"ig", "integrated_gradients", "$\\alpha$"} <= set(drawn_texts(figure)[0])

    def test_what_was_not_measured_cannot_be_drawn(self):
        found = made_evaluations.benchmark(2, 2)
        with pytest.raises(EvaluationError, match=r"'delition' is not a metric.*Did you mean 'deletion'"):
            found.plot(metrics=["delition"])
        with pytest.raises(EvaluationError, match=r"metrics='deletion': give a list of names"):
            found.plot(metrics="deletion")
        with pytest.raises(EvaluationError, match=r"metrics=\[\]: give a list"):
            found.plot(metrics=[])
        with pytest.raises(EvaluationError, match="has no metric, so there is nothing to draw"):
            Benchmark({"rise": Evaluation({})}).plot()


class TestCurves:
    def test_the_panels_are_from_the_best_method_to_the_worst(self):
        found = made_evaluations.benchmark(10, 2, 8)
        figure = plot_curves(found, "insertion")
        order = found.order("insertion")
        best = found[order[0]]["insertion"].curve.mean(axis=0)
        drawn = panels(figure)
        assert len(drawn) == len(order) == 9
        for place, (axes, method) in enumerate(zip(drawn, order, strict=True)):
            one = found[method]["insertion"]
            np.testing.assert_array_equal(
                [path[:, 1] for path in axes.collections[0].get_segments()], one.curve
            )
            bold = max(axes.lines, key=lambda line: line.get_linewidth())
            np.testing.assert_allclose(bold.get_ydata(), one.curve.mean(axis=0))
            np.testing.assert_array_equal(bold.get_xdata(), one.positions)
            compared = [line for line in axes.lines if line.get_linewidth() == 1.0]
            assert len(compared) == (place > 0)
            for line in compared:
                np.testing.assert_allclose(line.get_ydata(), best)
        assert len({axes.get_ylim() for axes in drawn}) == 1

    def test_layers_that_differ_are_labelled_in_each_panel(self):
        one = made_evaluations.measurement("model_randomization", 4)
        other = replace(one, labels=("a", "b", "c", "d", "e"))
        found = Benchmark({"x": Evaluation({one.metric: one}), "y": Evaluation({one.metric: other})})
        figure = plot_curves(found, one.metric)
        assert_no_text_is_clipped_or_overlaps(figure)
        texts = drawn_texts(figure)[0]
        assert {"conv1", "fc2", "a", "e"} <= set(texts)

    def test_a_metric_without_a_curve(self):
        found = made_evaluations.benchmark(3, 3)
        with pytest.raises(
            EvaluationError, match=r"not made of a curve: give one that has: 'deletion', 'insertion'"
        ):
            plot_curves(found, "sparseness")
        flat = Benchmark({"a": Evaluation({"b": Measurement("b", np.ones(2), "")})})
        with pytest.raises(EvaluationError, match=r"not made of a curve: Benchmark\.plot draws the means"):
            flat.plot_curves("b")
