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
from explain.keras.backend import KerasBackend
from explain.running.paths.path_gradients import AlongPaths
from explain.tf_ext.affine_prefix import cut
from explain.tf_ext.affine_prefix.cut import ModuleCut, SourceCut, survey
from explain.tf_ext.affine_prefix.path import Sums
from explain.tf_ext.backward_rules import gradients
from explain.tf_ext.model import attentions, beginnings
from explain.tf_ext.model.endings import without_graph
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass
from explain.tf_ext.model.memory import bytes_per_point, free_memory
from explain.tf_ext.model.opened import OpenedModel
from explain.tf_ext.model.tracing import specifications_of, traced
from explain.tf_ext.model.transfer import to_host


class TensorFlowBackend(AlongPaths, KerasBackend, OpenedModel, ReadsAttentions):
    """The backend of one TensorFlow model, opened by `OpenedModel`; see `explain.backends.protocol.Backend`."""

    name = "tensorflow"
    sums_on_device = Sums
    surveyor = staticmethod(cut.surveyed_reading)
    to_host = staticmethod(to_host)
    rule_gradients = gradients.rule_gradients
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
        if ahead == "gradients" or self.answers_serve(examples):
            try:
                found = super().outputs(examples, ahead="gradients")
            except ModelCallError as error:
                if self.is_out_of_memory(cast(BaseException, error.__cause__)):
                    raise
                # Outputs of other rows than there are examples stop it too: the outputs alone name what is wrong.
                self.begins_with = None
            else:
                self.last_pass = self.last_pass if ahead == "gradients" else None
                return found
            ahead = None
        return super().outputs(examples, ahead=ahead)

    def _gradients_of(self, padded: Examples) -> tuple[tuple[Any, ...], Any]:
        if self.answers_serve(padded):
            _, gradients, scores, _ = self.run(TensorFlowForwardPass.answers, padded, self.points(padded))
            if gradients:
                return gradients, scores
        return super()._gradients_of(padded)

    def cut_for(self, examples: Examples, n_nodes: int) -> ModuleCut | SourceCut | None:
        """Give the end of the model's affine prefix; None if there is none, or if the model rounds points."""
        return survey(self, examples).cut if self.skips_affine_prefix and not self.rounds_points else None

    def note_layers(
        self, examples: Examples, recorded: list[RecordedCall], *, operations: bool = False
    ) -> None:
        """Trace or run examples; record each call of a layer, and in a trace of an operation, if asked."""
        padded = self.padded(examples)
        inputs = (self.points(padded), self._beside(padded))
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
