"""What a result holds: arrays that nobody changes, so that results are equal by their content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# What was asked, besides arrays and options; not how it is drawn, nor the versions, nor how it was computed.
_PLAIN = ("method", "layout", "score", "layer", "reduce")
_PER_EXAMPLE = ("target", "neuron", "texts")

# From so many values a hash is made: the rest is compared if the hashes are equal.
_HASHED = 256


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


def equal(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Tell whether two attributions have the same values for the same question.

    Parameters
    ----------
    a, b : Mapping
        The fields of the two `explain.Attribution` by name.

    Returns
    -------
    bool
        Whether values, inputs (with texts and padding), target (with layer and neuron), score, baseline, method,
        options and layout are equal. NaN equals NaN.
    """
    if any(a[name] != b[name] for name in _PLAIN):
        return False
    if any(not _same(a[name], b[name]) for name in _PER_EXAMPLE):
        return False
    # The record of a baseline matters where the result does not hold the baseline itself, as for sets of references.
    has_rule = a["baseline"] is None and b["baseline"] is None
    return (
        _same_arrays(a["values"], b["values"])
        and _same_arrays(a["inputs"], b["inputs"])
        and _same_arrays(a["baseline"], b["baseline"])
        and _same_arrays(a["mask"], b["mask"])
        and _same(a["options"], b["options"])
        and (not has_rule or _same(a["baseline_rule"], b["baseline_rule"]))
    )


def hash_of(given: Mapping[str, Any]) -> int:
    """Give a number that is the same for equal attributions."""
    values = given["values"]
    some = values.flat[:: max(1, values.size // _HASHED)].tolist() if values.size else []
    # NaN has no hash of its own; −0.0 and 0.0 have the same.
    numbers = tuple(one if one == one else None for one in some)
    return hash((numbers, values.shape, given["method"], given["layout"], given["score"]))


def _same_arrays(a: Array | None, b: Array | None) -> bool:
    if a is None or b is None:
        return a is b
    if a is b:
        return True
    return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc")


def _same(a: Any, b: Any) -> bool:
    """Compare plain data, where a tuple, a list and an array with the same entries are equal, as after a file."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(one, b[key]) for key, one in a.items())
    a, b = (one.tolist() if isinstance(one, np.ndarray | np.generic) else one for one in (a, b))
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    try:
        return bool(a is b or a == b or (a != a and b != b))
    # An object of an option, such as a tensor, that has no single truth.
    except (ValueError, RuntimeError, TypeError):
        return False
