"""The operations of a trace between inputs and scores, sorted by their kinds for backward rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from explain.tf_ext.model.graph import name_of


@dataclass(frozen=True)
class Anatomy:
    """The operations through which scores depend on inputs.

    Parameters
    ----------
    dependent : Mapping of operations to sequences of operations
        Each operation, with its operands that depend on the inputs.
    """

    dependent: Mapping[Any, Sequence[Any]]

    @classmethod
    def of(cls, scores: Any, points: Sequence[Any]) -> Anatomy:
        """Find the operations between points and scores."""
        nodes, inputs = operations_between(scores, points), {point.op for point in points}
        return cls(
            {
                one: [] if one in inputs else [tensor.op for tensor in one.inputs if tensor.op in nodes]
                for one in nodes
            }
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


def _shape_of(tensor: tuple[Any, int]) -> list[int | None]:
    operation, number = tensor
    shape = operation.outputs[number].shape
    # An unknown rank is like no other.
    return [-1] if shape.rank is None else list(shape)
