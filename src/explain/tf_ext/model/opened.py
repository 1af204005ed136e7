"""An opened TensorFlow model: transfers arrays to its device, runs computations on tensors, traced if possible."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from explain.backends.operations.endings import Ending
from explain.backends.operations.score_graph import Survey
from explain.backends.protocol import UnitsOf
from explain.backends.question import Finding, Question
from explain.errors import LayerError
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.layer_calls import LayerCall, RecordedCall
from explain.keras.calls import preserved_attributes
from explain.keras.layers import is_keras_model, layers_of
from explain.keras.model.opened import OpenedKerasModel
from explain.keras.model.tracing import Asked, Beside
from explain.public_calls.passes import count_passes_of
from explain.running.random_state import preserved_random_state
from explain.tf_ext.model.endings import without_graph
from explain.tf_ext.model.forward_pass import REPEATING, TO_FIND, Surveyor, TensorFlowForwardPass
from explain.tf_ext.model.inspection import device_and_dtype, inspect_model
from explain.tf_ext.model.layers.calls import TensorFlowPlace
from explain.tf_ext.model.layers.operations import place_of
from explain.tf_ext.model.memory import is_out_of_memory
from explain.tf_ext.model.runs.eager_run import EagerRun
from explain.tf_ext.model.runs.traced_run import TracedRun, has_effects
from explain.tf_ext.model.runs.unoptimized import FEW_POINTS, optimized_where_right
from explain.tf_ext.model.scores import check_same_score
from explain.tf_ext.model.state import inference_mode, preserved_variables
from explain.tf_ext.model.tracing import Trace, assigns, specifications_of, traced
from explain.tf_ext.model.transfer import to_device

_Look = Callable[[Any, TensorFlowForwardPass], Any]


class OpenedModel(OpenedKerasModel):
    """One opened TensorFlow model: the operations that the affine prefix, paths and backward rules need."""

    forward_pass = TensorFlowForwardPass
    inspected = staticmethod(inspect_model)
    is_out_of_memory = staticmethod(is_out_of_memory)
    surveyor: ClassVar[Surveyor | None] = None
    """Surveys the way to the output in the traces that give it."""
    rule_answers: ClassVar[Callable[..., Any] | None] = None
    """Gives outputs and what a backward rule gives from one run."""

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        super().__init__(model, question, like)
        self.device_name, self._precision = device_and_dtype(self.inspection, like)
        self.dtype: np.dtype[Any] = np.dtype(self._precision.as_numpy_dtype)
        self._ending: Ending | None = None
        self._traced: Finding | None = None

    @property
    def _giving_outputs(self) -> tuple[Any, ...]:
        """The computations that are asked of a model first."""
        of = TensorFlowForwardPass
        return of.outputs, of.answers, of.unit_answers, self.rule_answers

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

    def constant(self, array: Array) -> Any:
        """Copy a host array of truth values or whole numbers to the device."""
        return tf.constant(array)

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
        trace = self._trace_of(function, examples, inputs, static)
        with self._errors_named(inputs):
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

    def run_traced(
        self,
        function: Callable[..., Any],
        examples: Examples,
        *arguments: Any,
        static: tuple[Hashable, ...] = (),
    ) -> Any:
        """Run a computation as `run` does; of a model that is traced for a known number of rows alone, in such a trace.

        The code of such a model computes with the number of rows, which is None in a trace for any number.
        """
        inputs = (*arguments, self._beside(examples))
        if self._trace_of(function, examples, inputs, static) is None:
            flat, forward = tf.nest.flatten(inputs), self._forward_pass(examples)
            # What the user's code raises here is raised again by the run, operation by operation.
            with suppress(Exception), self._put_back():
                run, graph = traced(
                    partial(function, forward, *static), inputs, specifications_of(flat, len(examples))
                )
                found = self._prepared(run, graph.as_graph_def())(*flat)
                count_passes_of(function, len(examples))
                return found
        return self.run(function, examples, *arguments, static=static)

    def run_eagerly(
        self, function: Callable[..., Any], examples: Examples, *arguments: Any, reads_ending: bool = True
    ) -> Any:
        """Run a computation operation by operation: for one that runs once, that takes less time than its trace.

        Parameters
        ----------
        function, examples, *arguments
            As for `run`; arguments that are not tensors come first.
        reads_ending : bool
            Whether the computation reads how the model ends.
        """
        inputs = (self.points(examples), self._beside(examples))
        if reads_ending and "ending" not in self.observed:
            self.observed["ending"] = self._ending_of_a_run(examples)
        forward = self._forward_pass(examples, self.observed.get("ending"))
        count_passes_of(function, len(examples))
        with self._errors_named(inputs), self._put_back():
            return function(forward, *arguments, *inputs)

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
        inputs = (self.points(padded), self._beside(padded))
        trace = self._trace_of(function, padded, inputs, (), look)
        return None if trace is None else trace.analysis

    def survey_of_outputs(self, examples: Examples) -> Survey | None:
        """Survey the way to the outputs; None for a model that cannot be traced."""
        one = self.padded(examples.rows(slice(0, 1))).with_target(Target())
        asked = self.serving(one)
        one = one if asked is None else self._with_class_to_find(one)
        function, static = asked or (TensorFlowForwardPass.outputs, ())
        trace = self._trace_of(function, one, (self.points(one), self._beside(one)), static)
        return None if trace is None else trace.analysis

    def serving(self, examples: Examples) -> Asked | None:
        """Give the computation of outputs and what the method begins with, which serves whatever needs one of them.

        A second trace takes longer than many gradients of examples that are only checked.
        """
        asked = self._announced()
        if asked is None or examples.target.function is not None or self._eager:
            return None
        key = ("serves", asked, *(array.shape[1:] for array in examples.inputs))
        if key not in self.observed:
            one = self._with_class_to_find(self.padded(examples.rows(slice(0, 1))))
            function, static = asked
            try:
                trace = self._trace_of(function, one, (self.points(one), self._beside(one)), static)
            except LayerError:
                # Another function names what is wrong with the layer.
                trace = None
            if trace is None:
                # The outputs alone may be traced.
                self.begins_with, self._eager = None, False
            else:
                self.observed[key] = True
        return None if self.begins_with is None else asked

    def _announced(self) -> Asked | None:
        """Give the computation of outputs and what the method begins with."""
        begins = self.begins_with
        if begins == "gradients":
            return TensorFlowForwardPass.answers, ()
        if begins in ("guided", "deconvolution") and self.rule_answers is not None:
            return self.rule_answers, (begins,)
        if isinstance(begins, UnitsOf) and begins.layer in self.named_layers:
            return TensorFlowForwardPass.unit_answers, (begins.layer,)
        return None

    def _with_class_to_find(self, examples: Examples) -> Examples:
        indices = examples.target.indices
        if indices is not None and indices.shape[1]:
            return examples
        return examples.with_target(Target(np.full((len(examples), 1), TO_FIND)))

    def reference_call(self, examples: Examples) -> Callable[[Any], Any]:
        """Give a function from an input tensor to the explained outputs; the reference engine runs on this."""
        beside = self._beside(examples)
        forward = self._forward_pass(examples)
        # The caller traces this function, and AutoGraph would rewrite its control flow.
        return tf.autograph.experimental.do_not_convert(lambda point: forward.outputs((point,), beside))

    def _run_trace(self, trace: Trace, examples: Examples, inputs: tuple[Any, ...]) -> Any:
        """Run a trace; None if it failed and a callable target may be why, which a run without a trace shows."""
        try:
            with preserved_variables(self.model, self._kept) if trace.assigns else nullcontext():
                return trace.function(*tf.nest.flatten(inputs))
        except tf.errors.OpError as error:
            if not self.question.runs_a_function(examples) or is_out_of_memory(error):
                raise
            return None

    def _trace_of(
        self,
        function: Callable[..., Any],
        examples: Examples,
        inputs: tuple[Any, ...],
        static: tuple[Hashable, ...],
        look: _Look | None = None,
    ) -> Trace | None:
        """Find the trace for inputs of this signature, or make it; None for a model that cannot be traced."""

        def trace() -> Trace:
            flat, kept = tf.nest.flatten(inputs), self._traces_for(examples)
            key = (*self._key_of(function, static), *_signature(inputs, flat))
            if key not in kept:
                kept[key] = self._made_trace(function, examples, inputs, static, look)
            found: Trace = kept[key]
            return found

        return self._traced_or_none(examples, trace)

    def _made_trace(
        self,
        function: Callable[..., Any],
        examples: Examples,
        inputs: tuple[Any, ...],
        static: tuple[Hashable, ...],
        look: _Look | None,
    ) -> Trace:
        """Trace a computation: as if nothing had effects first, then again if something has."""
        run_key, gives_outputs = self._run_key(examples, inputs[-1]), function in self._giving_outputs
        known = _run_of(self._traces_for(examples), run_key) if function in REPEATING else None
        specifications = specifications_of(tf.nest.flatten(inputs), self.fixed_batch_size)
        ordered = self.inspection.structure.stateful or "effects" in self.observed
        while True:
            forward = self._forward_pass(examples)
            if gives_outputs:
                # These are the first computations asked of a model: no trace is made for a survey alone.
                forward.surveyor = self.surveyor
            elif known is not None and known.has_gradients:
                forward.traced_run = known
            # The model's own Python code runs only while it is traced.
            try:
                with self._put_back(variables=False):
                    run, graph = traced(
                        partial(function, forward, *static), inputs, specifications, ordered=ordered
                    )
            except Exception:  # A gradient may need the trace that made its operation.
                if known is None:
                    raise
                known = None
                continue
            definition = graph.as_graph_def()
            if ordered or not has_effects(definition):
                break
            self.observed["effects"] = ordered = True
        own = forward.traced_run if gives_outputs else None
        return Trace(
            # A random operation would begin anew where it is prepared in another way.
            self._prepared(run, definition, small_runs=ordered),
            forward.findings[0] if forward.findings else None,
            ordered and assigns(graph),
            forward.survey if look is None else look(graph, forward),
            without_graph(forward.endings),
            None if own is None else (run_key, own),
        )

    def _prepared(
        self, run: Callable[..., Any], definition: Any, *, small_runs: bool = False
    ) -> Callable[..., Any]:
        """Give a traced function that TensorFlow's optimizer prepares where that is right; on a GPU as it is."""
        if self.device_name != "cpu":
            return run
        return optimized_where_right(run, definition, small_runs=small_runs)

    def _run_key(self, examples: Examples, beside: Beside) -> tuple[Hashable, ...]:
        """Give the key of the run of the model among the traces, for the inputs of examples and what is beside them."""
        inputs = examples.inputs
        points = tuple((one.dtype.kind == "f" or one.dtype.str, *one.shape[1:]) for one in inputs)
        flat = tf.nest.flatten(beside[:-1])
        return (*self._key_of(TracedRun, ()), points, *_signature((inputs, beside), flat))

    def traced_run(self, examples: Examples) -> TracedRun | None:
        """Give the run of the model in the trace of its outputs; None without one, as of a model without a trace."""
        return _run_of(self._traces_for(examples), self._run_key(examples, self._beside(examples)))

    def replayed(self, examples: Examples, points: Any, recorded: Hashable) -> Any:
        """Give a value inside the model, by what was recorded of it, by the operations that were traced, one by one.

        None without such a trace, where a copy of it has other gradients, and of many operations or points: they take
        longer one by one than in a trace.
        """
        if points.shape[0] > FEW_POINTS:
            return None
        beside = self._beside(examples)
        run = _run_of(self._traces_for(examples), self._run_key(examples, beside))
        name = run.values.get(recorded) if run is not None and run.has_gradients else None
        return None if run is None or name is None else run.replayed((points, beside), name)

    def noted_in_trace(self, examples: Examples, inputs: tuple[Any, ...]) -> list[RecordedCall] | None:
        """Give the calls of layers by the run that was traced for outputs; None without one, or if sizes stay open."""
        run = self.traced_run(examples)
        # The shapes of one run of these examples may not fit what a trace for any number of rows computes.
        with suppress(ValueError):
            found = None if run is None else run.noted(*inputs)
            if run is not None and found is not None:
                self.observed["ending"] = run.ending
                return found
        return None

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
        given = (self.points(examples), self._beside(examples))
        forward = self._forward_pass(examples)
        with self._put_back(), EagerRun.recorded(tf.nest.flatten(given)) as run:
            forward.run = run
            forward.outputs(*given)
        return without_graph(forward.endings)

    def _forward_pass(self, examples: Examples, ending: Ending | None = None) -> TensorFlowForwardPass:
        settings = self._settings(examples)
        return TensorFlowForwardPass.of(self.model, self.inspection, ending=ending, **settings)


def _run_of(traces: Mapping[Any, Trace], key: Hashable) -> TracedRun | None:
    """Give the run of the model that a trace for such points has, if there is one."""
    runs = (trace.run for trace in traces.values())
    return next((run[1] for run in runs if run is not None and run[0] == key), None)


def _signature(inputs: tuple[Any, ...], flat: Sequence[Any]) -> tuple[Hashable, ...]:
    """Give what a trace is specialised to of its inputs, points first and a `Beside` last."""
    companions, mask, held, outer, _, _ = inputs[-1]
    counts = (tuple(companions), len(mask), len(held), len(outer), len(tf.nest.flatten(inputs[0])))
    return counts, tuple((tensor.dtype, *tensor.shape[1:]) for tensor in flat)
