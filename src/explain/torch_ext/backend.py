"""Implements the backend primitives for one PyTorch model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explain.backends.forward_pass import LastPass
from explain.backends.layered import HeldCall
from explain.backends.operations.attention_rows import ReadsAttentions
from explain.backends.operations.first_reads import Read
from explain.backends.places import EndOfRun
from explain.backends.protocol import Ahead
from explain.backends.question import Finding, Question
from explain.errors import ExplainError
from explain.inputs.examples import Array, Examples
from explain.inputs.joined_calls import StepCalls
from explain.inputs.layer_calls import LayerCall, RecordedCall
from explain.inputs.target import picked
from explain.keras.masks import has_masking, recorded_masks
from explain.running.paths.path_gradients import AlongPaths
from explain.torch_ext.affine_prefix import cut
from explain.torch_ext.affine_prefix.cut import ModuleCut, SourceCut, survey
from explain.torch_ext.affine_prefix.path import Sums
from explain.torch_ext.backward_rules import gradients
from explain.torch_ext.backward_rules.tape import recording, tape_for
from explain.torch_ext.model import attentions, beginnings
from explain.torch_ext.model.activation_calls import UNKNOWN
from explain.torch_ext.model.graph import keeps_rows
from explain.torch_ext.model.layers.calls import noted_calls
from explain.torch_ext.model.layers.operations import noted_operations
from explain.torch_ext.model.memory import bytes_per_point, free_memory, is_out_of_memory
from explain.torch_ext.model.opened import OpenedModel
from explain.torch_ext.model.scores import KeptPass, pick_scores
from explain.torch_ext.model.transfer import to_host

_NOTHING = nullcontext()


class TorchBackend(AlongPaths, OpenedModel, ReadsAttentions):
    """The backend of one PyTorch model, opened by `OpenedModel`; see `explain.backends.protocol.Backend`."""

    name = "torch"
    sums_on_device = Sums
    is_out_of_memory = staticmethod(is_out_of_memory)
    rule_gradients = gradients.rule_gradients
    attentions_in_one_run = attentions.attentions_in_one_run
    unscaled_uses = beginnings.unscaled_uses
    has_kinks = cut.has_kinks
    points_worth_a_survey, values_worth_a_survey = 256, 2**20
    """Minimum number of points, or of their input values, for which a prefix saves more than its survey costs."""

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        super().__init__(model, question, like)
        self.computes_masks = has_masking(self._keras_layers)
        if isinstance(self.model, torch.jit.ScriptModule):
            # TorchScript fuses its operations, so that they cannot be intercepted or seen.
            self.provides = self.provides - {"backward_rules", "attentions"}

    def hold(self, examples: Examples) -> Examples:
        """Fill in the masks that Keras layers compute from values."""
        if not self.computes_masks:
            return examples
        with torch.no_grad(), recorded_masks(self._keras_layers) as masks:
            self.read(self.tensors(examples.inputs), examples)
        return replace(examples, held=tuple(mask.cpu().numpy() for mask in masks))

    def outputs(self, examples: Examples, *, ahead: Ahead | None = None) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and the kind of score."""
        padded = self.padded(examples)
        self.expect(padded, one_pass=ahead is not None)
        # With gradients enabled, since the graph shows which operation made the output.
        points = self.tensors(padded.inputs, grad=True)
        call = ahead if isinstance(ahead, LayerCall) and not isinstance(ahead, StepCalls) else None
        tape = tape_for(ahead) if isinstance(ahead, str) else None
        before = self.n_runs
        on_the_way: AbstractContextManager[list[Tensor]] = nullcontext([])
        if call is not None:
            on_the_way = self.place_of(call).on_the_way()
        with on_the_way as met, _NOTHING if tape is None else recording(tape, self):
            reading = self.read(points, padded)
            # It may be computed only now.
            explained = reading.explained
        units = None if call is None or len(met) != 1 or len(met[0]) != len(padded) else (call, met[0])
        if self.n_runs > before + 1:
            # The model ran again, without its last activation or in another memory order: these are of both runs.
            tape, units = None, None
        outputs = to_host(explained)
        if ahead is not None:
            self.last_pass = LastPass(padded, KeptPass(points, explained, outputs, tape, units))
        return outputs[: len(examples)], reading.finding

    def reseeded(self) -> AbstractContextManager[None]:
        """PyTorch's random state advances from one call to the next by itself."""
        return _NOTHING

    def scores(self, examples: Examples) -> Array:
        """Give one number per example, shape (N,): the output at its target."""
        padded = self.padded(examples)
        # Without gradients, TorchScript takes a path through attention layers that gives other values at padding.
        scripted = isinstance(self.model, torch.jit.ScriptModule)
        with nullcontext() if scripted else torch.no_grad():
            points = self.tensors(padded.inputs, grad=scripted, ordered=True)
            scores = self.scores_of(points, padded)
        return to_host(scores[: len(examples)])

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""
        padded = self.padded(examples)
        last = self.taken_pass(padded)
        if last is not None:
            points, explained, outputs = last.points, last.explained, last.outputs
        else:
            points = self.tensors(padded.inputs, grad=True)
            explained = self.read(points, padded).explained
            outputs = to_host(explained)
        found = self.gradients_of(explained, padded, points)
        gradients = [np.ascontiguousarray(to_host(gradient)) for gradient in found]
        indices = padded.target.indices
        scores = (
            to_host(pick_scores(explained, padded.target)) if indices is None else picked(outputs, indices)
        )
        if padded is not examples:
            gradients, scores = [part[: len(examples)] for part in gradients], scores[: len(examples)]
        return tuple(gradients), scores

    def cut_for(self, examples: Examples, n_nodes: int) -> ModuleCut | SourceCut | None:
        """Give the end of the affine prefix; None if there is none, for few points, or if the model rounds points."""
        points, values = len(examples) * n_nodes, sum(array.size for array in examples.inputs) * n_nodes
        is_worth_it = points >= self.points_worth_a_survey or values >= self.values_worth_a_survey
        if not (is_worth_it and self.skips_affine_prefix) or self.rounds_points:
            return None
        found: ModuleCut | SourceCut | None = survey(self, examples).cut
        return found

    def note_layers(
        self, examples: Examples, recorded: list[RecordedCall], *, operations: bool = False
    ) -> None:
        """Run examples; record each call of a module as its name and the shape of its output."""
        repeated = True
        while repeated:
            # A first pass may begin anew, and would be recorded twice.
            recorded.clear()
            before = self.n_runs
            # The layers of Keras themselves call operations as the model's own code does.
            is_seen = operations and not self.inspection.keras
            between = noted_operations(self.model, recorded) if is_seen else nullcontext()
            with torch.no_grad(), noted_calls(self.named_layers, recorded), between:
                self.read(self.tensors(examples.inputs), examples)
            repeated = self.n_runs > before + 1

    def recorded_outputs(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the outputs of modules at some calls from one run."""
        with torch.no_grad(), ExitStack() as stack:
            found = [stack.enter_context(self.place_of(call).kept()) for call in calls]
            self.read(self.tensors(examples.inputs), examples)
        return tuple(to_host(outputs[-1].contiguous()) for outputs in found)

    def held_gradients(self, calls: Sequence[HeldCall], examples: Examples) -> tuple[Array, ...]:
        """Give the gradients of the scores to the inputs; in some rows the output of a call is a constant."""
        points = self.tensors(examples.inputs, grad=True)
        with ExitStack() as stack:
            for row, call in calls:
                stack.enter_context(self.place_of(call).held(row, len(examples)))
            explained = self.read(points, examples).explained
        return tuple(to_host(one) for one in self.gradients_of(explained, examples, points))

    def first_reads(self, examples: Examples, most: int) -> Sequence[Read]:
        """Run examples; give the inputs of the first operations that tell axes apart."""
        with torch.no_grad():
            return beginnings.reads_in(lambda: self.read(self.tensors(examples.inputs), examples), most)

    def outputs_at(self, call: LayerCall, examples: Examples) -> Array:
        """Give the output of a module at a call for each example, shape (N, ...)."""
        padded = self.padded(examples)
        units = self._kept_units(call, padded)
        if units is not None:
            return to_host(units.contiguous())[: len(examples)].copy()
        with torch.no_grad():
            source = self.until(call).read(self.tensors(padded.inputs), padded).source
        return to_host(source.contiguous())[: len(examples)]

    def arguments_of(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the first argument of modules at some calls, from one run, which ends when all are known."""
        places, thread = [self.place_of(call) for call in calls], threading.get_ident()

        def end(module: nn.Module, arguments: Any) -> None:
            if all(found) and threading.get_ident() == thread:
                raise EndOfRun

        with torch.no_grad(), suppress(EndOfRun), ExitStack() as stack:
            found = [stack.enter_context(place.received()) for place in places]
            for layer in {place.layer for place in places}:
                stack.callback(layer.register_forward_pre_hook(end).remove)
            self.read(self.tensors(examples.inputs), examples)
        # For other inputs a model may call other layers.
        return tuple(to_host(one[0]) if one else np.zeros((len(examples), 0)) for one in found)

    def in_one_run(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give units and gradients from one run of the model; the autograd graph starts at the module."""
        units = self._kept_units(call, examples)
        if units is not None and self.last_pass is not None:
            # The graph stays: the same pass may be asked for the gradients at the inputs.
            explained = self.last_pass.results.explained
            (gradient,) = self.gradients_of(explained, examples, [units], retain_graph=True)
        else:
            with self.place_of(call).opened() as found:
                explained = self.read(self.tensors(examples.inputs, ordered=True), examples).explained
            units = found[-1]
            (gradient,) = self.gradients_of(explained, examples, [units])
        # In the model's memory order: the order of values in memory is no part of the result.
        return to_host(units), to_host(gradient)

    def keeps_order(self, call: LayerCall, examples: Examples) -> bool:
        """Tell whether no operation of the kept pass, from the inputs to a call, could move rows."""
        last = self.last_pass
        # A model that takes one size only may not take all examples at once.
        units = self._kept_units(call, examples) if self.fixed_batch_size is None else None
        return units is not None and last is not None and keeps_rows(units.grad_fn, last.results.points)

    def _kept_units(self, call: LayerCall, padded: Examples) -> Tensor | None:
        """Give the output of a call in the kept pass over the same examples, None if there is none."""
        last = self.last_pass
        units = None if last is None or not last.is_over(padded) else last.results.units
        # The kept pass is of the whole model.
        is_whole = self.entry is None and self.exit is None and not self.readers
        return units[1] if units is not None and units[0] == call and is_whole else None

    def bytes_per_point(self, examples: Examples) -> int:
        """Estimate the memory that one more example needs while its gradient is taken, in bytes."""

        def run(few: Examples) -> tuple[Sequence[Tensor], Tensor]:
            given = self.tensors(few.inputs)
            points = tuple(tensor.requires_grad_(tensor.is_floating_point()) for tensor in given)
            source: Tensor = self.read(points, few).source
            return points, source

        if self._end is UNKNOWN:
            # The first pass may be two runs, which would count twice. A model that rejects the input raises its error
            # when it is called on the input as given.
            with suppress(ExplainError):
                run(self.padded(examples.rows(slice(0, 1))))
        return bytes_per_point(examples, self.fixed_batch_size, run)

    def free_memory(self) -> int:
        """Give the free memory of the model's device, in bytes."""
        return free_memory(self.device)

    def synchronize(self) -> None:
        """Wait until the device has finished its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
