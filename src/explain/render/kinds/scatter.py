"""The figure of two attributions of the same inputs, value against value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import FixedLocator, FuncFormatter

from explain.public_calls.callers_line import at_callers_line
from explain.render.arguments import Choices, check_arguments, check_pair
from explain.render.colours import MARK
from explain.render.parts.axes import quiet_axes
from explain.render.parts.caption import head, target_text
from explain.render.parts.lines import SEPARATOR, SMALL, Line, lines_height, write_lines
from explain.render.parts.page import MARGIN
from explain.render.parts.sheet import INK, MUTED, RULE, Sheet, elide, line_height
from explain.results.attribution import Attribution
from explain.results.canonical_axes import canonical, without_padding
from explain.results.comparison import TITLES, Comparison
from explain.results.heatmap import Floats
from explain.results.names import number
from explain.results.view import drawn_as

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# All sizes are in inches.
SIDE = 1.9
TITLE_SIZE = 8.5
_TITLE_ROOM = line_height(TITLE_SIZE) + 0.05
# Space for the numbers and the name of the vertical axis, and for the numbers of the horizontal axis.
_AXIS_ROOM = 0.56
_TICK_ROOM = 0.2
_GAP = 0.22
_LEAST_WIDTH = 4.4
PER_LINE = 4

# More points than this would hide each other, so they are counted in cells instead.
MOST_POINTS = 1500
# If there are at most this many points, they are drawn larger.
_FEW_POINTS = 200
_CELLS = 48


@at_callers_line
def plot_scatter(
    a: Attribution,
    b: Attribution,
    *,
    labels: tuple[str, str] | None = None,
    comparison: Comparison | None = None,
    examples: int | Sequence[int] | None = None,
    max_examples: int = 8,
) -> Figure:
    """Draw every value of one attribution against the same value of another, one panel per example.

    Both axes of a panel have the same range, centred on zero if values have signs, and nothing is clipped. Equal values
    are on the diagonal. If there are many values, they are counted in cells: darker cells contain more.

    Parameters
    ----------
    a, b : Attribution
        Of the same inputs, targets and kind of score; their layouts may differ.
    labels, comparison, examples, max_examples
        As for `explain.render.plot_pair`.

    Returns
    -------
    matplotlib.figure.Figure
        As from `explain.render.plot`.

    Raises
    ------
    ComparisonError, RenderError
        As `explain.render.plot_pair` does.

    Examples
    --------
    >>> x = np.ones((2, 3, 8, 8), np.float32)
    >>> a = Attribution(x, x, "NCHW", "saliency", np.ones(2), framework="torch")
    >>> y = x.transpose(0, 2, 3, 1)
    >>> b = Attribution(y, y, "NHWC", "saliency", np.ones(2), framework="tensorflow")
    >>> len(plot_scatter(a, b).axes)
    2
    """
    comparison, names = check_pair(a, b, labels, comparison)
    drawn = check_arguments([a, replace(b, display=a.display)], Choices(examples, max_examples))
    signed = drawn_as(a) != "unsigned"
    flat = [without_padding(one, canonical(one, one.values)) for one in drawn.attributions]
    values = [[each[example] for each in flat] for example in drawn.examples]
    foot = "Every value of an example, channels apart. On the line the two are equal."
    if max(one.size for one, _ in values) > MOST_POINTS:
        foot += " The darker a cell, the more values are in it, from one to a thousand and more."
    sheet, places = _laid_out(
        head(drawn.attributions, len(drawn.examples)), len(drawn.examples), [Line(foot, SMALL)]
    )
    for (left, top), example, both in zip(places, drawn.examples, values, strict=True):
        title = f"{target_text(a, example)}{SEPARATOR}example {example}"
        sheet.write(left, top, elide(title, SIDE, TITLE_SIZE, "bold"), TITLE_SIZE, weight="bold")
        axes = sheet.axes(left, top + _TITLE_ROOM, SIDE, SIDE)
        draw_scatter(axes, *both, signed=signed)
        axes.set_ylabel(elide(names[1], SIDE, SMALL), fontsize=SMALL, color=INK, labelpad=2, parse_math=False)
        texts = comparison.texts(example)
        under = top + _TITLE_ROOM + SIDE + _TICK_ROOM
        for text, color in (
            (elide(names[0], SIDE, SMALL), INK),
            (f"{TITLES['relative_l2']} {texts['relative_l2']}", MUTED),
            (f"rank correlation {texts['spearman']}", MUTED),
        ):
            under = sheet.write(left + SIDE / 2, under, text, SMALL, color=color, align="center")
    return sheet.figure


def draw_scatter(axes: Axes, one: Floats, other: Floats, *, signed: bool = True) -> None:
    """Draw values against values, as points or, if there are many, as counts in cells.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Square axes to draw in.
    one, other : numpy.ndarray
        The values along the horizontal and along the vertical axis, of the same size.
    signed : bool
        Whether the axes have zero in the middle; else zero is at their start.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_scatter(axes, np.array([1.0, -2.0]), np.array([1.0, 4.0]))
    >>> axes.get_xlim() == axes.get_ylim(), [tick.get_text() for tick in axes.get_xticklabels()]
    (True, ['−4', '0', '4'])
    """
    limit = float(max(np.abs(one).max(initial=0.0), np.abs(other).max(initial=0.0))) or 1.0
    ends = (-1.05 * limit if signed else -0.05 * limit, 1.05 * limit)
    axes.axline((0, 0), slope=1, color=MUTED, linewidth=0.7, zorder=1)
    for line in (axes.axhline, axes.axvline):
        line(0, color=RULE, linewidth=0.5, zorder=0)
    if one.size > MOST_POINTS:
        axes.hexbin(
            one,
            other,
            gridsize=_CELLS,
            extent=(*ends, *ends),
            mincnt=1,
            norm=LogNorm(1, 1000, clip=True),
            cmap=_counts(),
            linewidths=0,
            zorder=2,
        )
    else:
        few = one.size <= _FEW_POINTS
        axes.scatter(
            one, other, s=18 if few else 7, color=MARK, alpha=0.7 if few else 0.45, linewidths=0, zorder=2
        )
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    ticks = [-limit, 0.0, limit] if signed else [0.0, limit]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
    quiet_axes(axes, keep=("left", "bottom"))


def _laid_out(
    header: Sequence[Line], count: int, foot: Sequence[Line]
) -> tuple[Sheet, list[tuple[float, float]]]:
    """Make a sheet for a number of panels; give the left and the top of each panel."""
    across, down = min(count, PER_LINE), -(-count // PER_LINE)
    column = _AXIS_ROOM + SIDE + _GAP
    row = _TITLE_ROOM + SIDE + _TICK_ROOM + 3 * line_height(SMALL) + _GAP
    width = max(2 * MARGIN + across * column, _LEAST_WIDTH)
    inner = width - 2 * MARGIN
    top = MARGIN + lines_height(header, inner) + 0.14
    bottom = top + down * row
    sheet = Sheet(width, bottom + lines_height(foot, inner) + MARGIN)
    write_lines(sheet, MARGIN, MARGIN, header, inner)
    write_lines(sheet, MARGIN, bottom, foot, inner)
    places = [
        (MARGIN + _AXIS_ROOM + (index % PER_LINE) * column, top + (index // PER_LINE) * row)
        for index in range(count)
    ]
    return sheet, places


@cache
def _counts() -> Colormap:
    """Give the colours of counts, by lightness alone: from a light grey blue, visible on white, to nearly black."""
    return LinearSegmentedColormap.from_list("counts", ["#b9cfe4", MARK, "#0a1a29"])
