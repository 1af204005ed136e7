"""One linear resampler, in NumPy, for maps of any rank: the same numbers whichever framework made the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explain.inputs.examples import Array


def resampled(values: Array, axes: Sequence[int], sizes: Sequence[int]) -> Array:
    """Bring some axes of an array to other sizes by linear interpolation between the centres of its cells.

    Cells lie side by side over the same extent before and after, and beyond the outermost centres the outermost value
    holds: what PyTorch calls ``align_corners=False``, and TensorFlow ``half_pixel_centers``.

    Parameters
    ----------
    values : numpy.ndarray
        Any array.
    axes, sizes : sequence of int
        Which axes, and the size of each afterwards.

    Examples
    --------
    >>> resampled(np.array([0.0, 1.0]), [0], [4]).tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    for axis, size in zip(axes, sizes, strict=True):
        if values.shape[axis] != size:
            weights = _weights(values.shape[axis], size).astype(values.dtype, copy=False)
            values = np.moveaxis(np.tensordot(values, weights, axes=(axis, 1)), -1, axis)
    return values


def _weights(before: int, after: int) -> Array:
    """Give the share that each old cell has in each new one, shape (after, before)."""
    centres = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    left = np.minimum(np.floor(centres).astype(int), max(before - 2, 0))
    share = centres - left
    weights = np.zeros((after, before))
    weights[np.arange(after), left] = 1 - share
    weights[np.arange(after), np.minimum(left + 1, before - 1)] += share
    return weights
