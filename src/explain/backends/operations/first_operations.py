"""The operations that first change the values of an input. The same in every framework."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Beginnings:
    """The kinds of operations on the way of an input, by their names in a framework.

    Parameters
    ----------
    moves : container of str
        Operations that move values, or give values between them, as a resizing does.
    shifts, scales : container of str
        Operations that add constants, and that multiply by constants or divide by them.
    operands_of : callable
        Gives the operations whose results an operation takes.
    name_of : callable
        Gives the name of an operation's kind.
    """

    moves: Container[str]
    shifts: Container[str]
    scales: Container[str]
    operands_of: Callable[[Any], Iterable[Any]]
    name_of: Callable[[Any], str]


def unscaled_uses(operations: Iterable[Any], source: Any, kinds: Beginnings) -> list[str]:
    """Name the operations that use the values of an input before these are scaled.

    Parameters
    ----------
    operations : iterable
        The operations of a run, each after its operands.
    source : operation
        The input.
    kinds : Beginnings
        The kinds of operations.

    Examples
    --------
    >>> operands = {"x": [], "cast": ["x"], "divide": ["cast"], "convolve": ["divide"], "mean": ["cast"]}
    >>> kinds = Beginnings({"cast"}, (), {"divide"}, operands.get, str)
    >>> unscaled_uses(operands, "x", kinds)
    ['mean']
    """
    plain, found = {source}, []
    for operation in operations:
        ways = sum(operand in plain for operand in kinds.operands_of(operation))
        if operation is source or not ways:
            continue
        name = kinds.name_of(operation)
        if name in kinds.moves or (name in kinds.shifts and ways == 1):
            plain.add(operation)
        elif name not in kinds.scales or ways > 1:
            found.append(name)
    return list(dict.fromkeys(found))
