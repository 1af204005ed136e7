"""Arrays that nobody changes: what a result holds, it holds for good."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def read_only(array: npt.ArrayLike) -> Array:
    """Give an array that cannot be written to, with the same values; the given one stays as it is.

    An array that nobody can write to is given back itself, so that a result that is made from another one shares its
    arrays. Any other array is copied once: its owner could change a view.

    Examples
    --------
    >>> own = np.ones(2)
    >>> kept = read_only(own)
    >>> own[0] = 5
    >>> kept.tolist(), own.flags.writeable, read_only(kept) is kept, read_only(kept[:1]).base is kept
    ([1.0, 1.0], True, True, True)
    """
    if isinstance(array, np.ndarray) and _is_fixed(array):
        return array
    copied = np.array(array)
    copied.flags.writeable = False
    return copied


def fixed(array: Array) -> Array:
    """Mark an array that was made for a result as read-only, without a copy.

    Examples
    --------
    >>> fixed(np.ones(2)).flags.writeable
    False
    """
    array.flags.writeable = False
    return array


def _is_fixed(array: Array) -> bool:
    """Whether neither an array nor the array that it is a view of can be written to."""
    while not array.flags.writeable:
        if array.base is None:
            return True
        if not isinstance(array.base, np.ndarray):
            # The memory belongs to something else, such as a mapped file.
            return isinstance(array.base, bytes)
        array = array.base
    return False
