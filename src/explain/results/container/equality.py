"""When two results are equal: the same answer to the same question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.results.container.read_only import Array

# What was asked, besides arrays and options; not how it is drawn, nor the versions, nor how it was computed.
_PLAIN = ("method", "layout", "score", "layer", "reduce")
_PER_EXAMPLE = ("target", "neuron", "texts")

# From so many values a hash is made: the rest is compared if the hashes are equal.
_HASHED = 256


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
