"""The figure of two attributions of the same inputs, value against value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import FixedLocator, FuncFormatter

from explain.inputs.layout import Layout
from explain.render.arguments import check_arguments, check_attribution
from explain.render.parts.caption import SEPARATOR, SMALL, Line, head, lines_height, target_of, write_lines
from explain.render.parts.drawing import quiet_axes
from explain.render.parts.page import MARGIN
from explain.render.parts.sheet import INK, MUTED, RULE, Sheet, elide, line_height
from explain.results.attribution import Attribution
from explain.results.comparison import TITLES, Comparison, compare
from explain.results.heatmap import DEFAULT_PERCENTILE, Floats
from explain.results.names import class_name, number
from explain.results.view import drawn_as

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# All in inches.
SIDE = 1.9
TITLE_SIZE = 8.5
_TITLE_ROOM = line_height(TITLE_SIZE) + 0.05
# For the numbers and the name of the standing axis, and for the numbers of the lying one.
_AXIS_ROOM = 0.56
_TICK_ROOM = 0.2
_GAP = 0.22
_LEAST_WIDTH = 4.4
PER_LINE = 4

# More points than these hide each other, and are counted in cells instead.
MOST_POINTS = 1500
# So few are drawn larger.
_FEW_POINTS = 200
_CELLS = 48
_COLOR = "#1f4e79"


def plot_scatter(
    a: Attribution,
    b: Attribution,
    *,
    labels: tuple[str, str] | None = None,
    comparison: Comparison | None = None,
    examples: int | Sequence[int] | None = None,
    max_examples: int = 8,
) -> Figure:
    """Draw every value of one attribution against that of another, one panel an example.

    Both axes of a panel have one range, about zero where values have signs, and nothing is clipped. Equal values lie
    on the diagonal. Many values are counted in cells: the darker, the more.

    Parameters
    ----------
    a, b : Attribution
        Of the same inputs, targets and kind of score; they may be laid out differently.
    labels : tuple of str, optional
        What to call the two; from what tells them apart if not given.
    comparison : Comparison, optional
        What `explain.compare` gave for the two; computed if not given.
    examples : int or sequence of int, optional
        Which examples; the first `max_examples` if not given.
    max_examples : int
        How many examples are drawn where `examples` does not say.

    Returns
    -------
    matplotlib.figure.Figure
        It shows itself in notebooks, is not known to pyplot, and is saved by its ``savefig``.

    Raises
    ------
    ComparisonError
        If the two explain different things.
    RenderError
        If an argument is wrong.

    Examples
    --------
    >>> x = np.ones((2, 3, 8, 8), np.float32)
    >>> a = Attribution(x, x, "NCHW", "saliency", np.ones(2), framework="torch")
    >>> y = x.transpose(0, 2, 3, 1)
    >>> b = Attribution(y, y, "NHWC", "saliency", np.ones(2), framework="tensorflow")
    >>> len(plot_scatter(a, b).axes)
    2
    """
    check_attribution("a", a)
    check_attribution("b", b)
    comparison = compare(a, b) if comparison is None else comparison
    names = comparison.labels if labels is None else labels
    b = replace(b, display=a.display)
    drawn = check_arguments(
        [a, b],
        examples=examples,
        display=None,
        scale="shared",
        channels="sum",
        percentile=DEFAULT_PERCENTILE,
        max_examples=max_examples,
        groupings=("shared",),
    )
    signed = drawn_as(a) != "unsigned"
    values = [[_values(one, example) for one in drawn.attributions] for example in drawn.examples]
    foot = "Every value of an example, channels apart. On the line the two are equal."
    if max(one.size for one, _ in values) > MOST_POINTS:
        foot += " The darker a cell, the more values are in it, from one to a thousand and more."
    sheet, places = _laid_out(head([a, b], len(drawn.examples)), len(drawn.examples), [Line(foot, SMALL)])
    for (left, top), example, both in zip(places, drawn.examples, values, strict=True):
        title = f"{class_name(a, target_of(a, example))}{SEPARATOR}example {example}"
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
    """Draw values against values, as points or, where they are many, as counts in cells.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; as wide as high.
    one, other : numpy.ndarray
        Of one size: along the lying axis, and along the standing one.
    signed : bool
        Whether the axes have zero in the middle, else at their beginning.

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
            one, other, s=18 if few else 7, color=_COLOR, alpha=0.7 if few else 0.45, linewidths=0, zorder=2
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
    """Make a sheet for so many panels; give the left and the top of each."""
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


def _values(attribution: Attribution, example: int) -> Floats:
    """Give all values of one example in one order whatever the layout, without padding."""
    layout = Layout(attribution.layout)
    values = layout.to_canonical(np.asarray(attribution.values, np.float64))[example]
    if attribution.mask is not None and layout.time_axis is not None:
        values = values[np.asarray(attribution.mask[example], bool)]
    return np.asarray(values.ravel())


@cache
def _counts() -> Colormap:
    """From a light grey blue, which can be seen on white, to nearly black: lightness alone tells the count."""
    return LinearSegmentedColormap.from_list("counts", ["#b9cfe4", "#1f4e79", "#0a1a29"])
