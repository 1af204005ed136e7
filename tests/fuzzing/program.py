"""A model as a list of operations, which its framework runs as a model and the definitions of the tests run by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Sort = Literal["affine", "pointwise", "maximum", "gate", "other"]
"""What an operation does to the inputs of the model that it reads.

``affine``: sums and products with constants. ``pointwise``: one value in, one value out. ``maximum``: a max pool.
``gate``: the first operand times a gate in [0, 1], the second. ``other``: anything else.
"""

Layout = Literal["grid", "steps", "vector", "ids"]
"""Where the channels of a value are: ``grid`` as the framework's convolutions take it, ``steps`` (N, T, C)."""


@dataclass(frozen=True)
class Value:
    """A tensor of the model: the number of the operation that gives it, its shape with the batch, and its layout."""

    index: int
    shape: tuple[int, ...]
    layout: Layout


@dataclass
class Operation:
    """One operation of a model.

    Parameters
    ----------
    call : callable
        From the tensors it reads to its result, without side effects.
    reads : tuple of int
        The operations whose results it reads.
    sort : Sort
        What it does.
    layer : str
        The name that the model gives the layer that computes this; empty for a function.
    as_written : callable, optional
        What the model itself calls, where that differs: an operation in place.
    activation : str
        For a pointwise operation the name of its function.
    run_with : callable, optional
        For a layer with an activation of its own: calls it with another function in the place of the activation.
    hides_relu : bool
        Whether a ReLU that no operation shows is inside.
    read_as_written : tuple of int, optional
        What the model's own call reads, where that differs: a dense layer with a softmax inside reads what its logits
        read.
    channel_axis : int
        The axis of the channels of the result.
    """

    call: Callable[..., Any]
    reads: tuple[int, ...]
    sort: Sort
    layer: str = ""
    as_written: Callable[..., Any] | None = None
    activation: str = ""
    run_with: Callable[..., Any] | None = None
    hides_relu: bool = False
    read_as_written: tuple[int, ...] | None = None
    channel_axis: int = -1


Pointwise = Callable[[str, Any], Any]
Gate = Callable[[Any], Any]


@dataclass
class Program:
    """The operations of a model, in order; the first `n_inputs` results are its inputs."""

    n_inputs: int = 0
    operations: list[Operation | None] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def model(self, inputs: Sequence[Any]) -> list[Any]:
        """Run as the model does; give the results of `outputs`."""
        values: dict[int, Any] = dict(enumerate(inputs))
        for index in self._needed():
            operation = self.operations[index]
            assert operation is not None
            call = operation.as_written or operation.call
            values[index] = call(*(values[one] for one in _read_by_model(operation)))
        return [values[index] for index in self.outputs]

    def _needed(self) -> list[int]:
        """Give the operations that the model runs, in order."""
        needed = set(self.outputs)
        for index in range(len(self.operations) - 1, -1, -1):
            operation = self.operations[index]
            if index in needed and operation is not None:
                needed.update(_read_by_model(operation))
        return [index for index in sorted(needed) if index >= self.n_inputs]

    def by_hand(
        self,
        inputs: Sequence[Any],
        replaced: Mapping[int, Any],
        pointwise: Pointwise | None = None,
        gate: Gate | None = None,
    ) -> list[Any]:
        """Give every result, some of them replaced, the functions of pointwise operations and gates exchanged.

        Parameters
        ----------
        inputs : sequence of tensors
            The inputs of the model.
        replaced : Mapping
            Tensors that stand in for the results of operations.
        pointwise : callable, optional
            From the name of an activation and its operand to its result.
        gate : callable, optional
            What becomes of a gate before its signal is multiplied by it.
        """
        values: list[Any] = []
        for index, operation in enumerate(self.operations):
            if index in replaced:
                values.append(replaced[index])
                continue
            if operation is None:
                values.append(inputs[index])
                continue
            read = [values[one] for one in operation.reads]
            if pointwise is not None and operation.run_with is not None:
                values.append(operation.run_with(pointwise, *read))
            elif pointwise is not None and operation.sort == "pointwise":
                values.append(pointwise(operation.activation, *read))
            elif gate is not None and operation.sort == "gate":
                values.append(operation.call(read[0], gate(read[1])))
            else:
                values.append(operation.call(*read))
        return values

    def operations_between(self, start: int, end: int) -> list[Operation]:
        """Give the operations on the ways from a result to a later one, the later one included."""
        found = [self.operations[index] for index in self.between(start, end)]
        return [one for one in found if one is not None]

    def between(self, start: int, end: int) -> list[int]:
        """Give the numbers of these operations."""
        after = {start}
        for index, operation in enumerate(self.operations):
            if operation is not None and after.intersection(operation.reads):
                after.add(index)
        before = {end}
        for index in range(end, -1, -1):
            operation = self.operations[index]
            if index in before and operation is not None:
                before.update(operation.reads)
        return sorted((after & before) - {start})


def _read_by_model(operation: Operation) -> tuple[int, ...]:
    return operation.reads if operation.read_as_written is None else operation.read_as_written
