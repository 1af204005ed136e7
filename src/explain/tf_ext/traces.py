"""What is computed in TensorFlow, as functions of tensors, traced once and kept as long as the model lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from explain.backend import Finding, Question
from explain.errors import GradientError, InputError, LayoutError, ScoreError
from explain.keras_layers import held_masks, is_keras_model, kept_losses, layers_of, recorded_masks
from explain.scoring import ActivationKind, explained_output, opaque_finding, pick_output, terminal_activation
from explain.stepwise import check_step_result
from explain.tf_ext.inspection import Inspection
from explain.tf_ext.recurrent import last_output
from explain.tf_ext.scores import (
    ActivationRecorder,
    TensorFlowArithmetic,
    class_axis,
    functional_activation,
    is_single,
    pick_scores,
)
from explain.tf_ext.state import assigns

# What goes beside the points, row by row: companions, mask (none or one), held masks, target indices.
Beside = tuple[Mapping[str, Any], tuple[Any, ...], tuple[Any, ...], Any]


@dataclass
class Trace:
    """A function of tensors, and what was found out while it was traced."""

    function: Callable[..., Any]
    finding: Finding | None = None
    assigns: bool = True


@dataclass(frozen=True)
class Computation:
    """What to compute of a model; holds the model weakly, so that a kept trace keeps no model alive.

    Parameters
    ----------
    model : weakref.ref
        The model.
    inspection : Inspection
        Its kind, without the model itself.
    question : Question
        What is asked of it.
    target_function : callable, optional
        A callable target.
    functional : str, optional
        The activation, no layer, that makes the output, where a trace told and an eager call cannot.
    findings, functionals : list
        What was found out at each call of the model.
    """

    model: Callable[[], Any]
    inspection: Inspection
    question: Question
    target_function: Callable[[Any], Any] | None = None
    functional: ActivationKind | None = None
    findings: list[Finding] = field(default_factory=list)
    functionals: list[ActivationKind | None] = field(default_factory=list)

    def outputs(self, points: tuple[Any, ...], beside: Beside) -> Any:
        """Give the explained output, shape (N, ...)."""
        return self._explained(points, beside)

    def scores(self, points: tuple[Any, ...], beside: Beside) -> Any:
        """Give one number an example, shape (N,)."""
        return pick_scores(self._explained(points, beside), self.target_function, beside[-1])

    def gradients(self, points: tuple[Any, ...], beside: Beside) -> tuple[tuple[Any, ...], Any]:
        """Give the gradient of every example's score to every input, and the scores."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            scores = self.scores(points, beside)
        gradients = tape.gradient(scores, points)
        if all(gradient is None for gradient in gradients):
            raise GradientError(
                f"The score of {type(self.model()).__name__} has no gradient to its input: on the way it is stopped, "
                "rounded, taken as class numbers (argmax), converted to NumPy, or computed without the input. "
                "Explain a "
                "score that depends smoothly on the input."
            )
        return (
            tuple(
                tf.zeros_like(point) if gradient is None else tf.convert_to_tensor(gradient)
                for point, gradient in zip(points, gradients, strict=True)
            ),
            scores,
        )

    def path_block(
        self, starts: tuple[Any, ...], differences: tuple[Any, ...], nodes: Any, shares: Any, beside: Beside
    ) -> tuple[Any, ...]:
        """Give the weighted sum of gradients over nodes along each example's path."""
        n_steps = tf.shape(nodes)[0]
        points = tuple(_along(start, step, nodes) for start, step in zip(starts, differences, strict=True))
        repeated = tf.nest.map_structure(lambda rows: tf.repeat(rows, n_steps, axis=0), beside)
        gradients, _ = self.gradients(points, repeated)
        return tuple(
            tf.reduce_sum(
                _beside_steps(shares, start)
                * tf.reshape(part, tf.concat([[-1, n_steps], tf.shape(part)[1:]], 0)),
                axis=1,
            )
            for part, start in zip(gradients, starts, strict=True)
        )

    def masks(self, points: tuple[Any, ...], beside: Beside) -> tuple[Any, ...]:
        """Give the masks that Keras layers work out from values, in the order of the calls."""
        with recorded_masks(layers_of(self.model())) as masks:
            self._explained(points, beside)
        return tuple(masks)

    def _explained(self, points: tuple[Any, ...], beside: Beside) -> Any:
        model, layout = self.model(), self.question.layout
        companions, masks, held, _ = beside
        keywords = {**self.question.forward_kwargs, **companions}
        layers = layers_of(model) if is_keras_model(model) else []
        with kept_losses(layers), held_masks(layers, held, _masked):
            if self.inspection.stepwise:
                return self._explained_at_last_step(model, points[0], masks[0] if masks else None, keywords)
            inputs = list(points)
            inputs[0] = _moved(inputs[0], 0, layout.batch_axis)
            explained, _ = self._call(model, inputs, keywords, self.question.output)
        if layout.batch_axis != 0 and len(explained.shape) >= 3:
            explained = _moved(explained, layout.batch_axis, 0)
        rows = points[0].shape[0]
        if len(explained.shape) == 0 or (rows is not None and explained.shape[0] not in (None, rows)):
            raise InputError(
                f"The model gave an output of shape {tuple(explained.shape)} for a batch of {rows}: the output should "
                "have one row an example. Does x have a batch axis, and is layout= right?"
            )
        return explained

    def _explained_at_last_step(self, model: Any, inputs: Any, mask: Any, keywords: Mapping[str, Any]) -> Any:
        def step(one: Any, state: Any) -> tuple[Any, Any]:
            output = 0 if self.question.output is None else self.question.output
            explained, result = self._call(model, [one, state], keywords, output, check_step_result)
            return explained, result[1]

        axis = self.question.layout.batch_first.time_axis
        if axis is None:
            raise LayoutError(
                f"layout={self.question.layout.axes!r} has no time axis T, but the model takes one step of a "
                "sequence at a time: give x as (N, T, C), or say which axis is T with layout=."
            )
        return last_output(step, model, inputs, axis, mask)

    def _call(
        self,
        model: Any,
        inputs: list[Any],
        keywords: Mapping[str, Any],
        output: int | str | None,
        check: Any = None,
    ) -> tuple[Any, Any]:
        """Call the model once; give the explained output and all that was returned."""
        if is_keras_model(model):
            keywords = {**keywords, "training": False}
        with ActivationRecorder(model).recording() as recorded:
            result = (self.inspection.model or model)(*inputs, **keywords)
        if check is not None:
            check(result)
        chosen = pick_output(result, output)
        if not tf.is_tensor(chosen):
            raise ScoreError(
                f"The model's output is of type {type(chosen).__name__}, not a tensor: pick one with output=."
            )
        functional = functional_activation(chosen) or self.functional
        self.functionals.append(functional)
        if self.inspection.opaque:
            self.findings.append(opaque_finding(self.question.score, functional))
            return chosen, result
        explained, finding = explained_output(
            chosen,
            self.question.score,
            TensorFlowArithmetic(),
            terminal=terminal_activation(chosen, recorded),
            functional=functional,
            class_axis=class_axis(chosen, self.question.layout),
            single=is_single(chosen),
        )
        self.findings.append(finding)
        return explained, result


