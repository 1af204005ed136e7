"""The caller's random states, put back as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Put the random states of Python and NumPy back on any exit: a model's own code may draw from them.

    Examples
    --------
    >>> random.seed(0)
    >>> with preserved_random_state():
    ...     first = random.random()
    >>> random.random() == first
    True
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
