"""The figure of an evaluation: means with intervals over the examples, and the curves below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from explain.errors import EvaluationError
from explain.inputs.display import shortened
from explain.metrics.presentation.curve_panel import MOST_CURVES, curve_ends, draw_curves, labels_room
from explain.metrics.presentation.interval_rows import Group, draw_rows, grouped
from explain.metrics.presentation.marks import (
    BAR,
    BEST,
    CHOSEN,
    CHOSEN_CURVE,
    EXAMPLE,
    MEAN_CURVE,
    THIN_CURVE,
    Entry,
    legend,
    legend_height,
)
from explain.metrics.presentation.words import (
    DIRECTIONS,
    NOT_KNOWN,
    examples_text,
    interval_text,
    left_out_text,
)
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Measurement
from explain.public_calls.callers_line import at_callers_line
from explain.render.parts.axes import TICK_SIZE
from explain.render.parts.lines import SEPARATOR, SMALL, Line, lines_height, write_lines
from explain.render.parts.page import MARGIN
from explain.render.parts.sheet import ALERT, INK, MUTED, Sheet, elide, line_height, text_width
from explain.results.names import framework_name, method_name, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# All sizes are in inches, those of type in points.
_NAME_SIZE = 8.0
_LONGEST_NAME = 2.4
_AXIS_WIDTH = 3.9
_ROW_HEIGHT = 0.38
_AXIS_ROOM = 0.34
_GAP = 0.14
_HEADING_ROOM = line_height(TICK_SIZE) + 0.05
_CURVE_WIDTH = 1.9
_CURVE_HEIGHT = 1.25
_CURVE_LEFT = 0.5
_CURVE_TITLE = line_height(_NAME_SIZE) + line_height(TICK_SIZE) + 0.04
_CURVE_GAP = 0.2
_PER_LINE = 3


@at_callers_line
def plot_evaluation(evaluation: Evaluation, example: int | None = None) -> Figure:
    """Draw the mean of each metric with its 95 % interval, each example as a small point, and the curves.

    Metrics whose values fit one axis share it.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.
    example : int, optional
        An example to mark, with its number and its curves.

    Returns
    -------
    matplotlib.figure.Figure
        The figure; a notebook shows it without pyplot.

    Raises
    ------
    EvaluationError
        If there is no metric, or `example` is not one of the examples.

    Examples
    --------
    >>> one = Measurement("deletion", np.array([0.25, 0.75]), "lower")
    >>> figure = plot_evaluation(Evaluation({"deletion": one}, method="saliency"), example=1)
    >>> [text.get_text() for text in figure.texts][:1]
    ['Saliency']
    """
    if not evaluation.measurements:
        raise EvaluationError(
            "The evaluation has no metric, so there is nothing to draw: give metrics= to explain.evaluate."
        )
    if example is not None:
        example = _checked(example, len(evaluation))
    found = evaluation.measurements
    groups = grouped(found)
    curves = [name for name, one in found.items() if one.curve is not None and np.isfinite(one.curve).any()]
    named = [name for group in groups for name in group.names]
    names_width = max((_name_width(name, found[name]) for name in named), default=1.0)
    numbers = max((text_width(number(found[name].mean), _NAME_SIZE) for name in named), default=0.0)
    intervals = max((_interval_width(found[name], evaluation.seed, example) for name in named), default=0.0)
    axis_left = MARGIN + names_width + _GAP
    mean_right = axis_left + _AXIS_WIDTH + _GAP + numbers
    columns = min(len(curves), _PER_LINE)
    width = max(
        mean_right + _GAP + intervals + MARGIN, 2 * MARGIN + columns * (_CURVE_LEFT + _CURVE_WIDTH + _GAP)
    )
    inner = width - 2 * MARGIN
    head, notes = _head(evaluation), _notes(found, named)
    marks = _entries(found, curves, example)
    grid_height = _grid_height(found, curves)
    rows_height = sum(_ROW_HEIGHT * len(group.names) + _AXIS_ROOM for group in groups)
    height = (
        2 * MARGIN
        + lines_height(head, inner)
        + _HEADING_ROOM
        + rows_height
        + lines_height(notes, inner)
        + grid_height
        + legend_height(inner, marks)
        + 0.3
    )
    sheet = Sheet(width, height)
    top = write_lines(sheet, MARGIN, MARGIN, head, inner) + 0.14
    if groups:
        sheet.write(mean_right, top, "mean", TICK_SIZE, color=MUTED, align="right")
        sheet.write(mean_right + _GAP, top, "95 % interval", TICK_SIZE, color=MUTED)
    top += _HEADING_ROOM
    for group in groups:
        axes = sheet.axes(axis_left, top, _AXIS_WIDTH, _ROW_HEIGHT * len(group.names))
        draw_rows(axes, group, found, evaluation.seed, example)
        _write_rows(sheet, group, evaluation, example, axis_left - _GAP, mean_right, top)
        top += _ROW_HEIGHT * len(group.names) + _AXIS_ROOM
    top = write_lines(sheet, MARGIN, top, notes, inner)
    _draw_grid(sheet, found, curves, example, top, inner)
    legend(sheet, MARGIN, top + grid_height + 0.1, inner, marks)
    return sheet.figure


def _checked(example: object, count: int) -> int:
    if not isinstance(example, Integral) or isinstance(example, bool) or not 0 <= int(example) < count:
        raise EvaluationError(
            f"example={shortened(example)} is not one of the {examples_text(count)}: give a number from 0 to "
            f"{count - 1}, or leave it out to mark none."
        )
    return int(example)


def _head(evaluation: Evaluation) -> list[Line]:
    score = f"score {evaluation.score.replace('_', '-')}" if evaluation.score else ""
    parts = (
        evaluation.model,
        framework_name(evaluation.framework),
        examples_text(len(evaluation)),
        score,
    )
    title = method_name(evaluation.method) if evaluation.method else "An attribution"
    return [Line(title, 12.5, "bold", INK), Line(SEPARATOR.join(filter(None, parts)), 8.5)]


def _notes(found: Mapping[str, Measurement], named: Sequence[str]) -> list[Line]:
    """Name the metrics without a value, and why."""
    return [
        Line(f"{name}: no value ({left_out_text(one) or NOT_KNOWN})", SMALL, color=MUTED)
        for name, one in found.items()
        if name not in named
    ]


def _name_width(name: str, one: Measurement) -> float:
    wide = max(text_width(name, _NAME_SIZE), text_width(DIRECTIONS[one.better], TICK_SIZE))
    # At few pixels an inch letters are drawn a little wider than they are measured.
    return min(1.04 * wide, _LONGEST_NAME)


def _interval_width(one: Measurement, seed: int, example: int | None) -> float:
    words = [(interval_text(*one.interval(seed)), _NAME_SIZE), ("95 % interval", TICK_SIZE)]
    return max(text_width(*pair) for pair in (*words, (_below(one, example), TICK_SIZE)))


def _below(one: Measurement, example: int | None) -> str:
    """Write what stands below an interval: the value of the example that is marked, and how many have a value."""
    parts = [f"n={one.count} of {len(one.values)}"] if one.left_out else []
    if example is not None:
        parts.insert(0, f"example {example}: {number(float(one.values[example]))}")
    return ", ".join(parts)


def _write_rows(
    sheet: Sheet,
    group: Group,
    evaluation: Evaluation,
    example: int | None,
    names_right: float,
    mean_right: float,
    top: float,
) -> None:
    """Write the names of the metrics at the left of an axis and their numbers at its right."""
    two_lines = line_height(_NAME_SIZE) + line_height(TICK_SIZE)
    for name in group.names:
        one = evaluation.measurements[name]
        first = top + (_ROW_HEIGHT - two_lines) / 2
        second = first + line_height(_NAME_SIZE)
        shown = elide(name, _LONGEST_NAME, _NAME_SIZE)
        sheet.write(names_right, first, shown, _NAME_SIZE, align="right")
        sheet.write(names_right, second, DIRECTIONS[one.better], TICK_SIZE, color=MUTED, align="right")
        sheet.write(mean_right, first, number(one.mean), _NAME_SIZE, weight="bold", align="right")
        interval = interval_text(*one.interval(evaluation.seed))
        sheet.write(mean_right + _GAP, first, interval, _NAME_SIZE)
        color = MUTED if example is None else ALERT
        sheet.write(mean_right + _GAP, second, _below(one, example), TICK_SIZE, color=color)
        top += _ROW_HEIGHT


def _line_height(found: Mapping[str, Measurement], line: Sequence[str]) -> float:
    return _CURVE_TITLE + _CURVE_HEIGHT + max(labels_room(found[name]) for name in line) + _CURVE_GAP


def _lines(curves: Sequence[str]) -> list[Sequence[str]]:
    return [curves[start : start + _PER_LINE] for start in range(0, len(curves), _PER_LINE)]


def _grid_height(found: Mapping[str, Measurement], curves: Sequence[str]) -> float:
    return sum(_line_height(found, line) for line in _lines(curves))


def _draw_grid(
    sheet: Sheet,
    found: Mapping[str, Measurement],
    curves: Sequence[str],
    example: int | None,
    top: float,
    inner: float,
) -> None:
    """Draw a panel for each metric that is made of a curve."""
    step = inner / _PER_LINE
    for line in _lines(curves):
        for column, name in enumerate(line):
            left, one = MARGIN + column * step, found[name]
            width = step - _CURVE_LEFT - (_GAP if column + 1 < _PER_LINE else 0.0)
            sheet.write(left, top, elide(name, step - _GAP, _NAME_SIZE, "bold"), _NAME_SIZE, weight="bold")
            below = top + line_height(_NAME_SIZE)
            sheet.write(left, below, DIRECTIONS[one.better], TICK_SIZE, color=MUTED)
            axes = sheet.axes(left + _CURVE_LEFT, top + _CURVE_TITLE, width, _CURVE_HEIGHT)
            draw_curves(axes, one, curve_ends([one]), example=example)
        top += _line_height(found, line)


def _entries(found: Mapping[str, Measurement], curves: Sequence[str], example: int | None) -> list[Entry]:
    """Give the legend of all that the figure has."""
    entries: list[Entry] = [(BEST, "mean")]
    if any(one.count > 1 for one in found.values()):
        entries.append((BAR, "95 % interval of the mean"))
        entries.append((EXAMPLE, "an example"))
    if example is not None:
        entries.append((CHOSEN, f"example {example}"))
    if curves:
        many = max(len(found[name].values) for name in curves) > MOST_CURVES
        thin = f"curve of an example (the first {MOST_CURVES})" if many else "curve of an example"
        entries.append((MEAN_CURVE, "mean curve"))
        if max(len(found[name].values) for name in curves) > 1:
            entries.append((THIN_CURVE, thin))
        if example is not None:
            entries.append((CHOSEN_CURVE, f"curve of example {example}"))
    return entries
