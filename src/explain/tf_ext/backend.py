"""Answers the primitives for one TensorFlow model."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.layered import Layered
from explain.backends.protocol import Finding, Question, Rule
from explain.backends.scoring import ActivationKind
from explain.errors import ExplainError, InputError, LayoutError, ScoreError
from explain.inputs.examples import Array, Examples
from explain.inputs.layers import LayerCall
from explain.keras.layers import is_keras_model, layers_of, seed_states
from explain.running.execution import Executor
from explain.running.expansion import StraightPath, expanded_gradients
from explain.running.random_state import preserved_random_state
from explain.tf_ext.affine_prefix.cut import ModuleCut, SourceCut, Survey, survey
from explain.tf_ext.affine_prefix.path import path_gradients
from explain.tf_ext.backward_rules.deep_lift import rule_gradients
from explain.tf_ext.model.forward_pass import Beside, Computation
from explain.tf_ext.model.inspection import call_error, first_layer_complaint, inspect_model
from explain.tf_ext.model.kept import Answers
from explain.tf_ext.model.layers import Entry, activations, layer_calls, named_layers, units_and_gradients
from explain.tf_ext.model.memory import bytes_per_point, free_memory, is_out_of_memory
from explain.tf_ext.model.state import assigns, inference_mode, preserved_variables
from explain.tf_ext.model.tracing import Trace, specifications_of, traced, traces_of
from explain.tf_ext.model.transfer import precision_of_points, to_device, to_host


class TensorFlowBackend(Layered):
    """One TensorFlow model, opened; see `explain.backends.protocol.Backend`.

    Parameters
    ----------
    model : keras.Model or callable
        The model as the user gave it.
    question : Question
        What is asked of it.
    like : object
        The input as it was given: a model without weights follows its dtype.
    """

    is_out_of_memory = staticmethod(is_out_of_memory)
    name = "tensorflow"

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        self._inspection = inspect_model(model, question.forward_kwargs, question.wiring)
        self._model = model
        self._question = question
        if self._inspection.opaque and question.score not in ("logit", "output"):
            raise ScoreError(
                f"score={question.score!r} cannot be had of a model whose inside cannot be reached, since it is not "
                "known what its output is: say score='output', or give the original model."
            )
        if self._inspection.opaque or self._inspection.stepwise:
            # No layer has an output of its own there that could be reached, or one for the whole sequence.
            self.provides -= {"layers"}
        self.model_name = getattr(model, "__name__", type(model).__name__)
        self.fixed_batch_size = self._inspection.fixed_batch_size
        self._precision = precision_of_points(self._inspection.structure, model, like)
        self.device_name = "GPU:0" if tf.config.list_physical_devices("GPU") else "cpu"
        self.dtype: np.dtype[Any] = np.dtype(self._precision.as_numpy_dtype)
        self._eager = self._inspection.eager
        if self._eager:
            # Only a trace shows what the operations are.
            self.provides = self.provides - {"backward_rules"}
        self._functional: ActivationKind | None = None
        self._own_traces: dict[Any, Trace] = {}
        self._gradients: Answers | None = None

    @property
    def rounds_points(self) -> bool:
        """Whether the model computes in less precision than points are formed in."""
        return getattr(self._model, "compute_dtype", self._precision.name) != self._precision.name

    @contextmanager
    def session(self) -> Iterator[None]:
        """On any exit the model and the random states are again as they came."""
        with inference_mode():
            yield

    def hold(self, examples: Examples) -> Examples:
        """Fill in the masks that Keras layers work out from values."""
        if not self._inspection.structure.masking:
            return examples
        self._check_shape(examples)
        padded = self.padded(examples)
        masks, _ = self._run("masks", padded, self.tensors(padded.inputs))
        return replace(examples, held=tuple(mask.numpy()[: len(examples)] for mask in masks))

    def outputs(self, examples: Examples, *, with_gradients: bool = False) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and what kind of score it is."""
        self._check_shape(examples)
        padded = self.padded(examples)
        points = self.tensors(padded.inputs)
        if with_gradients and examples.target.function is None:
            found, finding = self._run("answers", padded, points)
            outputs, self._gradients = found[0], Answers(examples, *found[1:])
        else:
            outputs, finding = self._run("outputs", padded, points)
        assert finding is not None
        return to_host(outputs)[: len(examples)], finding

    @contextmanager
    def reseeded(self) -> Iterator[None]:
        """Give the seeds that Keras layers keep other values, and then their own again."""
        seeds = seed_states(layers_of(self._model)) if is_keras_model(self._model) else []
        before = [seed.numpy().copy() for seed in seeds]
        try:
            for seed, value in zip(seeds, before, strict=True):
                seed.assign(value + np.ones_like(value))
            yield
        finally:
            for seed, value in zip(seeds, before, strict=True):
                seed.assign(value)

    def scores(self, examples: Examples) -> Array:
        """Give one number an example, shape (N,): the output at its target."""
        padded = self.padded(examples)
        scores, _ = self._run("scores", padded, self.tensors(padded.inputs))
        # Too many, which only a callable target can give, are not cut to length: the caller must be told.
        return to_host(scores)[: len(examples)] if len(scores) == len(padded) else to_host(scores)

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""
        before, self._gradients = self._gradients, None
        if before is not None and before.is_of(examples):
            return tuple(to_host(part)[: len(examples)] for part in before.gradients), to_host(before.scores)[
                : len(examples)
            ]
        padded = self.padded(examples)
        (gradients, scores), _ = self._run("gradients", padded, self.tensors(padded.inputs))
        return tuple(to_host(part)[: len(examples)] for part in gradients), to_host(scores)[: len(examples)]

    def path_gradients(
        self,
        examples: Examples,
        baselines: tuple[Array, ...],
        alphas: Array,
        weights: Array,
        executor: Executor,
    ) -> tuple[Array, ...]:
        """Give weighted sums of the gradients along the straight path, accumulated on the device."""
        if self.fixed_batch_size is not None:
            differences = tuple(end - start for end, start in zip(examples.inputs, baselines, strict=True))
            expansion = StraightPath(baselines, differences, alphas)
            return expanded_gradients(
                self, examples, expansion, weights, executor, in_rows=self._inspection.structure.stateful
            )
        return path_gradients(self, examples, baselines, alphas, weights, executor)

    def rule_gradients(
        self, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None = None, epsilon: float = 0.0
    ) -> tuple[tuple[Array, ...], int]:
        """Give what a rule's backward pass brings to the inputs, and how many operations it changed."""
        return rule_gradients(self, examples, rule, baselines, epsilon)

    def has_kinks(self, examples: Examples) -> bool:
        """Tell whether gradients may jump along a path: False only if every operation is known to be smooth."""
        return self.survey(examples).kinked

    def survey(self, examples: Examples) -> Survey:
        """Look for kinks and for the model's affine prefix in a trace; what cannot be traced shows nothing."""
        padded = self.padded(examples.rows(slice(0, 1)))
        trace = self._traced_or_none(
            "surveyed_scores", padded, (self.tensors(padded.inputs), self._beside(padded))
        )
        return Survey(kinked=True) if trace is None or trace.survey is None else trace.survey

    def layer_calls(self, examples: Examples) -> tuple[LayerCall, ...]:
        """Give every call of a layer, in the order in which they end."""
        return layer_calls(self, examples, channels_last=self._question.layout.axes[-1] == "C")

    def activations(self, call: LayerCall, examples: Examples) -> Array:
        """Give what a layer gives at a call for each example, shape (N, ...)."""
        return activations(self, call, self.padded(examples))[: len(examples)]

    def in_one_run(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give units and gradients from one run of the model."""
        return units_and_gradients(self, call, examples)

    @property
    def named_layers(self) -> Mapping[str, Any]:
        """The layers of the model by name."""
        return named_layers(self._model)

    def place_of(self, call: LayerCall) -> Entry:
        """Give the place of a call, at which the model can be entered or left."""
        layer = self.named_layers[call.name]
        return Entry(next(place for place, one in enumerate(layers_of(self._model)) if one is layer), call)

    def forget(self) -> None:
        """Drop what was kept of the model as it was seen before."""
        self._gradients = None

    def watched(self, examples: Examples) -> list[tuple[Any, Any]]:
        """Give each call of a layer, its name and layer, and what it gave: of a trace, or of a run on one example."""
        padded = self.padded(examples.rows(slice(0, 1)))
        inputs = (self.tensors(padded.inputs), self._beside(padded))
        # Neither is kept: what was seen holds the layers.
        computation = self._computation(padded)
        if not self._eager:
            specifications = specifications_of(tf.nest.flatten(inputs), self.fixed_batch_size)
            # Foreign code that cannot be traced may raise anything; it is run all the same.
            with suppress(Exception), preserved_random_state():
                traced(computation.layer_calls, inputs, specifications)
                return computation.seen_layers
        computation.seen_layers.clear()
        try:
            with preserved_variables(self._model), preserved_random_state():
                computation.layer_calls(*inputs)
        except ExplainError:
            raise
        except Exception as cause:  # Foreign code, which may raise anything.
            raise call_error(cause, inputs[0], several=self._question.wiring is not None) from cause
        return computation.seen_layers

    def bytes_per_point(self, examples: Examples) -> int:
        """Estimate the memory that one more example needs while its gradient is taken, in bytes."""
        return bytes_per_point(self, examples)

    def free_memory(self) -> int:
        """Give the free memory of the device that computes, in bytes."""
        return free_memory(self.device_name)

    def synchronize(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device_name != "cpu":
            tf.test.experimental.sync_devices()

    def tensors(self, arrays: Sequence[Array]) -> tuple[Any, ...]:
        """Bring host arrays to the model's device, in the precision of points."""
        return tuple(to_device(array, self._precision) for array in arrays)

    def run(
        self, name: str, examples: Examples, *arguments: Any, cut: ModuleCut | SourceCut | None = None
    ) -> Any:
        """Run one of the computations of `explain.tf_ext.model.forward_pass` on tensors."""
        return self._run(name, examples, *arguments, cut=cut)[0]

    def reference_call(self, examples: Examples) -> Callable[[Any], Any]:
        """Give a function from an input tensor to the explained outputs; the reference engine runs on this."""
        beside = self._beside(examples)
        computation = self._computation(examples)
        # The caller traces it, and would otherwise rewrite its control flow.
        return tf.autograph.experimental.do_not_convert(lambda point: computation.outputs((point,), beside))

    def _run(
        self, name: str, examples: Examples, *arguments: Any, cut: ModuleCut | SourceCut | None = None
    ) -> tuple[Any, Finding | None]:
        """Run one of the computations on tensors, traced where the model allows it."""
        inputs = (*arguments, self._beside(examples))
        trace = self._traced_or_none(name, examples, inputs, cut)
        try:
            if trace is not None:
                with preserved_variables(self._model) if trace.assigns else nullcontext():
                    return trace.function(*tf.nest.flatten(inputs)), trace.finding
            if name == "outputs":
                self._functional = self._functional_of_a_trace(examples, inputs)
            computation = replace(self._computation(examples), functional=self._functional, cut=cut)
            with preserved_variables(self._model), preserved_random_state():
                return getattr(computation, name)(*inputs), computation.findings[0]
        except ExplainError:
            raise
        except Exception as cause:  # Foreign code, which may raise anything.
            raise call_error(cause, arguments[0], several=self._question.wiring is not None) from cause

    def _traced_or_none(
        self,
        name: str,
        examples: Examples,
        inputs: tuple[Any, ...],
        cut: ModuleCut | SourceCut | None = None,
    ) -> Trace | None:
        """Find or make the trace of a computation; None for a model that must run operation by operation."""
        if self._eager:
            return None
        try:
            return self._trace(name, examples, inputs, cut)
        except ExplainError:
            raise
        # The model is foreign code, which may raise anything, also only because it is being traced: run as it
        # is, it may work after all, and else says what is wrong with the input rather than with the trace.
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self._eager = True
            return None

    def _trace(
        self,
        name: str,
        examples: Examples,
        inputs: tuple[Any, ...],
        cut: ModuleCut | SourceCut | None,
    ) -> Trace:
        """Find the trace for inputs of this signature, or make it."""
        flat = tf.nest.flatten(inputs)
        companions, mask, held, outer, _, _ = inputs[-1]
        question, function = self._question, examples.target.function
        # What cannot be part of a key is traced for this call alone.
        alone = bool(question.forward_kwargs) or function is not None
        kept = self._own_traces if alone else traces_of(self._model)
        key = (
            name,
            cut,
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
            self._inspection.structure.token,
        )
        if key not in kept:
            computation = replace(self._computation(examples), cut=cut)
            specifications = specifications_of(flat, self.fixed_batch_size)
            # The model's own code runs while it is traced, and not again.
            with preserved_random_state():
                function, graph = traced(getattr(computation, name), inputs, specifications)
            found = None
            if name == "surveyed_scores":
                about = self._loop_steps(examples), len(inputs[0])
                found = survey(graph, computation.seen, graph.outputs[0], *about)
            finding = computation.findings[0] if computation.findings else None
            kept[key] = Trace(function, finding, assigns(graph), found)
        return kept[key]

    def _loop_steps(self, examples: Examples) -> int:
        axis = self._question.layout.batch_first.time_axis
        # Of several inputs it is not known which is the sequence that a loop goes through.
        if axis is None or self._question.wiring is not None:
            return 1
        return int((examples.outer or examples.inputs)[0].shape[axis])

    def _functional_of_a_trace(self, examples: Examples, inputs: tuple[Any, ...]) -> ActivationKind | None:
        """Ask a trace that is not run which activation made the output: without one no operation tells."""
        if self._inspection.opaque:
            return None
        computation = self._computation(examples)
        try:
            flat = tf.nest.flatten(inputs)
            traced(computation.outputs, inputs, specifications_of(flat, self.fixed_batch_size))
        except Exception:  # Foreign code that cannot be traced may raise anything; it is run all the same.
            return None
        return computation.functionals[-1]

    def _computation(self, examples: Examples) -> Computation:
        opaque = self._inspection.opaque
        reference = (lambda model=self._model: model) if opaque else weakref.ref(self._model)
        inspection = self._inspection if opaque else replace(self._inspection, model=None)
        asked = self._question, examples.target.function
        places = {"entry": self.entry, "readers": self.readers, "exit": self.exit}
        return Computation(reference, inspection, *asked, **places)

    def _beside(self, examples: Examples) -> Beside:
        """Bring to tensors what goes beside the points; half-precision companions are cast by Keras itself."""
        precision = self._precision
        companions = {name: to_device(array, precision) for name, array in examples.companions.items()}
        mask = () if examples.mask is None else (tf.constant(examples.mask),)
        held = tuple(tf.constant(one) for one in examples.held)
        indices = examples.target.indices
        if indices is None:
            indices = np.zeros((len(examples), 0), np.int64)
        outer, unmoved = (
            tuple(to_device(array, precision) for array in arrays)
            for arrays in (examples.outer, examples.unmoved)
        )
        return companions, mask, held, outer, unmoved, tf.constant(indices)

    def _check_shape(self, examples: Examples) -> None:
        """Refuse an input that does not fit the shape that the model states, before Keras stretches it."""
        if self._inspection.stepwise or self.entry is not None or self._question.wiring is not None:
            return
        count, *one = examples.inputs[0].shape
        one.insert(self._question.layout.batch_axis, count)
        complaint = first_layer_complaint(self._inspection.structure.input_shape, tuple(one))
        if complaint is not None:
            text, is_order = complaint
            raise (LayoutError if is_order else InputError)(f"The model cannot take x: {text}.")
