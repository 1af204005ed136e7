"""Grad-CAM at an operation of a PyTorch model's own code, which the program of a case has no name for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from fuzzing.definitions import over_input
from torch.overrides import TorchFunctionMode


class _Operation(TorchFunctionMode):
    """Keeps the result of one call of a function in the code of one module."""

    def __init__(self, path: str, name: str, call: int) -> None:
        super().__init__()
        self.path, self.name, self.call = path, name, call
        self.running: list[str] = []
        self.result: torch.Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        is_own = self.running[-1:] == [self.path] and func.__name__.strip("_") == self.name
        if is_own and isinstance(result, torch.Tensor) and result.is_floating_point():
            if self.call == 0:
                self.result = result
            self.call -= 1
        return result


def operation_maps(case: Any, result: Any, targets: np.ndarray) -> list[np.ndarray]:
    """Give the map at the operation that a result names, one for each axis that may be that of the channels."""
    label, _, call = str(result.layer).partition("[")
    path, _, name = label.removesuffix("()").rpartition(".")
    mode = _Operation(path, name, int(call.rstrip("]") or 0))

    def left(*_: Any) -> None:
        mode.running.pop()

    handles, modes = [], {module: module.training for module in case.model.modules()}
    case.model.eval()
    for own, module in case.model.named_modules():
        handles += [
            module.register_forward_pre_hook(lambda *_, own=own: mode.running.append(own)),
            module.register_forward_hook(left),
        ]
    try:
        with mode:
            output = case.model(*(torch.tensor(one) for one in case.inputs))
    finally:
        for handle in handles:
            handle.remove()
        for module, was_training in modes.items():
            module.training = was_training
    several = list(output.values()) if isinstance(output, dict) else [output]
    several = list(output) if isinstance(output, tuple) else several
    wanted = case.passes.results(case.inputs)[case.output]
    output = next(
        one
        for one in several
        if isinstance(one, torch.Tensor)
        and one.shape == wanted.shape
        and np.allclose(one.detach().numpy(), wanted)
    )
    chosen = output[(np.arange(len(output)), *targets.T)]
    (slopes,) = torch.autograd.grad(chosen.sum(), mode.result)
    maps: list[np.ndarray] = []
    if slopes.ndim - 2 != sum(letter in "TDHW" for letter in case.layouts[0]):
        return maps
    for axis in range(1, slopes.ndim):
        units, own = (
            np.moveaxis(one.detach().numpy().astype(np.float64), axis, -1) for one in (mode.result, slopes)
        )
        weights = own.mean(tuple(range(1, own.ndim - 1)), keepdims=True)
        maps.append(over_input(np.maximum((weights * units).sum(-1), 0), case.inputs[0], case.layouts[0]))
    return maps
