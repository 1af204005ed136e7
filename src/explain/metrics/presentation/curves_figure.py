"""The figure of a metric that is made of curves: a panel for each method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from explain.errors import EvaluationError
from explain.metrics.presentation.benchmark_figure import about_text, chosen_metrics
from explain.metrics.presentation.curve_panel import (
    MOST_CURVES,
    curve_ends,
    draw_curves,
    labels_room,
    mean_curve,
)
from explain.metrics.presentation.marks import (
    FIRST_CURVE,
    MEAN_CURVE,
    THIN_CURVE,
    Entry,
    legend,
    legend_height,
)
from explain.metrics.presentation.words import DIRECTIONS, method_labels
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.measurement import Measurement
from explain.public_calls.callers_line import at_callers_line
from explain.render.parts.axes import TICK_SIZE
from explain.render.parts.lines import SEPARATOR, Line, lines_height, write_lines
from explain.render.parts.page import MARGIN
from explain.render.parts.sheet import INK, MUTED, Sheet, elide, line_height
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# All sizes are in inches, those of type in points.
_CURVE_WIDTH = 1.65
_CURVE_HEIGHT = 1.0
_CURVE_LEFT = 0.42
_CURVE_GAP = 0.16
_CURVES_PER_LINE = 5
_NAME_SIZE = 8.0
_LEAST_WIDTH = 5.0


@at_callers_line
def plot_curves(benchmark: Benchmark, metric: str) -> Figure:
    """Draw the curves of a metric: one panel a method, the best first, on one vertical axis.

    Parameters
    ----------
    benchmark : Benchmark
        What was measured.
    metric : str
        A metric that is made of a curve.

    Returns
    -------
    matplotlib.figure.Figure
        The figure; a notebook shows it without pyplot. The mean curve is bold, those of the examples are thin; the mean
        curve of the best method is in every panel.

    Raises
    ------
    EvaluationError
        If `metric` was not measured, or has no curve.

    Examples
    --------
    >>> from explain.metrics.results.evaluation import Evaluation
    >>> one = Measurement("deletion", np.array([0.5]), "lower", np.array([[1.0, 0.0]]), np.array([0.0, 1.0]))
    >>> len(plot_curves(Benchmark({"saliency": Evaluation({"deletion": one})}), "deletion").axes)
    2
    """
    chosen_metrics(benchmark, [metric])
    order = [method for method in benchmark.order(metric) if has_curve(benchmark.measurement(metric, method))]
    if not order:
        curved = metrics_with_curves(benchmark)
        others = (
            f"give one that has: {', '.join(map(repr, curved))}"
            if curved
            else "Benchmark.plot draws the means"
        )
        raise EvaluationError(f"metric={metric!r} is not made of a curve: {others}.")
    found = {method: benchmark.evaluations[method].measurements[metric] for method in order}
    labels = method_labels(benchmark)
    columns = min(len(order), _CURVES_PER_LINE)
    lines = -(-len(order) // columns)
    step = _CURVE_WIDTH + _CURVE_GAP
    title = line_height(_NAME_SIZE) + line_height(TICK_SIZE) + 0.04
    is_shared = len({(one.labels, one.positions is None) for one in found.values()}) == 1
    below = max(labels_room(one) for one in found.values())
    panel_height = title + _CURVE_HEIGHT + _CURVE_GAP + (0.0 if is_shared else below)
    width = max(2 * MARGIN + _CURVE_LEFT + columns * step - _CURVE_GAP, _LEAST_WIDTH)
    inner = width - 2 * MARGIN
    head = _curves_head(benchmark, metric)
    entries = _curve_entries(found, labels[order[0]])
    grid_height = lines * panel_height + (below if is_shared else 0.0)
    height = lines_height(head, inner) + 0.14 + grid_height + legend_height(inner, entries)
    sheet = Sheet(width, height + 2 * MARGIN)
    top = write_lines(sheet, MARGIN, MARGIN, head, inner) + 0.14
    ends = curve_ends(list(found.values()))
    for place, (method, one) in enumerate(found.items()):
        left = MARGIN + _CURVE_LEFT + place % columns * step
        at = top + place // columns * panel_height
        name = elide(labels[method], _CURVE_WIDTH, _NAME_SIZE, "bold")
        under = sheet.write(left, at, name, _NAME_SIZE, weight="bold")
        sheet.write(left, under, f"mean {number(one.mean)}", TICK_SIZE, color=MUTED)
        axes = sheet.axes(left, at + title, _CURVE_WIDTH, _CURVE_HEIGHT)
        draw_curves(axes, one, ends, first=mean_curve(found[order[0]]) if place else None)
        # Axes that are alike are labelled once, at the left and at the lower end of a column.
        axes.tick_params(labelleft=place % columns == 0)
        axes.tick_params(labelbottom=not is_shared or place + columns >= len(order))
    legend(sheet, MARGIN, top + grid_height, inner, entries)
    return sheet.figure


def metrics_with_curves(benchmark: Benchmark) -> list[str]:
    """Give the metrics that `plot_curves` draws.

    Examples
    --------
    >>> metrics_with_curves(Benchmark({}))
    []
    """
    return [
        metric
        for metric in benchmark.metrics
        if any(has_curve(benchmark.measurement(metric, method)) for method in benchmark)
    ]


def has_curve(one: Measurement | None) -> bool:
    """Tell whether a measurement has a curve that can be drawn.

    Examples
    --------
    >>> has_curve(None), has_curve(Measurement("a", np.ones(1), "lower", np.array([[0.5]])))
    (False, True)
    """
    return one is not None and one.curve is not None and bool(np.isfinite(one.curve).any())


def _curves_head(benchmark: Benchmark, metric: str) -> list[Line]:
    about = SEPARATOR.join((DIRECTIONS[benchmark.better(metric)], about_text(benchmark)))
    return [Line(f"Curves of {metric}", 12.5, "bold", INK), Line(about, 8.5)]


def _curve_entries(found: dict[str, Measurement], first: str) -> list[Entry]:
    many = max(len(one.values) for one in found.values()) > MOST_CURVES
    entries: list[Entry] = [
        (MEAN_CURVE, "mean curve"),
        (THIN_CURVE, f"curve of an example (the first {MOST_CURVES})" if many else "curve of an example"),
    ]
    return [*entries, (FIRST_CURVE, f"mean curve of {first}")] if len(found) > 1 else entries
