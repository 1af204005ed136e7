"""Examples with noise added: the same draws for every example, layout and chunk size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explain.inputs.baseline import drawn_in_one_order
from explain.inputs.examples import Array, Examples
from explain.inputs.layout import Layout
from explain.inputs.masking import spread_mask
from explain.inputs.packing import Part

# Cached draws: 32 MB. Further points are drawn when they are needed, and again for the next example. The number depends
# on the shape of an example alone, since draws must not depend on the chunk size.
_KEPT_VALUES = 2**23


class NormalDraws:
    """Standard normal draws for every position of an example, at each of many points.

    The noise of a point depends on the seed and the point's number alone, not on how many points there are.
    Draws are in single precision for every model, so that models of both precisions get the same noise.

    Parameters
    ----------
    n_points : int
        The number of points.
    shape : tuple of int
        The shape of an example.
    layout : Layout
        The axes of a batch of examples, batch first.
    seed : int
        Seed of all draws.

    Examples
    --------
    >>> last = NormalDraws(6, (4, 5, 3), Layout("NHWC"), 7).at(slice(0, 6))
    >>> first = NormalDraws(9, (3, 4, 5), Layout("NCHW"), 7).at(slice(2, 6))
    >>> bool((np.moveaxis(last, -1, 1)[2:] == first).all())
    True
    """

    def __init__(self, n_points: int, shape: tuple[int, ...], layout: Layout, seed: int) -> None:
        self._n_points = n_points
        self._shape = shape
        self._layout = layout
        self._seed = seed
        self._group = max(1, _KEPT_VALUES // int(np.prod(shape)))
        self._cached: tuple[int, Array] | None = None

    def at(self, points: slice) -> Array:
        """Give the draws of some points, shape (points, ...)."""
        parts = []
        for group in range(points.start // self._group, (points.stop - 1) // self._group + 1):
            first = group * self._group
            parts.append(self._of_group(group)[max(points.start - first, 0) : points.stop - first])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _of_group(self, group: int) -> Array:
        """Give the draws of a group of points: a generator for each point would cost more than its draws."""
        if self._cached is None or self._cached[0] != group:
            generator = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(group,)))
            count = min(self._group, self._n_points - group * self._group)
            drawn = drawn_in_one_order(
                (count, *self._shape),
                self._layout,
                lambda size: generator.standard_normal(size, dtype=np.float32),
            )
            self._cached = group, np.ascontiguousarray(drawn)
        return self._cached[1]


class NoisyPoints:
    """An expansion: each point of an example has noise added; see `explain.running.expansion.Expansion`.

    Parameters
    ----------
    examples : Examples
        The examples; padding gets no noise and does not count in the range.
    layout : Layout
        The axes of the input, batch first.
    stdevs : float
        Standard deviation of the noise, as a share of the range (greatest minus least value) of each example.
    n_points : int
        The number of points per example.
    seed : int
        Seed of the draws, which are the same for every example.
    parts : sequence of Part
        Several inputs packed into one: noise is a share of the range of each.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [0.0, 4.0]])
    >>> (points,) = NoisyPoints(Examples((x,)), Layout("NC"), 0.5, 3, 0).inputs(slice(0, 2), slice(0, 3))
    >>> one, other = points.reshape(2, 3, 2) - x[:, np.newaxis]
    >>> bool(np.allclose(other, 4 * one))
    True
    """

    def __init__(
        self,
        examples: Examples,
        layout: Layout,
        stdevs: float,
        n_points: int,
        seed: int,
        parts: Sequence[Part] = (),
    ) -> None:
        (x,) = examples.inputs
        real = np.ones((1,) * x.ndim, bool) if examples.mask is None else spread_mask(examples.mask, layout)
        where = np.broadcast_to(real, x.shape)
        if parts:
            of_each = [_ranges(x[:, one.columns], where[:, one.columns]) for one in parts]
            widths = [one.columns.stop - one.columns.start for one in parts]
            ranges = np.concatenate(of_each, axis=1).repeat(widths, axis=1)
        else:
            ranges = _ranges(x, where)
        self.n_points = n_points
        self.without_range = np.flatnonzero((ranges == 0).reshape(len(x), -1).any(axis=1))
        """The examples with an input that has one value everywhere: its range is zero, so it gets no noise."""
        self._x = x
        self._scales = (stdevs * ranges * real).astype(x.dtype)
        self._draws = NormalDraws(n_points, x.shape[1:], layout, seed)

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example, by the same two operations in every framework."""
        formed = self._scales[rows][:, np.newaxis] * self._draws.at(points)
        formed += self._x[rows][:, np.newaxis]
        return (formed.reshape(-1, *self._x.shape[1:]),)


def _ranges(x: Array, where: Array) -> Array:
    """Give the greatest minus the least value of each example without padding, shaped to broadcast over it."""
    axes = tuple(range(1, x.ndim))
    greatest = x.max(axis=axes, keepdims=True, where=where, initial=-np.inf)
    ranges: Array = greatest - x.min(axis=axes, keepdims=True, where=where, initial=np.inf)
    return ranges
