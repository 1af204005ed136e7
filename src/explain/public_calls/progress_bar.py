"""Shows the progress of a call: one bar on the terminal or in the notebook, for all that runs inside it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

from explain.errors import OptionError
from explain.public_calls.displays import Display, Lines, Notebook, Terminal, in_notebook
from explain.public_calls.progress import LISTENER, Counted, share_of

_DELAY = 2.0
"""Seconds after which a bar is shown, unless the caller wants it at once."""
_INTERVAL = 0.1
_SETTLED = 1.0
"""Seconds of a loop after which its remaining time is estimated."""

_SETTING: ContextVar[bool | None] = ContextVar("explain_progress_setting", default=None)
# One bar at a time: two of them, of two threads, would draw over each other.
_ONE_BAR = threading.Lock()


@contextmanager
def progress(show: bool | None = True) -> Iterator[None]:
    """Show the progress of every call inside a ``with``, or of none.

    An argument ``progress=`` of a single call goes before it.

    Parameters
    ----------
    show : bool, optional
        True shows a bar at once, also where standard error is no terminal, as lines; False never shows one; None
        shows a bar on a terminal or in a notebook, where a call takes over two seconds.

    Examples
    --------
    >>> import explain
    >>> model = explain.zoo.load("cifar_net", framework="torch")
    >>> x = explain.zoo.samples("cifar_net", framework="torch").x[:2]
    >>> with explain.progress(False):
    ...     a = explain.attribute(model, x, "occlusion")
    """
    token = _SETTING.set(_checked(show))
    try:
        yield
    finally:
        _SETTING.reset(token)


class Bar:
    """The bar of one call, of all loops that run inside it; it listens to them.

    Parameters
    ----------
    title : str
        The name of the call.
    display : Display
        Where it is shown.
    delay : float
        Seconds after which it is shown.
    """

    def __init__(self, title: str, display: Display, delay: float) -> None:
        self.works: list[Counted] = []
        self._title, self._display = title, display
        self._next = monotonic() + delay
        self._holds_the_bar = False
        self._outermost: Counted | None = None
        self._most = 0.0
        # A program may hand its context on to threads.
        self._lock = threading.Lock()

    def changed(self, now: float) -> None:
        """Show how far the running loops are, at most ten times a second."""
        if now < self._next:
            return
        with self._lock:
            if now < self._next:
                return
            self._next = now + _INTERVAL
            if not self._holds_the_bar:
                self._holds_the_bar = _ONE_BAR.acquire(blocking=False)
            works = [*self.works]
            if not self._holds_the_bar or not works:
                return
            if works[0] is not self._outermost:
                self._outermost, self._most = works[0], 0.0
            # A part of a loop may consist of several loops, each of which begins at zero.
            share = self._most = max(self._most, share_of(works))
            took = now - works[0].began
            left = took * (1 - share) / share if share > 0 and took > _SETTLED else None
            what = next((work.what for work in reversed(works) if work.what), "")
            self._display.show(f"{self._title}: {what}" if what else self._title, share, left)

    def close(self) -> None:
        """Take the bar away."""
        with self._lock:
            # A generator that is still open may report later.
            self._next = float("inf")
            if self._holds_the_bar:
                self._holds_the_bar = False
                try:
                    self._display.close()
                finally:
                    _ONE_BAR.release()


@contextmanager
def shown(show: bool | None, title: str) -> Iterator[None]:
    """Show the progress of a call; inside another call, which has a bar, it advances this bar.

    Parameters
    ----------
    show : bool, optional
        The caller's argument ``progress``.
    title : str
        The name of the call.

    Raises
    ------
    OptionError
        If `show` is neither None nor a bool.
    """
    wanted = _checked(show)
    if LISTENER.get() is not None and wanted is not False:
        yield
        return
    wanted = _SETTING.get() if wanted is None else wanted
    display = None if wanted is False else _display(always=wanted is True)
    bar = None if display is None else Bar(title, display, 0 if wanted else _DELAY)
    # Calls inside this one follow its setting.
    token, setting = LISTENER.set(bar), _SETTING.set(wanted)
    try:
        yield
    finally:
        LISTENER.reset(token)
        _SETTING.reset(setting)
        if bar is not None:
            bar.close()


def _checked(show: Any) -> bool | None:
    if show is None or isinstance(show, bool):
        return show
    raise OptionError(
        f"progress is of type {type(show).__name__}: give True for a bar, False for none, or None for a bar where a "
        "call takes over two seconds."
    )


def _display(*, always: bool) -> Display | None:
    """Give where a bar is shown; None where standard error is neither a terminal nor of a notebook."""
    if sys.stderr is None:
        return None
    if in_notebook():
        return Notebook()
    # A terminal that cannot move its cursor gets lines, like a file.
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return Terminal()
    return Lines() if always else None
