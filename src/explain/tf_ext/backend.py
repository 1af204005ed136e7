"""Implements the backend primitives for one TensorFlow model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import tensorflow as tf

from explain.backends.layered import HeldCall
from explain.backends.operations.attention_rows import ReadsAttentions
from explain.backends.operations.first_reads import Read
from explain.backends.protocol import Ahead
from explain.backends.question import Finding, Question
from explain.errors import ModelCallError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall, RecordedCall
from explain.keras.model.tracing import Asked
from explain.running.paths.path_gradients import AlongPaths
from explain.tf_ext.affine_prefix import cut
from explain.tf_ext.affine_prefix.cut import ModuleCut, SourceCut, survey
from explain.tf_ext.affine_prefix.path import Sums
from explain.tf_ext.backward_rules import gradients
from explain.tf_ext.model import attentions, beginnings
from explain.tf_ext.model.endings import without_graph
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass
from explain.tf_ext.model.memory import bytes_per_point, free_memory
from explain.tf_ext.model.tracing import specifications_of, traced
from explain.tf_ext.model.transfer import to_host


class TensorFlowBackend(AlongPaths, gradients.TracedBackend, ReadsAttentions):
    """The backend of one TensorFlow model, opened by `OpenedModel`; see `explain.backends.protocol.Backend`."""

    name = "tensorflow"
    sums_on_device = Sums
    surveyor = staticmethod(cut.surveyed_reading)
    to_host = staticmethod(to_host)
    rule_gradients = gradients.rule_gradients
    rule_answers = staticmethod(gradients.rule_answers)
    attentions_in_one_run = attentions.attentions_in_one_run
    unscaled_uses = beginnings.unscaled_uses
    has_kinks = cut.has_kinks

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        super().__init__(model, question, like)
        self.keeps_rows = self.inspection.structure.stateful
        if self.inspection.eager:
            # Only a trace shows the operations.
            self.provides = self.provides - {"backward_rules", "attentions"}

    def outputs(self, examples: Examples, *, ahead: Ahead | None = None) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and the kind of score."""
        if ahead == "gradients" or self.serving(examples) is not None:
            try:
                return super().outputs(examples, ahead=ahead)
            except ModelCallError as error:
                if self.is_out_of_memory(cast(BaseException, error.__cause__)):
                    raise
                # Outputs of other rows than there are examples stop it too: the outputs alone name what is wrong.
                self.begins_with = None
            ahead = None
        return super().outputs(examples, ahead=ahead)

    def _asked_with_outputs(self, padded: Examples, ahead: Ahead | None) -> Asked | None:
        at_once = super()._asked_with_outputs(padded, ahead)
        return at_once or self.serving(padded)

    def _outputs_alone(self, padded: Examples) -> Any:
        asked = self.serving(padded)
        if asked is None:
            return super()._outputs_alone(padded)
        function, static = asked
        return self.run(function, self._with_class_to_find(padded), self.points(padded), static=static)[0]

    def _gradients_of(self, padded: Examples) -> tuple[tuple[Any, ...], Any]:
        asked = self.serving(padded)
        if asked == (TensorFlowForwardPass.answers, ()):
            _, gradients, scores, _ = self.run(TensorFlowForwardPass.answers, padded, self.points(padded))
            if gradients:
                return gradients, scores
        return super()._gradients_of(padded)

    def _units_of(self, call: LayerCall, padded: Examples, *, cached: bool = False) -> tuple[Any, Any] | None:
        """Give units and gradients by the trace that also gives the outputs; None if it is not of this call.

        With `cached`, the last outputs may have given them: they are then used up.
        """
        asked = self.serving(padded)
        if (
            asked is None
            or not _is_plain(call)
            or asked != (TensorFlowForwardPass.unit_answers, (call.name,))
        ):
            return None
        found = self.cached_answers(padded, asked) if cached else None
        if found is None:
            one = self._with_class_to_find(padded)
            _, *found, _ = self.run(asked[0], one, self.points(padded), static=asked[1])
        (units, slopes) = found
        return (units[0], slopes[0]) if units else None

    def in_one_run(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give units and gradients from one run of the model."""
        found = self._units_of(call, examples, cached=True)
        if found is None:
            return super().in_one_run(call, examples)
        return to_host(found[0]), to_host(found[1])

    def outputs_at(self, call: LayerCall, examples: Examples) -> Array:
        """Give the output of a layer at a call for each example, shape (N, ...)."""
        padded = self.padded(examples)
        found = self._units_of(call, padded)
        if found is None or len(found[0]) != len(padded):
            return super().outputs_at(call, examples)
        return to_host(found[0])[: len(examples)]

    def cut_for(self, examples: Examples, n_nodes: int) -> ModuleCut | SourceCut | None:
        """Give the end of the model's affine prefix; None if there is none, or if the model rounds points."""
        return survey(self, examples).cut if self.skips_affine_prefix and not self.rounds_points else None

    def keeps_order(self, call: LayerCall, examples: Examples) -> bool:
        """Tell whether no operation of the traced run, from the inputs to a call, could move rows."""
        if self.fixed_batch_size is not None or not _is_plain(call) or self._eager or call.is_operation:
            return False
        key = ("keeps order", call, *(array.shape[1:] for array in (*examples.inputs, *examples.unmoved)))
        if key not in self.observed:
            run = self.traced_run(examples.rows(slice(0, 1)))
            if run is None:
                return False
            outputs = [output for name, output in run.calls if name == call.name]
            is_kept = len(outputs) == 1 and run.keeps_rows(outputs[0], len(examples.inputs))
            self.observed[key] = is_kept
        return bool(self.observed[key])

    def note_layers(
        self, examples: Examples, recorded: list[RecordedCall], *, operations: bool = False
    ) -> None:
        """Trace or run examples; record each call of a layer, and in a trace of an operation, if asked."""
        padded = self.padded(examples)
        inputs = (self.points(padded), self._beside(padded))
        noted = None if operations or self._eager else self.noted_in_trace(padded, inputs)
        if noted is not None:
            recorded += noted
            return
        forward = self._forward_pass(padded)
        if not self._eager:
            # The user's code may raise anything when it is traced; the model runs without a trace then.
            with suppress(Exception), self._put_back(variables=False):
                # The trace is not cached: only the notes are needed.
                flat = tf.nest.flatten(inputs)
                traced(
                    partial(forward.layer_calls, operations=operations),
                    inputs,
                    specifications_of(flat, len(padded)),
                )
                # A run operation by operation has no graph that shows how the model ends.
                self.observed["ending"] = without_graph(forward.endings)
                # The strings of a batch may be as long as its longest, which only a run shows.
                is_open = any(None in shape[1:] for _, shape in forward.notes)
                if not (is_open and self.question.spellings):
                    recorded += forward.notes
                    return
        forward.notes.clear()
        try:
            with self._errors_named(inputs), self._put_back():
                forward.layer_calls(*inputs)
        finally:
            recorded += forward.notes

    def recorded_outputs(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the outputs of layers at some calls from one run."""
        if len(calls) == 1:
            found = self._units_of(calls[0], examples)
            if found is not None:
                return (to_host(found[0]),)
        places = tuple(self.place_of(call) for call in calls)
        return self._run_once(TensorFlowForwardPass.recorded, examples, calls, places)

    def first_reads(self, examples: Examples, most: int) -> Sequence[Read]:
        """Run examples operation by operation; give the inputs of the first layers that tell axes apart."""
        self.check_shape(examples)
        padded = self.padded(examples)
        inputs = (self.points(padded), self._beside(padded))
        forward = self._forward_pass(padded)
        with self._errors_named(inputs), self._put_back():
            return beginnings.reads_in(lambda: forward.read(*inputs), self.named_layers, most)

    def held_gradients(self, calls: Sequence[HeldCall], examples: Examples) -> tuple[Array, ...]:
        """Give the gradients of the scores to the inputs; in some rows the output of a call is a constant."""
        places = tuple((row, self.place_of(call)) for row, call in calls)
        return self._run_once(
            TensorFlowForwardPass.held_gradients, examples, [call for _, call in calls], places
        )

    def _run_once(
        self, function: Callable[..., Any], examples: Examples, calls: Iterable[LayerCall], places: Hashable
    ) -> tuple[Array, ...]:
        """Run a computation of places operation by operation; the results of operations can be replaced in a trace."""
        if any(call.is_operation for call in calls):
            found = self.run(function, examples, self.points(examples), static=(places,))
        else:
            found = self.run_eagerly(function, examples, places)
        return tuple(map(to_host, found))

    def bytes_per_point(self, examples: Examples) -> int:
        """Estimate the memory that one more example needs while its gradient is taken, in bytes."""
        return bytes_per_point(examples, lambda: survey(self, examples).bytes_per_point)

    def free_memory(self) -> int:
        """Give the free memory of the model's device, in bytes."""
        return free_memory(self.device_name)

    def synchronize(self) -> None:
        """Wait until the device has finished its work."""
        if self.device_name != "cpu":
            tf.test.experimental.sync_devices()


def _is_plain(call: LayerCall) -> bool:
    """Tell whether a call is the only one of its layer, with a row for each example on the first axis."""
    return call.call == 0 and call.is_only_call and call.batch_axis == 0 and call.fold is None
