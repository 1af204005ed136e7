"""Where progress is shown: on a terminal, in a notebook, or as lines of a log. Always standard error."""

from __future__ import annotations

import sys
from html import escape
from time import monotonic
from typing import Any, Protocol

_BETWEEN_LINES = 5.0
"""Seconds between two lines of a log."""


class Display(Protocol):
    """A place where progress is shown."""

    def show(self, what: str, share: float, left: float | None) -> None:
        """Show what runs, how much of it is done (from 0 to 1), and how many seconds are left, if that is known."""

    def close(self) -> None:
        """Take the display away."""


class Terminal:
    """A bar of rich, which disappears at the end."""

    def __init__(self) -> None:
        self._bars: Any = None
        self._task: Any = None
        self._ends: float | None = None

    def show(self, what: str, share: float, left: float | None) -> None:
        """Show the bar."""
        if self._bars is None:
            self._bars = self._started()
            self._task = self._bars.add_task(what, total=1.0, left=self._left)
        self._ends = None if left is None else monotonic() + left
        self._bars.update(self._task, description=what, completed=share)

    def close(self) -> None:
        """Take the bar away, and give the cursor back."""
        if self._bars is not None:
            self._bars.stop()

    def _left(self) -> str:
        return "" if self._ends is None else in_words(max(0.0, self._ends - monotonic()))

    def _started(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
        from rich.text import Text

        class Left(TextColumn):
            """Counts down between two reports; rich's own estimate would begin with each loop."""

            def render(self, task: Any) -> Text:
                return Text(task.fields["left"]())

        bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            Left(""),
            console=Console(stderr=True),
            transient=True,
            # What the model prints goes where the caller expects it.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        bars.start()
        return bars


class Notebook:
    """A bar in the output of a cell, which disappears at the end."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, what: str, share: float, left: float | None) -> None:
        """Show the bar."""
        words = f"{what} {share:.0%}" if left is None else f"{what} {share:.0%}, {in_words(left)}"
        bar = f'<progress value="{share:.4f}" max="1" aria-label="{escape(what)}"></progress> {escape(words)}'
        self._put({"text/html": bar, "text/plain": words})

    def close(self) -> None:
        """Take the bar away."""
        self._put({"text/html": "", "text/plain": ""})

    def _put(self, content: dict[str, str]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


class Lines:
    """One line every few seconds, for files and terminals without a cursor."""

    def __init__(self) -> None:
        self._next = 0.0

    def show(self, what: str, share: float, left: float | None) -> None:
        """Write a line, if the last one is long ago."""
        now = monotonic()
        if now >= self._next:
            self._next = now + _BETWEEN_LINES
            rest = "" if left is None else f", {in_words(left)}"
            print(f"{what}: {share:.0%}{rest}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the lines as they are."""


def in_notebook() -> bool:
    """Tell whether the code runs in a notebook, without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    # The shell of a terminal has no kernel.
    return getattr(shell, "kernel", None) is not None


def in_words(seconds: float) -> str:
    """Give a time that is left in words.

    Examples
    --------
    >>> in_words(0.4), in_words(95), in_words(7500)
    ('1 s left', '1 min 35 s left', '2 h 05 min left')
    """
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s left"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s left"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min left"
