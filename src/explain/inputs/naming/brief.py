"""Values of callers, and messages of frameworks, in few words: no message prints the numbers of an array."""

from __future__ import annotations

import re
from typing import Any

_MOST = 60
_GRAPH_ERROR = "Graph execution error:"
_MOST_SAID = 400
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_NUMBERS = re.compile(r"\[[\s\d.,eE+\-\[\]naif…]{40,}\]")
# Keras lists every argument, with the numbers of arrays, below its own sentence.
_ARGUMENTS = re.compile(r"\n\s*Arguments received by .*", re.DOTALL)
_HEADING = re.compile(r"^Exception encountered when calling [^\n]*\n+")


def brief(value: Any) -> str:
    """Name a value in a message: an array by its shape and type, and a long list by its length.

    Examples
    --------
    >>> import numpy as np
    >>> brief("cat"), brief([1, 2]), brief(np.zeros((2, 3)))
    ("'cat'", '[1, 2]', '<ndarray of shape (2, 3), float64>')
    >>> brief([np.zeros(3)] * 2), brief([0.5] * 100), brief(brief)
    ('<list of 2 values, the first a ndarray of shape (3,), float64>', '<list of 100 values>', '<function brief>')
    """
    shape = _shape_of(value)
    if shape is not None:
        dtype = getattr(value, "dtype", None)
        return f"<{type(value).__name__} of shape {shape}{'' if dtype is None else f', {dtype}'}>"
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        return _brief_of_several(value)
    if callable(value) and hasattr(value, "__name__"):
        return f"<{type(value).__name__} {value.__name__}>"
    text = repr(value)
    if isinstance(value, (str, bytes)):
        return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."
    return text if len(text) <= _MOST and "\n" not in text else f"<{type(value).__name__}>"


def message_of(error: BaseException) -> str:
    """Give the message of an error of a framework: its sentence, without colours and the numbers of arrays.

    Examples
    --------
    >>> message_of(ValueError("\\x1b[1mBad shape.\\x1b[0m\\n\\nArguments received by Dense.call(): x=[[0.1 0.2]]"))
    'Bad shape'
    """
    text = _without_stack(_COLOURS.sub("", str(error)))
    while _HEADING.search(text):
        text = _HEADING.sub("", _ARGUMENTS.sub("", text).lstrip())
    text = _NUMBERS.sub("[...]", _ARGUMENTS.sub("", text)).strip().removesuffix(".")
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}..."


def _without_stack(text: str) -> str:
    """Leave out the lines with which TensorFlow says where an operation of a graph was made."""
    if not text.startswith(_GRAPH_ERROR):
        return text
    parts = [
        part
        for part in text.removeprefix(_GRAPH_ERROR).split("\n\n")
        if part.strip() and not part.startswith(("Detected at node", "  File", "<stack traces"))
    ]
    return "\n".join(parts).strip()


def _shape_of(value: Any) -> tuple[Any, ...] | None:
    """Give the shape of an array, a tensor or a data frame; None for a single number and anything else."""
    shape = getattr(value, "shape", None)
    if isinstance(value, type) or shape is None:
        return None
    try:
        found = tuple(shape)
    except (TypeError, ValueError):
        return None
    return found or None


def _brief_of_several(value: Any) -> str:
    first: Any = next(iter(value.values() if isinstance(value, dict) else value), None)
    has_arrays = _shape_of(first) is not None
    # The representation of a list of long lists takes time.
    nested = len(first) if isinstance(first, (list, tuple, dict)) else 0
    text = "" if has_arrays or max(len(value), nested) > _MOST // 3 else repr(value)
    if text and len(text) <= _MOST and "\n" not in text:
        return text
    named = f"<{type(value).__name__} of {len(value)} value{'' if len(value) == 1 else 's'}"
    return f"{named}, the first a {brief(first)[1:-1]}>" if has_arrays else f"{named}>"
