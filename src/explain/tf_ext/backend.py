"""Implements the backend primitives for one TensorFlow model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.forward_pass import check_rows
from explain.backends.layered import LastPass
from explain.backends.operations.attention_rows import ReadsAttentions
from explain.backends.operations.first_reads import Read
from explain.backends.places import layer_rows_error
from explain.backends.protocol import Finding, Question
from explain.errors import ExplainError
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.layer_calls import LayerCall, RecordedCall
from explain.keras.layers import is_keras_model, layers_of, seed_states
from explain.running.path_gradients import AlongPaths
from explain.running.random_state import preserved_random_state
from explain.tf_ext.affine_prefix import cut
from explain.tf_ext.affine_prefix.cut import ModuleCut, SourceCut, survey
from explain.tf_ext.affine_prefix.path import Line
from explain.tf_ext.backward_rules import gradients
from explain.tf_ext.model import attentions, beginnings
from explain.tf_ext.model.endings import without_graph
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass
from explain.tf_ext.model.memory import bytes_per_point, free_memory, is_out_of_memory
from explain.tf_ext.model.opened import OpenedModel
from explain.tf_ext.model.state import preserved_variables
from explain.tf_ext.model.tracing import specifications_of, traced
from explain.tf_ext.model.transfer import to_host


class TensorFlowBackend(AlongPaths, OpenedModel, ReadsAttentions):
    """The backend of one TensorFlow model, opened by `OpenedModel`; see `explain.backends.protocol.Backend`."""

    name = "tensorflow"
    line = Line
    is_out_of_memory = staticmethod(is_out_of_memory)
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

    def hold(self, examples: Examples) -> Examples:
        """Fill in the masks that Keras layers compute from values."""
        if not self.inspection.structure.masking:
            return examples
        self.check_shape(examples)
        padded = self.padded(examples)
        masks = self.run(TensorFlowForwardPass.masks, padded, self.points(padded))
        return replace(examples, held=tuple(mask.numpy()[: len(examples)] for mask in masks))

    def outputs(self, examples: Examples, *, with_gradients: bool = False) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and the kind of score."""
        self.check_shape(examples)
        padded = self.padded(examples)
        points = self.points(padded)
        if with_gradients and examples.target.function is None:
            (outputs, *answers), finding = self.run_with_finding(
                TensorFlowForwardPass.answers, padded, points
            )
            self.last_pass = LastPass(examples, answers)
        else:
            # The outputs of any target have the same trace.
            untargeted = padded.with_target(Target())
            outputs, finding = self.run_with_finding(TensorFlowForwardPass.outputs, untargeted, points)
        assert finding is not None
        # A trace is for any number of examples, so the number of rows is known only now.
        check_rows(outputs.shape, len(padded))
        return to_host(outputs)[: len(examples)], finding

    @contextmanager
    def reseeded(self) -> Iterator[None]:
        """Change the seeds that Keras layers store, and restore them on exit."""
        seeds = seed_states(layers_of(self.model)) if is_keras_model(self.model) else []
        before = [seed.numpy().copy() for seed in seeds]
        try:
            for seed, value in zip(seeds, before, strict=True):
                seed.assign(value + np.ones_like(value))
            yield
        finally:
            for seed, value in zip(seeds, before, strict=True):
                seed.assign(value)

    def scores(self, examples: Examples) -> Array:
        """Give one number per example, shape (N,): the output at its target."""
        padded = self.padded(examples)
        scores = self.run(TensorFlowForwardPass.scores, padded, self.points(padded))
        # Do not truncate too many scores, which only a callable target can give: the caller raises an error.
        return to_host(scores)[: len(examples)] if len(scores) == len(padded) else to_host(scores)

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""
        found = self._cached_gradients(examples)
        if found is None:
            padded = self.padded(examples)
            found = self.run(TensorFlowForwardPass.gradients, padded, self.points(padded))
        gradients, scores = found
        return tuple(to_host(part)[: len(examples)] for part in gradients), to_host(scores)[: len(examples)]

    def _cached_gradients(self, examples: Examples) -> tuple[tuple[Any, ...], Any] | None:
        """Give the gradients and scores that `outputs` cached, if they belong to the target resolved later."""
        last, self.last_pass = self.last_pass, None
        target = examples.target.indices
        if last is None or target is None or not last.is_over(examples):
            return None
        gradients, scores, indices = last.results
        is_same = bool(gradients) and np.array_equal(indices.numpy()[: len(examples)], target)
        return (gradients, scores) if is_same else None

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
            with self._put_back():
                forward.layer_calls(*inputs)
        except ExplainError:
            raise
        except Exception as cause:  # The user's code may raise anything.
            raise self._call_error(cause, inputs) from cause
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
        try:
            with preserved_variables(self.model), preserved_random_state():
                return beginnings.reads_in(lambda: forward.read(*inputs), self.named_layers, most)
        except ExplainError:
            raise
        except Exception as cause:  # The user's code may raise anything.
            raise self._call_error(cause, inputs) from cause

    def activations(self, call: LayerCall, examples: Examples) -> Array:
        """Give the output of a layer at a call for each example, shape (N, ...)."""
        padded = self.padded(examples)
        outputs = self.until(call).run(TensorFlowForwardPass.outputs, padded, self.points(padded))
        # A trace is for any number of examples, so the number of rows is known only now.
        if len(outputs) != len(padded):
            raise layer_rows_error(call, outputs.shape, len(padded))
        return to_host(outputs)[: len(examples)]

    def held_gradients(self, calls: Mapping[int, LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the gradients of the scores to the inputs; in some rows the output of a call is a constant."""
        places = tuple((row, self.place_of(call)) for row, call in calls.items())
        return self._run_once(TensorFlowForwardPass.held_gradients, examples, calls.values(), places)

    def _run_once(
        self, function: Callable[..., Any], examples: Examples, calls: Iterable[LayerCall], places: Hashable
    ) -> tuple[Array, ...]:
        """Run a computation of places operation by operation; the results of operations can be replaced in a trace."""
        if any(call.is_operation for call in calls):
            found = self.run(function, examples, self.points(examples), static=(places,))
        else:
            found = self.run_eagerly(function, examples, places)
        return tuple(map(to_host, found))

    def arguments_of(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the first argument of layers at some calls, from one run."""
        places = tuple(map(self.place_of, calls))
        found = self.run(TensorFlowForwardPass.received, examples, self.points(examples), static=(places,))
        return tuple(map(to_host, found))

    def in_one_run(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give units and gradients from one run of the model."""
        points = self.points(examples)
        units, gradients = self.until(call).run(TensorFlowForwardPass.unit_gradients, examples, points)
        return to_host(units), to_host(gradients)

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
