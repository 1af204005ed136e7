"""Restores the caller's random states."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Restore the random states of Python and NumPy on any exit: a model's own code may draw from them.

    Examples
    --------
    >>> random.seed(0)
    >>> with preserved_random_state():
    ...     first = random.random()
    >>> random.random() == first
    True
    """
    of_python = random.getstate()
    of_numpy: Any = np.random.get_state()
    try:
        yield
    finally:
        # Comparing is faster than restoring an unchanged state.
        if random.getstate() != of_python:
            random.setstate(of_python)
        now: Any = np.random.get_state()
        if now[2:] != of_numpy[2:] or not np.array_equal(now[1], of_numpy[1]):
            np.random.set_state(of_numpy)
