"""Occlusion: the drop of the score when a sliding window hides the input."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np

from explain.algorithms.completeness import baselines_of, equal_baseline_warnings
from explain.algorithms.method import Method, Option
from explain.algorithms.options import is_count_or_counts, is_counts, plain_counts
from explain.algorithms.perturbation.perturbed_scores import lost_scores
from explain.backends.found import Found
from explain.errors import OptionError
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.running.problem import Problem

# Windows of an eighth of a side still separate an object's parts, and there are a few hundred of them at any
# picture size.
_PARTS_OF_A_SIDE = 8


def occlusion(problem: Problem) -> Found:
    """Hide the input under a sliding window of the baseline; a position gets the mean drop of the score.

    Zeiler & Fergus, *Visualizing and understanding convolutional networks*, arXiv:1311.2901; the values are those of
    Captum's ``Occlusion``: the mean of F(x) − F(x with the window hidden) over the windows that cover the position.
    """
    inputs, baselines = problem.examples.inputs, baselines_of(problem)
    windows = resolve_windows(
        inputs[0].shape[1:],
        problem.layout,
        problem.options["sliding_window_shapes"],
        problem.options["strides"],
    )
    lost = lost_scores(problem, Occluded(inputs, baselines, windows))
    return Found(
        values=(windows.mean_over_windows(lost),), warnings=equal_baseline_warnings(inputs, baselines)
    )


@dataclass(frozen=True)
class Windows:
    """Windows that slide over an example: the first in a corner, the last along each axis cut off at its end.

    Parameters
    ----------
    sides : tuple of int
        Shape of an example, without the batch axis.
    shapes : tuple of int
        Extent of a window along each of these axes.
    strides : tuple of int
        How far the window moves along each of them.

    Examples
    --------
    >>> [list(range(5))[place] for (place,) in Windows((5,), (2,), (2,)).slices(slice(0, 3))]
    [[0, 1], [2, 3], [4]]
    """

    sides: tuple[int, ...]
    shapes: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of windows along each axis."""
        return tuple(
            ceil((side - shape) / stride) + 1
            for side, shape, stride in zip(self.sides, self.shapes, self.strides, strict=True)
        )

    def slices(self, points: slice) -> list[tuple[slice, ...]]:
        """Give the place of the window at each of some points, one slice for each axis of an example."""
        numbers = np.arange(points.start, points.stop)
        if not self.counts:
            # An example that is one number has one window and no axis.
            return [() for _ in numbers]
        places = np.stack(np.unravel_index(numbers, self.counts), axis=1) * self.strides
        return [
            tuple(slice(start, start + shape) for start, shape in zip(place, self.shapes, strict=True))
            for place in places.tolist()
        ]

    def mean_over_windows(self, by_window: Array) -> Array:
        """Give each position the mean over the windows that cover it, from (N, windows) to (N, *sides)."""
        total, covering = by_window.reshape(-1, *self.counts), np.ones((1, *self.counts))
        for axis in range(len(self.sides)):
            total, covering = self._sum_along(axis, total), self._sum_along(axis, covering)
        mean: Array = total / covering
        return mean

    def _sum_along(self, axis: int, by_window: Array) -> Array:
        """Sum, along one axis, the values of the windows that cover each position."""
        side, starts = self.sides[axis], self.strides[axis] * np.arange(self.counts[axis])
        moved = np.moveaxis(by_window, axis + 1, -1)
        total = np.zeros((*moved.shape[:-1], side))
        # At one offset, windows that start at different positions have different positions.
        for offset in range(self.shapes[axis]):
            inside = starts + offset < side
            total[..., starts[inside] + offset] += moved[..., inside]
        return np.moveaxis(total, -1, axis + 1)


