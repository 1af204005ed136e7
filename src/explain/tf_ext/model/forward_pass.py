"""What is computed in TensorFlow, as functions of tensors; `trace_keeping.py` traces them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import tensorflow as tf

from explain.backends.protocol import Finding, Question
from explain.backends.scoring import (
    ActivationKind,
    Reading,
    no_gradient_reason,
    pick_output,
    read_opaque,
    read_output,
    terminal_activation,
)
from explain.backends.stepwise import check_step_result, time_axis_of
from explain.errors import GradientError, InputError, ScoreError, UnsupportedModelError
from explain.keras.layers import held_masks, is_keras_model, kept_losses, layers_of, recorded_masks, wired
from explain.tf_ext.affine_prefix.cut import ModuleCut, Seen, SourceCut, entered, noted_calls
from explain.tf_ext.affine_prefix.path import along, weighted_sums
from explain.tf_ext.backward_rules.deep_lift import (
    rectified_backward,
    rescaled_backward,
    unrolled_layers,
)
from explain.tf_ext.backward_rules.relevance import relevance_backward
from explain.tf_ext.model.inspection import Inspection
from explain.tf_ext.model.layers import Entry, entered_at, named_layers, watched_calls
from explain.tf_ext.model.recurrent import last_output
from explain.tf_ext.model.scores import (
    ActivationRecorder,
    TensorFlowArithmetic,
    class_axis,
    functional_activation,
    is_single,
    pick_scores,
)

# What goes beside the points, row by row: companions, mask (none or one), held masks, the model's own inputs where the
# points are what a layer gives, its inputs that stay as they are, target indices.
Beside = tuple[Mapping[str, Any], tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], Any]


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
    cut : ModuleCut or SourceCut, optional
        Where the model's affine prefix ends.
    entry, exit : Entry, optional
        Where the model is entered, if points are what a layer gives; where it is left, if that is its output.
    readers : tuple of (int, Entry)
        Where moved inputs enter, by their places, that are what an embedding gives.
    findings, functionals : list
        What was found out at each call of the model.
    seen : Seen
        What was called while a trace was surveyed.
    seen_layers : list
        Each call of a layer: its name and layer, and what it gave.
    """

    model: Callable[[], Any]
    inspection: Inspection
    question: Question
    target_function: Callable[[Any], Any] | None = None
    functional: ActivationKind | None = None
    cut: ModuleCut | SourceCut | None = None
    entry: Entry | None = None
    exit: Entry | None = None
    readers: tuple[tuple[int, Entry], ...] = ()
    findings: list[Finding] = field(default_factory=list)
    functionals: list[ActivationKind | None] = field(default_factory=list)
    seen: Seen = field(default_factory=lambda: Seen([]))
    seen_layers: list[tuple[Any, Any]] = field(default_factory=list)

    def outputs(self, points: tuple[Any, ...], beside: Beside) -> Any:
        """Give the explained output, shape (N, ...)."""
        return self._read(points, beside).explained

    def scores(self, points: tuple[Any, ...], beside: Beside) -> Any:
        """Give one number an example, shape (N,)."""
        return pick_scores(self.outputs(points, beside), self.target_function, beside[-1])

    def surveyed_scores(self, points: tuple[Any, ...], beside: Beside) -> Any:
        """Give the scores, and note on the way what a survey looks at."""
        with noted_calls(self._layers, self.seen):
            reading = self._read(points, beside)
        self.seen.source = reading.source
        return pick_scores(reading.explained, self.target_function, beside[-1])

    def gradients(self, points: tuple[Any, ...], beside: Beside) -> tuple[tuple[Any, ...], Any]:
        """Give the gradient of every example's score to every input, and the scores."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            scores = self.scores(points, beside)
        gradients = tape.gradient(scores, points)
        if all(gradient is None for gradient in gradients):
            raise GradientError(no_gradient_reason(type(self.model()).__name__))
        return _without_none(gradients, points), scores

    def unit_gradients(self, points: tuple[Any, ...], beside: Beside) -> tuple[Any, Any]:
        """Give what the layer at the exit gives, and the gradient of the whole model's scores to it."""
        place = self.exit
        assert place is not None
        whole = replace(self, exit=None)
        with (
            tf.GradientTape(watch_accessed_variables=False) as tape,
            place.watched(self._layers, tape) as found,
        ):
            scores = whole.scores(points, beside)
        gradient = tape.gradient(scores, found[-1])
        if gradient is None:
            raise GradientError(no_gradient_reason(self._name))
        return found[-1], tf.convert_to_tensor(gradient)

    def answers(self, points: tuple[Any, ...], beside: Beside) -> tuple[Any, ...]:
        """Give outputs, gradients, scores and the target's indices from one run: of the predicted class without one.

        Where the target does not fit the outputs there are no gradients: the caller is told why elsewhere.
        """
        indices = beside[-1]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            outputs = self._read(points, beside).explained
            rank = len(outputs.shape)
            if indices.shape[-1] == 0 and rank == 2 and outputs.shape[-1] is not None:
                indices = tf.argmax(outputs, axis=-1, output_type=tf.int64)[:, None]
            fits = indices.shape[-1] == rank - 1
            if fits and rank > 1:
                # An index out of range is refused by its value later: here it must only not stop the run.
                indices = tf.clip_by_value(indices, 0, tf.shape(outputs, tf.int64)[1:] - 1)
            scores = pick_scores(outputs, None, indices) if fits else tf.zeros([0], outputs.dtype)
        gradients = tape.gradient(scores, points) if fits else []
        if not fits or all(gradient is None for gradient in gradients):
            return outputs, (), scores, indices
        return outputs, _without_none(gradients, points), scores, indices

    def guided_gradients(self, points: tuple[Any, ...], beside: Beside) -> tuple[tuple[Any, ...], Any]:
        """Give the gradients of which every ReLU hands on the positive part, and how many there are."""
        return rectified_backward(self._traced_scores(points, beside), points, self._name)

    def deconvolution_gradients(self, points: tuple[Any, ...], beside: Beside) -> tuple[tuple[Any, ...], Any]:
        """Give what arrives where every ReLU hands on the positive part of what arrives there."""
        scores = self._traced_scores(points, beside)
        return rectified_backward(scores, points, self._name, deconvolution=True)

    def rescale_gradients(
        self, points: tuple[Any, ...], baselines: tuple[Any, ...], beside: Beside
    ) -> tuple[tuple[Any, ...], Any]:
        """Give the gradients with the slope between baseline and point for every non-linear operation."""
        graph = tf.compat.v1.get_default_graph()
        first = 0 if tf.executing_eagerly() else len(graph.get_operations())
        scores = self._traced_scores(points, beside)
        second = len(graph.get_operations())
        other = self._traced_scores(baselines, beside)
        return rescaled_backward(scores, points, self._name, other, first, second)

    def epsilon_gradients(
        self, points: tuple[Any, ...], epsilon: Any, beside: Beside
    ) -> tuple[tuple[Any, ...], Any]:
        """Give what shares the scores out as relevance: each point's relevance is it times its value."""
        scores = self._traced_scores(points, beside)
        return relevance_backward(scores, points, self._name, epsilon, plus=False)

    def epsilon_plus_gradients(
        self, points: tuple[Any, ...], epsilon: Any, beside: Beside
    ) -> tuple[tuple[Any, ...], Any]:
        """Give the same where convolutions share out to what raises them alone."""
        scores = self._traced_scores(points, beside)
        return relevance_backward(scores, points, self._name, epsilon, plus=True)

    def path_block(
        self, starts: tuple[Any, ...], differences: tuple[Any, ...], nodes: Any, weights: Any, beside: Beside
    ) -> tuple[Any, ...]:
        """Give weighted sums of gradients over nodes along each example's path, shape (N, M, ...)."""
        points = tuple(along(start, step, nodes) for start, step in zip(starts, differences, strict=True))
        gradients, _ = self.gradients(points, _repeated(beside, nodes))
        return tuple(
            weighted_sums(nodes, weights, gradient, start)
            for gradient, start in zip(gradients, starts, strict=True)
        )

    def prefix(self, points: tuple[Any, ...], beside: Beside) -> Any:
        """Give what enters at the cut."""
        if isinstance(self.cut, SourceCut):
            return self._read(points, beside).source
        with noted_calls(self._layers, self.seen):
            self._read(points, beside)
        return next(tensor for cut, tensor in self.seen.calls if cut == self.cut)

    def path_block_beyond(
        self,
        starts: tuple[Any, ...],
        differences: tuple[Any, ...],
        entering: tuple[Any, Any],
        nodes: Any,
        weights: Any,
        beside: Beside,
    ) -> tuple[Any, ...]:
        """Give weighted sums of gradients to what enters at the cut, on the same path, shape (N, M, ...)."""
        repeated = _repeated(beside, nodes)
        value = along(*entering, nodes)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(value)
            if isinstance(self.cut, SourceCut):
                # How the output is read is known only from a run of the model; what is not used is not run.
                explained = self._read(starts, beside).transform(value)
            else:
                assert self.cut is not None
                points = tuple(
                    along(start, step, nodes) for start, step in zip(starts, differences, strict=True)
                )
                with entered(self._layers, self.cut, value):
                    explained = self._read(points, repeated).explained
            scores = pick_scores(explained, self.target_function, repeated[-1])
        gradient = tf.convert_to_tensor(tape.gradient(scores, value))
        return (weighted_sums(nodes, weights, gradient, entering[0]),)

    def pull_back(self, points: tuple[Any, ...], sums: Any, beside: Beside) -> Any:
        """Bring sums of gradients to what enters at the cut, shape (N, ...), back to the input."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            entering = self.prefix(points, beside)
        return tf.convert_to_tensor(tape.gradient(entering, points, output_gradients=sums)[0])

    def layer_calls(self, points: tuple[Any, ...], beside: Beside) -> Any:
        """Give nothing, and note on the way every call of a layer."""
        with watched_calls(self._named_layers, self.seen_layers):
            self._read(points, beside)
        # What a trace gives must be a tensor; there need be no points.
        return beside[-1]

    def masks(self, points: tuple[Any, ...], beside: Beside) -> tuple[Any, ...]:
        """Give the masks that Keras layers work out from values, in the order of the calls."""
        with recorded_masks(self._layers) as masks:
            self._read(points, beside)
        return tuple(masks)

    def _traced_scores(self, points: tuple[Any, ...], beside: Beside) -> Any:
        """Give the scores in a trace whose operations can be gone through one by one."""
        if tf.executing_eagerly():
            raise UnsupportedModelError(
                f"{self._name} cannot be traced, and only a trace shows what its operations are. Use "
                "integrated_gradients or saliency, which run operation by operation."
            )
        axis = self.question.layout.batch_first.time_axis
        # Which of several inputs a loop goes through is not known: the steps of each are.
        steps = 1 if self.question.wiring else None if axis is None else points[0].shape[axis]
        with unrolled_layers(self._layers, steps):
            return self.scores(points, beside)

    @property
    def _name(self) -> str:
        return type(self.model()).__name__

    @property
    def _layers(self) -> list[Any]:
        model = self.model()
        return layers_of(model) if is_keras_model(model) else []

    @property
    def _named_layers(self) -> Mapping[str, Any]:
        return named_layers(self.model())

    def _read(self, points: tuple[Any, ...], beside: Beside) -> Reading:
        """Run the model; give what the explained output is made from, batch first."""
        model, layout = self.model(), self.question.layout
        companions, masks, held, outer, unmoved, _ = beside
        keywords = {**self.question.forward_kwargs, **companions}
        layers = self._layers
        moved = points if self.entry is None else outer
        value = points[0] if points else None
        entering = entered_at(layers, self.readers, self.entry, moved, value)
        leaving: AbstractContextManager[list[Any]] = (
            nullcontext([]) if self.exit is None else self.exit.kept(layers)
        )
        with kept_losses(layers), held_masks(layers, held, _masked), entering, leaving as left:
            if self.inspection.stepwise:
                return self._read_last_step(model, points[0], masks[0] if masks else None, keywords)
            if self.question.wiring is not None:
                inputs = self.question.wiring.arranged(moved, unmoved, lambda one, axis: _moved(one, 0, axis))
            else:
                inputs = [_moved(moved[0], 0, layout.batch_axis), *moved[1:]]
            reading, _ = self._call(model, inputs, keywords, self.question.output)
        if self.exit is not None:
            reading = Reading(left[0], lambda tensor: tensor, Finding("output"))
            self.findings.append(reading.finding)
        if layout.batch_axis != 0 and len(reading.source.shape) >= 3:
            moved = _moved(reading.explained, layout.batch_axis, 0)
            reading = Reading(moved, lambda tensor: tensor, reading.finding)
        source, rows = reading.source, tf.nest.flatten((points, unmoved))[0].shape[0]
        if len(source.shape) == 0 or (rows is not None and source.shape[0] not in (None, rows)):
            raise InputError(
                f"The model gave an output of shape {tuple(source.shape)} for a batch of {rows}: the output should "
                "have one row an example. Does x have a batch axis, and is layout= right?"
            )
        return reading

    def _read_last_step(self, model: Any, inputs: Any, mask: Any, keywords: Mapping[str, Any]) -> Reading:
        readings: list[Reading] = []

        def step(one: Any, state: Any) -> tuple[Any, Any]:
            output = 0 if self.question.output is None else self.question.output
            reading, result = self._call(model, [one, state], keywords, output, check_step_result)
            readings.append(reading)
            return reading.source, result[1]

        axis = time_axis_of(self.question.layout)
        source = last_output(step, model, inputs, axis, mask)
        return replace(readings[0], source=source)

    def _call(
        self,
        model: Any,
        inputs: list[Any],
        keywords: Mapping[str, Any],
        output: int | str | None,
        check: Any = None,
    ) -> tuple[Reading, Any]:
        """Call the model once; give what its output is, and all that was returned."""
        wiring, keras = self.question.wiring, is_keras_model(model)
        given, keywords = wired(model, wiring, inputs, keywords, keras=keras)
        with ActivationRecorder(model).recording() as recorded:
            result = (self.inspection.model or model)(*given, **keywords)
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
            reading = read_opaque(chosen, self.question.score, functional)
        else:
            reading = read_output(
                chosen,
                self.question.score,
                TensorFlowArithmetic(),
                terminal=terminal_activation(chosen, recorded),
                functional=functional,
                class_axis=class_axis(chosen, self.question.layout),
                single=is_single(chosen),
            )
        self.findings.append(reading.finding)
        return reading, result


def _without_none(gradients: Any, points: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        tf.zeros_like(point) if gradient is None else tf.convert_to_tensor(gradient)
        for point, gradient in zip(points, gradients, strict=True)
    )


def _repeated(beside: Beside, nodes: Any) -> Any:
    return tf.nest.map_structure(lambda rows: tf.repeat(rows, tf.shape(nodes)[0], axis=0), beside)


def _moved(tensor: Any, source: int, target: int) -> Any:
    if source == target:
        return tensor
    order = [axis for axis in range(len(tensor.shape)) if axis != source]
    order.insert(target, source)
    return tf.transpose(tensor, order)


def _masked(inputs: Any, mask: Any) -> Any:
    return tf.where(mask[..., None], inputs, tf.zeros((), inputs.dtype))
