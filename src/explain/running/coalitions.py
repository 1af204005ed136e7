"""Examples with some features present and the others replaced by the baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from explain.inputs.examples import Array
from explain.inputs.features import Features

Presence = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Coalitions:
    """An expansion: each point of an example keeps some of its features; see `explain.running.expansion.Expansion`.

    Parameters
    ----------
    ends, baselines : tuple of numpy.ndarray
        One array, shape (N, ...): the input, and the values of features that are absent.
    features : Features
        The feature of every position.
    n_points : int
        The number of points per example.
    present : callable
        Takes the row of an example and a slice of its points, and tells which features are present, shape
        (points, F). It is called block by block, so that the result for all points is never in memory at
        once.

    Examples
    --------
    >>> x, zeros = np.array([[1.0, 2.0]]), np.zeros((1, 2))
    >>> each = Features(np.array([[0, 1]]), np.array([2]))
    >>> one_left = Coalitions((x,), (zeros,), each, 2, lambda row, points: np.eye(2, dtype=bool)[points])
    >>> one_left.inputs(slice(0, 1), slice(0, 2))[0].tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """

    ends: tuple[Array, ...]
    baselines: tuple[Array, ...]
    features: Features
    n_points: int
    present: Callable[[int, slice], Presence]

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example."""
        (end,), (base,) = self.ends, self.baselines
        formed = np.empty((rows.stop - rows.start, points.stop - points.start, *end.shape[1:]), end.dtype)
        for one, row in zip(formed, range(rows.start, rows.stop), strict=True):
            one[...] = base[row]
            kept = self._joint.spread(row, self.present(row, points), padding=True)
            np.copyto(one, end[row], where=kept)
        return (formed.reshape(-1, *end.shape[1:]),)

    @cached_property
    def _joint(self) -> Features:
        """The features, with size one along the axes that no feature divides, such as the channels of a picture."""
        indices = self.features.indices
        for axis in range(1, indices.ndim):
            first = indices.take([0], axis=axis)
            if (indices == first).all():
                indices = first
        return replace(self.features, indices=indices)
