"""Several inputs in one array: one row per example, one part per input, in one order of axes for all frameworks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from explain.inputs.examples import Array
from explain.inputs.layout import Layout

PACKED = Layout("NT")
"""The layout of packed examples: a row of single values, with a mask of real ones."""


@dataclass(frozen=True)
class Part:
    """A moved input, and its position in a packed example.

    Parameters
    ----------
    shape : tuple of int
        Shape of one example.
    layout : Layout
        Its axes, batch first.
    columns : slice
        Its columns.

    Examples
    --------
    >>> part = Part((2, 3), Layout("NCT"), slice(0, 6))
    >>> part.flat(np.arange(6).reshape(1, 2, 3)).tolist()
    [[0, 3, 1, 4, 2, 5]]
    >>> part.shaped(np.array([[0, 3, 1, 4, 2, 5]])).tolist()
    [[[0, 1, 2], [3, 4, 5]]]
    """

    shape: tuple[int, ...]
    layout: Layout
    columns: slice

    def flat(self, array: Array) -> Array:
        """Give an array of this input, shape (..., *shape), as rows: channels last in every framework."""
        before = array.ndim - len(self.shape)
        axis = self.layout.channel_axis
        if axis is not None:
            array = np.moveaxis(array, before + axis - 1, -1)
        return array.reshape(*array.shape[:before], -1)

    def shaped(self, flat: Array) -> Array:
        """Undo `flat`."""
        axis, before = self.layout.channel_axis, flat.ndim - 1
        if axis is None:
            return flat.reshape(*flat.shape[:-1], *self.shape)
        place = axis - 1
        others = (*self.shape[:place], *self.shape[place + 1 :], self.shape[place])
        return np.moveaxis(flat.reshape(*flat.shape[:-1], *others), -1, before + place)


def parts_of(shapes: Sequence[tuple[int, ...]], layouts: Sequence[Layout]) -> tuple[Part, ...]:
    """Place inputs side by side, by the shape of one example and the axes, batch first, of each.

    Examples
    --------
    >>> [part.columns for part in parts_of([(3,), (2, 2)], [Layout("NC"), Layout("NTC")])]
    [slice(0, 3, None), slice(3, 7, None)]
    """
    found, start = [], 0
    for shape, layout in zip(shapes, layouts, strict=True):
        stop = start + prod(shape)
        found.append(Part(tuple(shape), layout, slice(start, stop)))
        start = stop
    return tuple(found)


def packed(arrays: Sequence[Array], parts: Sequence[Part], dtype: npt.DTypeLike, count: int) -> Array:
    """Give several inputs of `count` examples as one array (count, F)."""
    rows = [part.flat(array) for array, part in zip(arrays, parts, strict=True)]
    return np.concatenate([np.zeros((count, 0), dtype), *rows], axis=-1).astype(dtype, copy=False)


def unpacked(array: Array, parts: Sequence[Part]) -> tuple[Array, ...]:
    """Undo `packed`; axes before the last stay as they are.

    Examples
    --------
    >>> parts = parts_of([(1,), (2,)], [Layout("NC")] * 2)
    >>> [one.tolist() for one in unpacked(np.array([[1, 2, 3]]), parts)]
    [[[1]], [[2, 3]]]
    """
    return tuple(np.ascontiguousarray(part.shaped(array[..., part.columns])) for part in parts)
