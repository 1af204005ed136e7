"""A panel of curves: one thin curve for each example, and their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.ticker import FuncFormatter, MaxNLocator

from explain.metrics.presentation.marks import CHOSEN_CURVE, FIRST_CURVE, MEAN_CURVE, THIN_CURVE, TICK_STEPS
from explain.metrics.results.measurement import Floats, Measurement
from explain.render.parts.axes import TICK_SIZE, quiet_axes
from explain.render.parts.sheet import INK, MUTED, elide, text_width
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The names of points are written upwards; of many, every second or third…
_LONGEST_LABEL = 0.8
_MOST_LABELS = 14
_LABEL_SIZE = 6.5
# More curves than this are a grey area, and take long to draw.
MOST_CURVES = 200
_GRID = "#ececec"


def mean_curve(one: Measurement) -> Floats:
    """Give the mean of the curves at each point, over the examples that have a number there.

    Returns
    -------
    numpy.ndarray of float64
        Shape (K,); NaN at a point where no example has a number.

    Examples
    --------
    >>> mean_curve(Measurement("a", np.ones(2), "lower", np.array([[0.0, 1.0], [1.0, np.nan]]))).tolist()
    [0.5, 1.0]
    """
    assert one.curve is not None
    found: Floats = np.ma.masked_invalid(one.curve).mean(axis=0).filled(np.nan)
    return found


def curve_ends(several: list[Measurement]) -> tuple[float, float]:
    """Give the ends of a vertical axis that has room for the curves of all.

    Examples
    --------
    >>> low, high = curve_ends([Measurement("a", np.ones(1), "lower", np.array([[0.0, 1.0]]))])
    >>> round(low, 2), round(high, 2)
    (-0.05, 1.05)
    """
    values = np.concatenate([np.asarray(one.curve).ravel() for one in several])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room


def labels_room(one: Measurement) -> float:
    """Give the height in inches that the names of the points take below a panel, or their numbers.

    Examples
    --------
    >>> labels_room(Measurement("a", np.ones(1), "lower", np.ones((1, 2)), labels=("conv1", "a longer name"))) > 0.3
    True
    """
    if not one.labels:
        return 0.2
    return 0.1 + min(max(text_width(label, _LABEL_SIZE) for label in one.labels), _LONGEST_LABEL)


def draw_curves(
    axes: Axes,
    one: Measurement,
    ends: tuple[float, float],
    *,
    example: int | None = None,
    first: Floats | None = None,
) -> None:
    """Draw the curves of one metric on one method.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    one : Measurement
        With a curve.
    ends : (float, float)
        The ends of the vertical axis.
    example : int, optional
        The example whose curve is marked.
    first : numpy.ndarray, optional
        The mean curve of another method, to compare with, shape (K,).

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_curves(axes, Measurement("a", np.ones(2), "lower", np.array([[0.0, 1.0], [1.0, 0.0]])), (0, 1))
    >>> axes.lines[-1].get_ydata().tolist()
    [0.5, 0.5]
    """
    curves = np.asarray(one.curve)
    places = np.arange(curves.shape[1], dtype=np.float64) if one.positions is None else one.positions
    axes.add_collection(
        LineCollection(
            [np.column_stack([places, curve]) for curve in curves[:MOST_CURVES]], zorder=2, **THIN_CURVE
        ),
        autolim=False,
    )
    if example is not None:
        axes.plot(places, curves[example], zorder=4, **CHOSEN_CURVE)
    if first is not None and len(first) == len(places):
        axes.plot(places, first, zorder=3, **FIRST_CURVE)
    axes.plot(places, mean_curve(one), zorder=3, **MEAN_CURVE)
    axes.set_ylim(*ends)
    if ends[0] < 0 < ends[1]:
        axes.axhline(0, color=MUTED, linewidth=0.6, zorder=1)
    axes.grid(axis="y", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=TICK_STEPS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
    quiet_axes(axes, keep=("left", "bottom"))
    if one.labels:
        apart = -(-len(one.labels) // _MOST_LABELS)
        axes.set_xticks(places[::apart])
        axes.set_xticklabels(
            [elide(label, _LONGEST_LABEL, _LABEL_SIZE) for label in one.labels[::apart]],
            rotation=90,
            fontsize=_LABEL_SIZE,
            color=INK,
            parse_math=False,
        )
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=TICK_STEPS))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
        axes.tick_params(axis="x", labelsize=TICK_SIZE)
