"""Checks of single settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from explain.errors import OptionError
from explain.preprocessing.geometry import Size

# Pixels of one side that a model can take in earnest.
_LONGEST_SIDE = 16384


def both_sides(size: int | Size) -> Size:
    """Give height and width; one number is both.

    Examples
    --------
    >>> both_sides(224)
    (224, 224)
    """
    return (size, size) if isinstance(size, int) else size


def checked_size(name: str, given: Any) -> int | Size | None:
    """Check a size, and give it in plain numbers.

    Examples
    --------
    >>> checked_size("size", [224, 320])
    (224, 320)
    """
    if given is None:
        return None
    sides = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    whole = [isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in sides]
    if len(sides) not in (1, 2) or not all(whole) or not all(1 <= one <= _LONGEST_SIDE for one in sides):
        raise OptionError(
            f"{name}={given!r} is not a size: give one whole number of pixels from 1 to {_LONGEST_SIDE}, or (height, "
            "width)."
        )
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def check_one_of(name: str, given: Any, known: Sequence[Any]) -> None:
    """Refuse what is not one of the known values.

    Examples
    --------
    >>> check_one_of("color", "red", ("rgb", "grey"))
    Traceback (most recent call last):
    explain.errors.OptionError: color='red' is unknown: give one of 'rgb', 'grey'.
    """
    if given not in known:
        raise OptionError(f"{name}={given!r} is unknown: give one of {', '.join(map(repr, known))}.")


def checked_number(name: str, given: Any, *, nonzero: bool = False) -> float:
    """Check a number, and give it as a float.

    Examples
    --------
    >>> checked_number("std", 2, nonzero=True)
    2.0
    """
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(given, (str, bool)) or not np.isfinite(number) or (nonzero and number == 0):
        raise OptionError(
            f"{name}={given!r} is not a number{' other than zero' if nonzero else ''}: give one."
        )
    return number
