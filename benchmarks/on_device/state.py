"""Everything of a model and of PyTorch that a call must leave as it found it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def unusual_switches() -> Iterator[None]:
    """Set a flag of cuDNN to what is not its default, so that a call that does not put it back is seen."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


def planted(model: nn.Module) -> nn.Module:
    """Give a model some state that a careless call would lose: a hook, a gradient, and a weight that takes none."""
    first = next(model.children())
    first.register_forward_hook(lambda module, given, found: None)
    weights = list(model.parameters())
    weights[0].requires_grad_(False)
    weights[-1].grad = torch.ones_like(weights[-1])
    return model


def state_of(model: nn.Module, device: torch.device) -> dict[str, Any]:
    """Give the state of a model, of all random generators, and of the switches of PyTorch, by name."""
    found: dict[str, Any] = {
        "modes": [module.training for module in model.modules()],
        "hooks": [[len(getattr(module, name)) for name in _HOOKS] for module in model.modules()],
        "requires_grad": [weight.requires_grad for weight in model.parameters()],
        "gradients": [None if weight.grad is None else _copy(weight.grad) for weight in model.parameters()],
        "memory format": [weight.stride() for weight in model.parameters()],
        "weights": [_copy(weight) for weight in (*model.parameters(), *model.buffers())],
        "device": [str(weight.device) for weight in model.parameters()],
        "random state of Python": random.getstate(),
        "random state of NumPy": [str(part) for part in np.random.get_state(legacy=False).items()],
        "random state of PyTorch": _copy(torch.get_rng_state()),
        "cuDNN": [
            torch.backends.cudnn.enabled,
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.allow_tf32,
            torch.backends.cuda.matmul.allow_tf32,
        ],
        "gradients taken": [torch.is_grad_enabled(), torch.is_inference_mode_enabled()],
        "autocast": [torch.is_autocast_enabled(device.type), str(torch.get_autocast_dtype(device.type))],
        "default dtype": str(torch.get_default_dtype()),
        "attention path": torch.backends.mha.get_fastpath_enabled(),
    }
    if device.type == "cuda":
        found["random state of the device"] = _copy(torch.cuda.get_rng_state(device))
    return found


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Name what differs between two states."""
    return [name for name in before if before[name] != after[name]]


def _copy(tensor: torch.Tensor) -> Any:
    # Bytes compare at once, and NaN equals itself.
    return tensor.detach().cpu().contiguous().numpy().tobytes()
