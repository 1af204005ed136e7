"""Names as people have them: a list, an array, an index of pandas, a dict of numbers and names."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np

from explain.errors import OptionError
from explain.inputs.naming.brief import brief


def given_names(field: str, given: Any) -> tuple[str, ...]:
    """Give names in order as a tuple of str.

    Parameters
    ----------
    field : str
        The field of a `Display` that they are for.
    given : iterable of str, or Mapping, optional
        Names in order, also as an array or another library's index; or the name of each number (``{0: "cat"}``), or
        the number of each name (``{"cat": 0}``, the ``class_indices`` of Keras), counted from 0. Numbers stand for
        their digits.

    Raises
    ------
    OptionError
        If these are no names, or the numbers of a mapping do not count from 0.

    Examples
    --------
    >>> given_names("classes", ["cat", "dog"]), given_names("classes", {"dog": 1, "cat": 0})
    (('cat', 'dog'), ('cat', 'dog'))
    >>> given_names("classes", np.array([3, 7]))
    ('3', '7')
    """
    if isinstance(given, tuple) and all(type(one) is str for one in given):
        return given
    if given is None:
        return ()
    # A set has no order.
    if isinstance(given, str | bytes | set | frozenset) or not hasattr(given, "__iter__"):
        raise OptionError(
            f"display.{field}={brief(given)} is not a sequence of names: give all names in order, for example "
            f'{field}=("first", "second").'
        )
    if isinstance(given, Mapping):
        given = _in_order(field, given)
    return tuple(_name(field, one) for one in given)


def _in_order(field: str, given: Mapping[Any, Any]) -> list[Any]:
    """Give the names of a mapping in the order of their numbers."""
    for numbers, names in ((given.keys(), given.values()), (given.values(), given.keys())):
        named = {str(number): name for number, name in zip(numbers, names, strict=True)}
        if set(named) == set(map(str, range(len(given)))):
            return [named[str(number)] for number in range(len(given))]
    raise OptionError(
        f"display.{field} is a {type(given).__name__} whose numbers do not count from 0 to {len(given) - 1}: give the "
        f'names in order, for example {field}=("first", "second").'
    )


def _name(field: str, one: Any) -> str:
    plain = one.item() if isinstance(one, np.generic) else getattr(one, "numpy", lambda: one)()
    if isinstance(plain, bytes):
        plain = plain.decode("utf-8", "replace")
    if isinstance(plain, str):
        return str(plain)
    if isinstance(plain, Number):
        return str(plain)
    raise OptionError(
        f"display.{field} has the entry {brief(one)}, which is not a name: give a str for each, in order."
    )
