"""Rows of one axis: the mean of each metric with its interval, and the examples as small points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from explain.metrics.presentation.marks import BAR, BEST, CHOSEN, EXAMPLE, TICK_STEPS
from explain.metrics.results.measurement import Floats, Measurement
from explain.render.parts.axes import quiet_axes
from explain.render.parts.sheet import MUTED
from explain.render.tables.feature_rows import swarm
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The mean stands above the middle of a row, the points below it: they do not hide each other.
_MEAN_AT = -0.22
_POINTS_AT = 0.16
# Of the height that a swarm may take in a row of its own.
_SWARM = 0.55
_GRID = "#ececec"


@dataclass(frozen=True)
class Group:
    """Metrics whose values fit one axis.

    Attributes
    ----------
    low, high : float
        The ends of the axis.
    names : tuple of str
        The metrics, in order.
    """

    low: float
    high: float
    names: tuple[str, ...]


def grouped(measurements: Mapping[str, Measurement]) -> list[Group]:
    """Group the metrics that have a value by the axes that their values fit.

    Parameters
    ----------
    measurements : Mapping of str to Measurement
        What was measured.

    Returns
    -------
    list of Group
        In the order of the first metric of each; metrics without a finite value are in none.

    Examples
    --------
    >>> found = {"a": np.array([0.2, 0.8]), "b": np.array([30.0]), "c": np.array([0.9]), "d": np.array([-0.5])}
    >>> [
    ...     (group.names, group.low, group.high)
    ...     for group in grouped({name: Measurement(name, values, "lower") for name, values in found.items()})
    ... ]
    [(('a', 'c'), 0.0, 1.0), (('b',), 0.0, 50.0), (('d',), -1.0, 1.0)]
    """
    ends: dict[tuple[float, float], list[str]] = {}
    for name, one in measurements.items():
        values = finite(one.values)
        if values.size:
            ends.setdefault(_ends(values), []).append(name)
    return [Group(low, high, tuple(names)) for (low, high), names in ends.items()]


def finite(values: Floats) -> Floats:
    """Give the values that can be drawn.

    Examples
    --------
    >>> finite(np.array([1.0, np.nan, np.inf])).tolist()
    [1.0]
    """
    return values[np.isfinite(values)]


def _ends(values: Floats) -> tuple[float, float]:
    """Give the ends of an axis: 1 where values are shares, else the next of 1, 2 and 5 times a power of ten."""
    size = float(np.abs(values).max())
    if size == 0 or 0.1 < size <= 1:
        high = 1.0
    else:
        unit = 10.0 ** math.floor(math.log10(size))
        high = next(unit * step for step in (1, 2, 5, 10) if size <= unit * step * (1 + 1e-9))
    return (-high if values.min() < 0 else 0.0), high


def draw_rows(
    axes: Axes, group: Group, measurements: Mapping[str, Measurement], seed: int, example: int | None = None
) -> None:
    """Draw the metrics of a group, the first at the top.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw, already of its final size.
    group : Group
        The metrics and the ends of the axis.
    measurements : Mapping of str to Measurement
        What was measured.
    seed : int
        The seed of the intervals.
    example : int, optional
        The example to mark.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> found = {"a": Measurement("a", np.array([0.25, 0.75]), "lower")}
    >>> axes = Figure().add_subplot()
    >>> draw_rows(axes, grouped(found)[0], found, seed=0)
    >>> axes.collections[-1].get_offsets()[:, 0].tolist()
    [0.5]
    """
    span = group.high - group.low
    # Half a mark more: a mark at an end is drawn whole.
    axes.set_xlim(group.low - 0.02 * span, group.high + 0.02 * span)
    axes.set_ylim(len(group.names) - 0.5, -0.5)
    axes.grid(axis="x", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    if group.low < 0:
        axes.axvline(0, color=MUTED, linewidth=0.7, zorder=1)
    for row in range(1, len(group.names)):
        axes.axhline(row - 0.5, color=_GRID, linewidth=0.6, zorder=0)
    box = axes.get_window_extent()
    dot = 3.2 / 72 * axes.figure.dpi
    step = dot / (box.height / len(group.names))
    bins = max(int(box.width / dot), 1)
    for row, name in enumerate(group.names):
        one = measurements[name]
        drawable = np.flatnonzero(np.isfinite(one.values))
        values = one.values[drawable]
        heights = row + _POINTS_AT + _SWARM * swarm(values, axes.get_xlim(), bins, step)
        axes.scatter(values, heights, zorder=2, rasterized=True, **EXAMPLE)
        if example in drawable:
            place = int(np.flatnonzero(drawable == example)[0])
            axes.scatter(values[place : place + 1], heights[place : place + 1], zorder=5, **CHOSEN)
        low, high = one.interval(seed)
        if np.isfinite([low, high]).all():
            axes.plot([low, high], [row + _MEAN_AT] * 2, zorder=3, **BAR)
        if math.isfinite(one.mean):
            axes.scatter([one.mean], [row + _MEAN_AT], zorder=4, **BEST)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=TICK_STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
    axes.set_yticks([])
    quiet_axes(axes, keep=("bottom",))
