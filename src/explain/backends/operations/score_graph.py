"""The operations between an input and a score: which are affine, which have kinks. The same in every framework."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any


def names(words: str) -> frozenset[str]:
    """Give the words as a set of names.

    Examples
    --------
    >>> sorted(names("Mul Add"))
    ['Add', 'Mul']
    """
    return frozenset(words.split())


@dataclass(frozen=True)
class Operations:
    """The properties of the operations of a framework.

    Parameters
    ----------
    operands_of : callable
        Maps an operation to the operations whose results it takes.
    is_affine : callable
        Tells whether an operation is affine in the operands that are in a container.
    is_costly : callable
        Tells whether it takes long enough to be worth skipping.
    is_smooth : callable
        Tells whether its gradient is known not to jump.
    """

    operands_of: Callable[[Any], Iterable[Any]]
    is_affine: Callable[[Any, Container[Any]], bool]
    is_costly: Callable[[Any], bool]
    is_smooth: Callable[[Any], bool]


class ScoreGraph:
    """The part of a graph of operations through which a score depends on one input.

    Parameters
    ----------
    operations : iterable
        The operations of a run, each after its operands.
    source, score : operation
        The input, None if no operation takes it, and the operation that computes the score.
    known : Operations
        Their properties.

    Examples
    --------
    >>> operands = {"x": [], "dense": ["x"], "relu": ["dense"], "sum": ["relu"]}
    >>> known = Operations(
    ...     operands_of=operands.get,
    ...     is_affine=lambda one, dependent: one in ("dense", "sum"),
    ...     is_costly=lambda one: one == "dense",
    ...     is_smooth=lambda one: one in ("dense", "sum"),
    ... )
    >>> graph = ScoreGraph(operands, "x", "sum", known)
    >>> graph.is_affine("dense"), graph.is_affine("relu"), graph.is_the_only_way("dense"), graph.has_kinks()
    (True, False, True, True)
    """

    def __init__(self, operations: Iterable[Any], source: Any, score: Any, known: Operations) -> None:
        self._source, self._score = source, score
        self._is_smooth = known.is_smooth
        # For every operation that depends on the input, its operands that depend on it too.
        self._ways: dict[Any, Sequence[Any]] = {} if source is None else {source: ()}
        self.affine: set[Any] = set(self._ways)
        """The operations whose results are affine in the input."""
        self._costly: set[Any] = set()
        for operation in operations:
            if operation is source:
                continue
            ways = [one for one in known.operands_of(operation) if one in self._ways]
            if not ways:
                continue
            self._ways[operation] = ways
            if known.is_affine(operation, self._ways) and all(way in self.affine for way in ways):
                self.affine.add(operation)
            if known.is_costly(operation) or any(way in self._costly for way in ways):
                self._costly.add(operation)

    @property
    def operations(self) -> list[Any]:
        """Every operation that depends on the input, each after its operands; the input first."""
        return list(self._ways)

    def has_kinks(self, beyond: Collection[Any] = ()) -> bool:
        """Tell whether any operation is not known to be smooth; `beyond` are operations at which to stop."""
        left, seen = [self._score], {self._source, *beyond}
        while left:
            one = left.pop()
            if one in seen or one not in self._ways:
                continue
            seen.add(one)
            if not self._is_smooth(one):
                return True
            left.extend(self._ways[one])
        return False

    def is_affine(self, operation: Any) -> bool:
        """Tell whether the result of an operation is affine in the input, and is costly to compute."""
        return operation in self.affine and operation in self._costly

    def is_the_only_way(self, operation: Any) -> bool:
        """Tell whether the score depends on the input through this operation alone."""
        left, seen = [self._score], {operation}
        while left:
            one = left.pop()
            if one in seen:
                continue
            seen.add(one)
            if one is self._source:
                return False
            left.extend(self._ways.get(one, ()))
        return True


@dataclass(frozen=True)
class Survey:
    """The result of an analysis of a model's operations.

    Parameters
    ----------
    kinked : bool
        Whether any operation between input and score is not known to be smooth.
    cut : object, optional
        The end of the affine prefix, if the score depends on the input only through one: a ``ModuleCut`` or
        ``SourceCut`` of the extension.
    bytes_per_point : int
        The size of all results for one example if it is known, else 0.
    """

    kinked: bool
    cut: Any = None
    bytes_per_point: int = 0
