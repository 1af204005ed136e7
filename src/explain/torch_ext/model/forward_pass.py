"""A forward pass of a PyTorch model, from its inputs to the explained output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from explain.backends.forward_pass import ForwardPass
from explain.backends.scoring import ActivationKind, RecordedActivation
from explain.backends.stepwise import initial_state, map_state
from explain.errors import ExplainError
from explain.keras.calls import wired
from explain.torch_ext.model.inspection import TorchInspection, call_error
from explain.torch_ext.model.memory_format import in_order
from explain.torch_ext.model.scores import ARITHMETIC, ActivationRecorder, functional_activation


@dataclass(kw_only=True)
class TorchForwardPass(ForwardPass):
    """One run of a PyTorch model; see `explain.backends.forward_pass.ForwardPass`.

    Parameters
    ----------
    recorder : ActivationRecorder
        Records the calls of the model's activation layers.
    """

    arithmetic = ARITHMETIC
    inspection: TorchInspection
    recorder: ActivationRecorder

    def _run(
        self, inputs: Sequence[Any], keywords: Mapping[str, Any]
    ) -> tuple[Any, Sequence[RecordedActivation]]:
        inspection = self.inspection
        given, named = wired(inspection.model, self.question.wiring, inputs, keywords, keras=inspection.keras)
        with self.recorder.recording() as recorded:
            try:
                return inspection.model(*given, **named), recorded
            except ExplainError:
                raise
            # The model is the user's code, which may raise anything.
            except Exception as cause:
                raise call_error(inspection, cause, inputs) from cause

    def _is_tensor(self, value: Any) -> bool:
        return isinstance(value, Tensor)

    def _functional_of(self, output: Tensor) -> ActivationKind | None:
        if output.grad_fn is not None:
            # Cached for calls without gradients, which have no graph.
            self.functional = functional_activation(output)
        return self.functional

    @property
    def channels_first(self) -> bool:
        """PyTorch has channels first, Keras's own models do not."""
        return not self.inspection.keras

    def _with_moved_axis(self, tensor: Tensor, source: int, target: int) -> Tensor:
        if source == target:
            return tensor
        moved = tensor.movedim(source, target)
        # With source 0 this is an input whose batch axis leaves the front: the model may take a view of it.
        return in_order(moved) if source == 0 else moved

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
