"""The operations of a trace between inputs and scores, sorted by their kinds for backward rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from explain.backends.operations.flow import Flow
from explain.backends.operations.patterns import Patterns
from explain.tf_ext.backward_rules.backward import operations_between
from explain.tf_ext.backward_rules.kinds import (
    ELEMENTWISE,
    KINDS,
    PAIR_PICKS,
    axes_of,
    is_affine,
    is_reciprocal,
)
from explain.tf_ext.model.graph import SHAPES, name_of


@dataclass(frozen=True)
class Anatomy:
    """The operations through which scores depend on inputs.

    Parameters
    ----------
    dependent : Mapping of operations to sequences of operations
        Each operation, with its operands that depend on the inputs.
    values : set of operations
        The operations whose values depend on the inputs, also through whole numbers, truth values or a rounding.
    """

    dependent: Mapping[Any, Sequence[Any]]
    values: set[Any] = field(default_factory=set)

    @classmethod
    def of(cls, scores: Any, points: Sequence[Any]) -> Anatomy:
        """Find the operations between points and scores."""
        nodes, inputs = operations_between(scores, points), {point.op for point in points}
        return cls(
            {
                one: [] if one in inputs else [tensor.op for tensor in one.inputs if tensor.op in nodes]
                for one in nodes
            },
            _depending_on(inputs, scores.graph.get_operations()),
        )

    @cached_property
    def flow(self) -> Flow:
        """The kinds of the operations."""
        affine = [
            one for one, operands in self.dependent.items() if operands and is_affine(one, self.dependent)
        ]
        return Flow.of(self.dependent, affine, KINDS, name_of, self.keeps_shape)

    @cached_property
    def reciprocals(self) -> set[Any]:
        """The operations that divide a constant by a value."""
        return {one for one in self.dependent if is_reciprocal(one, self.dependent)}

    @cached_property
    def gates(self) -> set[Any]:
        """The sigmoids and their like."""
        return {one for one in self.dependent if name_of(one) in KINDS.gates}

    def moving(self, operation: Any) -> list[int]:
        """Give the positions of the operands that depend on the inputs."""
        return [place for place, tensor in enumerate(operation.inputs) if tensor.op in self.dependent]

    def hides_a_way(self, operation: Any) -> bool:
        """Tell whether an operand that has no gradient changes with the inputs, beside one that has one.

        So it is inside a quantised layer, which divides rounded products by a scale taken from its input: the whole
        difference would fall to the scale.
        """
        moving = self.moving(operation)
        return bool(moving) and any(
            place not in moving and tensor.op in self.values for place, tensor in enumerate(operation.inputs)
        )

    @cached_property
    def patterns(self) -> Patterns:
        """The functions that the model writes by hand."""
        reads = {
            one: [
                (tensor.op, tensor.value_index)
                for tensor in one.inputs
                if operands and tensor.op in self.dependent
            ]
            for one, operands in self.dependent.items()
        }
        return Patterns(self.flow, reads, _shape_of, axes_of)

    def is_elementwise(self, operation: Any) -> bool:
        """Tell whether each result of an operation depends on one real value of one operand."""
        moving = [tensor for tensor in operation.inputs if tensor.op in self.dependent]
        if len(moving) != 1 or name_of(operation) not in ELEMENTWISE | PAIR_PICKS:
            return False
        rank = moving[0].shape.rank
        return not moving[0].dtype.is_complex and rank is not None and rank == operation.outputs[0].shape.rank

    def keeps_shape(self, operation: Any) -> bool:
        """Tell whether the result of an operation has the shape of its operands that depend on the inputs."""
        shape = operation.outputs[0].shape
        return all(
            tensor.shape.rank == shape.rank and tensor.shape.is_compatible_with(shape)
            for tensor in operation.inputs
            if tensor.op in self.dependent
        )


def _depending_on(inputs: Collection[Any], operations: Sequence[Any]) -> set[Any]:
    """Give the operations whose values depend on those of inputs; they stand in their order in a trace."""
    found = set(inputs)
    for one in operations:
        if name_of(one) not in SHAPES and any(tensor.op in found for tensor in one.inputs):
            found.add(one)
    return found


def _shape_of(tensor: tuple[Any, int]) -> list[int | None]:
    operation, number = tensor
    shape = operation.outputs[number].shape
    # An unknown rank is like no other.
    return [-1] if shape.rank is None else list(shape)
