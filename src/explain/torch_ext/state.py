"""The user's model, held in inference mode and given back as it came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

# What nn.Module itself keeps in a module's __dict__: dictionaries whose own contents are looked after
# separately (buffers, submodules) or are none of a forward's business (parameters, hooks).
_OF_MODULE_ITSELF = frozenset(nn.Module().__dict__)


@contextmanager
def inference_mode(model: Any, device: torch.device) -> Iterator[None]:
    """Hold every module in inference mode; on any exit put back modes, buffers, attributes and random states.

    Modes are set flag by flag, since ``eval()`` may be overridden, or refused by an exported module.
    cuDNN, whose recurrent layers have no gradient in inference mode, is off meanwhile where they need it.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    scripted = isinstance(model, torch.jit.ScriptModule)
    modes = [module.training for module in modules]
    snapshots = [] if scripted else [_Snapshot(module) for module in modules]
    random_state = torch.get_rng_state()
    on_cuda = device.type == "cuda"
    cuda_random_state = torch.cuda.get_rng_state(device) if on_cuda else None
    recurrent = on_cuda and any(isinstance(module, nn.RNNBase) for module in modules)
    try:
        for module in modules:
            module.training = False
        with (
            torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not recurrent),
            torch.inference_mode(False),
            torch.enable_grad(),
        ):
            yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
        for snapshot in snapshots:
            snapshot.put_back()
        torch.set_rng_state(random_state)
        if cuda_random_state is not None:
            torch.cuda.set_rng_state(cuda_random_state, device)


class _Snapshot:
    """A module's buffers, submodules and own attributes as they were."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._attributes = dict(module.__dict__)
        self._containers = {
            name: value.copy()
            for name, value in module.__dict__.items()
            if name not in _OF_MODULE_ITSELF and isinstance(value, (list, dict, set))
        }
        self._registered = {name: dict(module.__dict__[name]) for name in ("_buffers", "_modules")}
        tensors = [
            *module.__dict__["_buffers"].values(),
            *(value for name, value in module.__dict__.items() if name not in _OF_MODULE_ITSELF),
        ]
        # An in-place change raises a tensor's version, so that only what changed need be copied back.
        self._tensors = [
            (tensor, tensor._version, tensor.detach().clone())
            for tensor in tensors
            if isinstance(tensor, torch.Tensor) and not tensor.is_inference()
        ]

    def put_back(self) -> None:
        """Undo what a forward pass did to the module."""
        own = self._module.__dict__
        for name in [name for name in own if name not in self._attributes]:
            del own[name]
        own.update(self._attributes)
        for name, value in [*self._containers.items(), *self._registered.items()]:
            held = own[name]
            held.clear()
            held.extend(value) if isinstance(held, list) else held.update(value)
        for tensor, version, before in self._tensors:
            if tensor._version != version:
                with torch.no_grad():
                    tensor.copy_(before)
