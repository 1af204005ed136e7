"""Answers the primitives for one TensorFlow model."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backend import Finding, Primitive, Question
from explain.chunks import blocks
from explain.errors import ExplainError, InputError, LayoutError, ModelCallError, ScoreError
from explain.examples import Array, Examples
from explain.keras_layers import has_masking, is_keras_model, layers_of
from explain.points import path_gradients_point_by_point
from explain.scoring import ActivationKind
from explain.tf_ext.inspection import first_layer_complaint, inspect_model
from explain.tf_ext.state import inference_mode, preserved_variables
from explain.tf_ext.traces import Beside, Computation, Trace, signature_of, traced, traces_of


class TensorFlowBackend:
    """One TensorFlow model, opened; see `explain.backend.Backend`.

    Parameters
    ----------
    model : keras.Model or callable
        The model as the user gave it.
    question : Question
        What is asked of it.
    like : object
        The input as it was given: a model without weights follows its dtype.
    """

    name = "tensorflow"
    provides: frozenset[Primitive] = frozenset({"outputs", "gradients", "path_gradients"})

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        self._inspection = inspect_model(model, question.forward_kwargs)
        self._model = model
        self._question = question
        if self._inspection.opaque and question.score not in ("logit", "output"):
            raise ScoreError(
                f"score={question.score!r} cannot be had of a model whose inside cannot be reached, since it is not "
                "known what its output is: say score='output', or give the original model."
            )
        self.model_name = getattr(model, "__name__", type(model).__name__)
        self.fixed_batch_size = self._inspection.fixed_batch_size
        self._precision = _precision(model, like)
        self.dtype: np.dtype[Any] = np.dtype(self._precision.as_numpy_dtype)
        self._has_masking = is_keras_model(model) and has_masking(layers_of(model))
        self._eager = self._inspection.eager
        self._functional: ActivationKind | None = None
        self._structure = _structure(model) if is_keras_model(model) else ()
        self._own_traces: dict[Any, Trace] = {}

    @contextmanager
    def session(self) -> Iterator[None]:
        """On any exit the model and the random states are again as they came."""
        with inference_mode():
            yield

    def hold(self, examples: Examples) -> Examples:
        """Fill in the masks that Keras layers work out from values."""
        if not self._has_masking:
            return examples
        self._check_shape(examples)
        padded = self._padded(examples)
        masks, _ = self._run("masks", padded, self._points(padded.inputs))
        return replace(examples, held=tuple(mask.numpy()[: len(examples)] for mask in masks))

    def outputs(self, examples: Examples) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and what kind of score it is."""
        self._check_shape(examples)
        padded = self._padded(examples)
        outputs, finding = self._run("outputs", padded, self._points(padded.inputs))
        assert finding is not None
        return _host(outputs)[: len(examples)], finding

    def scores(self, examples: Examples) -> Array:
        """Give one number an example, shape (N,): the output at its target."""
        padded = self._padded(examples)
        scores, _ = self._run("scores", padded, self._points(padded.inputs))
        # Too many, which only a callable target can give, are not cut to length: the caller must be told.
        return _host(scores)[: len(examples)] if len(scores) == len(padded) else _host(scores)

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""
        padded = self._padded(examples)
        (gradients, scores), _ = self._run("gradients", padded, self._points(padded.inputs))
        return tuple(_host(part)[: len(examples)] for part in gradients), _host(scores)[: len(examples)]

    def path_gradients(
        self,
        examples: Examples,
        baselines: tuple[Array, ...],
        alphas: Array,
        weights: Array,
        batch_size: int,
    ) -> tuple[Array, ...]:
        """Give the weighted sum of the gradients along the straight path, accumulated on the device."""
        if self.fixed_batch_size is not None:
            return path_gradients_point_by_point(
                self, examples, baselines, alphas, weights, batch_size, in_rows=self._inspection.stateful
            )
        ends, starts = self._points(examples.inputs), self._points(baselines)
        differences = tuple(end - start for end, start in zip(ends, starts, strict=True))
        nodes, shares = tf.constant(alphas), tf.constant(weights)
        totals: list[tuple[Any, ...]] = []
        last_rows = None
        for rows, steps in blocks(len(examples), len(alphas), batch_size):
            found, _ = self._run(
                "path_block",
                examples.rows(rows),
                tuple(start[rows] for start in starts),
                tuple(difference[rows] for difference in differences),
                nodes[steps],
                shares[steps],
            )
            if rows == last_rows:
                totals[-1] = tuple(total + part for total, part in zip(totals[-1], found, strict=True))
            else:
                totals.append(found)
            last_rows = rows
        return tuple(_host(tf.concat(parts, axis=0)) for parts in zip(*totals, strict=True))

    def reference_call(self, examples: Examples) -> Callable[[Any], Any]:
        """Give a function from an input tensor to the explained outputs; the reference engine runs on this."""
        beside = self._beside(examples)
        computation = self._computation(examples)
        # The caller traces it, and would otherwise rewrite its control flow.
        return tf.autograph.experimental.do_not_convert(lambda point: computation.outputs((point,), beside))

    def _run(self, name: str, examples: Examples, *arguments: Any) -> tuple[Any, Finding | None]:
        """Run one of the computations on tensors, traced where the model allows it."""
        inputs = (*arguments, self._beside(examples))
        if not self._eager:
            try:
                trace = self._trace(name, examples, inputs)
            except ExplainError:
                raise
            # The model is foreign code, which may raise anything, also only because it is being traced: run as it
            # is, it may work after all, and else says what is wrong with the input rather than with the trace.
            except Exception:
                self._eager = True
        if self._eager:
            if name == "outputs":
                self._functional = self._functional_of_a_trace(examples, inputs)
            computation = replace(self._computation(examples), functional=self._functional)
            trace = Trace(getattr(computation, name))
        try:
            with preserved_variables(self._model) if trace.assigns else nullcontext():
                result = trace.function(*inputs)
        except ExplainError:
            raise
        except Exception as cause:  # Foreign code again.
            raise self._call_error(cause, arguments[0][0]) from cause
        return result, computation.findings[0] if self._eager else trace.finding

    def _trace(self, name: str, examples: Examples, inputs: tuple[Any, ...]) -> Trace:
        """Find the trace for inputs of this signature, or make it."""
        signature = signature_of(inputs, self.fixed_batch_size)
        question, function = self._question, examples.target.function
        # What cannot be part of a key is traced for this call alone.
        alone = bool(question.forward_kwargs) or function is not None
        kept = self._own_traces if alone else traces_of(self._model)
        flat = tuple((tuple(spec.shape), spec.dtype.name) for spec in tf.nest.flatten(signature))
        key = (
            name,
            question.score,
            question.output,
            question.layout,
            tuple(inputs[-1][0]),
            len(inputs[-1][1]),
            len(inputs[-1][2]),
            flat,
            self._structure,
        )
        if key not in kept:
            computation = self._computation(examples)
            function, assigns = traced(getattr(computation, name), signature)
            kept[key] = Trace(function, computation.findings[0] if computation.findings else None, assigns)
        return kept[key]

    def _functional_of_a_trace(self, examples: Examples, inputs: tuple[Any, ...]) -> ActivationKind | None:
        """Ask a trace that is not run which activation made the output: without one no operation tells."""
        if self._inspection.opaque:
            return None
        computation = self._computation(examples)
        try:
            traced(computation.outputs, signature_of(inputs, self.fixed_batch_size))
        except Exception:  # Foreign code that cannot be traced may raise anything; it is run all the same.
            return None
        return computation.functionals[-1]

    def _computation(self, examples: Examples) -> Computation:
        opaque = self._inspection.opaque
        reference = (lambda model=self._model: model) if opaque else weakref.ref(self._model)
        inspection = self._inspection if opaque else replace(self._inspection, model=None)
        return Computation(reference, inspection, self._question, examples.target.function)

    def _points(self, arrays: Sequence[Array]) -> tuple[Any, ...]:
        return tuple(tf.constant(array, self._precision) for array in arrays)

    def _beside(self, examples: Examples) -> Beside:
        """Bring to tensors what goes beside the points; half-precision companions are cast by Keras itself."""
        companions = {
            name: tf.constant(array, self._precision) if array.dtype.kind == "f" else tf.constant(array)
            for name, array in examples.companions.items()
        }
        mask = () if examples.mask is None else (tf.constant(examples.mask),)
        held = tuple(tf.constant(one) for one in examples.held)
        indices = examples.target.indices
        if indices is None:
            indices = np.zeros((len(examples), 0), np.int64)
        return companions, mask, held, tf.constant(indices)

    def _padded(self, examples: Examples) -> Examples:
        return examples if self.fixed_batch_size is None else examples.padded(self.fixed_batch_size)

    def _check_shape(self, examples: Examples) -> None:
        """Refuse an input that does not fit the shape that the model states, before Keras stretches it."""
        if self._inspection.stepwise:
            return
        given = examples.inputs[0]
        shape = np.moveaxis(np.empty(given.shape, np.bool_), 0, self._question.layout.batch_axis).shape
        complaint = first_layer_complaint(self._model, shape)
        if complaint is not None:
            text, is_order = complaint
            raise (LayoutError if is_order else InputError)(f"The model cannot take x: {text}.")

    def _call_error(self, cause: Exception, inputs: Any) -> ExplainError:
        return ModelCallError(
            f"The model raised {type(cause).__name__} for an input of shape {tuple(inputs.shape)} and dtype "
            f"{inputs.dtype.name}: {cause} Check the shape and dtype; what it needs besides x goes into forward_kwargs."
        )


def _structure(model: Any) -> tuple[Any, ...]:
    """Tell apart what a trace holds for good: layers, their activations, and the plain values they are set to."""
    return tuple(
        (
            id(layer),
            id(getattr(layer, "activation", None)),
            *(
                (name, value)
                for name, value in vars(layer).items()
                if name[0] != "_" and isinstance(value, (bool, int, float, str))
            ),
        )
        for layer in layers_of(model)
    )


def _host(tensor: Any) -> Array:
    """Copy to the host, half precision as float32."""
    if tensor.dtype in (tf.float16, tf.bfloat16):
        tensor = tf.cast(tensor, tf.float32)
    array: Array = tensor.numpy()
    return array


def _precision(model: Any, like: Any) -> Any:
    """Follow the model's weights, else its input: float64 or, for half precision too, float32."""
    for variable in getattr(model, "variables", ()):
        dtype = tf.as_dtype(variable.dtype)
        if dtype.is_floating:
            return tf.float64 if dtype == tf.float64 else tf.float32
    name = getattr(getattr(like, "dtype", None), "name", None)
    return tf.float64 if name == "float64" else tf.float32
