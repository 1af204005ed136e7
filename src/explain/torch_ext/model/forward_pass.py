"""A forward pass of a PyTorch model, from its inputs to the explained output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from explain.backends.forward_pass import ForwardPass
from explain.backends.operations.endings import Ending
from explain.backends.scoring import RecordedActivation
from explain.backends.stepwise import initial_state, map_state
from explain.errors import ExplainError
from explain.keras.calls import wired
from explain.keras.inspection import output_names
from explain.torch_ext.model.activation_calls import (
    KEPT,
    RECORDING,
    UNKNOWN,
    ActivationCalls,
    End,
    without_graph,
)
from explain.torch_ext.model.endings import ending_of_output, replacement
from explain.torch_ext.model.inspection import TorchInspection, call_error
from explain.torch_ext.model.layers.calls import TorchPlace, with_moved_axis
from explain.torch_ext.model.scores import ARITHMETIC, ActivationRecorder, scalars_of

_NOTHING = nullcontext()


@dataclass(kw_only=True)
class TorchForwardPass(ForwardPass):
    """One run of a PyTorch model; see `explain.backends.forward_pass.ForwardPass`.

    Parameters
    ----------
    recorder : ActivationRecorder
        Records the calls of the model's activation layers.
    end : End
        How the end of the model is run.
    next_end : End
        How to run it after this pass; the same if this pass answers what is wanted.
    """

    arithmetic = ARITHMETIC
    inspection: TorchInspection
    recorder: ActivationRecorder
    end: End = UNKNOWN
    next_end: End = UNKNOWN

    def __post_init__(self) -> None:
        """No activation is replaced in a pass that ends at a layer, or explains the output as it is."""
        question = self.question
        is_plain = question.score == "output" or question.scorer is not None
        if self.exit is not None or is_plain or self.inspection.opaque:
            self.end = KEPT
        self.next_end = self.end
        self._calls: ActivationCalls | None = None

    def _recording(self) -> AbstractContextManager[list[RecordedActivation]]:
        return self.recorder.recording()

    def _run(
        self, inputs: Sequence[Any], keywords: Mapping[str, Any]
    ) -> tuple[Any, Sequence[RecordedActivation]]:
        inspection = self.inspection
        given, named = wired(inspection.model, self.question.wiring, inputs, keywords, keras=inspection.keras)
        self._calls = None
        if self.end.records or self.end.replaced:
            self._calls = ActivationCalls(self.end.replaced, replacement(self.question.score))
        ended = self.exit.ended() if isinstance(self.exit, TorchPlace) else _NOTHING
        self._recorded.clear()
        with self._calls or _NOTHING, ended:
            try:
                return inspection.model(*given, **named), self._recorded
            except ExplainError:
                raise
            # The model is the user's code, which may raise anything.
            except Exception as cause:
                raise call_error(inspection, cause, inputs, self.question.wiring, keywords) from cause

    def _scalars_of(self, function: Callable[[Any], Any], outputs: Any, rows: int | None) -> Tensor:
        assert rows is not None, "points are here"
        return scalars_of(function, outputs, rows)

    def _continued(self, outputs: Tensor, following: Tensor) -> Tensor:
        rows = torch.arange(len(outputs), device=outputs.device)[:, None]
        each = outputs[rows, following[..., 0], following[..., 1]] * following[..., 2].to(outputs.dtype)
        return torch.cat([each.sum(1, keepdim=True), each], 1)

    def _output_names(self) -> Sequence[str]:
        return output_names(self.inspection.model) if self.inspection.keras else ()

    def _is_tensor(self, value: Any) -> bool:
        return isinstance(value, Tensor)

    def _ending_of(self, output: Tensor) -> Ending | None:
        expected = self.end.ending
        if output.grad_fn is None:
            # Without gradients there is no graph: the end is that of an earlier pass.
            return self.ending if expected is None else expected
        found = ending_of_output(output, None if self._calls is None else self._calls.ends)
        self.ending = without_graph(found)
        if expected is not None and self._calls is not None:
            replaced = set(self._calls.ends)
            if found is None or found.steps != expected.steps or set(found.activations) != replaced:
                self.next_end = self.end.after_failure
        return found

    def _replaced(self, output: Tensor, ending: Ending) -> Tensor | None:
        if self.end.replaced:
            return output
        if self._calls is not None:
            numbers = {edge: number for number, edge in self._calls.made.items()}
            found = tuple(numbers[edge] for edge in ending.activations if edge in numbers)
            complete = len(found) == len(ending.activations)
            self.next_end = End(found, without_graph(ending), is_final=True) if complete else KEPT
        elif not self.end.is_final:
            self.next_end = RECORDING
        return None

    @property
    def channels_first(self) -> bool:
        """PyTorch has channels first, Keras's own models do not."""
        return not self.inspection.keras

    def _with_moved_axis(self, tensor: Tensor, source: int, target: int) -> Tensor:
        return tensor if source == target else with_moved_axis(tensor, source, target)

    def _steps(self, inputs: Tensor, axis: int) -> Sequence[Tensor]:
        return inputs.unbind(dim=axis)

    def _first_state(self, inputs: Tensor) -> Any:
        count = len(inputs)

        def spread(part: Tensor) -> Tensor:
            """Move a state to the device and dtype of the input; repeat a single row for every example."""
            part = part.to(device=inputs.device, dtype=inputs.dtype)
            return part.expand(count, *part.shape[1:]) if len(part) == 1 else part

        start = initial_state(self.inspection.model, count, lambda rows, size: inputs.new_zeros((rows, size)))
        return map_state(spread, start)

    def _where(self, real: Tensor, new: Tensor, old: Tensor) -> Tensor:
        return torch.where(real.reshape(-1, *([1] * (new.ndim - 1))), new, old)
