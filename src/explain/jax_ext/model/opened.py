"""An opened model on JAX: transfers arrays to its device, runs computations on them, compiled if possible."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from explain.backends.layered import Layered, unknown_score_error
from explain.backends.protocol import Finding, Question
from explain.backends.scoring import no_gradient_reason
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
from explain.jax_ext.model.tracing import Beside, Trace, filled_up, traces_of
from explain.jax_ext.model.transfer import to_device
from explain.keras.calls import preserved_attributes
from explain.keras.inspection import call_error, shape_complaint
from explain.keras.layers import (
    batch_axis_of,
    fixes_axes,
    has_channels_last,
    is_keras_model,
    layers_of,
    named_layers,
)
from explain.running.random_state import preserved_random_state


class OpenedModel(Layered):
    """One opened model on JAX.

    Parameters
    ----------
    model : keras.Model or callable
        The model as the user gave it.
    question : Question
        The score to explain, and how to call the model.
    like : object
        The input as the user gave it: a function follows its dtype.
    """

    inspection: JaxInspection
    has_channels_last = staticmethod(has_channels_last)
    fixes_axes = staticmethod(fixes_axes)
    batch_axis_of = staticmethod(batch_axis_of)

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        shape = getattr(like, "shape", None) if question.wiring is None else None
        if shape is not None:
            sizes = [int(size) for size in shape]
            shape = (sizes.pop(question.layout.batch_axis), *sizes)
        inspection = inspect_model(model, question.forward_kwargs, question.wiring, shape)
        self.model = model
        super().__init__(getattr(model, "__name__", type(model).__name__), inspection, question)
        self.device_name = device_name()
        self.dtype: np.dtype[Any] = precision_of(inspection, like)
        self._eager = inspection.eager
        self._own_traces: dict[Any, Trace] = {}
        self._own_surveys: dict[Any, Survey | None] = {}
        self._kept: set[str] = set()

    def kept_state(self) -> tuple[str, ...]:
        """Name where the model keeps a state that a call changed."""
        return tuple(sorted(self._kept))

    @property
    def structure_token(self) -> Hashable:
        """A value that stays the same as long as the layers of the model and their settings do."""
        return self.inspection.structure.token

    @property
    def named_layers(self) -> Mapping[str, Any]:
        """The layers of the model by name."""
        return {} if self.inspection.function else named_layers(self.model)

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

    def run(
        self, function: Callable[..., Any], examples: Examples, *arguments: Any, static: tuple[Any, ...] = ()
    ) -> Any:
        """Run a computation.

        Parameters
        ----------
        function : callable
            Takes a `JaxForwardPass`, the static arguments, the arguments, and a `Beside`; gives arrays. Its trace is
            cached with the model.
        examples : Examples
            Companions, masks and targets of the points.
        *arguments
            Arrays, nested as `function` takes them.
        static : tuple of hashable
            Arguments that a trace is specialised to.
        """
        return self.run_with_finding(function, examples, *arguments, static=static)[0]

    def run_with_finding(
        self, function: Callable[..., Any], examples: Examples, *arguments: Any, static: tuple[Any, ...] = ()
    ) -> tuple[Any, Finding | None]:
        """Run a computation as `run` does; also give the finding about the score."""
        inputs = (*arguments, self.beside(examples))
        values = self._values()
        try:
            trace = self._traced_or_none(function, examples, inputs, static, values)
            if trace is not None:
                self._kept |= trace.kept
                return trace.function(values, *inputs), trace.finding
            forward = self.forward_pass(examples, values)
            with self._put_back():
                found = function(forward, *static, *inputs)
            return found, forward.findings[0] if forward.findings else None
        except ExplainError:
            raise
        except jax.errors.TracerArrayConversionError as cause:
            # The values of a point whose gradient is taken are none that NumPy could read.
            raise GradientError(no_gradient_reason(self.model_name)) from cause
        except Exception as cause:  # The user's code may raise anything.
            raise self.call_error(cause, inputs) from cause

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
        points, beside, values = self.tensors(one.inputs), self.beside(one), self._values()
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

    def check_shape(self, examples: Examples) -> None:
        """Reject an input that does not fit the shape that the model states, before Keras broadcasts it.

        Raises
        ------
        InputError, LayoutError
            If the input does not fit; the message says what to do.
        """
        question = self.question
        if self.inspection.stepwise or self.entry is not None or question.wiring is not None:
            return
        count, *one = examples.inputs[0].shape
        one.insert(question.layout.batch_axis, count)
        complaint = shape_complaint(self.inspection.structure.input_shape, tuple(one))
        if complaint is not None:
            raise complaint.error()

    def call_error(self, cause: Exception, inputs: tuple[Any, ...]) -> ExplainError:
        """Give the error for a model that raised."""
        (*_, outer, unmoved, _), wiring, points = inputs[-1], self.question.wiring, inputs[0]
        if wiring is not None:
            moved = points if self.entry is None else outer
            points = wiring.arranged(moved, unmoved, lambda one, axis: one)
        return call_error(cause, points, wiring)

    def _traced_or_none(
        self,
        function: Callable[..., Any],
        examples: Examples,
        inputs: tuple[Any, ...],
        static: tuple[Any, ...],
        values: Sequence[Any],
    ) -> Trace | None:
        """Find or make the trace of a computation; None for a model that must run operation by operation."""
        if self._eager:
            return None
        try:
            return self._trace(function, examples, inputs, static, values)
        except ExplainError:
            raise
        # The user's code may raise anything, sometimes only because it is traced. It may still work operation by
        # operation; if not, its error then concerns the input and not the trace.
        except Exception as error:
            if is_out_of_memory(error):
                raise
            if not self.question.runs_a_function(examples):
                self._eager = True
            return None

    def _trace(
        self,
        function: Callable[..., Any],
        examples: Examples,
        inputs: tuple[Any, ...],
        static: tuple[Any, ...],
        values: Sequence[Any],
    ) -> Trace:
        question = self.question
        # These values cannot be part of a key: cache a trace that uses them for this opened model only.
        alone = bool(question.forward_kwargs) or question.runs_a_function(examples)
        kept = self._own_traces if alone else traces_of(self.model)
        leaves, tree = jax.tree.flatten(inputs)
        key = (
            function,
            static,
            self.entry,
            self.exit,
            self.readers,
            (question.score, question.output, question.layout, question.wiring),
            examples.target.function,
            tree,
            tuple((leaf.dtype, leaf.shape) for leaf in leaves),
            self.structure_token,
        )
        if key not in kept:
            forward = self.forward_pass(examples, values)

            def computed(values: Any, *inputs: Any) -> Any:
                forward.values = values
                return function(forward, *static, *inputs)

            # The model's own Python code runs only while it is traced.
            with self._put_back():
                compiled = jax.jit(computed).lower(values, *inputs).compile()
            forward.values = ()
            finding = forward.findings[0] if forward.findings else None
            kept[key] = Trace(compiled, finding, frozenset(forward.kept))
        return kept[key]

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

    def forward_pass(self, examples: Examples, values: Sequence[Any]) -> JaxForwardPass:
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
        return JaxForwardPass.of(
            self.model,
            self.inspection,
            question=self.question,
            target_function=examples.target.function,
            entry=self.entry,
            exit=self.exit,
            readers=self.readers,
        )

    def beside(self, examples: Examples) -> Beside:
        """Give the arguments beside the points as arrays; Keras itself casts half-precision companions."""
        companions = {name: to_device(array, self.dtype) for name, array in examples.companions.items()}
        mask = () if examples.mask is None else (jnp.asarray(examples.mask),)
        held = tuple(jnp.asarray(one) for one in examples.held)
        indices = examples.target.indices
        if indices is None:
            indices = np.zeros((len(examples), 0), np.int32)
        outer, unmoved = self.tensors(examples.outer), self.tensors(examples.unmoved)
        return companions, mask, held, outer, unmoved, to_device(indices, self.dtype)