_kept: weakref.WeakKeyDictionary[Any, dict[Any, Trace]] = weakref.WeakKeyDictionary()


def traces_of(model: Any) -> dict[Any, Trace]:
    """Give the traces kept for a model; they go when the model goes."""
    return _kept.setdefault(model, {})


def traced(function: Callable[..., Any], signature: tuple[Any, ...]) -> tuple[Callable[..., Any], bool]:
    """Trace a function for a signature; tell whether running it assigns to variables."""
    # Keras does not convert a model's control flow either; without conversion errors keep their class.
    compiled = tf.function(function, input_signature=signature, autograph=False)
    return compiled, assigns(compiled.get_concrete_function().graph)


def signature_of(tensors: Any, fixed_batch_size: int | None = None) -> Any:
    """Give the specifications of nested tensors with the batch axis left open."""
    return tf.nest.map_structure(
        lambda tensor: tf.TensorSpec([fixed_batch_size, *tensor.shape[1:]], tensor.dtype), tensors
    )


def _along(start: Any, difference: Any, nodes: Any) -> Any:
    """Form the points start + node × difference, example by example, shape (count × nodes, ...).

    The same two elementwise operations in the same order as in every extension: points that differ in
    their last bit flip kinks.
    """
    points = start[:, None] + _beside_steps(nodes, start) * difference[:, None]
    return tf.reshape(points, [-1, *start.shape[1:]])


def _beside_steps(nodes: Any, like: Any) -> Any:
    return tf.reshape(nodes, [1, -1, *([1] * (len(like.shape) - 1))])


def _moved(tensor: Any, source: int, target: int) -> Any:
    if source == target:
        return tensor
    order = [axis for axis in range(len(tensor.shape)) if axis != source]
    order.insert(target, source)
    return tf.transpose(tensor, order)


def _masked(inputs: Any, mask: Any) -> Any:
    return tf.where(mask[..., None], inputs, tf.zeros((), inputs.dtype))
