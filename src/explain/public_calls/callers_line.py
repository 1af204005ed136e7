"""Errors and warnings of public calls at the caller's line, without the frames of this package."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

from explain.errors import ExplainError, ExplainWarning

FULL_TRACEBACK = "EXPLAIN_FULL_TRACEBACK"
"""The environment variable that keeps the frames of this package in the traceback of an error."""

_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"

_Call = TypeVar("_Call", bound=Callable[..., Any])


def at_callers_line(call: _Call) -> _Call:
    """Decorate a public function: its errors show the caller's line, and the lines of the model that raised.

    With the environment variable ``EXPLAIN_FULL_TRACEBACK=1`` they show every frame.

    Examples
    --------
    >>> @at_callers_line
    ... def doubled(x: int) -> int:
    ...     return 2 * x
    >>> doubled(3)
    6
    """

    @wraps(call)
    def public(*arguments: Any, **named: Any) -> Any:
        # pytest and IPython leave this frame out.
        __tracebackhide__ = True
        try:
            return call(*arguments, **named)
        except ExplainError as error:
            if os.environ.get(FULL_TRACEBACK):
                raise
            without_own_frames(error)
            cause = error.__cause__
            # Python prints the next line, the only one of this package.
            raise error.with_traceback(None) from cause  # EXPLAIN_FULL_TRACEBACK=1 shows all frames

    return cast(_Call, public)


def without_own_frames(error: BaseException) -> None:
    """Leave the frames of this package out of the errors that caused an error.

    Frames of the caller's model, and of the framework that it calls, stay.
    """
    seen: set[int] = set()
    cause = error.__cause__
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        cause.with_traceback(_from_elsewhere(cause.__traceback__))
        cause = cause.__cause__


def warn_at_callers_line(notes: Iterable[tuple[str, type[ExplainWarning]]]) -> None:
    """Give warnings at the line that called this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    for message, category in notes:
        warnings.warn(message, category, stacklevel=level)


def _from_elsewhere(traceback: TracebackType | None) -> TracebackType | None:
    """Give a traceback from its first frame that is not of this package."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        traceback = traceback.tb_next
    return traceback
