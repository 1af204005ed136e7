"""The modules of a PyTorch model, found in one walk, with the properties of their classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from explain.backends.operations.endings import ActivationKind


@dataclass(frozen=True)
class Structure:
    """The modules of a model, each once, with their current settings.

    Parameters
    ----------
    modules : tuple of torch.nn.Module
        All modules, the model itself first; empty if they cannot be accessed.
    training : tuple of torch.nn.Module
        The modules in training mode.
    activations : tuple of (torch.nn.Module, str)
        Softmax, log-softmax and sigmoid layers, with their kind.
    convolve : bool
        Whether any module convolves pictures.
    lazy : bool
        Whether the shape of any parameter is not known yet.
    stock : bool
        Whether all modules are PyTorch's own, which do not change in inference mode, and have no hooks or replaced
        methods.
    by_batch : bool
        Whether any module quantises its input by the extremes of the whole batch, so that every other example counts.
    """

    modules: tuple[nn.Module, ...] = ()
    training: tuple[nn.Module, ...] = ()
    activations: tuple[tuple[nn.Module, ActivationKind], ...] = ()
    convolve: bool = False
    lazy: bool = False
    stock: bool = False
    by_batch: bool = False

    def token(self) -> tuple[int, ...]:
        """Give the same value as long as modules, their attributes, hooks and lists are the same objects.

        Switches in buffers, such as whether an observer is on, change in place.

        Compute it only when it is needed: for a small model this takes longer than a call of the model.
        """
        found: list[int] = []
        for module in self.modules:
            found.append(id(module))
            for value in module.__dict__.values():
                found.append(id(value))
                if isinstance(value, (dict, list)):
                    found.extend(map(id, value.values() if isinstance(value, dict) else value))
            buffers = module.__dict__.get("_buffers")
            found.extend(_versions_of_switches(buffers) if isinstance(buffers, dict) else ())
        return tuple(found)


def _versions_of_switches(buffers: dict[str, Any]) -> Iterator[int]:
    for buffer in buffers.values():
        if isinstance(buffer, torch.Tensor) and not (buffer.is_floating_point() or buffer.is_inference()):
            yield buffer._version


@dataclass(frozen=True)
class _Traits:
    stock: bool
    convolves: bool
    activation: ActivationKind | None
    may_be_lazy: bool
    by_batch: bool


def structure_of(model: Any) -> Structure:
    """Give the modules of a model; none for another callable.

    The modules are the same as in ``model.modules()``, at lower cost: for a small model, ``model.modules()`` takes
    longer than a call of the model.

    Examples
    --------
    >>> found = structure_of(nn.Sequential(nn.Flatten(), nn.Softmax(1)))
    >>> len(found.modules), found.stock, [kind for _, kind in found.activations]
    (3, True, ['softmax'])
    """
    if not isinstance(model, nn.Module):
        return Structure()
    if isinstance(model, torch.jit.ScriptModule):
        modules = tuple(model.modules())
        return Structure(modules, tuple(module for module in modules if module.training))
    found: dict[int, nn.Module] = {}
    training: list[nn.Module] = []
    activations: list[tuple[nn.Module, ActivationKind]] = []
    convolve, lazy, stock, by_batch = False, False, True, False
    left = [model]
    while left:
        module = left.pop()
        if id(module) in found:
            continue
        found[id(module)] = module
        own = module.__dict__
        kind: Any = type(module)
        traits = _traits_of(kind)
        if traits.convolves:
            convolve = True
        if traits.by_batch:
            by_batch = True
        if traits.may_be_lazy and _is_lazy(module):
            lazy = True
        if traits.activation is not None:
            activations.append((module, traits.activation))
        # What `torch.compile` wraps has the modules as its own, and all else of the module that it wraps.
        if module.training:
            training.append(module)
        if not traits.stock or own["_forward_hooks"] or own["_forward_pre_hooks"] or "forward" in own:
            stock = False
        below = own["_modules"]
        if below:
            left.extend(one for one in reversed(below.values()) if one is not None)
    modules = tuple(found.values())
    return Structure(modules, tuple(training), tuple(activations), convolve, lazy, stock, by_batch)


@lru_cache(maxsize=512)
def _traits_of(kind: Any) -> _Traits:
    stock = kind.__module__.startswith("torch.nn.modules.")
    return _Traits(
        stock=stock,
        convolves=issubclass(kind, nn.Conv2d),
        activation=_activation_of(kind),
        may_be_lazy=not stock or issubclass(kind, LazyModuleMixin),
        by_batch=kind.__module__.startswith("torch.ao.nn.quantized.dynamic."),
    )


def _activation_of(kind: type[nn.Module]) -> ActivationKind | None:
    if issubclass(kind, (nn.Softmax, nn.Softmax2d)):
        return "softmax"
    if issubclass(kind, nn.LogSoftmax):
        return "log_softmax"
    return "sigmoid" if issubclass(kind, nn.Sigmoid) else None


def _is_lazy(module: nn.Module) -> bool:
    return any(
        parameter is not None and nn.parameter.is_lazy(parameter) for parameter in module._parameters.values()
    )
