"""The user's model, held in inference mode and given back as it came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from explain.inputs.examples import Array
from explain.keras.layers import held_masks, kept_losses
from explain.running.random_state import preserved_random_state
from explain.torch_ext.model.structure import Structure

# What nn.Module itself keeps in a module's __dict__: dictionaries whose own contents are looked after
# separately (buffers, submodules) or are none of a forward's business (parameters, hooks).
_OF_MODULE_ITSELF = frozenset(nn.Module().__dict__)

# Values that cannot be changed in place and hold no tensor.
_PLAIN = frozenset({bool, int, float, str, type(None)})


@contextmanager
def inference_mode(model: Any, structure: Structure, device: torch.device) -> Iterator[Callable[[], None]]:
    """Hold every module in inference mode; on any exit put back modes, buffers, attributes and random states.

    Modes are set flag by flag, since ``eval()`` may be overridden, or refused by an exported module.
    cuDNN, whose recurrent layers have no gradient in inference mode, is off meanwhile where they need it.

    Yields
    ------
    callable
        Puts buffers and attributes back as they came: a model that keeps a state from one call to the next
        is to start every call from the same.
    """
    random_state = torch.get_rng_state()
    on_cuda = device.type == "cuda"
    cuda_random_state = torch.cuda.get_rng_state(device) if on_cuda else None
    recurrent = on_cuda and any(isinstance(module, nn.RNNBase) for module in structure.modules)
    snapshots: list[_Snapshot | _Tensors] = []
    untouched = True

    def put_back() -> None:
        # Before the first call there is nothing to put back.
        nonlocal untouched
        if not untouched:
            for snapshot in snapshots:
                snapshot.put_back()
        untouched = False

    try:
        for module in structure.training:
            module.training = False
        if isinstance(model, torch.jit.ScriptModule):
            snapshots.append(_Tensors(model.buffers(), _statistics(model.named_buffers())))
        elif not structure.stock:
            # Code of its own may change what belongs to a stock module inside it: the statistics of a batch norm.
            snapshots.extend(map(_Snapshot, structure.modules))
        with ExitStack() as stack:
            if snapshots or not structure.modules:
                # The model has code of its own, which may draw from anything.
                stack.enter_context(preserved_random_state())
            if recurrent:
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            if torch.is_inference_mode_enabled():
                stack.enter_context(torch.inference_mode(False))
            if not torch.is_grad_enabled():
                stack.enter_context(torch.enable_grad())
            yield put_back
    finally:
        put_back()
        for module in structure.training:
            module.training = True
        torch.set_rng_state(random_state)
        if cuda_random_state is not None:
            torch.cuda.set_rng_state(cuda_random_state, device)


@contextmanager
def held_keras_layers(layers: Sequence[Any], masks: Sequence[Array], device: torch.device) -> Iterator[None]:
    """Hold the masks that Keras layers work out from values, and put back the losses that a call leaves on them."""
    held = [torch.from_numpy(mask).to(device) for mask in masks]
    with kept_losses(layers), held_masks(layers, held, _masked):
        yield


def _masked(inputs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.where(mask[..., None], inputs, torch.zeros((), dtype=inputs.dtype, device=inputs.device))


class _Tensors:
    """Tensors as they were.

    Parameters
    ----------
    tensors : iterable of object
        What is no tensor is left out.
    silent : iterable of object
        Tensors that may be changed without it showing in their version.
    """

    def __init__(self, tensors: Iterable[Any], silent: Iterable[Any] = ()) -> None:
        # An in-place change raises a tensor's version, so that only what changed need be copied back.
        self._before = [(tensor, tensor._version, tensor.detach().clone()) for tensor in _kept(tensors)]
        self._silent = [(tensor, tensor.detach().clone()) for tensor in _kept(silent)]

    def put_back(self) -> None:
        """Undo changes in place."""
        for index, (tensor, version, before) in enumerate(self._before):
            if tensor._version != version:
                with torch.no_grad():
                    tensor.copy_(before)
                self._before[index] = (tensor, tensor._version, before)
        with torch.no_grad():
            for tensor, before in self._silent:
                # Written to for nothing, it would spoil a graph that is still to be gone back through.
                if not torch.equal(tensor, before):
                    tensor.copy_(before)


def _kept(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    return (value for value in values if isinstance(value, torch.Tensor) and not value.is_inference())


def _statistics(buffers: Iterable[tuple[str, Any]]) -> list[Any]:
    """Give the running statistics among named buffers: batch normalisation's kernel moves them unseen."""
    return [tensor for name, tensor in buffers if name.rpartition(".")[2].startswith("running_")]


class _Snapshot:
    """A module's buffers, submodules and own attributes as they were."""

    def __init__(self, module: nn.Module) -> None:
        own = module.__dict__
        self._own = own
        self._attributes = own.copy()
        self._identities = [*map(id, own.values())]
        # Of most modules only these dictionaries are filled, which a forward may fill otherwise.
        containers: list[Any] = [own["_buffers"], own["_modules"]]
        held = [*own["_buffers"].values()]
        for name, value in self._attributes.items():
            kind = type(value)
            if kind in _PLAIN or name in _OF_MODULE_ITSELF:
                continue
            if isinstance(value, (list, dict, set)):
                containers.append(value)
                held.extend(value.values() if isinstance(value, dict) else value)
            elif isinstance(value, tuple):
                held.extend(value)
            else:
                held.append(value)
        self._containers = [(container, container.copy(), _identities(container)) for container in containers]
        self._tensors = _Tensors(held, _statistics(own["_buffers"].items()))

    def put_back(self) -> None:
        """Undo what a forward pass did to the module."""
        own = self._own
        if [*map(id, own.values())] != self._identities:
            own.clear()
            own.update(self._attributes)
        for container, value, identities in self._containers:
            if _identities(container) != identities:
                container.clear()
                container.extend(value) if isinstance(container, list) else container.update(value)
        self._tensors.put_back()


def _identities(container: list[Any] | dict[Any, Any] | set[Any]) -> Any:
    """Give what tells whether anything in a container was exchanged, faster than looking at each."""
    if isinstance(container, dict):
        return [*container, *map(id, container.values())]
    return {*map(id, container)} if isinstance(container, set) else [*map(id, container)]
