"""The chart of a report: the error of each layer, in the order of the models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from explain.migration.presentation.report_text import error_text, is_first_divergence
from explain.migration.report import MigrationReport, Row
from explain.render.colours import MARK, SECOND_MARK
from explain.render.parts.axes import TICK_SIZE, quiet_axes
from explain.render.parts.page import MARGIN
from explain.render.parts.sheet import ALERT, INK, MUTED, RULE, Sheet, elide, line_height, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# All sizes are in inches.
_NAMES_WIDTH = 2.6
_CHART_WIDTH = 5.2
_ROW_HEIGHT = 0.185
_MOST_HEIGHT = 10.5
_AXIS_ROOM = 0.36
_HEAD_ROOM = 0.2
_NAME_SIZE = 7.5

# Marks differ in shape as well as in colour, for readers who cannot distinguish the colours.
_PASSED: dict[str, Any] = {"marker": "o", "color": MARK, "s": 22}
_DIFFERS: dict[str, Any] = {"marker": "D", "color": SECOND_MARK, "s": 26}
_MADE_GOOD: dict[str, Any] = {
    "marker": "D",
    "color": "none",
    "edgecolors": "#6b6b6b",
    "linewidths": 1.0,
    "s": 26,
}


def plot_layers(report: MigrationReport) -> Figure | None:
    """Draw the error of every layer, from the first at the top to the last, on a logarithmic axis.

    An error of zero is at the left of the axis, outputs of different shapes are at its right. With very many layers,
    not every name is written; the name of the first divergence always is.

    Parameters
    ----------
    report : MigrationReport
        The report with the layers.

    Returns
    -------
    matplotlib.figure.Figure or None
        None if no layers were compared.

    Examples
    --------
    >>> rows = (Row("layers", "conv1", "conv2d", 1e-7, 1e-4, True), Row("layers", "fc", "dense", 0.3, 1e-4, False))
    >>> figure = plot_layers(MigrationReport("a", "b", False, None, None, "", "", rows, 8))
    >>> [len(points.get_offsets()) for points in figure.axes[0].collections]
    [1, 1]
    """
    rows = report.of_stage("layers")
    if not any(row.error is not None for row in rows):
        return None
    height = min(_ROW_HEIGHT * max(len(rows), 2), _MOST_HEIGHT)
    names = [elide(_name(row), _NAMES_WIDTH, _NAME_SIZE) for row in rows]
    written = _written(report, rows, height)
    left = MARGIN + max(text_width(names[index], _NAME_SIZE) for index in written) + 0.12
    top = MARGIN + _HEAD_ROOM
    sheet = Sheet(left + _CHART_WIDTH + MARGIN, top + height + _AXIS_ROOM + line_height(_NAME_SIZE) + MARGIN)
    axes = sheet.axes(left, top, _CHART_WIDTH, height)
    scale = _LogAxis(rows, report.tolerances.layers)
    _draw_rows(axes, report, rows, scale)
    axes.set_yticks(written)
    labels = axes.set_yticklabels([names[index] for index in written], parse_math=False)
    for label, index in zip(labels, written, strict=True):
        label.set(fontsize=_NAME_SIZE, color=INK if rows[index].error is not None else MUTED)
    axes.tick_params(axis="y", length=0, pad=4)
    _legend(sheet, left, top + height + _AXIS_ROOM, rows)
    return sheet.figure


class _LogAxis:
    """Positions on a logarithmic axis with space for zero at its left and for infinity at its right."""

    def __init__(self, rows: Sequence[Row], tolerance: float) -> None:
        errors = [row.error for row in rows if row.error is not None]
        exponents = [math.log10(one) for one in errors if 0 < one < math.inf]
        # The label of the tolerance needs room on both sides.
        limit = math.log10(tolerance) if 0 < tolerance < math.inf else -4.0
        self.low = math.floor(min([limit - 1, *exponents]) - 0.2)
        self.high = math.ceil(max([limit + 1, *exponents]) + 0.2)
        self.has_zero, self.has_infinity = 0.0 in errors, math.inf in errors

    def place(self, error: float) -> float:
        if error == 0:
            return self.low - 1
        return self.high + 1 if math.isinf(error) else math.log10(error)

    @property
    def ends(self) -> tuple[float, float]:
        return self.low - (1.4 if self.has_zero else 0), self.high + (1.4 if self.has_infinity else 0)

    @property
    def ticks(self) -> dict[float, str]:
        step = 1 if self.high - self.low <= 9 else 2
        found: dict[float, str] = {self.low - 1: "0"} if self.has_zero else {}
        found |= {one: _power_of_ten(one) for one in range(self.low, self.high + 1, step)}
        return found | ({self.high + 1: "other shape"} if self.has_infinity else {})


def _power_of_ten(exponent: int) -> str:
    return {0: "1", 1: "10"}.get(exponent, f"1e{exponent}".replace("-", "−"))


def _draw_rows(axes: Axes, report: MigrationReport, rows: Sequence[Row], scale: _LogAxis) -> None:
    """Draw the marks of all layers, the tolerance and the first divergence."""
    axes.set_xlim(scale.ends)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)
    for there, edge in ((scale.has_zero, scale.low - 0.5), (scale.has_infinity, scale.high + 0.5)):
        if there:
            axes.axvline(edge, color=RULE, linewidth=0.6, linestyle=(0, (1, 2)))
    for passed, style in ((True, _PASSED), (False, _DIFFERS), (None, _MADE_GOOD)):
        marked = [
            (i, row.error) for i, row in enumerate(rows) if row.passed is passed and row.error is not None
        ]
        if not marked:
            continue
        axes.scatter(
            [scale.place(error) for _, error in marked],
            [index for index, _ in marked],
            zorder=3,
            clip_on=False,
            **{"linewidths": 0, **style},
        )
    tolerance = report.tolerances.layers
    if 0 < tolerance < math.inf:
        axes.axvline(scale.place(tolerance), color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=2)
        axes.annotate(
            f"tolerance {error_text(tolerance)}",
            (scale.place(tolerance), 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=TICK_SIZE,
            color=INK,
        )
    for index, row in enumerate(rows):
        if is_first_divergence(report, row) and row.error is not None:
            _mark_first(axes, scale, index, row.error)
    axes.set_xticks(list(scale.ticks), labels=list(scale.ticks.values()))
    axes.set_xlabel("relative L2 of what the two layers give", fontsize=TICK_SIZE, color=MUTED, labelpad=2)
    quiet_axes(axes, keep=("left", "bottom"))


def _mark_first(axes: Axes, scale: _LogAxis, index: int, error: float) -> None:
    """Draw a ring around the first divergence, and its label on the side with enough space."""
    place = scale.place(error)
    axes.scatter(
        [place], [index], s=110, facecolors="none", edgecolors=ALERT, linewidths=1.3, zorder=4, clip_on=False
    )
    low, high = scale.ends
    to_the_left = place > (low + high) / 2
    axes.annotate(
        "first divergence",
        (place, index),
        xytext=(-9 if to_the_left else 9, 0),
        textcoords="offset points",
        ha="right" if to_the_left else "left",
        va="center",
        fontsize=_NAME_SIZE,
        fontweight="bold",
        color=ALERT,
        zorder=4,
        bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
    )


def _legend(sheet: Sheet, left: float, top: float, rows: Sequence[Row]) -> None:
    """Explain the marks below the chart."""
    axes = sheet.axes(left, top, _CHART_WIDTH, line_height(_NAME_SIZE))
    axes.set_xlim(0, _CHART_WIDTH)
    axes.set_ylim(0, 1)
    axes.axis("off")
    at = 0.06
    marks = [(_PASSED, "within tolerance"), (_DIFFERS, "beyond it")]
    if any(row.passed is None and row.error is not None for row in rows):
        marks.append((_MADE_GOOD, "made good by what follows"))
    for style, words in marks:
        axes.scatter([at], [0.5], **{"linewidths": 0, **style})
        sheet.write(left + at + 0.1, top, words, _NAME_SIZE, color=MUTED)
        at += text_width(words, _NAME_SIZE) + 0.34
    left_out = sum(row.error is None for row in rows)
    if left_out:
        words = f"no mark: not compared ({left_out} of {len(rows)})"
        sheet.write(left + at, top, words, _NAME_SIZE, color=MUTED)


def _written(report: MigrationReport, rows: Sequence[Row], height: float) -> list[int]:
    """Choose the layers whose names are written: all if there is space, and the first divergence in any case."""
    apart = math.ceil(0.14 * len(rows) / height)
    fixed = next((index for index, row in enumerate(rows) if is_first_divergence(report, row)), 0)
    return list(range(fixed % apart, len(rows), apart))


def _name(row: Row) -> str:
    return " | ".join(dict.fromkeys((row.a, row.b)))
