"""Runs a PyTorch model that takes one step at a time over whole, padded sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from explain.backends.stepwise import initial_state, map_state, unrolled


def last_output(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]],
    model: Any,
    inputs: Tensor,
    time_axis: int,
    mask: Tensor | None,
) -> Tensor:
    """Give the explained output at the last real step of each sequence.

    Parameters
    ----------
    step : callable
        From one step's input (N, C) and the state to the explained output and the next state.
    model : object
        Tells the state before the first step.
    inputs : torch.Tensor
        Sequences, batch first.
    time_axis : int
        Their axis of time.
    mask : torch.Tensor of bool, optional
        Where a step is real, shape (N, T); padding leaves output and state as they are.
    """
    count = len(inputs)

    def spread(part: Tensor) -> Tensor:
        """Bring a starting state to the device and dtype of the input, a single row to every example."""
        part = part.to(device=inputs.device, dtype=inputs.dtype)
        return part.expand(count, *part.shape[1:]) if len(part) == 1 else part

    def choose(time: int, new: Tensor, old: Tensor) -> Tensor:
        assert mask is not None
        return torch.where(mask[:, time].reshape(-1, *([1] * (new.ndim - 1))), new, old)

    start = initial_state(model, count, lambda rows, size: inputs.new_zeros((rows, size)))
    steps = inputs.unbind(dim=time_axis)
    output: Tensor = unrolled(step, steps, map_state(spread, start), None if mask is None else choose)
    return output
