"""One linear resampler, in NumPy, for maps of any rank: the same numbers for the maps of every framework."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from explain.inputs.examples import Array


def resampled(values: Array, axes: Sequence[int], sizes: Sequence[int]) -> Array:
    """Resize some axes of an array by linear interpolation between the centres of its cells.

    The cells cover the same extent before and after; beyond the outermost centres the outermost value is repeated.
    PyTorch calls this ``align_corners=False``, TensorFlow ``half_pixel_centers``.

    Parameters
    ----------
    values : numpy.ndarray
        Any array.
    axes, sizes : sequence of int
        The axes, and the new size of each.

    Examples
    --------
    >>> resampled(np.array([0.0, 1.0]), [0], [4]).tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    for axis, size in zip(axes, sizes, strict=True):
        if values.shape[axis] != size:
            weights = _weights(values.shape[axis], size).astype(values.dtype, copy=False)
            values = (values.swapaxes(axis, -1) @ weights.T).swapaxes(axis, -1)
    return values


@lru_cache(maxsize=64)
def _weights(before: int, after: int) -> Array:
    """Give the weight of each old cell in each new one, shape (after, before); not to be written to."""
    centres = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    left = np.minimum(np.floor(centres).astype(int), max(before - 2, 0))
    share = centres - left
    weights = np.zeros((after, before))
    weights[np.arange(after), left] = 1 - share
    weights[np.arange(after), np.minimum(left + 1, before - 1)] += share
    weights.flags.writeable = False
    return weights
