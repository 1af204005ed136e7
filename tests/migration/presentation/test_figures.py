"""The chart of a migration check's layers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from explain.migration.presentation.layer_chart import plot_layers
from explain.migration.report import Divergence, MigrationReport, Row, Tolerances


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def report(errors, first=None, tolerance=1e-4):
    rows = tuple(
        Row(
            "layers",
            f"block{index}.conv",
            f"block{index}_conv",
            error,
            tolerance,
            None if error is None else error <= tolerance,
        )
        for index, error in enumerate(errors)
    )
    parted = None if first is None else Divergence(rows[first].a, rows[first].b, errors[first], 1e-7)
    return MigrationReport(
        "a", "b", first is None, parted, None, "", "", rows, 8, Tolerances(layers=tolerance)
    )


ERRORS = [1e-7, 3e-7, None, 0.25, 0.0, math.inf]


def test_every_layer_is_at_its_error_in_the_order_of_the_model(check_text):
    figure = plot_layers(report(ERRORS, 3))
    check_text(figure)
    chart = figure.axes[0]
    passed, differs = (np.asarray(points.get_offsets()) for points in chart.collections[:2])
    np.testing.assert_allclose(passed[:2, 0], [-7, math.log10(3e-7)])
    assert passed[:, 1].tolist() == [0, 1, 4]
    assert differs[:, 1].tolist() == [3, 5]
    assert differs[0, 0] == pytest.approx(math.log10(0.25))
    # What has no logarithm stands beyond the ends of the axis, and is named.
    low, high = min(passed[:2, 0]), max(differs[:1, 0])
    assert passed[2, 0] < low - 0.5
    assert differs[1, 0] > high + 0.5
    ticks = dict(zip((tick.get_text() for tick in chart.get_xticklabels()), chart.get_xticks(), strict=True))
    assert ticks["0"] == passed[2, 0] < ticks["1e−8"]
    assert ticks["other shape"] == differs[1, 0] > ticks["1"]
    assert {"0", "other shape", "tolerance 1.0e-04", "first divergence"} <= set(words(figure))
    # From the top to the bottom.
    assert chart.get_ylim()[0] > chart.get_ylim()[1]


def test_a_ring_marks_the_first_divergence_alone():
    ring = plot_layers(report(ERRORS, 3)).axes[0].collections[-1]
    assert ring.get_offsets().tolist() == [[pytest.approx(math.log10(0.25)), 3.0]]
    assert "first divergence" not in words(plot_layers(report(ERRORS)))


@pytest.mark.parametrize("count", [1, 2, 60, 150])
@pytest.mark.parametrize("where", [0, -1])
def test_any_number_of_layers(count, where, check_text):
    first = range(count)[where]
    figure = plot_layers(report([0.3 if index >= first else 1e-7 for index in range(count)], first))
    check_text(figure)
    assert f"block{first}.conv | block{first}_conv" in words(figure)
    assert figure.get_figheight() < 12


@pytest.mark.parametrize("tolerance", [0.0, 1e-12, 10.0, math.inf])
def test_any_tolerance(tolerance, check_text):
    check_text(plot_layers(report([1e-7, 0.3, 0.0], 1, tolerance)))


def test_names_are_as_they_are(check_text):
    strange = report(ERRORS, 3)
    rows = tuple(replace(row, a="$x^2$ <b>" + "very long " * 9) for row in strange.rows)
    check_text(plot_layers(replace(strange, rows=rows, first_divergence=None)))


def test_without_layers_there_is_no_chart():
    assert plot_layers(report([])) is None
    assert plot_layers(report([None])) is None
