"""The figures of a benchmark: methods ranked by each metric, and the curves of each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from explain.errors import EvaluationError
from explain.inputs.display import shortened
from explain.inputs.naming.suggestions import suggestion
from explain.metrics.presentation.marks import (
    BAR,
    BEST,
    NO_BEST,
    OTHER,
    Entry,
    legend,
    legend_height,
)
from explain.metrics.presentation.ranked_panel import ranking, without_value
from explain.metrics.presentation.words import (
    ONE_TELLS_NOTHING,
    common,
    count_of,
    examples_text,
    method_labels,
    why_none,
)
from explain.metrics.results.benchmark import Benchmark
from explain.public_calls.callers_line import at_callers_line
from explain.render.parts.lines import SEPARATOR, SMALL, Line, lines_height, write_lines
from explain.render.parts.page import MARGIN
from explain.render.parts.sheet import INK, MUTED, Sheet
from explain.results.names import framework_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# All sizes are in inches, those of type in points.
_COLUMN_GAP = 0.34
_ROW_GAP = 0.22
# The width of the axis of a panel, for one, two, and three or more panels side by side.
_AXIS_WIDTHS = (4.2, 2.4, 1.7)
_LEAST_WIDTH = 5.0


@at_callers_line
def plot_benchmark(benchmark: Benchmark, metrics: Sequence[str] | None = None) -> Figure:
    """Draw the methods ranked by each metric: one panel a metric, means with 95 % intervals, the best at the top.

    Filled marks are the best method and those that do not differ from it. What has no value stands below a panel, with
    the reason.

    Parameters
    ----------
    benchmark : Benchmark
        What was measured.
    metrics : sequence of str, optional
        Which metrics, in which order. By default all.

    Returns
    -------
    matplotlib.figure.Figure
        The figure; a notebook shows it without pyplot.

    Raises
    ------
    EvaluationError
        If there is no metric, or one of `metrics` was not measured.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.metrics.results.evaluation import Evaluation
    >>> from explain.metrics.results.measurement import Measurement
    >>> def of(values):
    ...     return Evaluation({"deletion": Measurement("deletion", np.array(values), "lower")})
    >>> figure = plot_benchmark(Benchmark({"saliency": of([0.4, 0.6]), "ig": of([0.1, 0.2])}))
    >>> [text.get_text() for text in figure.texts][:3]
    ['2 methods compared', '2 examples', 'deletion']
    """
    chosen = chosen_metrics(benchmark, metrics)
    labels = method_labels(benchmark)
    nowhere = _without_any(benchmark, chosen)
    panels = [ranking(benchmark, metric, labels, nowhere) for metric in chosen]
    columns = min(len(panels), len(_AXIS_WIDTHS))
    names = max(panel.names_width for panel in panels)
    numbers = max(panel.numbers_width for panel in panels)
    panel_width = names + _AXIS_WIDTHS[columns - 1] + numbers + 0.16
    width = max(2 * MARGIN + columns * panel_width + (columns - 1) * _COLUMN_GAP, _LEAST_WIDTH)
    inner = width - 2 * MARGIN
    lines = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [max(panel.full_height(panel_width) for panel in line) for line in lines]
    head = _head(benchmark)
    entries = _entries(benchmark, chosen)
    foot = _foot(benchmark, nowhere, labels)
    height = lines_height(head, inner) + 0.16 + sum(heights) + _ROW_GAP * len(lines)
    height += legend_height(inner, entries) + lines_height(foot, inner) + 0.06
    sheet = Sheet(width, height + 2 * MARGIN)
    top = write_lines(sheet, MARGIN, MARGIN, head, inner) + 0.16
    for line, line_high in zip(lines, heights, strict=True):
        for column, panel in enumerate(line):
            left = MARGIN + column * (panel_width + _COLUMN_GAP)
            panel.draw(sheet, left, top, panel_width, names, numbers)
        top += line_high + _ROW_GAP
    top = legend(sheet, MARGIN, top, inner, entries) + 0.06
    write_lines(sheet, MARGIN, top, foot, inner)
    return sheet.figure


def chosen_metrics(benchmark: Benchmark, metrics: Sequence[str] | None) -> tuple[str, ...]:
    """Give the metrics to draw: the given ones, or all.

    Raises
    ------
    EvaluationError
        If there is none, or one was not measured.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.metrics.results.evaluation import Evaluation
    >>> from explain.metrics.results.measurement import Measurement
    >>> one = Evaluation({"deletion": Measurement("deletion", np.array([0.5]), "lower")})
    >>> chosen_metrics(Benchmark({"saliency": one}), None)
    ('deletion',)
    """
    known = benchmark.metrics
    if isinstance(metrics, str) or (metrics is not None and not metrics):
        raise EvaluationError(
            f"metrics={shortened(metrics)}: give a list of names, such as {list(known[:2])}, or leave it out for all."
        )
    chosen = known if metrics is None else tuple(metrics)
    if not chosen:
        raise EvaluationError(
            "The benchmark has no metric, so there is nothing to draw: give metrics= to explain.benchmark; its reasons "
            "say why a method has no value."
        )
    for name in chosen:
        if name not in known:
            raise EvaluationError(
                f"{shortened(name)} is not a metric of this benchmark, which has {', '.join(map(repr, known))}."
                f"{suggestion(name, known)} Give it in metrics= of explain.benchmark."
            )
    return chosen


def about_text(benchmark: Benchmark) -> str:
    """Write what holds for all methods: the model, the framework, the number of examples.

    Examples
    --------
    >>> about_text(Benchmark({}))
    '0 examples'
    """
    of_all = common(benchmark)
    parts = (of_all.model, framework_name(of_all.framework), examples_text(count_of(benchmark)))
    return SEPARATOR.join(filter(None, parts))


def _head(benchmark: Benchmark) -> list[Line]:
    count = len(benchmark)
    title = f"{count} methods compared" if count > 1 else "1 method"
    return [Line(title, 12.5, "bold", INK), Line(about_text(benchmark), 8.5)]


def _without_any(benchmark: Benchmark, metrics: Sequence[str]) -> dict[str, str]:
    """Give the methods without any value that have one reason for all metrics: each is named once."""
    found = {}
    for method in benchmark:
        if all(method not in benchmark.order(metric) for metric in metrics):
            reasons = {why_none(benchmark, metric, method) for metric in metrics}
            if len(reasons) == 1:
                found[method] = reasons.pop()
    return found


def _foot(benchmark: Benchmark, nowhere: Mapping[str, str], labels: Mapping[str, str]) -> list[Line]:
    by_reason: dict[str, list[str]] = {}
    for method, reason in nowhere.items():
        by_reason.setdefault(reason, []).append(labels[method])
    words = [ONE_TELLS_NOTHING] if count_of(benchmark) == 1 and len(benchmark) > 1 else []
    return [Line(one, SMALL, color=MUTED, most=2) for one in (*words, *without_value(by_reason))]


def _entries(benchmark: Benchmark, metrics: Sequence[str]) -> list[Entry]:
    """Give the legend of all that the figure has."""
    directions = {benchmark.better(metric) for metric in metrics if benchmark.order(metric)}
    entries: list[Entry] = []
    others_of = [set(benchmark.order(metric)) - set(benchmark.best(metric)) for metric in metrics]
    if directions - {""}:
        entries.append((BEST, "the best, and those not different from it"))
        if any(
            others and benchmark.better(metric) for metric, others in zip(metrics, others_of, strict=True)
        ):
            entries.append((OTHER, "different from the best"))
    if "" in directions:
        entries.append((NO_BEST, "mean, where neither end is better"))
    if count_of(benchmark) > 1:
        entries.append((BAR, "95 % interval of the mean"))
    return entries
