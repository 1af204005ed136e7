"""The shape of input that a model takes, found by running it, for the message about an input of another shape."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from time import monotonic

import numpy as np

from explain.backends.protocol import Backend
from explain.errors import ExplainError
from explain.inputs.examples import Examples
from explain.inputs.layout import Layout

# The sides of the pictures that people train models on.
_SIDES = (
    8,
    16,
    28,
    32,
    48,
    64,
    96,
    112,
    128,
    160,
    192,
    224,
    240,
    256,
    260,
    299,
    300,
    331,
    380,
    384,
    448,
    480,
    512,
)
_SECONDS = 3.0


def shape_that_runs(
    open_backend: Callable[[], Backend], shape: tuple[int, ...], layout: Layout, failure: Exception
) -> tuple[int, ...] | None:
    """Find a shape near a given one on which a model runs.

    Parameters
    ----------
    open_backend : callable
        Opens the model.
    shape : tuple of int
        The shape on which it failed, batch first.
    layout : Layout
        The axes, batch first.
    failure : Exception
        Its error: the numbers in its message may be a number of features.

    Returns
    -------
    tuple of int or None
        The shape of one example as a batch, (1, ...); None if none is found within a few seconds.
    """
    began = monotonic()
    for candidate in _candidates(shape, layout, str(failure)):
        if monotonic() - began > _SECONDS:
            return None
        if _runs(open_backend(), candidate):
            return candidate
    return None


def _runs(backend: Backend, shape: tuple[int, ...]) -> bool:
    examples = Examples((np.zeros(shape, backend.dtype),))
    try:
        with backend.session():
            backend.outputs(backend.hold(examples))
    except ExplainError:
        return False
    return True


def _candidates(shape: tuple[int, ...], layout: Layout, said: str) -> Iterator[tuple[int, ...]]:
    """Give other shapes, the nearest first: of pictures other sides, of all others another number of features.

    Examples
    --------
    >>> next(_candidates((2, 3, 30, 30), Layout("NCHW"), ""))
    (1, 3, 32, 32)
    >>> list(_candidates((2, 5), Layout("NC"), "(2x5 and 4x8)"))
    [(1, 4), (1, 8), (1, 2)]
    """
    sides = [index for index, letter in enumerate(layout.axes) if letter in "HW"]
    numbers = _SIDES if len(sides) == 2 else tuple(map(int, dict.fromkeys(re.findall(r"\d{1,6}", said))))
    changed = sides if len(sides) == 2 else [layout.axes.index("C")] if "C" in layout.axes else []
    first = shape[changed[0]] if changed else 1
    for number in sorted(numbers, key=lambda one: abs(math.log(max(one, 1) / max(first, 1)))):
        sized = [number if index in changed else size for index, size in enumerate(shape)]
        candidate = (1, *sized[1:])
        if changed and number > 0 and candidate[1:] != shape[1:]:
            yield candidate
