"""The range of valid input values."""

from __future__ import annotations

from typing import Any

from explain.errors import OptionError
from explain.inputs.naming.brief import brief


def bounds_of(*choices: Any) -> tuple[float, float] | None:
    """Give the first range that is not None, as (least, greatest).

    Raises
    ------
    OptionError
        If it is not a range of two finite numbers.

    Examples
    --------
    >>> bounds_of(None, (0, 1))
    (0.0, 1.0)
    """
    bounds = next((choice for choice in choices if choice is not None), None)
    if bounds is None:
        return None
    try:
        least, greatest = (float(value) for value in bounds)
    except (TypeError, ValueError):
        least = greatest = float("nan")
    if not -float("inf") < least < greatest < float("inf"):
        raise OptionError(
            f"bounds={brief(bounds)} is not a range: give (least, greatest), for example bounds=(0, 1)."
        )
    return least, greatest
