"""Counts how often the model runs, for whoever asks; it costs next to nothing when nobody does.

A forward pass is a run of the model on one example, or on one point that a method makes of it; a backward pass takes
the gradient of its score. 32 of each for one example take as long as one of each for 32 examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass
class Passes:
    """Numbers of passes of single examples, or of single points.

    Attributes
    ----------
    forward, backward : int
        The numbers.
    """

    forward: int = 0
    backward: int = 0

    def per_example(self, count: int) -> dict[str, float]:
        """Give the mean over examples, by ``"forward"`` and ``"backward"``; empty if nothing was counted.

        The model of a framework whose extension does not count seems not to run at all.

        Examples
        --------
        >>> Passes(forward=64, backward=32).per_example(32)
        {'forward': 2.0, 'backward': 1.0}
        >>> Passes().per_example(32)
        {}
        """
        if not (self.forward or self.backward):
            return {}
        return {"forward": self.forward / count, "backward": self.backward / count}


_COUNTER: ContextVar[Passes | None] = ContextVar("explain_passes", default=None)

# By computation: the passes that one example takes, where they are not a single forward pass.
_COSTS: dict[Callable[..., Any], Passes] = {}
_ONE_FORWARD = Passes(forward=1)


@contextmanager
def counting() -> Iterator[Passes]:
    """Count the passes of this context; those of an inner count belong to the outer one, too.

    What a call does only to know or to check the model is left out, see `uncounted`: of which operations and layers it
    is made, whether it is deterministic, whether examples depend on each other, how much memory it takes. So are runs
    of its beginning alone that look up the vectors of tokens, or take the ends of paths through its affine layers. Any
    other run that ends at a layer counts as one. A batch that is filled up, for a model of a fixed batch size and by
    JAX, counts as it is run.

    Yields
    ------
    Passes
        The numbers, up to date at any time.

    Examples
    --------
    >>> with counting() as passes:
    ...     count_passes(forward=8, backward=8)
    ...     with uncounted():
    ...         count_passes(forward=1)
    >>> passes
    Passes(forward=8, backward=8)
    """
    outer, passes = _COUNTER.get(), Passes()
    token = _COUNTER.set(passes)
    try:
        yield passes
    finally:
        _COUNTER.reset(token)
        if outer is not None:
            outer.forward += passes.forward
            outer.backward += passes.backward


@contextmanager
def uncounted() -> Iterator[None]:
    """Count no passes in this context: they are taken to know the model, not to explain it."""
    token = _COUNTER.set(None)
    try:
        yield
    finally:
        _COUNTER.reset(token)


def count_passes(*, forward: int = 0, backward: int = 0) -> None:
    """Add to the count, if there is one.

    Parameters
    ----------
    forward, backward : int
        How many examples or points the model runs on, and how many of them gradients are taken for.
    """
    passes = _COUNTER.get()
    if passes is not None:
        passes.forward += forward
        passes.backward += backward


def takes_passes(*, forward: int = 1, backward: int = 1) -> Callable[[_Function], _Function]:
    """Say of a computation, which is traced and then run many times, how many passes one example takes.

    Parameters
    ----------
    forward, backward : int
        The numbers; a computation of which nothing is said takes one forward pass.

    Examples
    --------
    >>> @takes_passes()
    ... def gradients(points):
    ...     return 2 * points
    >>> with counting() as passes:
    ...     count_passes_of(gradients, 3)
    >>> passes
    Passes(forward=3, backward=3)
    """

    def noted(function: _Function) -> _Function:
        _COSTS[function] = Passes(forward, backward)
        return function

    return noted


def count_passes_of(function: Callable[..., Any], count: int) -> None:
    """Add the passes of a computation to the count, if there is one.

    Parameters
    ----------
    function : callable
        The computation, see `takes_passes`.
    count : int
        The number of examples or points that it runs on.
    """
    passes = _COUNTER.get()
    if passes is not None:
        cost = _COSTS.get(function, _ONE_FORWARD)
        passes.forward += count * cost.forward
        passes.backward += count * cost.backward
