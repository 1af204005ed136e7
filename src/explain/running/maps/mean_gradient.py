"""Whether gradients cancel when they are averaged over the places of a map."""

from __future__ import annotations

from typing import Any

import numpy as np

from explain.inputs.examples import Array

ROUNDINGS = 16
"""A sum of terms that cancel by construction is this many roundings of their size, or fewer."""


def mean_is_rounding(gradients: Array, dtype: np.dtype[Any]) -> Array:
    """Tell for each example and channel whether the mean over places is no more than the rounding of its terms.

    Parameters
    ----------
    gradients : numpy.ndarray
        Shape (N, places..., C).
    dtype : numpy.dtype
        The precision in which they were computed.

    Returns
    -------
    numpy.ndarray of bool
        Shape (N, C).
    """
    places = tuple(range(1, gradients.ndim - 1))
    wide = gradients.astype(np.float64, copy=False)
    limit = ROUNDINGS * np.finfo(dtype).eps * np.abs(wide).mean(axis=places)
    return np.asarray(np.abs(wide.mean(axis=places)) <= limit)
