"""The arithmetic from pixels to a model's units."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def standardised(x: npt.NDArray[Any], divide_by: Any, mean: Any, std: Any) -> npt.NDArray[np.float32]:
    """Give ``(x / divide_by - mean) / std`` in float32, each step rounded as the frameworks round it.

    Parameters
    ----------
    x : numpy.ndarray
        Pixels, channels last: (N, H, W, C), or without channels.
    divide_by, mean, std : float or sequence of float
        One number, or one per channel.

    Returns
    -------
    numpy.ndarray of float32
        A new array of the same shape.

    Examples
    --------
    >>> standardised(np.array([0, 255], np.uint8), 255, 0.5, 0.5).tolist()
    [-1.0, 1.0]
    """
    values = np.array(x, dtype=np.float32)
    values /= np.asarray(divide_by, np.float32)
    values -= np.asarray(mean, np.float32)
    values /= np.asarray(std, np.float32)
    return values
