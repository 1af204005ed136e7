"""An opened PyTorch model: transfers arrays to its device, runs forward passes, computes gradients of scores."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explain.backends.layered import Layered
from explain.backends.operations.endings import Ending
from explain.backends.operations.score_graph import Survey
from explain.backends.places import entering
from explain.backends.question import Question
from explain.backends.scoring import Reading
from explain.errors import ModelCallError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall
from explain.keras.layers import layers_of
from explain.public_calls.passes import count_passes
from explain.torch_ext.model.activation_calls import UNKNOWN, End, known_end, remember_end
from explain.torch_ext.model.forward_pass import TorchForwardPass
from explain.torch_ext.model.inspection import TorchInspection, device_and_dtype, inspect_model
from explain.torch_ext.model.layers.calls import (
    TorchPlace,
    batch_axis_of,
    fixes_axes,
    has_channels_last,
    named_layers,
)
from explain.torch_ext.model.layers.operations import place_of
from explain.torch_ext.model.memory import is_out_of_memory
from explain.torch_ext.model.memory_format import (
    CONVERTED_FIRST,
    HEAVY,
    ConvertedWeights,
    ordered,
    weights_per_pixel,
)
from explain.torch_ext.model.scores import (
    ActivationRecorder,
    KeptPass,
    gradients_of_scores,
    pick_scores,
    reached,
)
from explain.torch_ext.model.state import OwnHooks, Restore, held_keras_layers, inference_mode
from explain.torch_ext.model.transfer import to_device

# In a pass that is channels last PyTorch converts the weights, forwards and backwards. After so many runs they are
# converted once for all that follow: a method that runs the model this often goes on.
_RUNS_UNCONVERTED = 3


class OpenedModel(Layered):
    """One opened PyTorch model: the operations that the affine prefix, paths and backward rules need.

    Parameters
    ----------
    model : torch.nn.Module or callable
        The model as the user gave it.
    question : Question
        The score to explain, and how to call the model.
    like : object
        The input as the user gave it: a model without parameters follows its dtype and device.
    """

    inspection: TorchInspection
    has_channels_last = staticmethod(has_channels_last)
    fixes_axes = staticmethod(fixes_axes)
    batch_axis_of = staticmethod(batch_axis_of)
    survey: Survey | None = None
    """The survey of the model for its current entry and exit; None until it is made."""

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        inspection = inspect_model(model, question.argument_names, question.wiring)
        self.model = inspection.model
        name = getattr(self.model, "__name__", type(self.model).__name__)
        super().__init__(name, inspection, question)
        self.device, self._model_dtype = device_and_dtype(inspection, like)
        self.device_name = str(self.device)
        # Half precision is too coarse for points: they are computed in float32, and the model rounds them.
        self._precision = torch.float64 if self._model_dtype == torch.float64 else torch.float32
        self.dtype: np.dtype[Any] = np.dtype(np.float64 if self._precision == torch.float64 else np.float32)
        self._recorder = ActivationRecorder(inspection)
        self._keras_layers = layers_of(self.model) if inspection.keras else []
        self.separator = "/" if inspection.keras else "."
        # Layers of Keras, and those that a script hides, have attributes that the token does not see.
        self.sees_every_change = not (inspection.keras or inspection.opaque)
        self._ending: Ending | None = None
        self.n_runs = 0
        """How often the model ran: one pass may be two runs, the first of which shows what the output is made of."""
        self._end = known_end(self.model, question.output) if isinstance(self.model, nn.Module) else UNKNOWN
        self._restore = Restore([])
        self._own_hooks = OwnHooks(())
        self._places: dict[LayerCall, TorchPlace] = {}
        # On a CPU both frameworks then run the same convolution kernels, so that the first layers of twins agree to the
        # last bit and fewer points fall on different sides of a kink; it is the faster order too. In double precision
        # there are no such kernels, and PyTorch's own kernels round a constant patch consistently only in contiguous
        # order.
        single = self._model_dtype == torch.float32
        self._channels_last = single and self.device.type == "cpu" and inspection.structure.convolve
        self._weights, self._runs_unconverted = ConvertedWeights(), _RUNS_UNCONVERTED

    @property
    def structure_token(self) -> Hashable:
        """A value that stays the same as long as the modules of the model and their attributes do."""
        token = self.inspection.structure.token
        return (token, self._keras_token) if self._keras_layers else token

    @cached_property
    def _keras_token(self) -> Hashable:
        # A forward pass may have replaced an attribute.
        self._restore()
        # Keras keeps its layers in lists of its own, not among the modules.
        return _token_of(self._keras_layers)

    def kept_state(self) -> tuple[str, ...]:
        """Name where the model keeps a state that the last call changed."""
        return self._restore.kept_state()

    @property
    def leaf_modules(self) -> list[nn.Module]:
        """The modules without submodules; none if they cannot be accessed, or belong to Keras."""
        hidden = self.inspection.opaque or self.inspection.keras
        modules = self.inspection.structure.modules
        # A module may have a length, by which it counts as true or false.
        return [] if hidden else [module for module in modules if not list(module.children())]

    @property
    def named_layers(self) -> Mapping[str, nn.Module]:
        """The modules of the model by name."""
        return named_layers(self.model)

    @property
    def rounds_points(self) -> bool:
        """Whether the model computes in lower precision than the points have."""
        return self._model_dtype != self._precision

    @contextmanager
    def session(self) -> Iterator[None]:
        """Put the model in inference mode; restore it on exit."""
        self._own_hooks = OwnHooks(self.inspection.structure.modules)
        with inference_mode(self.model, self.inspection.structure, self.device) as self._restore:
            try:
                yield
            finally:
                self._weights.restore()
                self._own_hooks.remove()

    def expect(self, examples: Examples, *, one_pass: bool) -> None:
        """Choose the memory order for the work on some examples: nearly all of it a single pass, or several."""
        if not self._channels_last:
            return
        if not one_pass:
            self._runs_unconverted = 0
        elif len(examples.inputs) == 1 and self.entry is None:
            structure, shape = self.inspection.structure, examples.inputs[0].shape[1:]
            load: float | None = structure.known.get(("load", shape))
            if load is None:
                load = structure.known["load", shape] = weights_per_pixel(structure.modules, shape)
            if load >= HEAVY:
                self._channels_last = False
                self._weights.restore()
            elif load >= CONVERTED_FIRST:
                self._runs_unconverted = 0

    def place_of(self, call: LayerCall) -> TorchPlace:
        """Give the place of a call, where the model can start or end."""
        found = self._places.get(call)
        if found is None:
            found = self._places[call] = place_of(self.model, call)
        return found

    def forget(self) -> None:
        """Clear what was cached for another entry or exit."""
        super().forget()
        self.survey = None

    def tensors(
        self, arrays: Sequence[Array], grad: bool = False, *, ordered: bool = False
    ) -> tuple[Tensor, ...]:
        """Copy host arrays to the model's device, in the precision of points.

        With `grad`, floating-point tensors are leaves that require gradients, in the model's memory order; with
        `ordered` they are in this order without gradients too, so that the model needs no further copy.
        """
        last = (grad or ordered) and self._channels_last
        found = [to_device(array, self.device, self._precision, channels_last=last) for array in arrays]
        for tensor in found if grad else ():
            tensor.requires_grad_(tensor.is_floating_point())
        return tuple(found)

    def taken_pass(self, examples: Examples) -> KeptPass | None:
        """Give the forward pass that `outputs` kept of the same examples, and forget it; None if there is none."""
        last, self.last_pass = self.last_pass, None
        kept: KeptPass | None = last.results if last is not None and last.is_over(examples) else None
        return kept

    def scores_of(self, points: Sequence[Tensor], examples: Examples) -> Tensor:
        """Give the scores at points on the device, differentiable; the reference engine runs on this."""
        return pick_scores(self.read(points, examples).explained, examples.target)

    def gradients_at(self, points: Sequence[Tensor], examples: Examples) -> tuple[Tensor, ...]:
        """Give the gradients of the scores to points on the device."""
        return self.gradients_of(self.read(points, examples).explained, examples, points)

    def gradients_of(
        self,
        explained: Tensor,
        examples: Examples,
        points: Sequence[Tensor],
        *,
        retain_graph: bool = False,
    ) -> tuple[Tensor, ...]:
        """Give the gradients of the scores of an output to tensors that it was computed from.

        Raises
        ------
        GradientError
            If the scores depend on none of them.
        """
        found = gradients_of_scores(explained, examples.target, points, retain_graph=retain_graph)
        return reached(found, points, self.model_name)

    def read(
        self,
        points: Sequence[Tensor],
        examples: Examples,
        within: AbstractContextManager[None] | None = None,
    ) -> Reading:
        """Run the model on points, batch first; give its output and the explained output, batch first.

        `within` is entered after the model's state is restored, and left after the run.
        """
        # One pass, also where it is begun anew.
        count_passes(forward=len(examples))
        try:
            return self._read(points, examples, within)
        except ModelCallError as error:
            if not self._channels_last or within is not None or is_out_of_memory(error.__cause__ or error):
                raise
            # A model that takes a view of its features needs contiguous features; any other error recurs.
            self._channels_last = False
            self._weights.restore()
            return self._read(points, examples, None)

    def _read(
        self, points: Sequence[Tensor], examples: Examples, within: AbstractContextManager[None] | None
    ) -> Reading:
        before = self._end
        while True:
            end = self._end
            try:
                reading, self._end = self._run_once(points, examples, within)
            except ModelCallError:
                # The model's own code may refuse other values than those of its activations.
                if within is not None or not (end.replaced or end.records):
                    # It refuses these points either way, such as those of another size: its end is as it was.
                    self._end = before
                    raise
                self._end = end.after_failure
            else:
                if self._end == end or within is not None:
                    return reading
                # The output is made of activations: run the model without them.
                remember_end(self.model, self.question.output, self._end)

    def _run_once(
        self, points: Sequence[Tensor], examples: Examples, within: AbstractContextManager[None] | None
    ) -> tuple[Reading, End]:
        self.n_runs += 1
        # A cached pass would keep a second graph in memory, and belongs to a state that is restored now.
        self.last_pass = None
        self._restore()
        self._own_hooks.remove()
        dtype, question = self._model_dtype, self.question
        given = points if self.entry is None else self.tensors(examples.outer)
        contexts: list[AbstractContextManager[Any]] = [] if within is None else [within]
        if self._keras_layers:
            contexts.append(held_keras_layers(self._keras_layers, examples.held, self.device))
        contexts += entering(self.readers, self.entry, given, points[0] if points else None)
        keywords = self._keywords(examples)
        forward = TorchForwardPass(
            inspection=self.inspection,
            question=question,
            ending=self._ending,
            end=self._end,
            entry=self.entry,
            exit=self.exit,
            readers=self.readers,
            recorder=self._recorder,
        )
        moved = [ordered(one, dtype, channels_last=self._channels_last) for one in given]
        several = self.n_runs > self._runs_unconverted
        if several and self._channels_last and any(one.ndim == 4 for one in moved):
            self._weights.convert(self.inspection.structure.modules)
        unmoved = self.tensors(examples.unmoved)
        mask = None
        if self.inspection.stepwise and examples.mask is not None:
            mask = torch.from_numpy(examples.mask).to(self.device)
        with self._own_hooks:
            reading = forward.read_inputs(moved, unmoved, mask, keywords, contexts, len(examples))
        if self.exit is not None:
            return reading, self._end
        self._ending = forward.ending
        return reading, forward.next_end

    def _keywords(self, examples: Examples) -> dict[str, Any]:
        """Move the model's keyword arguments to its device: common arguments, and arguments with one row per example.

        Floating-point arguments with one row per example get the model's dtype.
        """
        common, device = self.question.forward_kwargs, self.device
        found = {name: one.to(device) if isinstance(one, Tensor) else one for name, one in common.items()}
        for name, array in examples.companions.items():
            found[name] = to_device(array, device, self._model_dtype, channels_last=False)
        return found


def _token_of(layers: Sequence[Any]) -> Hashable:
    """Give a value that is the same as long as layers that are no modules, and their attributes, are the same."""
    found: list[int] = []
    for layer in layers:
        found.append(id(layer))
        for value in layer.__dict__.values():
            found.append(id(value))
            if isinstance(value, (dict, list)):
                found.extend(map(id, value.values() if isinstance(value, dict) else value))
    return tuple(found)