@dataclass(frozen=True)
class Occluded:
    """An expansion: at each point, a window has the values of the baseline; see `explain.running.expansion.Expansion`.

    Parameters
    ----------
    ends, baselines : tuple of numpy.ndarray
        One array, shape (N, ...): the input, and the values inside a window.
    windows : Windows
        The windows, one per point.
    """

    ends: tuple[Array, ...]
    baselines: tuple[Array, ...]
    windows: Windows

    @property
    def n_points(self) -> int:
        """The number of points per example."""
        return prod(self.windows.counts)

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example."""
        (end,), (base,) = self.ends, self.baselines
        places = self.windows.slices(points)
        formed = np.empty((rows.stop - rows.start, len(places), *end.shape[1:]), end.dtype)
        for one, row in zip(formed, range(rows.start, rows.stop), strict=True):
            one[...] = end[row]
            hidden = base[row]
            for number, place in enumerate(places):
                one[(number, *place)] = hidden[place]
        return (formed.reshape(-1, *end.shape[1:]),)


def resolve_windows(
    sides: tuple[int, ...],
    layout: Layout,
    sliding_window_shapes: tuple[int, ...] | None,
    strides: int | tuple[int, ...] | None,
) -> Windows:
    """Give the windows, from the options or the layout.

    Parameters
    ----------
    sides : tuple of int
        Shape of an example, without the batch axis.
    layout : Layout
        Its axes, batch first.
    sliding_window_shapes : tuple of int, optional
        Extent along each axis but the batch's. None: an eighth of each side in space, a single step in time, all
        channels; a single column of a table.
    strides : int or tuple of int, optional
        How far a window moves. None: half of its extent, at least 1.

    Raises
    ------
    OptionError
        If a number is missing or too large.

    Examples
    --------
    >>> windows = resolve_windows((3, 32, 32), Layout("NCHW"), None, None)
    >>> windows.shapes, windows.strides, windows.counts
    ((3, 4, 4), (1, 2, 2), (1, 15, 15))
    """
    letters = layout.axes[1:]
    shapes = (
        tuple(map(_usual_extent(layout), letters, sides))
        if sliding_window_shapes is None
        else sliding_window_shapes
    )
    _check_length("sliding_window_shapes", shapes, letters, sides)
    if any(shape > side for shape, side in zip(shapes, sides, strict=True)):
        raise OptionError(
            f"sliding_window_shapes={shapes} is larger than an example, whose shape is {sides} ({letters}): give at "
            "most that along each axis."
        )
    if strides is None:
        steps = tuple(max(1, shape // 2) for shape in shapes)
    else:
        steps = (strides,) * len(sides) if isinstance(strides, int) else strides
    _check_length("strides", steps, letters, sides)
    if any(step > shape and shape < side for step, shape, side in zip(steps, shapes, sides, strict=True)):
        raise OptionError(
            f"strides={strides} leaves positions between windows of shape {shapes} ({letters}) uncovered: give at "
            "most the window's extent along each axis, or a larger window."
        )
    return Windows(sides, shapes, steps)


def _usual_extent(layout: Layout) -> Any:
    def extent(letter: str, side: int) -> int:
        if letter in "DHW":
            return ceil(side / _PARTS_OF_A_SIDE)
        return side if letter == "C" and layout.kind != "table" else 1

    return extent


def _is_window(value: Any) -> bool:
    """Tell whether a value is one count per axis; none for an example that is one number."""
    return is_counts(value) or (isinstance(value, (list, tuple)) and not value)


def _check_length(name: str, given: tuple[int, ...], letters: str, sides: tuple[int, ...]) -> None:
    if len(given) != len(sides):
        raise OptionError(
            f"{name}={given} has {len(given)} numbers, but an example has {len(sides)} axes ({letters}), of shape "
            f"{sides}: give one number for each, without the batch axis."
        )


ROWS = (
    Method(
        occlusion,
        aliases=("sliding_window",),
        of_whole_places=True,
        keeps_values=True,
        summary="How much the score drops when a sliding window hides the input.",
        paper="Zeiler & Fergus 2013, arXiv:1311.2901",
        needs=frozenset({"outputs"}),
        of_shape=True,
        options=(
            Option(
                "sliding_window_shapes",
                None,
                "one whole number of at least 1 for each axis of an example, or None",
                lambda value: value is None or _is_window(value),
                "Extent of the window along each axis of x but the batch's. None: an eighth of each side of a "
                "picture, a step of a sequence, all channels together; a column of a table.",
                plain_counts,
                per_input=_is_window,
            ),
            Option(
                "strides",
                None,
                "a whole number of at least 1, one such number for each axis of an example, or None",
                lambda value: value is None or is_count_or_counts(value) or _is_window(value),
                "How far the window moves. None: half of its extent, at least 1.",
                plain_counts,
                per_input=lambda value: False,
            ),
        ),
        uses_baseline=True,
    ),
)
