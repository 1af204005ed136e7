"""Computations compiled once per shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from explain.backends.question import Finding


@dataclass(frozen=True)
class Trace:
    """A compiled computation.

    Parameters
    ----------
    function : callable
        Takes the values of the model's variables, and the arguments of the computation.
    finding : Finding, optional
        The finding about the score at the first reading of the output.
    kept : frozenset of str
        Where the model keeps a state that the computation changes.
    """

    function: Callable[..., Any]
    finding: Finding | None
    kept: frozenset[str]


def filled_up(count: int) -> int:
    """Give the least size of a compiled batch from a number of rows on: 1, 2, 3, 4, 6, 8, 12, 16, 24…

    JAX compiles a computation anew for every size, which takes longer than some more rows do.

    Examples
    --------
    >>> [filled_up(count) for count in (1, 5, 7, 9, 50)]
    [1, 6, 8, 12, 64]
    """
    size = 1 << (count - 1).bit_length()
    return size if count > 3 * size // 4 or size < 4 else 3 * size // 4
