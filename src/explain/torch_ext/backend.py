"""Answers the primitives for one PyTorch model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explain.backends.layered import Layered
from explain.backends.protocol import Finding, Question, Rule
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
from explain.errors import ExplainError, GradientError, InputError, ModelCallError, ScoreError
from explain.inputs.examples import Array, Examples
from explain.inputs.layers import LayerCall
from explain.inputs.target import picked
from explain.keras.layers import has_masking, layers_of, recorded_masks, wired
from explain.running.execution import Executor
from explain.running.expansion import StraightPath, expanded_gradients
from explain.torch_ext.affine_prefix.cut import Survey, known_survey, surveyed
from explain.torch_ext.affine_prefix.path import path_gradients
from explain.torch_ext.backward_rules.deep_lift import rule_gradients
from explain.torch_ext.model.inspection import call_error, device_and_dtype, inspect_model
from explain.torch_ext.model.kept import Answers
from explain.torch_ext.model.layers import (
    Entry,
    activations,
    entered_at,
    layer_calls,
    named_layers,
    units_and_gradients,
)
from explain.torch_ext.model.memory import bytes_per_point, free_memory, is_out_of_memory
from explain.torch_ext.model.recurrent import last_output
from explain.torch_ext.model.scores import (
    ActivationRecorder,
    TorchArithmetic,
    class_axis,
    functional_activation,
    gradients_of_scores,
    is_single,
    pick_scores,
)
from explain.torch_ext.model.state import held_keras_layers, inference_mode
from explain.torch_ext.model.structure import identities_of
from explain.torch_ext.model.transfer import keywords_on_device, ordered, to_device, to_host

_NOTHING = nullcontext()


class TorchBackend(Layered):
    """One PyTorch model, opened; see `explain.backends.protocol.Backend`.

    Parameters
    ----------
    model : torch.nn.Module or callable
        The model as the user gave it.
    question : Question
        What is asked of it.
    like : object
        The input as it was given: a model without parameters follows its dtype and device.
    """

    is_out_of_memory = staticmethod(is_out_of_memory)
    name = "torch"
    points_worth_a_survey, values_worth_a_survey = 256, 2**20
    """So many points, or input values of points, save by a prefix what it takes to find it: a few small runs."""

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        self._inspection = inspect_model(model, question.forward_kwargs, question.wiring)
        self._model = self._inspection.model
        self._question = question
        if self._inspection.opaque and question.score not in ("logit", "output"):
            raise ScoreError(
                f"score={question.score!r} cannot be had of a model whose inside cannot be reached, since it is not "
                "known what its output is: say score='output', or give the original module."
            )
        if self._inspection.opaque or self._inspection.stepwise or self._inspection.keras:
            # No layer has an output of its own there that could be reached, or one for the whole sequence.
            self.provides -= {"layers"}
        self.model_name = getattr(self._model, "__name__", type(self._model).__name__)
        self.fixed_batch_size = self._inspection.fixed_batch_size
        self.device, self._model_dtype = device_and_dtype(self._inspection.structure.modules, like)
        self.device_name = str(self.device)
        # Half precision holds the points too coarsely: they are formed in float32 and rounded by the model.
        self._precision = torch.float64 if self._model_dtype == torch.float64 else torch.float32
        self.dtype: np.dtype[Any] = np.dtype(np.float64 if self._precision == torch.float64 else np.float32)
        self._recorder = ActivationRecorder(self._inspection)
        if isinstance(self._model, torch.jit.ScriptModule):
            self.provides = self.provides - {"backward_rules"}  # Its operations are fused out of sight.
        self._keras_layers = layers_of(self._model) if self._inspection.keras else []
        self._functional: ActivationKind | None = None
        self._survey: Survey | None = None
        self._forward: Answers | None = None
        self._put_back: Callable[[], None] = lambda: None
        # On a CPU both frameworks then run the same convolution kernels, so that their twins' first layers agree to
        # the last bit and fewer kinks are taken on different sides; it is the faster order too. In double precision
        # there are no such kernels, and PyTorch's own round a flat patch alike only in the usual order.
        single = self._model_dtype == torch.float32
        self._channels_last = single and self.device.type == "cpu" and self._inspection.structure.convolve

    @property
    def leaf_modules(self) -> list[nn.Module]:
        """The modules without modules in them; none where they cannot be reached, or belong to Keras."""
        hidden = self._inspection.opaque or self._inspection.keras
        return (
            [] if hidden else [one for one in self._inspection.structure.modules if not any(one.children())]
        )

    @property
    def named_layers(self) -> Mapping[str, nn.Module]:
        """The modules of the model by name."""
        return named_layers(self._model)

    @property
    def rounds_points(self) -> bool:
        """Whether the model computes in less precision than points are formed in."""
        return self._model_dtype != self._precision

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold the model in inference mode; on any exit it is again as it came."""
        with inference_mode(self._model, self._inspection.structure, self.device) as self._put_back:
            yield

    def hold(self, examples: Examples) -> Examples:
        """Fill in the masks that Keras layers work out from values."""
        if not has_masking(self._keras_layers):
            return examples
        with torch.no_grad(), recorded_masks(self._keras_layers) as masks:
            self.read(self.tensors(examples.inputs), examples)
        return replace(examples, held=tuple(mask.cpu().numpy() for mask in masks))

    def outputs(self, examples: Examples, *, with_gradients: bool = False) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and what kind of score it is."""
        padded = self.padded(examples)
        # With gradients on, since the graph tells which operation made the output.
        points = self.tensors(padded.inputs, grad=True)
        reading = self.read(points, padded)
        explained = reading.explained
        outputs = to_host(explained)
        if with_gradients:
            self._forward = Answers(padded, points, explained, outputs)
        return outputs[: len(examples)], reading.finding

    def reseeded(self) -> AbstractContextManager[None]:
        """PyTorch's random state moves on from one call to the next by itself."""
        return _NOTHING

    def scores(self, examples: Examples) -> Array:
        """Give one number an example, shape (N,): the output at its target."""
        padded = self.padded(examples)
        with torch.no_grad():
            scores = self.scores_of(self.tensors(padded.inputs), padded)
        return to_host(scores[: len(examples)])

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""
        padded = self.padded(examples)
        before, self._forward = self._forward, None
        if before is None or not before.is_of(padded):
            points = self.tensors(padded.inputs, grad=True)
            explained = self.read(points, padded).explained
            before = Answers(padded, points, explained, to_host(explained))
        found = self.gradients_of(before.explained, padded, before.points)
        gradients = tuple(np.ascontiguousarray(to_host(gradient)) for gradient in found)
        indices = padded.target.indices
        scores = (
            to_host(pick_scores(before.explained, padded.target))
            if indices is None
            else picked(before.outputs, indices)
        )
        return tuple(part[: len(examples)] for part in gradients), scores[: len(examples)]

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
            return expanded_gradients(self, examples, expansion, weights, executor)
        return path_gradients(self, examples, baselines, alphas, weights, executor)

    def rule_gradients(
        self, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None = None, epsilon: float = 0.0
    ) -> tuple[tuple[Array, ...], int]:
        """Give what a rule's backward pass brings to the inputs, and how many operations it changed."""
        return rule_gradients(self, examples, rule, baselines, epsilon)

    def has_kinks(self, examples: Examples) -> bool:
        """Tell whether gradients may jump along a path: False only if every operation is known to be smooth."""
        known = known_survey(self._model, self._known_by(examples)) if self._survey is None else None
        return self.survey(examples).kinked if known is None else known.kinked

    def survey(self, examples: Examples) -> Survey:
        """Look for kinks and for the model's affine prefix, once; a prefix must show itself at every call."""
        if self._survey is None:
            self._survey = surveyed(self, self._model, self._known_by(examples), self.padded(examples))
        return self._survey

    def layer_calls(self, examples: Examples) -> tuple[LayerCall, ...]:
        """Give every call of a module, in the order in which they end."""
        return layer_calls(self, self.padded(examples), channels_last=self._question.layout.axes[-1] == "C")

    def activations(self, call: LayerCall, examples: Examples) -> Array:
        """Give what a module gives at a call for each example, shape (N, ...)."""
        return activations(self, call, self.padded(examples))[: len(examples)]

    def in_one_run(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give units and gradients from one run of the model."""
        return units_and_gradients(self, call, examples)

    def place_of(self, call: LayerCall) -> Entry:
        """Give the place of a call, at which the model can be entered or left."""
        return Entry(self.named_layers[call.name], call)

    def forget(self) -> None:
        """Drop what was kept of the model as it was seen before."""
        self._forward = self._survey = None

    def _known_by(self, examples: Examples) -> Hashable:
        """Give what a survey depends on, None where that cannot be told: a caller's function may do anything."""
        question = self._question
        if question.forward_kwargs or examples.target.function is not None:
            return None
        how = question.score, question.output, question.layout, examples.mask is None, *examples.companions
        where = tuple(place and place.call for place in (self.entry, self.exit))
        shapes = (array.shape[1:] for array in (*examples.inputs, *examples.unmoved))
        wired = question.wiring, tuple((place, reader.call) for place, reader in self.readers)
        return identities_of(self._inspection.structure), where, how, wired, *shapes

    def bytes_per_point(self, examples: Examples) -> int:
        """Estimate the memory that one more example needs while its gradient is taken, in bytes."""
        return bytes_per_point(self, examples)

    def free_memory(self) -> int:
        """Give the free memory of the device that computes, in bytes."""
        return free_memory(self.device)

    def synchronize(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def scores_of(self, points: Sequence[Tensor], examples: Examples) -> Tensor:
        """Give the scores at points on the device, differentiable; the reference engine runs on this."""
        return pick_scores(self.read(points, examples).explained, examples.target)

    def gradients_at(self, points: Sequence[Tensor], examples: Examples) -> tuple[Tensor, ...]:
        """Give the gradients of the scores to points on the device."""
        return self.gradients_of(self.read(points, examples).explained, examples, points)

    def gradients_of(
        self, explained: Tensor, examples: Examples, points: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Give the gradients of the scores of an output to tensors that it was made from."""
        gradients = gradients_of_scores(explained, examples.target, points)
        if all(gradient is None for gradient in gradients):
            raise GradientError(no_gradient_reason(self.model_name))
        return tuple(
            torch.zeros_like(point) if gradient is None else gradient
            for point, gradient in zip(points, gradients, strict=True)
        )

    def read(
        self,
        points: Sequence[Tensor],
        examples: Examples,
        within: AbstractContextManager[None] | None = None,
    ) -> Reading:
        """Run the model on points, batch first; give what the explained output is made from, batch first.

        `within` is entered once the model is as it came, and left when the model has run.
        """
        try:
            return self._read(points, examples, within)
        except ModelCallError as error:
            if not self._channels_last or within is not None or is_out_of_memory(error.__cause__ or error):
                raise
            # A model that takes a view of its features wants them in order; if that is not it, it fails again.
            self._channels_last = False
            return self._read(points, examples, None)

    def _read(
        self, points: Sequence[Tensor], examples: Examples, within: AbstractContextManager[None] | None
    ) -> Reading:
        # What is kept of the call before would be a second graph in memory, and belongs to a state put back.
        self._forward = None
        self._put_back()
        layout = self._question.layout
        leaving = nullcontext([]) if self.exit is None else self.exit.kept()
        entering = points if self.entry is None else self.tensors(examples.outer)
        entry: AbstractContextManager[None] = _NOTHING
        if self.readers or self.entry is not None:
            entry = entered_at(self.readers, self.entry, entering, points[0] if points else None)
        model_dtype, last = self._model_dtype, self._channels_last
        inputs: list[Any] = [ordered(one, model_dtype, channels_last=last) for one in entering]
        given = self._question.forward_kwargs, examples.companions
        keywords = keywords_on_device(*given, self.device, self._model_dtype) if any(given) else {}
        keras_layers, device = self._keras_layers, self.device
        keras = held_keras_layers(keras_layers, examples.held, device) if keras_layers else _NOTHING
        with within or _NOTHING, keras, entry, leaving as left:
            if self._inspection.stepwise:
                return self._read_last_step(inputs[0], examples, keywords)
            if self._question.wiring is not None:
                unmoved = self.tensors(examples.unmoved)
                inputs = self._question.wiring.arranged(
                    inputs, unmoved, lambda one, axis: one.movedim(0, axis)
                )
            elif layout.batch_axis != 0:
                inputs[0] = inputs[0].movedim(0, layout.batch_axis)
            reading, _ = self._call(inputs, keywords, self._question.output)
        if self.exit is not None:
            reading = Reading(left[0], lambda tensor: tensor, Finding("output"))
        if layout.batch_axis != 0 and reading.source.ndim >= 3:
            moved = reading.explained.movedim(layout.batch_axis, 0)
            reading = Reading(moved, lambda tensor: tensor, reading.finding)
        source = reading.source
        if source.ndim == 0 or len(source) != len(examples):
            raise InputError(
                f"The model gave an output of shape {tuple(source.shape)} for a batch of {len(examples)}: the "
                "output should have one row an example. Does x have a batch axis, and is layout= right?"
            )
        return reading

    def _read_last_step(self, inputs: Tensor, examples: Examples, keywords: dict[str, Any]) -> Reading:
        readings: list[Reading] = []

        def step(one: Tensor, state: Any) -> tuple[Tensor, Any]:
            output = 0 if self._question.output is None else self._question.output
            reading, result = self._call([one, state], keywords, output, check_step_result)
            readings.append(reading)
            return reading.source, result[1]

        axis = time_axis_of(self._question.layout)
        mask = None if examples.mask is None else torch.from_numpy(examples.mask).to(self.device)
        source = last_output(step, self._model, inputs, axis, mask)
        return replace(readings[0], source=source)

    def _call(
        self, inputs: Sequence[Any], keywords: dict[str, Any], output: int | str | None, check: Any = None
    ) -> tuple[Reading, Any]:
        """Call the model once; give what its output is, and all that was returned."""
        is_keras = self._inspection.keras
        given, keywords = wired(self._model, self._question.wiring, inputs, keywords, keras=is_keras)
        with self._recorder.recording() as recorded:
            try:
                result = self._model(*given, **keywords)
            except ExplainError:
                raise
            # The model is foreign code, which may raise anything.
            except Exception as cause:
                raise call_error(self._inspection, cause, inputs) from cause
        if check is not None:
            check(result)
        chosen = pick_output(result, output)
        if not isinstance(chosen, Tensor):
            raise ScoreError(
                f"The model's output is of type {type(chosen).__name__}, not a tensor: pick one with output=."
            )
        if chosen.grad_fn is not None:
            # Remembered for the calls without gradients, where no graph tells.
            self._functional = functional_activation(chosen)
        if self._inspection.opaque:
            return read_opaque(chosen, self._question.score, self._functional), result
        return read_output(
            chosen,
            self._question.score,
            TorchArithmetic(),
            terminal=terminal_activation(chosen, recorded),
            functional=self._functional,
            class_axis=class_axis(chosen, self._question.layout),
            single=is_single(chosen),
        ), result

    def tensors(self, arrays: Sequence[Array], grad: bool = False) -> tuple[Tensor, ...]:
        """Bring host arrays to the model's device, in the precision of points; as leaves, in the model's own order."""
        last = grad and self._channels_last
        found = (to_device(array, self.device, self._precision, channels_last=last) for array in arrays)
        return tuple(tensor.requires_grad_(grad and tensor.is_floating_point()) for tensor in found)
