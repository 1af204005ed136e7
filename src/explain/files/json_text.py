"""JSON that others wrote."""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 100
"""The deepest nesting that is read: what people write is less than ten deep."""

_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def read_json(text: str | bytes) -> Any:
    """Read JSON, unless it is nested so deep that reading it would end at Python's limit of recursion.

    There any code that runs by chance, such as the finalizer of an object that is collected just then, fails too, and
    nobody sees it. So the depth is counted before anything is read.

    Parameters
    ----------
    text : str or bytes
        The JSON; bytes in UTF-8.

    Raises
    ------
    ValueError
        If it is not JSON, not text, or nested more than 100 deep.

    Examples
    --------
    >>> read_json('{"mean": [0.5, 0.5]}')
    {'mean': [0.5, 0.5]}
    >>> read_json("[" * 100_000)
    Traceback (most recent call last):
        ...
    ValueError: it is nested more than 100 deep
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    if text.count("[") + text.count("{") > DEEPEST and _is_too_deep(text):
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    return json.loads(text)


def _is_too_deep(text: str) -> bool:
    depth = 0
    # A string comes out whole, so that its brackets do not count.
    for mark in _MARKS.finditer(text):
        first = text[mark.start()]
        if first in "[{":
            depth += 1
            if depth > DEEPEST:
                return True
        elif first in "]}":
            depth -= 1
    return False
