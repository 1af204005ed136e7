"""Functions that models write by hand, found in a graph of operations; the same for every framework.

A backward rule treats x · sigmoid(x) as the one function SiLU, and exp(x) / Σ exp(x) as the one function softmax: what
a model computes decides, not how it is spelled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from explain.backends.operations.flow import Flow

# An operation and the number of one of its results: the parts of a split tensor are not the same.
Tensor = tuple[Any, int]


@dataclass(frozen=True)
class Patterns:
    """The functions that several operations of a graph compute together.

    Parameters
    ----------
    flow : Flow
        The operations.
    reads : Mapping of operations to sequences of tensors
        The tensors that each operation reads and that depend on the input.
    shape_of : callable
        Gives the shape of a tensor.
    axes_of : callable
        Gives the axes over which an operation of the kind *totals* sums; None if they are not known.
    """

    flow: Flow
    reads: Mapping[Any, Sequence[Tensor]]
    shape_of: Callable[[Tensor], Sequence[int | None]]
    axes_of: Callable[[Any], Sequence[int] | None]

    def own_signal(self, operation: Any) -> int | None:
        """Give the position of the operand of which the other is an elementwise function; None if neither is.

        Parameters
        ----------
        operation : operation
            A product or quotient of two values.
        """
        factors = self.reads[operation]
        if len(factors) != 2:
            return None
        for place, signal in enumerate(factors):
            other = factors[1 - place]
            # A signal may be scaled before the product.
            same = set(self._multiples(signal))
            if other not in same and self._is_made_of(other, same):
                return place
        return None

    @cached_property
    def softmaxes(self) -> dict[Any, tuple[Any, Any, Sequence[int]]]:
        """The quotients exp(x) / Σ exp(x), each with the exponentials above and below, and the axes of the sum."""
        found = {}
        for one, read in self.reads.items():
            if not self._is(one, "quotients") or len(read) != 2:
                continue
            above = self._before(read[0], "identities")[0]
            total = self._before(read[1], "broadcasts")[0]
            if not (self._is(total, "totals") and len(self.reads[total]) == 1):
                continue
            below, axes = self._before(self.reads[total][0], "identities")[0], self._axes(total)
            shape = self.shape_of(read[1])
            if (
                axes is not None
                and self._is(above, "exponentials")
                and self._is(below, "exponentials")
                # A model may compute the exponential twice.
                and self.reads[above] == self.reads[below]
                and len(shape) == len(self.shape_of((above, 0)))
                and all(shape[axis] == 1 for axis in axes)
                and {*self._readers(above), *self._readers(below)} == {one, total}
            ):
                found[one] = above, below, axes
        return found

    @cached_property
    def log_sums(self) -> dict[Any, tuple[Any, Any, Sequence[int]]]:
        """The logarithms log Σ exp(x), each with its sum, its exponential and the axes of its sum."""
        found = {}
        for one, read in self.reads.items():
            if not self._is(one, "logarithms") or len(read) != 1:
                continue
            total = self._before(read[0], "identities")[0]
            if not self._is(total, "totals") or len(self.reads[total]) != 1:
                continue
            exponential, axes = self._before(self.reads[total][0], "identities")[0], self._axes(total)
            alone = set(self._readers(exponential)) == {total} and set(self._readers(total)) == {one}
            if axes is not None and alone and self._is(exponential, "exponentials"):
                found[one] = total, exponential, axes
        return found

    @cached_property
    def parts(self) -> set[Any]:
        """The quotients, exponentials and logarithms of all of these."""
        softmaxes = {
            one for whole, (above, below, _) in self.softmaxes.items() for one in (whole, above, below)
        }
        return softmaxes | {one for whole, (_, power, _) in self.log_sums.items() for one in (whole, power)}

    @cached_property
    def shifts(self) -> set[Any]:
        """The additions before their exponentials, such as of the greatest value, which change no result."""
        exponentials = [one for one in self.parts if self._is(one, "exponentials")]
        before = [self._before(tensor, "identities")[0] for one in exponentials for tensor in self.reads[one]]
        return {one for one in before if self._is(one, "additions")}

    def _axes(self, total: Any) -> Sequence[int] | None:
        axes = self.axes_of(total)
        rank = len(self.shape_of(self.reads[total][0]))
        return None if axes is None else tuple(axis % rank for axis in axes)

    def _is(self, operation: Any, kind: str) -> bool:
        return self.flow.name_of(operation) in getattr(self.flow.kinds, kind)

    def _keeps_shape(self, operation: Any) -> bool:
        shape = list(self.shape_of((operation, 0)))
        return all(list(self.shape_of(tensor)) == shape for tensor in self.reads[operation])

    def _before(self, tensor: Tensor, kind: str) -> Tensor:
        """Give the tensor before operations of one kind; an identity keeps the shape."""
        while self._is(tensor[0], kind) and len(self.reads[tensor[0]]) == 1:
            if kind == "identities" and not self._keeps_shape(tensor[0]):
                break
            (tensor,) = self.reads[tensor[0]]
        return tensor

    def _readers(self, operation: Any) -> Iterator[Any]:
        """Iterate over the operations that read an operation's result, looking through identities."""
        left = [operation]
        while left:
            for reader in self.flow.consumers.get(left.pop(), []):
                if self._is(reader, "identities"):
                    left.append(reader)
                else:
                    yield reader

    def _multiples(self, tensor: Tensor) -> Iterator[Tensor]:
        """Iterate over a tensor and those before it of which it is a multiple."""
        while True:
            yield tensor
            operation, read = tensor[0], self.reads[tensor[0]]
            multiple = self._is(operation, "identities") or self._is(operation, "scales")
            if len(read) != 1 or not multiple or not self._keeps_shape(operation):
                return
            (tensor,) = read

    def _is_made_of(self, tensor: Tensor, origins: Collection[Tensor]) -> bool:
        """Tell whether a tensor is an elementwise function of origins alone."""
        kinds = ("identities", "elementwise", "additions", "scales", "bounds")
        left, seen = [tensor], set()
        while left:
            one = left.pop()
            if one in seen or one in origins:
                continue
            seen.add(one)
            below = self.reads[one[0]]
            if (
                not below
                or not any(self._is(one[0], kind) for kind in kinds)
                or not self._keeps_shape(one[0])
            ):
                return False
            left.extend(below)
        return True
