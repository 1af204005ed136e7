"""An opened model on JAX: transfers arrays to its device, runs computations on them, compiled if possible."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from explain.backends.question import Finding, Question
from explain.backends.scoring import no_gradient_reason, unknown_score_error
from explain.errors import ExplainError, GradientError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall
from explain.jax_ext.model.endings import ending_in
from explain.jax_ext.model.forward_pass import JaxForwardPass
from explain.jax_ext.model.graph import Graph
from explain.jax_ext.model.inspection import JaxInspection, device_name, inspect_model, precision_of
from explain.jax_ext.model.layers.calls import JaxPlace, place_of
from explain.jax_ext.model.memory import is_out_of_memory
from explain.jax_ext.model.state import variables_of
from explain.jax_ext.model.survey import Survey, surveyed
from explain.jax_ext.model.tracing import Trace, filled_up
from explain.jax_ext.model.transfer import to_device
from explain.keras.calls import preserved_attributes
from explain.keras.layers import is_keras_model, layers_of
from explain.keras.model.opened import OpenedKerasModel
from explain.keras.model.tracing import Beside
from explain.public_calls.passes import count_passes_of
from explain.running.random_state import preserved_random_state


class OpenedModel(OpenedKerasModel):
    """One opened model on JAX."""

    inspection: JaxInspection
    forward_pass = JaxForwardPass
    inspected = staticmethod(inspect_model)
    is_out_of_memory = staticmethod(is_out_of_memory)

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        super().__init__(model, question, like)
        self.device_name = device_name()
        self.dtype: np.dtype[Any] = precision_of(self.inspection, like)
        self._own_surveys: dict[Any, Survey | None] = {}

    @contextmanager
    def session(self) -> Iterator[None]:
        """Restore the random states of Python and NumPy on exit; the mode is an argument of each call."""
        with preserved_random_state():
            yield

    def place_of(self, call: LayerCall) -> JaxPlace:
        """Give the place of a call, where the model can start or end."""
        return place_of(self.model, call)

    def padded(self, examples: Examples) -> Examples:
        """Repeat the last example up to the fixed batch size, or up to a size that is compiled for several."""
        if self.fixed_batch_size is not None or self._eager:
            return super().padded(examples)
        return examples.padded(filled_up(len(examples)))

    def tensors(self, arrays: Sequence[Array]) -> tuple[Any, ...]:
        """Copy host arrays to the device, in the precision of points."""
        return tuple(to_device(array, self.dtype) for array in arrays)

    def constant(self, array: Array) -> Any:
        """Copy a host array of truth values or whole numbers to the device."""
        return to_device(array, self.dtype)

    def run_with_finding(
        self,
        function: Callable[..., Any],
        examples: Examples,
        *arguments: Any,
        static: tuple[Hashable, ...] = (),
        points: int | None = None,
    ) -> tuple[Any, Finding | None]:
        """Run a computation as `run` does; also give the finding about the score."""
        count_passes_of(function, len(examples) if points is None else points)
        inputs = (*arguments, self._beside(examples))
        with self._errors_named(inputs):
            try:
                return self._found(function, examples, inputs, static)
            except jax.errors.TracerArrayConversionError as cause:
                # The values of a point whose gradient is taken are none that NumPy could read.
                raise GradientError(no_gradient_reason(self.model_name)) from cause

    def _found(
        self,
        function: Callable[..., Any],
        examples: Examples,
        inputs: tuple[Any, ...],
        static: tuple[Hashable, ...],
    ) -> tuple[Any, Finding | None]:
        values = self._values()
        trace: Trace | None = self._traced_or_none(
            examples, lambda: self._trace(function, examples, inputs, static, values)
        )
        if trace is not None:
            self._kept |= trace.kept
            return trace.function(values, *inputs), trace.finding
        forward = self._forward_pass(examples, values)
        with self._put_back():
            found = function(forward, *static, *inputs)
        return found, forward.findings[0] if forward.findings else None

    def _stays_eager(self, examples: Examples) -> bool:
        # A callable target may be why: without it the model may be traced.
        return not self.question.runs_a_function(examples)

    def survey(self, examples: Examples) -> Survey | None:
        """Give what a trace of the model shows for these examples; None for a model that cannot be traced."""
        shapes = tuple(one.shape[1:] for one in (*examples.inputs, *examples.outer, *examples.unmoved))
        key = ("survey", shapes)
        known: dict[Any, Survey | None] = self._own_surveys if self.inspection.function else self.observed
        if key not in known:
            known[key] = self._surveyed(examples)
        return known[key]

    def _surveyed(self, examples: Examples) -> Survey | None:
        one = self.padded(examples.rows(slice(0, 1)))
        points, beside, values = self.tensors(one.inputs), self._beside(one), self._values()
        forward = self._bare_pass(one)

        def source(values: Any, points: Any, beside: Beside) -> Any:
            forward.values = values
            return forward.source(points, beside)

        try:
            with self._put_back():
                graph = Graph(jax.make_jaxpr(source)(values, points, beside))
        except ExplainError:
            raise
        except Exception:  # The user's code may raise anything, sometimes only because it is traced.
            return None
        given = graph.inputs[len(values) :]
        ending = ending_in(graph, given) if forward.searched else None
        return surveyed(graph, given[: len(points)], ending, len(one))

    def check_gradient(self, gradients: Sequence[Array], examples: Examples) -> None:
        """Refuse gradients that are zero because the score has none.

        Raises
        ------
        GradientError
            If all are zero, and no differentiable operation leads from an input to the score.
        """
        if not any(one.any() for one in gradients):
            found = self.survey(examples)
            if found is not None and not found.connected:
                raise GradientError(no_gradient_reason(self.model_name))

    def _trace(
        self,
        function: Callable[..., Any],
        examples: Examples,
        inputs: tuple[Any, ...],
        static: tuple[Any, ...],
        values: Sequence[Any],
    ) -> Trace:
        kept = self._traces_for(examples)
        leaves, tree = jax.tree.flatten(inputs)
        signature = tuple((leaf.dtype, leaf.shape) for leaf in leaves)
        key = (*self._key_of(function, static), tree, signature)
        if key not in kept:
            forward = self._forward_pass(examples, values)

            def computed(values: Any, *inputs: Any) -> Any:
                forward.values = values
                return function(forward, *static, *inputs)

            # The model's own Python code runs only while it is traced.
            with self._put_back():
                compiled = jax.jit(computed).lower(values, *inputs).compile()
            forward.values = ()
            finding = forward.findings[0] if forward.findings else None
            kept[key] = Trace(compiled, finding, frozenset(forward.kept))
        found: Trace = kept[key]
        return found

    @contextmanager
    def _put_back(self) -> Iterator[None]:
        """Put back what the model's own code changes: attributes and random states."""
        layers = layers_of(self.model) if is_keras_model(self.model) else []
        with (
            preserved_attributes(layers, self._kept, lambda value: isinstance(value, jax.Array)),
            preserved_random_state(),
        ):
            yield

    def _values(self) -> list[Any]:
        """Give the values of the variables of a Keras model."""
        return [one.value for one in variables_of(self.model)] if is_keras_model(self.model) else []

    def _forward_pass(self, examples: Examples, values: Sequence[Any]) -> JaxForwardPass:
        """Create a forward pass; the end of the model is known from its survey."""
        forward, wanted = self._bare_pass(examples), self.question.score
        forward.values, forward.kept = values, self._kept if self._eager else forward.kept
        if self.exit is None and wanted != "output":
            found = self.survey(examples)
            if found is not None:
                forward.ending = found.ending
            elif self.inspection.function:
                # Nothing shows how its output is made.
                if wanted != "logit":
                    raise unknown_score_error(wanted)
                forward.inspection = replace(forward.inspection, opaque=True)
        return forward

    def _bare_pass(self, examples: Examples) -> JaxForwardPass:
        return JaxForwardPass.of(self.model, self.inspection, **self._settings(examples))
