"""Implements the backend primitives for one model on JAX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from explain.backends.found import RuleGradients
from explain.backends.layered import HeldCall
from explain.backends.operations.first_reads import Read
from explain.backends.protocol import Primitive, Rule
from explain.backends.question import Question
from explain.errors import ExplainError, UnsupportedModelError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall, RecordedCall
from explain.jax_ext.model.forward_pass import JaxForwardPass
from explain.jax_ext.model.memory import free_memory
from explain.jax_ext.model.opened import OpenedModel
from explain.jax_ext.model.transfer import to_host
from explain.jax_ext.paths import Sums
from explain.keras import beginnings
from explain.keras.backend import KerasBackend
from explain.keras.beginnings import Given
from explain.running.execution import UNSEEN
from explain.running.paths.path_gradients import AlongPaths

# A factor for gradients, in addition to the results of the forward pass, most of which the backward pass reads again.
_BEYOND_RESULTS = 1.5


class JaxBackend(AlongPaths, KerasBackend, OpenedModel):
    """The backend of one model on JAX, opened by `OpenedModel`; see `explain.backends.protocol.Backend`."""

    name = "jax"
    sums_on_device = Sums
    to_host = staticmethod(to_host)
    # No rule replaces the gradient of an operation.
    provides: frozenset[Primitive] = frozenset({"outputs", "gradients", "path_gradients", "layers"})

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        super().__init__(model, question, like)
        self.keeps_rows = self.inspection.structure.stateful

    def _answers_at_once(self) -> bool:
        return not self.inspection.function

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""
        gradients, scores = super().gradients(examples)
        self.check_gradient(gradients, examples)
        return gradients, scores

    def rule_gradients(
        self, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None = None, epsilon: float = 0.0
    ) -> RuleGradients:
        """Raise an error: no rule replaces the gradient of an operation on JAX."""
        raise UnsupportedModelError(f"The jax backend has no backward rules, so no rule {rule!r}.")

    def cut_for(self, examples: Examples, n_nodes: int) -> None:
        """Give None: no prefix of the model is skipped."""

    def has_kinks(self, examples: Examples) -> bool:
        """Tell whether gradients may jump along a path; a model that cannot be traced may have kinks."""
        found = self.survey(examples)
        return found is None or found.kinked

    def unscaled_uses(self, examples: Examples) -> list[str] | None:
        """Name the first operations on the input that do not scale it; None if the operations cannot be seen."""
        found = self.survey(examples)
        return list(found.uses) if found is not None and found.connected else None

    def note_layers(
        self, examples: Examples, recorded: list[RecordedCall], *, operations: bool = False
    ) -> None:
        """Run examples in a trace, else one by one; record each call of a layer. Operations cannot be seen."""
        padded = self.padded(examples)
        inputs = (self.tensors(padded.inputs), self._beside(padded))
        forward = self._forward_pass(padded, self._values())
        try:
            if not self._eager:
                try:
                    with self._put_back():
                        jax.eval_shape(lambda *given: forward.layer_calls(*given), *inputs)
                    return
                except ExplainError:
                    raise
                except Exception:  # The user's code may raise anything, sometimes only because it is traced.
                    forward.notes.clear()
            with self._errors_named(inputs), self._put_back():
                forward.layer_calls(*inputs)
        finally:
            recorded += forward.notes

    def recorded_outputs(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the outputs of layers at some calls from one run."""
        places = tuple(map(self.place_of, calls))
        found = self.run(JaxForwardPass.recorded, examples, self.tensors(examples.inputs), static=(places,))
        return tuple(map(to_host, found))

    def first_reads(self, examples: Examples, most: int) -> Sequence[Read]:
        """Run examples operation by operation; give the inputs of the first layers that tell axes apart."""
        self.check_shape(examples)
        padded = self.padded(examples)
        inputs = (self.tensors(padded.inputs), self._beside(padded))
        forward = self._bare_pass(padded).plain
        forward.values = self._values()
        with self._errors_named(inputs), self._put_back():
            return beginnings.reads_in(lambda: forward.read(*inputs), self.named_layers, most, _values_of)

    def held_gradients(self, calls: Sequence[HeldCall], examples: Examples) -> tuple[Array, ...]:
        """Give the gradients of the scores to the inputs; in some rows the output of a call is a constant."""
        places = tuple((row, self.place_of(call)) for row, call in calls)
        found = self.run(
            JaxForwardPass.held_gradients, examples, self.tensors(examples.inputs), static=(places,)
        )
        return tuple(map(to_host, found))

    def bytes_per_point(self, examples: Examples) -> int:
        """Estimate the memory that one more example needs while its gradient is taken, in bytes."""
        inputs = sum(array[:1].nbytes for array in examples.inputs)
        try:
            found = self.survey(examples)
        except ExplainError:
            # The model rejects the input: the call of the model raises the error.
            found = None
        size = 0 if found is None else found.bytes_per_point
        return int(_BEYOND_RESULTS * (inputs + size)) if size else UNSEEN * inputs

    def free_memory(self) -> int:
        """Give the free memory of the device that computes, in bytes."""
        return free_memory()

    def synchronize(self) -> None:
        """Do nothing: each result is copied to the host, and is there when a call returns."""


def _values_of(tensor: Any) -> Given | None:
    """Give the shape and the values of what a layer receives; inside a loop that is traced it has no values."""
    if not isinstance(tensor, jax.Array) or not jax.numpy.issubdtype(tensor.dtype, jax.numpy.floating):
        return None
    is_known = not isinstance(tensor, jax.core.Tracer)
    return tuple(tensor.shape), np.asarray(tensor, np.float64) if is_known else None
