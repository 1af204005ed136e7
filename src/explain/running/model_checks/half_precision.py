"""Whether a model computes in half precision, seen at its numbers: its weights or its layers may not show it."""

from __future__ import annotations

import numpy as np

from explain.inputs.examples import Array

MANTISSAS = {"bfloat16": 7, "float16": 10}
"""The bits of a mantissa in each half precision."""

_SINGLE = 23


def precision_of(numbers: Array) -> str | None:
    """Give the half precision in which all numbers are exact, the coarser one first; None if there is none.

    Examples
    --------
    >>> precision_of(np.array([1.5, 3.140625])), precision_of(np.array([3.142578125])), precision_of(np.array([0.1]))
    ('bfloat16', 'float16', None)
    """
    single = np.asarray(numbers, np.float32)
    if not (single == numbers).all():
        return None
    bits = single.view(np.uint32)
    for name, kept in MANTISSAS.items():
        if not (bits & ((1 << (_SINGLE - kept)) - 1)).any():
            return name
    return None
