"""The analysis of a graph of operations for rules of the backward pass, the same for every framework."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Kinds:
    """The kinds of operations that backward rules distinguish, by their names in a framework.

    Parameters
    ----------
    sums : collection of str
        Operations that sum contributions of several values.
    additions : collection of str
        Sums that add their operands elementwise.
    scales : collection of str
        Operations that multiply each value by a constant.
    gates : collection of str
        Sigmoids, the bounded rectifier in hard sigmoids, and the error function in GELU.
    elementwise : collection of str
        Operations each of whose values depends on one value of their operand.
    identities : collection of str
        Operations that give their operand, where its shape stays.
    broadcasts : collection of str
        Operations that give their operand, perhaps with axes of size one more, or repeated along them.
    interpolations : collection of str
        Means of neighbours, on a finer grid: of gates they make gates.
    bounds : collection of str
        Operations that bound a value by a constant.
    quotients, exponentials, logarithms, totals : collection of str
        The parts of a softmax or a logarithm of a sum of exponentials that is written by hand.
    """

    sums: Collection[str] = ()
    additions: Collection[str] = ()
    scales: Collection[str] = ()
    gates: Collection[str] = ()
    elementwise: Collection[str] = ()
    identities: Collection[str] = ()
    broadcasts: Collection[str] = ()
    interpolations: Collection[str] = ()
    bounds: Collection[str] = ()
    quotients: Collection[str] = ()
    exponentials: Collection[str] = ()
    logarithms: Collection[str] = ()
    totals: Collection[str] = ()


@dataclass(frozen=True)
class Flow:
    """The operations through which a score depends on an input, and their kinds.

    Parameters
    ----------
    operands : Mapping of operations to sequences of operations
        The operands of each operation; inputs are operations without operands.
    carriers : collection of operations
        Operations that move values and do not change them.
    sums : collection of operations
        Operations that sum contributions of several values of an operand, or of several operands.
    additions : collection of operations
        Sums that add their operands elementwise, constants included.
    kinds : Kinds
        The names of kinds in the framework.
    name_of : callable
        From an operation to the name of its kind.

    Examples
    --------
    A dense layer written by hand, a matrix product and the addition of a bias, is one sum:

    >>> operands = {"x": [], "product": ["x"], "bias": ["product"], "relu": ["bias"]}
    >>> flow = Flow(operands, carriers=(), sums=("product", "bias"), additions=("bias",))
    >>> flow.completed()
    {'bias'}
    """

    operands: Mapping[Any, Sequence[Any]]
    carriers: Collection[Any]
    sums: Collection[Any]
    additions: Collection[Any]
    kinds: Kinds = field(default_factory=Kinds)
    name_of: Callable[[Any], str] = str
    consumers: dict[Any, list[Any]] = field(default_factory=dict, init=False)
    """From each operation to those that read it."""

    @classmethod
    def of(
        cls,
        operands: Mapping[Any, Sequence[Any]],
        affine: Collection[Any],
        kinds: Kinds,
        name_of: Callable[[Any], str],
        keeps_shape: Callable[[Any], bool],
    ) -> Flow:
        """Sort operations by their kinds.

        Parameters
        ----------
        operands, kinds, name_of
            As above.
        affine : collection of operations
            Operations that are affine in their operands; inputs are not among them.
        keeps_shape : callable
            Tells whether the result of an operation has the shape of each of its operands.
        """
        named = {one: name_of(one) for one in affine}
        changing = kinds.sums, kinds.scales
        return cls(
            operands=operands,
            carriers={one for one, name in named.items() if not any(name in names for names in changing)},
            sums={one for one, name in named.items() if name in kinds.sums},
            additions={one for one, name in named.items() if name in kinds.additions and keeps_shape(one)},
            kinds=kinds,
            name_of=name_of,
        )

    def __post_init__(self) -> None:
        """Collect the consumers of each operation."""
        for operation, operands in self.operands.items():
            for operand in operands:
                self.consumers.setdefault(operand, []).append(operation)

    def completed(self, apart: Collection[Any] = ()) -> set[Any]:
        """Give the sums that are not part of a larger one.

        A sum is a part if all its consumers are additions, and these add only such sums and constants. So a bias
        belongs to its layer, and the two products of a recurrent layer, of its input and of its state, are one sum;
        the two branches of a residual block are not, since one of them comes from a non-linearity.

        Parameters
        ----------
        apart : collection of operations
            Sums to leave out: they are not returned and not parts of others.
        """
        inner = {one for one in self.sums if one not in apart}
        taken_by = {one: set(self._beyond(one)) for one in inner}
        made_of = {one: set(self._before(one)) for one in self.additions}
        whole = set(inner)
        inner = {one for one in inner if taken_by[one] and all(taker in made_of for taker in taken_by[one])}
        while True:
            open_to_others = {one for one, parts in made_of.items() if one in apart or not parts <= inner}
            left = {one for one in inner if not taken_by[one] & open_to_others}
            if left == inner:
                return whole - inner
            inner = left

    def with_constants(self, operation: Any, movers: Collection[Any]) -> list[Any]:
        """Give the operations from `operation` to the last one that only adds constants to its result, both included.

        Parameters
        ----------
        operation : operation
            The first.
        movers : collection of operations
            The carriers that may lie between: carriers that neither drop nor repeat a relevant value.
        """
        path, found = [operation], [operation]
        while len(takers := self.consumers.get(path[-1], [])) == 1:
            (taker,) = takers
            if taker in movers and len(self.operands[taker]) == 1:
                path.append(taker)
            elif taker in self.additions and len(self.operands[taker]) == 1:
                path.append(taker)
                found = list(path)
            else:
                break
        return found

    def factor_from(self, factors: Sequence[Any], kinds: Collection[Any]) -> int | None:
        """Give the position of the factor that is one of `kinds`, or affine in one; None unless exactly one is.

        So are a gate and a reciprocal found among the factors of a product.
        """
        found = [place for place, one in enumerate(factors) if self.comes_from(one, kinds, self._through)]
        return found[0] if len(found) == 1 else None

    @cached_property
    def _through(self) -> Collection[Any]:
        """The additions of constants, products with them, bounds by them, and interpolations."""
        kinds = (self.kinds.additions, self.kinds.scales, self.kinds.bounds, self.kinds.interpolations)
        return {
            one
            for one, operands in self.operands.items()
            if len(operands) == 1 and any(self.name_of(one) in names for names in kinds)
        }

    def comes_from(self, operation: Any, kinds: Collection[Any], through: Collection[Any]) -> bool:
        """Tell whether all origins of an operation are in `kinds`, looking through carriers and `through`."""
        left, seen = [operation], set()
        while left:
            one = left.pop()
            if one in seen or one in kinds:
                continue
            seen.add(one)
            below = self.operands.get(one, ())
            if not below or not (one in self.carriers or one in through):
                return False
            left.extend(below)
        return True

    def _beyond(self, operation: Any) -> Iterator[Any]:
        """Iterate over the consumers of an operation, looking through carriers; None is the score."""
        left, seen = [operation], set()
        while left:
            takers = self.consumers.get(left.pop(), [])
            if not takers:
                yield None
            for taker in takers:
                if taker in self.carriers:
                    if taker not in seen:
                        seen.add(taker)
                        left.append(taker)
                else:
                    yield taker

    def _before(self, operation: Any) -> Iterator[Any]:
        """Iterate over the producers of an operation's operands, looking through carriers."""
        left, seen = list(self.operands[operation]), set()
        while left:
            one = left.pop()
            if one not in self.carriers:
                yield one
            elif one not in seen:
                seen.add(one)
                left.extend(self.operands[one])
