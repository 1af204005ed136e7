"""The operations of a TensorFlow model that runs without a trace, recorded while they run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

# TensorFlow's debugger listens in the same way.
from tensorflow.python.framework import op_callbacks


@dataclass(frozen=True)
class EagerOperation:
    """An operation that ran: the parts of a traced operation that its analysis reads.

    Parameters
    ----------
    type : str
        The name of its kind.
    inputs, outputs : sequence of tf.Tensor
        Its operands and its results.
    """

    type: str
    inputs: Sequence[Any]
    outputs: Sequence[Any]


@dataclass
class EagerRun:
    """The operations of one run, by their results.

    Parameters
    ----------
    inputs : sequence of tf.Tensor
        The inputs of the run.
    made : dict
        From the identity of a tensor to the operation that made it; operations hold their tensors.
    """

    inputs: Sequence[Any]
    made: dict[int, EagerOperation] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def recorded(cls, inputs: Sequence[Any]) -> Iterator[EagerRun]:
        """Record the operations that run inside the context."""
        run = cls(inputs)

        def note(
            kind: Any, inputs: Any, attributes: Any, outputs: Any, op_name: Any = None, graph: Any = None
        ) -> None:
            name = kind.decode() if isinstance(kind, bytes) else str(kind)
            operation = EagerOperation(name, tuple(inputs), tuple(outputs))
            run.made.update((id(output), operation) for output in outputs)

        op_callbacks.add_op_callback(note)
        try:
            yield run
        finally:
            op_callbacks.remove_op_callback(note)

    def operation_of(self, tensor: Any) -> EagerOperation:
        """Give the operation that made a tensor; an input of the run, and a constant, were made by none."""
        found = self.made.get(id(tensor))
        if found is not None:
            return found
        is_input = any(tensor is one for one in self.inputs)
        return EagerOperation("Placeholder" if is_input else "Const", (), (tensor,))
