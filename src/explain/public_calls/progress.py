"""Reports how far long work has come, to whoever listens; it costs next to nothing when nobody does.

Work nests: a step of a loop may consist of other loops. All of it together is one share from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from time import monotonic
from types import TracebackType
from typing import Protocol, TypeVar

_Item = TypeVar("_Item")

LISTENER: ContextVar[Listener | None] = ContextVar("explain_progress", default=None)
"""Who listens in this context; threads that a program starts by itself have a context of their own."""


class Listener(Protocol):
    """Whoever listens: the progress display."""

    works: list[Counted]
    """The loops that are running, from the outermost on."""

    def changed(self, now: float) -> None:
        """Tell that some work began or advanced."""


class Counted:
    """A loop whose length is known. Use it in a ``with``; see `counted`.

    Parameters
    ----------
    listener : Listener, optional
        Who is told. Without a listener nothing is counted.
    total : float
        The length of the loop.
    what : str
        What it computes.
    """

    __slots__ = ("_listener", "began", "done", "piece", "total", "what")

    def __init__(self, listener: Listener | None, total: float, what: str = "") -> None:
        self._listener = listener
        self.total, self.what = max(total, 1e-9), what
        self.done, self.piece, self.began = 0.0, 0.0, 0.0

    def __enter__(self) -> Counted:
        """Begin the loop."""
        if self._listener is not None:
            self.began = monotonic()
            self._listener.works.append(self)
            self._listener.changed(self.began)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the loop, also where it is left early."""
        # A generator that is not exhausted leaves its loop late, after loops that began after it.
        if self._listener is not None and self in self._listener.works:
            self._listener.works.remove(self)

    def begins(self, size: float = 1, what: str = "") -> None:
        """Say that a part of the given size begins, so that loops inside it advance this loop, too.

        Parameters
        ----------
        size : float
            The size of the part, of `total`.
        what : str
            What the part computes; empty if it is as before.
        """
        if self._listener is not None:
            self.piece, self.what = size, what or self.what
            self._listener.changed(monotonic())

    def advance(self, size: float = 1) -> None:
        """Say that a part of the given size is done."""
        if self._listener is not None:
            self.done += size
            self.piece = 0.0
            self._listener.changed(monotonic())


def share_of(works: list[Counted]) -> float:
    """Give how much of all running loops is done, from 0 to 1.

    Examples
    --------
    >>> outer, inner = Counted(None, 4), Counted(None, 2)
    >>> outer.done, outer.piece, inner.done = 2, 1, 1
    >>> share_of([outer, inner])
    0.625
    """
    found, share = 0.0, 1.0
    for work in works:
        found += share * work.done / work.total
        share *= work.piece / work.total
    return min(1.0, found)


def counted(total: float, what: str = "") -> Counted:
    """Count a loop of a known length.

    Parameters
    ----------
    total : float
        The length of the loop.
    what : str
        What it computes, for the display.

    Returns
    -------
    Counted
        A context manager with ``begins(size)`` and ``advance(size)``.

    Examples
    --------
    >>> with counted(3, "pictures") as work:
    ...     for _ in range(3):
    ...         work.begins()
    ...         work.advance()
    """
    listener = LISTENER.get()
    return _NOTHING if listener is None else Counted(listener, total, what)


def counted_each(items: Sequence[_Item], what: str = "") -> Iterator[_Item]:
    """Give some items one by one, and count them.

    Parameters
    ----------
    items : sequence
        The items; the work on each is done between two of them.
    what : str
        What is computed, for the display.

    Examples
    --------
    >>> list(counted_each("abc"))
    ['a', 'b', 'c']
    """
    with counted(len(items), what) as work:
        for item in items:
            work.begins()
            yield item
            work.advance()


_NOTHING = Counted(None, 1)
