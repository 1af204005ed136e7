"""One panel of a series: a lane for each channel, its line on the colours of its attribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FixedLocator, MaxNLocator

from explain.render.colours import Scale
from explain.render.parts.axes import quiet_axes, say_all_zero
from explain.render.parts.cells import merged_cells
from explain.render.parts.sheet import INK, POINTS_PER_INCH, elide, text_width
from explain.render.series.clock import Clock
from explain.results.heatmap import Floats
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Range = tuple[float, float]

NAME_SIZE = 7.5
NAME_WIDTH_MOST = 1.35
# Above and below the line, as a share of its lane; below it so many inches show the colours alone: more of them below a
# line that is so dense that it covers the colours behind it.
_MARGIN = 0.1
_BARE, _BARE_IF_DENSE = 0.09, 0.32
# A column of colour is at least this wide: of the steps in it, the value farthest from zero is shown.
_COLUMNS_PER_INCH = 60
# A line has two points for each of so many columns: the least and the greatest value.
_POINTS_PER_INCH = 150
# Up to so many steps an inch, each has a dot.
_DOTS_PER_INCH = 12
# The height of a lane in inches from which its axis has ticks between its ends.
_TICKED_LANE = 0.95
_NAME_GAP = 0.07
_TICK_GAP = 0.07


def draw_series(
    axes: Axes,
    series: npt.ArrayLike,
    relevance: npt.ArrayLike,
    scale: Scale,
    *,
    names: Sequence[str] = (),
    ranges: Sequence[Range] | None = None,
    clock: Clock | None = None,
    labelled: bool = True,
) -> None:
    """Draw a series: a lane for each channel, with its line over the colours of its attribution.

    Steps that would share a column of dots are merged. A line then has the least and the greatest value of each
    column, and the colour is that of the value farthest from zero: a single step is never lost.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    series : array_like
        The values, (T, C); where they are NaN, the line has a gap.
    relevance : array_like
        The attribution, (T, C); NaN is padding and blank.
    scale : Scale
        The scale of the colours.
    names : sequence of str
        The names of the channels, written to the left.
    ranges : sequence of (float, float), optional
        The least and the greatest value on the axis of each channel, by default those in `series`.
    clock : Clock, optional
        The axis of time, by default one of steps.
    labelled : bool
        Whether to write the names of the channels and the numbers on their axes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_series(axes, [[0.0], [2.0]], [[0.5], [-0.5]], Scale(-1, 1, True, 99))
    >>> axes.images[0].get_array().tolist(), axes.lines[0].get_xdata().tolist()
    ([[0.5, -0.5]], [0.0, 1.0])
    """
    values, colors = np.array(series, np.float64), np.asarray(relevance, np.float64)
    values[np.isnan(colors)] = np.nan
    clock = Clock() if clock is None else clock
    columns = max(int(axes.get_window_extent().width / axes.figure.dpi * _COLUMNS_PER_INCH), 1)
    _draw_bands(axes, colors, scale, clock, columns)
    draw_lanes(axes, values, names=names, ranges=ranges, clock=clock, labelled=labelled)
    if not np.nan_to_num(colors).any():
        say_all_zero(axes)


def draw_lanes(
    axes: Axes,
    series: npt.ArrayLike,
    *,
    names: Sequence[str] = (),
    ranges: Sequence[Range] | None = None,
    clock: Clock | None = None,
    labelled: bool = True,
) -> None:
    """Draw the lines of a series alone, a lane for each channel.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    series, names, ranges, clock, labelled
        As for `draw_series`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure(figsize=(4, 2)).add_subplot()
    >>> draw_lanes(axes, [[0.0, 5.0], [2.0, 5.0]])
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['0', '2', '5']
    """
    values = np.array(series, np.float64)
    values[~np.isfinite(values)] = np.nan
    steps, channels = values.shape
    clock = Clock() if clock is None else clock
    ranges = value_ranges([values]) if ranges is None else ranges
    extent = axes.get_window_extent()
    inches = extent.width / axes.figure.dpi
    lane = extent.height / axes.figure.dpi / channels
    columns = max(int(inches * _POINTS_PER_INCH), 1)
    dense = steps > 2 * columns
    bottom = _bottom(lane, dense)
    for channel in range(channels):
        low, high = ranges[channel]
        places = channel + _placed(values[:, channel], low, high, bottom)
        times, points = _envelope(places, columns)
        axes.plot(
            times * clock.unit,
            points,
            color=INK,
            linewidth=0.5 if dense else 0.9,
            marker="o" if steps <= _DOTS_PER_INCH * inches else None,
            markersize=2.2,
            markeredgewidth=0,
            solid_joinstyle="round",
            # A light edge sets the line off from the dark ends of the scale.
            path_effects=[Stroke(linewidth=1.4 if dense else 2.1, foreground="white", alpha=0.75), Normal()],
        )
        if channel:
            axes.axhline(channel, color="white", linewidth=2.5, zorder=3)
    axes.set_ylim(channels, 0)
    clock.label(axes, steps)
    quiet_axes(axes, keep=("bottom",))
    _label_lanes(axes, lane, bottom, names if labelled else (), ranges if labelled else ())


def value_ranges(shown: Sequence[Floats]) -> list[Range]:
    """Give the least and the greatest value of each channel in several series (T, C); NaN is left out.

    Examples
    --------
    >>> value_ranges([np.array([[1.0, np.nan]]), np.array([[3.0, np.nan]])])
    [(1.0, 3.0), (0.0, 0.0)]
    """
    both = np.concatenate(list(shown))
    lows = np.fmin.reduce(both, axis=0, initial=np.inf)
    highs = np.fmax.reduce(both, axis=0, initial=-np.inf)
    pairs = zip(lows.tolist(), highs.tolist(), strict=True)
    return [(low, high) if low <= high else (0.0, 0.0) for low, high in pairs]


def steps_per_column(steps: int, width: float) -> int:
    """Tell how many steps share a column of colour in a panel of a given width in inches.

    Examples
    --------
    >>> steps_per_column(300, 5.0), steps_per_column(100_000, 5.0)
    (1, 334)
    """
    return -(-steps // max(int(width * _COLUMNS_PER_INCH), 1))


def labels_width(names: Sequence[str], ranges: Sequence[Range], lane: float) -> float:
    """Give the width in inches of what stands to the left of lanes of a given height: numbers and names."""
    return _numbers_width(ranges, lane) + _names_width(names)


def _draw_bands(axes: Axes, relevance: Floats, scale: Scale, clock: Clock, columns: int) -> None:
    """Colour the background of each lane; padding remains blank."""
    steps, channels = relevance.shape
    cells = np.ma.masked_invalid(merged_cells(relevance, (columns, channels)).T)
    axes.imshow(
        cells,
        cmap=scale.colormap.with_extremes(bad=(1.0, 1.0, 1.0, 0.0)),
        norm=scale.norm,
        aspect="auto",
        interpolation="nearest",
        extent=(*clock.ends(steps), channels, 0),
    )


def _bottom(lane: float, dense: bool) -> float:
    """Give the place of the least value in a lane, whose top is 0 and whose bottom is 1."""
    return 1.0 - min(max((_BARE_IF_DENSE if dense else _BARE) / lane, _MARGIN), 0.3)


def _placed(values: Floats, low: float, high: float, bottom: float) -> Floats:
    """Give the places of values in a lane above its `bottom`; a constant is in the middle."""
    share = (values - low) / (high - low) if high > low else np.where(np.isnan(values), np.nan, 0.5)
    return np.asarray(bottom + (_MARGIN - bottom) * share)


def _envelope(values: Floats, columns: int) -> tuple[Floats, Floats]:
    """Give the points of a line: all of them, or the least and the greatest of each column at its middle."""
    steps = len(values)
    if steps <= 2 * columns:
        return np.arange(steps, dtype=np.float64), values
    edges = np.arange(columns + 1) * steps // columns
    lows, highs = (part.reduceat(values, edges[:-1]) for part in (np.fmin, np.fmax))
    middles = (edges[:-1] + edges[1:] - 1) / 2
    return np.repeat(middles, 2), np.stack([lows, highs], axis=1).ravel()


def _ticks(low: float, high: float, lane: float) -> list[float]:
    """Give the values that are written beside a lane: round ones if it is high, else the ends."""
    if high <= low:
        return [low]
    if lane < _TICKED_LANE:
        return [low, high]
    found = MaxNLocator(max(2, min(6, int(lane / 0.3)))).tick_values(low, high)
    slack = 1e-9 * (high - low)
    return [float(tick) for tick in found if low - slack <= tick <= high + slack]


def _tick_size(lane: float) -> float:
    return 7.0 if lane >= _TICKED_LANE else 6.0 if lane >= 0.3 else 5.0


def _numbers_width(ranges: Sequence[Range], lane: float) -> float:
    texts = [number(tick) for low, high in ranges for tick in _ticks(low, high, lane)]
    return max((text_width(text, _tick_size(lane)) for text in texts), default=0.0) + _TICK_GAP


def _names_width(names: Sequence[str]) -> float:
    widest = max((text_width(name, NAME_SIZE) for name in names), default=0.0)
    return min(widest, NAME_WIDTH_MOST) + _NAME_GAP if widest else 0.0


def _label_lanes(
    axes: Axes, lane: float, bottom: float, names: Sequence[str], ranges: Sequence[Range]
) -> None:
    """Write the numbers and the name of each lane to its left."""
    places, texts = [], []
    for channel, (low, high) in enumerate(ranges):
        for tick in _ticks(low, high, lane):
            places.append(channel + float(_placed(np.array(tick), low, high, bottom)))
            texts.append(number(tick))
    axes.yaxis.set_visible(bool(ranges))
    axes.yaxis.set_major_locator(FixedLocator(places))
    axes.set_yticklabels(texts, fontsize=_tick_size(lane), color=INK)
    axes.tick_params(axis="y", length=2 if lane >= _TICKED_LANE else 0)
    left = -(_numbers_width(ranges, lane) + _NAME_GAP) * POINTS_PER_INCH
    for channel, name in enumerate(names):
        axes.annotate(
            elide(name, NAME_WIDTH_MOST, NAME_SIZE),
            (0, channel + 0.5),
            (left, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=NAME_SIZE,
            color=INK,
            parse_math=False,
            annotation_clip=False,
        )
