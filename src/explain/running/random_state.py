"""Restores the caller's random states."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import string_at
from typing import Any

import numpy as np

# 624 numbers of four bytes, and the place of the next one.
_BYTES = 625 * 4


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
    of_numpy: Any = np.random.get_state(legacy=False)
    numbers = _numbers_of_numpy()
    try:
        yield
    finally:
        # Comparing is faster than restoring an unchanged state.
        if random.getstate() != of_python:
            random.setstate(of_python)
        # Without a second normal number in store, each draw moves on in the numbers.
        if of_numpy["has_gauss"] or numbers is None or numbers != _numbers_of_numpy():
            np.random.set_state(of_numpy)


def _numbers_of_numpy() -> bytes | None:
    """Give the state of NumPy's usual generator, in a hundredth of the time of `numpy.random.get_state`."""
    # Not every version of NumPy names it in public.
    generator: Any = getattr(np.random, "get_bit_generator", lambda: None)()
    if not isinstance(generator, np.random.MT19937):
        return None
    return string_at(generator.ctypes.state_address, _BYTES)
