"""The contents of dictionaries and lists: compared by identity, in loops of C, and put back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import is_
from typing import Any


def keys_and_values(dictionaries: Sequence[dict[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """Give all keys and all values of dictionaries, by loops in C."""
    return [*chain.from_iterable(dictionaries)], [*chain.from_iterable(map(dict.values, dictionaries))]


def are_same(dictionaries: Sequence[dict[Any, Any]], keys: list[Any], values: list[Any]) -> bool:
    """Tell whether dictionaries have the same keys, and the same objects as values."""
    keys_now, values_now = keys_and_values(dictionaries)
    return len(keys_now) == len(keys) and all(map(is_, values_now, values)) and all(map(is_, keys_now, keys))


def put_back(dictionaries: Sequence[dict[Any, Any]], before: Sequence[dict[Any, Any]]) -> None:
    """Give dictionaries their former contents, where they have others."""
    for now, then in zip(dictionaries, before, strict=True):
        if not are_same([now], *keys_and_values([then])):
            now.clear()
            now.update(then)


def identities_of(container: list[Any] | set[Any]) -> Any:
    """Give the identities of the elements of a container, to detect that one was replaced."""
    return {*map(id, container)} if isinstance(container, set) else [*map(id, container)]
