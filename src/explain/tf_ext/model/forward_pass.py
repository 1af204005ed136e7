"""A forward pass of a TensorFlow model as a function of tensors, so that it can be traced."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import tensorflow as tf

from explain.backends.operations.endings import Ending
from explain.backends.operations.score_graph import Survey
from explain.backends.scoring import Reading
from explain.backends.stepwise import initial_state, map_state
from explain.errors import GradientError
from explain.inputs.layer_calls import LayerCall
from explain.keras.layers import named_layers
from explain.keras.model.forward_pass import KerasForwardPass
from explain.keras.model.tracing import Beside
from explain.public_calls.passes import takes_passes
from explain.tf_ext.model.endings import ending_of_output, replacement, with_replaced
from explain.tf_ext.model.layers.calls import TensorFlowPlace, noted_calls, with_moved_axis
from explain.tf_ext.model.layers.operations import GraphGradients, noted_operations, tape_for
from explain.tf_ext.model.runs.eager_run import EagerRun
from explain.tf_ext.model.runs.traced_run import TracedRun
from explain.tf_ext.model.scores import (
    ARITHMETIC,
    gradients_of_scores,
    pick_scores,
    scalars_of,
    scores_where,
    where_picked,
)
from explain.tf_ext.model.state import held_keras_layers

TO_FIND = -1
"""In place of a target index, in a trace that serves both: the predicted class, which the outputs tell."""

Surveyor = Callable[..., tuple[Reading, Survey, TracedRun | None]]
"""From a forward pass, points, a `Beside` and a function that reads the output to its reading, a survey of it, and the
run for copies of it."""


def asked_of(outputs: Any, indices: Any) -> tuple[Any, Any, bool]:
    """Give the target indices, with the predicted class for `TO_FIND`, what they pick, and whether they fit."""
    rank = len(outputs.shape)
    if rank == 1:
        # The only output needs no index; there may be one that asks for the predicted class.
        indices = indices[:, :0]
    elif rank == 2 and indices.shape[-1] == 1:
        predicted = tf.expand_dims(tf.argmax(outputs, axis=-1, output_type=tf.int64), 1)
        indices = tf.where(indices == TO_FIND, predicted, indices)
    fits = indices.shape[-1] == rank - 1
    # A later check rejects an index out of range; it must not stop this run.
    return indices, where_picked(outputs, indices) if fits and rank > 1 else None, fits


REPEATING: set[Callable[..., Any]] = set()
"""The computations that run the whole model as it is, by `TensorFlowForwardPass.repeated` or at a cut."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def repeating(function: _Function) -> _Function:
    """Mark a computation whose trace may copy the run of the model from another trace."""
    REPEATING.add(function)
    return function


