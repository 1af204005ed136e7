"""An opened TensorFlow model: transfers arrays to its device, runs computations on tensors, traced if possible."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.layered import Layered
from explain.backends.operations.endings import Ending
from explain.backends.protocol import Finding, Question
from explain.errors import ExplainError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall
from explain.keras.calls import preserved_attributes
from explain.keras.layers import (
    batch_axis_of,
    fixes_axes,
    has_channels_last,
    is_keras_model,
    layers_of,
    named_layers,
)
from explain.running.random_state import preserved_random_state
from explain.tf_ext.model.eager_run import EagerRun
from explain.tf_ext.model.endings import without_graph
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass
from explain.tf_ext.model.inspection import (
    TensorFlowInspection,
    call_error,
    device_and_dtype,
    first_layer_complaint,
    inspect_model,
)
from explain.tf_ext.model.layers.calls import TensorFlowPlace
from explain.tf_ext.model.layers.operations import place_of
from explain.tf_ext.model.memory import is_out_of_memory
from explain.tf_ext.model.scores import check_same_score
from explain.tf_ext.model.state import inference_mode, preserved_variables
from explain.tf_ext.model.tracing import Beside, Trace, assigns, specifications_of, traced, traces_of
from explain.tf_ext.model.transfer import to_device

_Look = Callable[[Any, TensorFlowForwardPass], Any]


class OpenedModel(Layered):
    """One opened TensorFlow model: the operations that the affine prefix, paths and backward rules need.

    Parameters
    ----------
    model : keras.Model or callable
        The model as the user gave it.
    question : Question
        The score to explain, and how to call the model.
    like : object
        The input as the user gave it: a model without weights follows its dtype.
    """

    inspection: TensorFlowInspection
    has_channels_last = staticmethod(has_channels_last)
    fixes_axes = staticmethod(fixes_axes)
    batch_axis_of = staticmethod(batch_axis_of)

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        inspection = inspect_model(
            model, question.forward_kwargs, question.wiring, _shape_of_one_input(question, like)
        )
        self.model = model
        super().__init__(getattr(model, "__name__", type(model).__name__), inspection, question)
        self.device_name, self._precision = device_and_dtype(inspection, like)
        self.dtype: np.dtype[Any] = np.dtype(self._precision.as_numpy_dtype)
        self._eager = inspection.eager
        self._ending: Ending | None = None
        self._traced: Finding | None = None
        self._own_traces: dict[Any, Trace] = {}
        self._kept: set[str] = set()

    def kept_state(self) -> tuple[str, ...]:
        """Name where the model keeps a state that a call changed."""
        return tuple(sorted(self._kept))

    @contextmanager
    def _put_back(self, *, variables: bool = True) -> Iterator[None]:
        """Put back what the model's own code changes: attributes, random states, and variables if it runs."""
        layers = layers_of(self.model) if is_keras_model(self.model) else []
        with (
            preserved_variables(self.model, self._kept) if variables else nullcontext(),
            preserved_attributes(layers, self._kept, lambda value: isinstance(value, tf.Tensor)),
            preserved_random_state(),
        ):
            yield

    @property
    def structure_token(self) -> Hashable:
        """A value that stays the same as long as the layers of the model and their settings do."""
        return self.inspection.structure.token

    @property
    def named_layers(self) -> Mapping[str, Any]:
        """The layers of the model by name."""
        return named_layers(self.model)

    @property
    def rounds_points(self) -> bool:
        """Whether the model computes in lower precision than the points have."""
        return bool(getattr(self.model, "compute_dtype", self._precision.name) != self._precision.name)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Restore TensorFlow's random state on exit; the mode is an argument of each call."""
        with inference_mode():
            yield

    def place_of(self, call: LayerCall) -> TensorFlowPlace:
        """Give the place of a call, where the model can start or end."""
        return place_of(self.model, call)

    def tensors(self, arrays: Sequence[Array]) -> tuple[Any, ...]:
        """Copy host arrays to the model's device, in the precision of points."""
        return tuple(to_device(array, self._precision) for array in arrays)

    def run(
        self,
        function: Callable[..., Any],
        examples: Examples,
        *arguments: Any,
        static: tuple[Hashable, ...] = (),
    ) -> Any:
        """Run a computation on tensors.

        Parameters
        ----------
        function : callable
            Takes a `TensorFlowForwardPass`, the static arguments, the tensors, and a `Beside`; gives tensors. Its
            trace is cached with the model.
        examples : Examples
            Companions, masks and targets of the points.
        *arguments
            The tensors, nested as `function` takes them.
        static : tuple of hashable
            Arguments that a trace is specialised to.
        """
        return self.run_with_finding(function, examples, *arguments, static=static)[0]

    def run_with_finding(
        self,
        function: Callable[..., Any],
        examples: Examples,
        *arguments: Any,
        static: tuple[Hashable, ...] = (),
    ) -> tuple[Any, Finding | None]:
        """Run a computation as `run` does; also give the finding about the score."""
        inputs = (*arguments, self._beside(examples))
        trace = self._traced_or_none(function, examples, inputs, static)
        try:
            if trace is not None:
                found = self._run_trace(trace, examples, inputs)
                if found is not None:
                    if trace.finding is not None:
                        self._traced, self._ending = trace.finding, trace.ending
                    return found, trace.finding
            if function is TensorFlowForwardPass.outputs:
                self._ending = self._ending_of_a_run(examples)
            forward = self._forward_pass(examples, self._ending)
            with self._put_back():
                found = function(forward, *static, *inputs)
            if self.exit is None:
                check_same_score(self._traced, forward.findings[0])
            return found, forward.findings[0]
        except ExplainError:
            raise
        except Exception as cause:  # The user's code may raise anything.
            raise self._call_error(cause, inputs) from cause

    def run_eagerly(self, function: Callable[..., Any], examples: Examples, *arguments: Any) -> Any:
        """Run a computation operation by operation: for one that runs once, that takes less time than its trace.

        Parameters
        ----------
        function, examples, *arguments
            As for `run`; arguments that are not tensors come first.
        """
        inputs = (self.tensors(examples.inputs), self._beside(examples))
        if "ending" not in self.observed:
            self.observed["ending"] = self._ending_of_a_run(examples)
        forward = self._forward_pass(examples, self.observed["ending"])
        try:
            with self._put_back():
                return function(forward, *arguments, *inputs)
        except ExplainError:
            raise
        except Exception as cause:  # The user's code may raise anything.
            raise self._call_error(cause, inputs) from cause

    def analysed(self, function: Callable[..., Any], examples: Examples, look: _Look) -> Any:
        """Analyse the trace of a computation of points; None for a model that cannot be traced.

        Parameters
        ----------
        function : callable
            As for `run`.
        examples : Examples
            The examples; only the first one is used.
        look : callable
            Takes the graph of the trace and its forward pass; its result is cached with the trace.
        """
        padded = self.padded(examples.rows(slice(0, 1)))
        inputs = (self.tensors(padded.inputs), self._beside(padded))
        trace = self._traced_or_none(function, padded, inputs, (), look)
        return None if trace is None else trace.analysis

    def reference_call(self, examples: Examples) -> Callable[[Any], Any]:
        """Give a function from an input tensor to the explained outputs; the reference engine runs on this."""
        beside = self._beside(examples)
        forward = self._forward_pass(examples)
        # The caller traces this function, and AutoGraph would rewrite its control flow.
        return tf.autograph.experimental.do_not_convert(lambda point: forward.outputs((point,), beside))

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
        complaint = first_layer_complaint(self.inspection, tuple(one))
        if complaint is not None:
            raise complaint.error()

    def _run_trace(self, trace: Trace, examples: Examples, inputs: tuple[Any, ...]) -> Any:
        """Run a trace; None if it failed and a callable target may be why, which a run without a trace shows."""
        try:
            with preserved_variables(self.model, self._kept) if trace.assigns else nullcontext():
                return trace.function(*tf.nest.flatten(inputs))
        except tf.errors.OpError as error:
            if not self.question.runs_a_function(examples) or is_out_of_memory(error):
                raise
            return None

    def _call_error(self, cause: Exception, inputs: tuple[Any, ...]) -> ExplainError:
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
        static: tuple[Hashable, ...],
        look: _Look | None = None,
    ) -> Trace | None:
        """Find or make the trace of a computation; None for a model that must run operation by operation."""
        if self._eager:
            return None
        try:
            return self._trace(function, examples, inputs, static, look)
        except ExplainError:
            raise
        # The user's code may raise anything, sometimes only because it is traced. It may still work operation by
        # operation; if not, its error then concerns the input and not the trace.
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self._eager = True
            return None

    def _trace(
        self,
        function: Callable[..., Any],
        examples: Examples,
        inputs: tuple[Any, ...],
        static: tuple[Hashable, ...],
        look: _Look | None,
    ) -> Trace:
        """Find the trace for inputs of this signature, or make it."""
        flat = tf.nest.flatten(inputs)
        companions, mask, held, outer, _, _ = inputs[-1]
        question = self.question
        # These values cannot be part of a key: cache a trace that uses them for this opened model only.
        alone = bool(question.forward_kwargs) or question.runs_a_function(examples)
        kept = self._own_traces if alone else traces_of(self.model)
        key = (
            function,
            static,
            self.entry,
            self.exit,
            question.score,
            question.output,
            question.layout,
            tuple(companions),
            len(mask),
            len(held),
            len(outer),
            self.readers,
            question.wiring,
            len(inputs[0]),
            tuple((tensor.dtype, *tensor.shape[1:]) for tensor in flat),
            self.inspection.structure.token,
        )
        if key not in kept:
            forward = self._forward_pass(examples)
            # The model's own Python code runs only while it is traced.
            with self._put_back(variables=False):
                run, graph = traced(partial(function, forward, *static), inputs, self._specifications(inputs))
            finding = forward.findings[0] if forward.findings else None
            analysis = None if look is None else look(graph, forward)
            kept[key] = Trace(run, finding, assigns(graph), analysis, without_graph(forward.endings))
        return kept[key]

    def _ending_of_a_run(self, examples: Examples) -> Ending | None:
        """Find the activations that made the output, in a run of one example: eager tensors have no graph."""
        if self.inspection.opaque:
            return None
        try:
            return self._ending_in(self.padded(examples.rows(slice(0, 1))))
        except Exception:  # The user's code may raise anything.
            # A model may fail on one example alone, for example beside a state that it keeps of several.
            return self._ending_in(examples)

    def _ending_in(self, examples: Examples) -> Ending | None:
        given = (self.tensors(examples.inputs), self._beside(examples))
        forward = self._forward_pass(examples)
        with self._put_back(), EagerRun.recorded(tf.nest.flatten(given)) as run:
            forward.run = run
            forward.outputs(*given)
        return without_graph(forward.endings)

    def _specifications(self, inputs: tuple[Any, ...]) -> list[Any]:
        return specifications_of(tf.nest.flatten(inputs), self.fixed_batch_size)

    def _forward_pass(self, examples: Examples, ending: Ending | None = None) -> TensorFlowForwardPass:
        return TensorFlowForwardPass.of(
            self.model,
            self.inspection,
            question=self.question,
            target_function=examples.target.function,
            ending=ending,
            entry=self.entry,
            exit=self.exit,
            readers=self.readers,
        )

    def _beside(self, examples: Examples) -> Beside:
        """Give the arguments beside the points as tensors; Keras itself casts half-precision companions."""
        precision = self._precision
        companions = {name: to_device(array, precision) for name, array in examples.companions.items()}
        mask = () if examples.mask is None else (tf.constant(examples.mask),)
        held = tuple(tf.constant(one) for one in examples.held)
        indices = examples.target.indices
        if indices is None:
            indices = np.zeros((len(examples), 0), np.int64)
        outer, unmoved = self.tensors(examples.outer), self.tensors(examples.unmoved)
        return companions, mask, held, outer, unmoved, tf.constant(indices)


def _shape_of_one_input(question: Question, like: Any) -> tuple[int, ...] | None:
    """Give the shape of the only input, batch first; None if there are several, or if it is no array."""
    shape = getattr(like, "shape", None)
    if question.wiring is not None or shape is None:
        return None
    sizes = [int(size) for size in shape]
    return (sizes.pop(question.layout.batch_axis), *sizes)
