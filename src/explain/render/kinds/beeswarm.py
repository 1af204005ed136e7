"""All examples of a table in one figure: a swarm of points for each feature, or a bar of its mean |attribution|."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.ticker import FuncFormatter, MaxNLocator

from explain.inputs.display import Display
from explain.public_calls.callers_line import at_callers_line
from explain.render.colour_maps import NO_VALUE_COLOR, value_colors
from explain.render.colours import MARK
from explain.render.drawn import Drawn
from explain.render.kinds.table import (
    AXIS_ROOM,
    BAR_HEIGHT,
    NAME_SIZE,
    NAME_WIDTH_MOST,
)
from explain.render.parts.axes import TICK_SIZE, quiet_axes, say_all_zero
from explain.render.parts.caption import head, target_of, target_text
from explain.render.parts.colour_bar import COLORBAR_WIDTH, draw_value_bar
from explain.render.parts.lines import Line
from explain.render.parts.page import CONTENT_LEFT, GAP, MARGIN, Row, compose
from explain.render.parts.sheet import INK, MUTED, Sheet, line_height, text_width
from explain.render.tables.columns import elided_name
from explain.render.tables.feature_rows import (
    FEW,
    MOST_ROWS,
    FeatureRow,
    over_examples,
    rows_of,
    swarm,
)
from explain.results.attribution import Attribution
from explain.results.heatmap import is_signed
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT = 0.34
SWARM_WIDTH = 4.4
# The space for the words of the axis below its numbers, and for the colour bar with its words.
_LABEL_ROOM = line_height(TICK_SIZE) + 0.04
_BAR_ROOM = COLORBAR_WIDTH + 0.62


@at_callers_line
def plot_beeswarm(
    attribution: Attribution,
    *,
    max_features: int = MOST_ROWS,
    examples: int | Sequence[int] | None = None,
    display: Display | None = None,
) -> Figure:
    """Draw every example of a table as a point in the row of each feature, coloured by the feature's value.

    Rows are sorted by the mean |attribution|. Points that would lie over each other are moved up and down: a row is
    thick where there are many. Colours run from the 5th to the 95th percentile of a feature's values. Points are grey
    for features that have one value only, and for the sum of the features without a row.

    Parameters
    ----------
    attribution : Attribution
        Of tables, layout ``"NC"``.
    max_features : int
        How many features have a row of their own.
    examples : int or sequence of int, optional
        Which examples. By default all.
    display : Display, optional
        The names of features and classes, instead of ``attribution.display``.

    Returns
    -------
    matplotlib.figure.Figure
        As from `explain.render.plot`.

    Raises
    ------
    RenderError
        If the examples are no tables, or an argument is wrong.

    Examples
    --------
    >>> values = np.array([[1.0, -3.0], [0.5, 1.0]], np.float32)
    >>> figure = plot_beeswarm(Attribution(values, values, "NC", "ig", np.ones(2)))
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['feature 1', 'feature 0']
    """
    drawn = over_examples(attribution, examples, display, max_features=max_features)
    return plot_swarm(drawn, max_features)


@at_callers_line
def plot_importance(
    attribution: Attribution,
    *,
    max_features: int = MOST_ROWS,
    examples: int | Sequence[int] | None = None,
    display: Display | None = None,
) -> Figure:
    """Draw the importance of each feature of a table: a bar of its mean |attribution| over the examples.

    Parameters
    ----------
    attribution, max_features, examples, display
        As for `explain.render.plot_beeswarm`. The last bar is the sum of the bars that are not drawn.

    Returns
    -------
    matplotlib.figure.Figure
        As from `explain.render.plot_beeswarm`, with the same errors.

    Examples
    --------
    >>> values = np.array([[1.0, -3.0], [0.5, 1.0]], np.float32)
    >>> figure = plot_importance(Attribution(values, values, "NC", "ig", np.ones(2)))
    >>> [float(bar.get_width()) for bar in figure.axes[0].patches]
    [2.0, 0.75]
    """
    drawn = over_examples(
        attribution, examples, display, max_features=max_features, what="a figure of importance"
    )
    return plot_sizes(drawn, max_features)


def draw_beeswarm(axes: Axes, rows: Sequence[FeatureRow], *, signed: bool = True) -> None:
    """Draw a swarm of points for each feature.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw, already of its final size; the names are written to the left.
    rows : sequence of FeatureRow
        From `explain.render.feature_rows`.
    signed : bool
        Whether attributions have two signs; else the axis begins at zero.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from explain.render import feature_rows
    >>> values = np.array([[1.0, -3.0], [0.5, 1.0]], np.float32)
    >>> axes = Figure().add_subplot()
    >>> draw_beeswarm(axes, feature_rows(Attribution(values, values, "NC", "ig", np.ones(2))))
    >>> axes.collections[0].get_offsets()[:, 0].tolist()
    [-3.0, 1.0, 1.0, 0.5]
    """
    count = len(rows[0].values)
    size = 4.6 if count <= FEW else 3.0 if count <= 10 * FEW else 2.0
    low = min(float(row.values.min()) for row in rows)
    high = max(float(row.values.max()) for row in rows)
    low, high = (min(low, 0.0), max(high, 0.0)) if signed else (0.0, high)
    if low == high:
        low, high = (-1.0 if signed else 0.0), 1.0
    room = 0.04 * (high - low)
    ends = (low - room if signed else 0.0, high + room)
    box = axes.get_window_extent()
    dot = size / 72 * axes.figure.dpi
    bins = max(int(box.width / dot), 1)
    step = dot / (box.height / len(rows))
    heights = np.stack([swarm(row.values, ends, bins, step) for row in rows])
    shades = np.concatenate([row.shades for row in rows])
    colors = value_colors()(np.nan_to_num(shades))
    colors[np.isnan(shades)] = to_rgba(NO_VALUE_COLOR)
    axes.axvline(0, color=MUTED, linewidth=0.7, zorder=1)
    for place in range(len(rows)):
        axes.axhline(place, color="#e6e6e6", linewidth=0.6, zorder=0)
    axes.scatter(
        np.concatenate([row.values for row in rows]),
        (np.arange(len(rows))[:, np.newaxis] + heights).ravel(),
        s=size**2,
        c=colors,
        linewidths=0,
        zorder=2,
        rasterized=True,
    )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(*ends)
    _finish(axes, [row.name for row in rows])
    if not any(row.values.any() for row in rows):
        say_all_zero(axes)


def draw_importance(axes: Axes, rows: Sequence[FeatureRow]) -> None:
    """Draw a bar of the mean |attribution| of each feature, with its number.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; the names are written to the left.
    rows : sequence of FeatureRow
        From `explain.render.feature_rows`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from explain.render import feature_rows
    >>> values = np.array([[1.0, -3.0], [0.5, 1.0]], np.float32)
    >>> axes = Figure().add_subplot()
    >>> draw_importance(axes, feature_rows(Attribution(values, values, "NC", "ig", np.ones(2))))
    >>> [text.get_text() for text in axes.texts]
    ['2', '0.75']
    """
    sizes = np.array([row.size for row in rows])
    axes.barh(np.arange(len(rows)), sizes, height=0.68, color=MARK, linewidth=0)
    for place, size in enumerate(sizes):
        axes.annotate(
            number(float(size)),
            (size, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=NAME_SIZE,
            color=INK,
        )
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlim(0, 1.16 * (float(sizes.max()) or 1.0))
    axes.axvline(0, color=MUTED, linewidth=0.7)
    _finish(axes, [row.name for row in rows])
    if not sizes.any():
        say_all_zero(axes)


def plot_swarm(drawn: Drawn, max_features: int = MOST_ROWS) -> Figure:
    """Draw the beeswarm of the examples shown."""
    rows = rows_of(drawn, max_features)
    notes = [f"grey: {row.without_shades}" for row in rows if row.without_shades]
    height = ROW_HEIGHT * drawn.zoom[1] * max(len(rows), 3)

    def draw(axes: Axes, sheet: Sheet, right: float, top: float) -> None:
        draw_beeswarm(axes, rows, signed=is_signed(drawn.channels))
        if not all(row.without_shades for row in rows):
            tall = min(height, 2.4)
            draw_value_bar(sheet.axes(right + GAP, top + (height - tall) / 2, COLORBAR_WIDTH, tall))

    return _composed(drawn, rows, draw, height, "attribution", list(dict.fromkeys(notes)), _BAR_ROOM)


def plot_sizes(drawn: Drawn, max_features: int = MOST_ROWS) -> Figure:
    """Draw the importance of the features over the examples shown."""
    rows = rows_of(drawn, max_features)
    height = BAR_HEIGHT * drawn.zoom[1] * max(len(rows), 3)
    return _composed(
        drawn, rows, lambda axes, *_: draw_importance(axes, rows), height, "mean |attribution|", [], 0.0
    )


def _finish(axes: Axes, names: Sequence[str]) -> None:
    """Write the names of the rows and the numbers of the axis."""
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
    quiet_axes(axes, keep=("bottom",))
    axes.set_yticks(np.arange(len(names)))
    shown = [elided_name(name, NAME_WIDTH_MOST, NAME_SIZE) for name in names]
    axes.set_yticklabels(shown, fontsize=NAME_SIZE, color=INK, parse_math=False)
    axes.tick_params(axis="y", length=0, pad=4)


def _composed(
    drawn: Drawn,
    rows: Sequence[FeatureRow],
    draw: Callable[[Axes, Sheet, float, float], None],
    height: float,
    label: str,
    notes: Sequence[str],
    room: float,
) -> Figure:
    """Compose the page of one figure for all examples: its caption to the left, its axes, the words below."""
    first, count = drawn.first, len(drawn.examples)
    width = SWARM_WIDTH * drawn.zoom[0]
    names = min(max(text_width(row.name, NAME_SIZE) for row in rows), NAME_WIDTH_MOST)
    left = CONTENT_LEFT + names + 0.12
    targets = {target_of(first, example) for example in drawn.examples}
    title = target_text(first, drawn.examples[0]) if len(targets) == 1 else "each example's target"
    caption = [
        Line(title, 9.5, "bold", INK),
        Line(first.score.replace("_", "-"), color=INK),
        Line(f"{count:,} example{'s' if count > 1 else ''}"),
        *map(Line, notes),
    ]

    def draw_row(sheet: Sheet, top: float) -> None:
        axes = sheet.axes(left, top, width, height)
        draw(axes, sheet, left + width, top)
        sheet.write(left + width / 2, top + height + AXIS_ROOM, label, TICK_SIZE, color=MUTED, align="center")

    page = compose(
        header=head([first], count, drawn.title),
        headings=[],
        rows=[Row(caption, height + AXIS_ROOM + _LABEL_ROOM, draw_row)],
        width=left + width + room + 0.1 + MARGIN,
        notes=drawn.notes,
    )
    return page.sheet.figure
