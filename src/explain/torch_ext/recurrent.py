"""Runs a PyTorch model that takes one step at a time over whole, padded sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from explain.stepwise import initial_state

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


def unrolled(step: Step, model: Any, inputs: Tensor, time_axis: int, mask: Tensor | None) -> Tensor:
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
    state = _spread(
        initial_state(model, count, lambda rows, size: inputs.new_zeros((rows, size))), count, inputs
    )
    explained: Tensor | None = None
    for time, one in enumerate(inputs.unbind(dim=time_axis)):
        found, following = step(one, state)
        if mask is None or explained is None:
            explained, state = found, following
        else:
            real = mask[:, time]
            explained, state = _where(real, found, explained), _where(real, following, state)
    assert explained is not None
    return explained


def _where(real: Tensor, new: Any, old: Any) -> Any:
    """Take the new value where the step is real, in every part of a state."""
    if isinstance(new, (tuple, list)):
        return type(new)(_where(real, one, other) for one, other in zip(new, old, strict=True))
    return torch.where(real.reshape(-1, *([1] * (new.ndim - 1))), new, old)


def _spread(state: Any, count: int, like: Tensor) -> Any:
    """Bring a starting state to the device and dtype of the input, and a single row to every example."""
    if isinstance(state, (tuple, list)):
        return type(state)(_spread(part, count, like) for part in state)
    state = state.to(device=like.device, dtype=like.dtype)
    return state.expand(count, *state.shape[1:]) if len(state) == 1 else state
