"""The distance of two arrays: inputs or outputs of layers that flatten, pad or return steps differently."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from explain.inputs.examples import Array
from explain.results.similarity import relative_l2

RECURRENT = ("simple_rnn", "lstm", "gru")
"""Layers that return a whole sequence or its last step."""


def difference(
    a: Array,
    b: Array,
    operation: str = "",
    flattened: tuple[int, ...] | None = None,
    a_flattens_channels_last: bool = False,
) -> float:
    """Give the relative L2 of two arrays, batch first and channels last; infinite if their shapes differ.

    Parameters
    ----------
    a, b : numpy.ndarray
        If a recurrent layer returns the whole sequence in one model and its last step in the other, the last steps are
        compared.
    operation : str
        The operation that computed the arrays; empty if they are inputs.
    flattened : tuple of int, optional
        The shape, channels last, of a map that the models flatten in different orders: vectors of its size are
        compared in both orders.
    a_flattens_channels_last : bool
        Whether the model of `a` flattens the map with the channels last, and the model of `b` does not.
    """
    if operation in RECURRENT or operation == "bidirectional":
        a, b = _last_steps(a, b), _last_steps(b, a)
    if a.shape != b.shape:
        # A map with one position may be a vector in the other model.
        a, b = (one.reshape(len(one), *(size for size in one.shape[1:] if size > 1)) for one in (a, b))
    if a.shape != b.shape:
        return math.inf
    error = apart(a, b)
    if flattened is not None and a.ndim == 2 and a.shape[1] == math.prod(flattened):
        order = flatten_order(flattened)
        one, other = (b, a) if a_flattens_channels_last else (a, b)
        error = min(error, apart(one[:, order], other))
    return error


def flatten_order(shape: Sequence[int]) -> Array:
    """Give, for each value of a map flattened channels last, its position in the map flattened channels first.

    Examples
    --------
    >>> flatten_order((2, 1, 3)).tolist()
    [0, 2, 4, 1, 3, 5]
    """
    *space, channels = shape
    return np.moveaxis(np.arange(math.prod(shape)).reshape(channels, *space), 0, -1).ravel()


def without_zeros_around(a: Array, b: Array) -> tuple[Array, Array]:
    """Remove zeros around one of two maps, if both then have the same shape.

    Examples
    --------
    >>> a = np.random.default_rng(0).random((1, 4, 5, 2))
    >>> one, other = without_zeros_around(a, np.pad(a, [(0, 0), (0, 1), (1, 1), (0, 0)]))
    >>> apart(one, other)
    0.0
    """
    if a.ndim != b.ndim or a.ndim < 3 or a.shape[-1] != b.shape[-1]:
        return a, b
    one, other = a, b
    for axis in range(1, a.ndim - 1):
        sizes = one.shape[axis], other.shape[axis]
        one = _without_zeros(one, axis, sizes[0] - sizes[1])
        other = _without_zeros(other, axis, sizes[1] - sizes[0])
    return (one, other) if one.shape == other.shape else (a, b)


def _without_zeros(array: Array, axis: int, count: int) -> Array:
    """Remove `count` zeros at the two ends of an axis, as evenly as possible; all or none."""
    if count <= 0:
        return array
    size = array.shape[axis]
    for before in sorted(range(count + 1), key=lambda before: abs(2 * before - count)):
        removed = np.take(array, [*range(before), *range(size - count + before, size)], axis)
        if not removed.any():
            return np.take(array, range(before, size - count + before), axis)
    return array


def apart(a: Array, b: Array) -> float:
    """Give the relative L2 of two arrays of one shape, computed in float64; infinite if only one is finite.

    Examples
    --------
    >>> apart(np.ones(3, np.float32), np.zeros(3)), apart(np.ones(3), np.full(3, np.nan))
    (1.0, inf)
    """
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.inf if not np.array_equal(a, b, equal_nan=True) else 0.0
    return relative_l2(np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel())


def _last_steps(own: Array, other: Array) -> Array:
    """Give the last step of a sequence if the other array has only this step; for two directions, the last of each."""
    if own.ndim != 3 or other.ndim != 2:
        return own
    half = own.shape[-1] // 2
    last = own[:, -1]
    both = np.concatenate([own[:, -1, :half], own[:, 0, half:]], axis=-1)
    return both if last.shape == other.shape and apart(both, other) < apart(last, other) else last