@dataclass(kw_only=True)
class TensorFlowForwardPass(KerasForwardPass):
    """One run of a TensorFlow model, or one trace of it.

    Parameters
    ----------
    endings : list
        The end of each call of the model.
    run : EagerRun, optional
        The operations of a pass without a trace, if they are recorded.
    surveyor : callable, optional
        Reads the output of a model that is traced, and surveys the way to it; used at the first reading.
    survey : Survey, optional
        What it found.
    traced_run : TracedRun, optional
        The run of the model, to be copied where a computation runs the whole model as it is.
    """

    arithmetic = ARITHMETIC
    endings: list[Ending | None] = field(default_factory=list)
    run: EagerRun | None = None
    surveyor: Surveyor | None = None
    survey: Survey | None = None
    traced_run: TracedRun | None = None

    def read(self, points: Sequence[Any], beside: Beside) -> Reading:
        """Run the model; give its output and the explained output, batch first."""
        surveyor, self.surveyor = self.surveyor, None
        if surveyor is None or tf.executing_eagerly():
            return super().read(points, beside)
        reading, self.survey, self.traced_run = surveyor(
            self, points, beside, partial(super().read, points, beside)
        )
        return reading

    def scores_of(self, explained: Any, beside: Beside) -> Any:
        """Give one number per example from the explained output."""
        return pick_scores(explained, self.target_function, beside[-1])

    def picked_of(self, explained: Any, beside: Beside) -> tuple[Any, Any]:
        """Give what `gradients_of_scores` takes: the explained output and what is picked of it, or scores and None."""
        indices = beside[-1]
        if self.target_function is None and indices.shape[-1]:
            return explained, where_picked(explained, indices)
        return self.scores_of(explained, beside), None

    def repeated(self, points: Sequence[Any], beside: Beside) -> Any:
        """Give the explained output; of a run that was traced before, by a copy of its operations."""
        run = self.traced_run
        if run is None:
            return self.outputs(points, beside)
        self.findings.append(run.finding)
        self.endings.append(run.ending)
        return run.copied((points, beside))[0]

    def tape(self, places: Iterable[TensorFlowPlace] = ()) -> Any:
        """Give what takes the gradients of `repeated`, or of a run in which outputs at places are replaced."""
        return tape_for(places) if self.traced_run is None else GraphGradients()

    @repeating
    @takes_passes()
    def gradients(
        self, points: tuple[Any, ...], beside: Beside, places: Iterable[TensorFlowPlace] = ()
    ) -> tuple[tuple[Any, ...], Any]:
        """Give the gradient of every example's score to every input, and the scores, with places replaced."""
        with self.tape(places) as tape:
            tape.watch(points)
            explained, picked = self.picked_of(self.repeated(points, beside), beside)
        gradients = gradients_of_scores(tape, explained, points, self.model_name, picked)
        return gradients, explained if picked is None else scores_where(picked, explained)

    @takes_passes()
    def unit_gradients(self, points: tuple[Any, ...], beside: Beside) -> tuple[Any, Any]:
        """Give the output of the layer at the exit, and the gradient of the whole model's scores to it."""
        place = self.exit
        assert isinstance(place, TensorFlowPlace)
        whole = replace(self, exit=None)
        with tape_for((place,)) as tape, place.opened(tape) as found:
            explained, picked = whole.picked_of(whole.outputs(points, beside), beside)
        (gradient,) = gradients_of_scores(tape, explained, found[-1:], self.model_name, picked)
        return found[-1], gradient

    @takes_passes()
    def held_gradients(
        self, places: Sequence[tuple[int, TensorFlowPlace]], points: tuple[Any, ...], beside: Beside
    ) -> tuple[Any, ...]:
        """Give the gradients of the scores to the inputs; in some rows the output at a place is a constant."""
        with ExitStack() as stack:
            for row, place in places:
                stack.enter_context(place.held(row, points[0].shape[0]))
            return self.gradients(points, beside, (place for _, place in places))[0]

    @takes_passes()
    def answers(self, points: tuple[Any, ...], beside: Beside) -> tuple[Any, ...]:
        """Give outputs, gradients, scores and target indices (the predicted class for `TO_FIND`) from one run."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            outputs = self.read(points, beside).explained
        indices, picked, fits = asked_of(outputs, beside[-1])
        if not fits:
            return outputs, (), tf.zeros([0], outputs.dtype), indices
        scores = outputs if picked is None else scores_where(picked, outputs)
        try:
            gradients = gradients_of_scores(tape, outputs, points, self.model_name, picked)
        except GradientError:
            gradients = ()
        return outputs, gradients, scores, indices

    @takes_passes()
    def unit_answers(self, name: str, points: tuple[Any, ...], beside: Beside) -> tuple[Any, ...]:
        """Give outputs, the output of a layer, the gradients to it, and target indices from one run.

        Nothing of the layer if the model does not call it just once, or does not compute its scores from it.
        """
        layer = named_layers(self.model)[name]
        place = TensorFlowPlace(weakref.ref(layer), LayerCall(name, 0, (), channels_last=True))
        with (
            tf.GradientTape(watch_accessed_variables=False) as tape,
            place.received() as first,
            replace(place, call=replace(place.call, call=1)).received() as second,
            place.opened(tape) as found,
        ):
            outputs = self.read(points, beside).explained
        indices, picked, fits = asked_of(outputs, beside[-1])
        if not fits or not first or second or found[-1].dtype not in (tf.float32, tf.float64):
            return outputs, (), (), indices
        try:
            gradients = gradients_of_scores(tape, outputs, found[-1:], self.model_name, picked)
        except GradientError:
            return outputs, (), (), indices
        return outputs, (found[-1],), gradients, indices

    def layer_calls(self, points: tuple[Any, ...], beside: Beside, *, operations: bool = False) -> Any:
        """Record every call of a layer, and of an operation between layers if asked: its name and output shape."""
        between = noted_operations(self.model, self.notes) if operations else nullcontext()
        with noted_calls(named_layers(self.model), self.notes), between:
            self.read(points, beside)
        # A trace must return a tensor, and there may be no points.
        return beside[-1]

    def _nothing(self, beside: Beside) -> Any:
        return tf.zeros((tf.shape(beside[-1])[0], 0))

    def _state(self, held: Sequence[Any]) -> list[AbstractContextManager[Any]]:
        return [held_keras_layers(self.layers, held)]

    def _scalars_of(self, function: Callable[[Any], Any], outputs: Any, rows: int | None) -> Any:
        return scalars_of(function, outputs, rows)

    def _continued(self, outputs: Any, following: Any) -> Any:
        each = tf.gather_nd(outputs, following[..., :2], batch_dims=1) * tf.cast(
            following[..., 2], outputs.dtype
        )
        return tf.concat([tf.reduce_sum(each, 1, keepdims=True), each], 1)

    def _is_tensor(self, value: Any) -> bool:
        return bool(tf.is_tensor(value))

    def _ending_of(self, output: Any) -> Ending | None:
        self.endings.append(ending_of_output(output, self.run) or self.ending)
        return self.endings[-1]

    def _replaced(self, output: Any, ending: Ending) -> Any:
        if not tf.is_symbolic_tensor(output):
            return None
        return with_replaced(output, ending, replacement(self.question.score))

    def _with_moved_axis(self, tensor: Any, source: int, target: int) -> Any:
        return tensor if source == target else with_moved_axis(tensor, source, target)

    def _steps(self, inputs: Any, axis: int) -> Sequence[Any]:
        steps: Sequence[Any] = tf.unstack(inputs, axis=axis)
        return steps

    def _first_state(self, inputs: Any) -> Any:
        count = tf.shape(inputs)[0]

        def spread(part: Any) -> Any:
            """Cast a state to the dtype of the input; repeat a single row for every example."""
            part = tf.cast(part, inputs.dtype)
            return tf.repeat(part, count, axis=0) if part.shape[0] == 1 else part

        start = initial_state(self.model, count, lambda rows, size: tf.zeros((rows, size), inputs.dtype))
        return map_state(spread, start)

    def _where(self, real: Any, new: Any, old: Any) -> Any:
        return tf.where(tf.reshape(real, [-1, *([1] * (len(new.shape) - 1))]), new, old)
