"""Implements the backend primitives for one model on JAX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from explain.backends.forward_pass import LastPass, check_rows
from explain.backends.layered import HeldCall
from explain.backends.operations.first_reads import Read
from explain.backends.places import layer_rows_error
from explain.backends.protocol import Finding, Primitive, Question, Rule
from explain.errors import ExplainError, UnsupportedModelError
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.layer_calls import LayerCall, RecordedCall
from explain.jax_ext.model.forward_pass import JaxForwardPass
from explain.jax_ext.model.memory import free_memory, is_out_of_memory
from explain.jax_ext.model.opened import OpenedModel
from explain.jax_ext.model.transfer import to_host
from explain.jax_ext.paths import Line
from explain.keras import beginnings
from explain.keras.beginnings import Given
from explain.keras.layers import is_keras_model, layers_of, seed_states
from explain.running.execution import UNSEEN
from explain.running.path_gradients import AlongPaths

# A factor for gradients, in addition to the results of the forward pass, most of which the backward pass reads again.
_BEYOND_RESULTS = 1.5


class JaxBackend(AlongPaths, OpenedModel):
    """The backend of one model on JAX, opened by `OpenedModel`; see `explain.backends.protocol.Backend`."""

    name = "jax"
    line = Line
    is_out_of_memory = staticmethod(is_out_of_memory)
    # No rule replaces the gradient of an operation.
    provides: frozenset[Primitive] = frozenset({"outputs", "gradients", "path_gradients", "layers"})

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        super().__init__(model, question, like)
        self.keeps_rows = self.inspection.structure.stateful

    def hold(self, examples: Examples) -> Examples:
        """Fill in the masks that Keras layers compute from values."""
        if not self.inspection.structure.masking:
            return examples
        self.check_shape(examples)
        padded = self.padded(examples)
        masks = self.run(JaxForwardPass.masks, padded, self.tensors(padded.inputs))
        return replace(examples, held=tuple(to_host(mask)[: len(examples)] for mask in masks))

    def outputs(self, examples: Examples, *, with_gradients: bool = False) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and the kind of score."""
        self.check_shape(examples)
        padded = self.padded(examples)
        points = self.tensors(padded.inputs)
        if with_gradients and examples.target.function is None and not self.inspection.function:
            (outputs, *answers), finding = self.run_with_finding(JaxForwardPass.answers, padded, points)
            self.last_pass = LastPass(examples, answers)
        else:
            # The outputs of any target have the same trace.
            untargeted = padded.with_target(Target())
            outputs, finding = self.run_with_finding(JaxForwardPass.outputs, untargeted, points)
        assert finding is not None
        check_rows(outputs.shape, len(padded))
        return to_host(outputs)[: len(examples)], finding

    @contextmanager
    def reseeded(self) -> Iterator[None]:
        """Change the seeds that Keras layers store, and restore them on exit."""
        seeds = seed_states(layers_of(self.model)) if is_keras_model(self.model) else []
        before = [np.array(seed.value) for seed in seeds]
        try:
            for seed, value in zip(seeds, before, strict=True):
                seed.assign(value + np.ones_like(value))
            yield
        finally:
            for seed, value in zip(seeds, before, strict=True):
                seed.assign(value)

    def scores(self, examples: Examples) -> Array:
        """Give one number per example, shape (N,): the output at its target."""
        padded = self.padded(examples)
        scores = self.run(JaxForwardPass.scores, padded, self.tensors(padded.inputs))
        # Do not truncate too many scores, which only a callable target can give: the caller raises an error.
        return to_host(scores)[: len(examples)] if len(scores) == len(padded) else to_host(scores)

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""
        found = self._cached_gradients(examples)
        if found is None:
            padded = self.padded(examples)
            found = self.run(JaxForwardPass.gradients, padded, self.tensors(padded.inputs))
        gradients, scores = found
        arrays = tuple(to_host(part)[: len(examples)] for part in gradients)
        self.check_gradient(arrays, examples)
        return arrays, to_host(scores)[: len(examples)]

    def _cached_gradients(self, examples: Examples) -> tuple[tuple[Any, ...], Any] | None:
        """Give the gradients and scores that `outputs` cached, if they belong to the target resolved later."""
        last, self.last_pass = self.last_pass, None
        target = examples.target.indices
        if last is None or target is None or not last.is_over(examples):
            return None
        gradients, scores, indices = last.results
        is_same = bool(gradients) and np.array_equal(to_host(indices)[: len(examples)], target)
        return (gradients, scores) if is_same else None

    def rule_gradients(
        self, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None = None, epsilon: float = 0.0
    ) -> tuple[tuple[Array, ...], int]:
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
        inputs = (self.tensors(padded.inputs), self.beside(padded))
        forward = self.forward_pass(padded, self._values())
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
            with self._put_back():
                forward.layer_calls(*inputs)
        except ExplainError:
            raise
        except Exception as cause:
            raise self.call_error(cause, inputs) from cause
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
        inputs = (self.tensors(padded.inputs), self.beside(padded))
        forward = self._bare_pass(padded).plain
        forward.values = self._values()
        try:
            with self._put_back():
                return beginnings.reads_in(lambda: forward.read(*inputs), self.named_layers, most, _values_of)
        except ExplainError:
            raise
        except Exception as cause:  # The user's code may raise anything.
            raise self.call_error(cause, inputs) from cause

    def outputs_at(self, call: LayerCall, examples: Examples) -> Array:
        """Give the output of a layer at a call for each example, shape (N, ...)."""
        padded = self.padded(examples)
        outputs = self.until(call).run(JaxForwardPass.outputs, padded, self.tensors(padded.inputs))
        if len(outputs) != len(padded):
            raise layer_rows_error(call, outputs.shape, len(padded))
        return to_host(outputs)[: len(examples)]

    def held_gradients(self, calls: Sequence[HeldCall], examples: Examples) -> tuple[Array, ...]:
        """Give the gradients of the scores to the inputs; in some rows the output of a call is a constant."""
        places = tuple((row, self.place_of(call)) for row, call in calls)
        found = self.run(
            JaxForwardPass.held_gradients, examples, self.tensors(examples.inputs), static=(places,)
        )
        return tuple(map(to_host, found))

    def arguments_of(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the first argument of layers at some calls, from one run."""
        places = tuple(map(self.place_of, calls))
        found = self.run(JaxForwardPass.received, examples, self.tensors(examples.inputs), static=(places,))
        return tuple(map(to_host, found))

    def in_one_run(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give units and gradients from one run of the model."""
        points = self.tensors(examples.inputs)
        units, gradients = self.until(call).run(JaxForwardPass.unit_gradients, examples, points)
        return to_host(units), to_host(gradients)

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
