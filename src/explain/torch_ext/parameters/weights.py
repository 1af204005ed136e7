"""Changes a PyTorch model's weights for a while: on a copy, or in place with all of them put back."""

from __future__ import annotations

import copy
import enum
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explain.keras.layers import is_keras_model
from explain.keras.parameters import weights as keras_weights
from explain.running.random_state import preserved_random_state
from explain.torch_ext.model.structure import OF_MODULE_ITSELF

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_PLAIN = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    type,
    enum.Enum,
    np.ndarray,
    np.generic,
    torch.Tensor,
)
_OF_TORCH = (torch.dtype, torch.device, torch.layout, torch.memory_format)


def copied(model: Any) -> Any | None:
    """Give a copy of a model with weights of its own; None where no copy is sure to compute the same.

    A hook, a replaced ``forward`` or a function with a closure may hold the model's own modules: the copy would call
    these, whose weights do not change with its own.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 2))
    >>> one = copied(model)
    >>> torch.equal(one[0].weight, model[0].weight), one[0].weight is model[0].weight
    (True, False)
    """
    with preserved_random_state(), torch.random.fork_rng(devices=[]):
        if is_keras_model(model):
            return keras_weights.copied(model)
        if not isinstance(model, nn.Module) or not all(map(_is_self_contained, model.modules())):
            return None
        try:
            found = copy.deepcopy(model)
        # A module's own code decides how it is copied.
        except Exception:
            return None
    return found if type(found) is type(model) and _has_the_same_tensors(found, model) else None


@contextmanager
def preserved_weights(model: Any) -> Iterator[None]:
    """Put all parameters and buffers of a model back on any exit, bit for bit."""
    if is_keras_model(model):
        with keras_weights.preserved_variables(model.variables, lambda one: one.value.detach().clone()):
            yield
        return
    tensors = [tensor for _, tensor in _tensors_of(model)] if isinstance(model, nn.Module) else []
    before = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, values in zip(tensors, before, strict=True):
                tensor.copy_(values)


def _tensors_of(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Give parameters and buffers by name, each once; those without a shape yet are left out."""
    named = itertools.chain(model.named_parameters(), model.named_buffers())
    return [(name, tensor) for name, tensor in named if not nn.parameter.is_lazy(tensor)]


def _has_the_same_tensors(one: nn.Module, other: nn.Module) -> bool:
    """Tell whether two models have equal tensors of the same names, tied in the same way, and none in common."""
    first, second = _tensors_of(one), _tensors_of(other)
    if [name for name, _ in first] != [name for name, _ in second]:
        return False
    if not all(_are_same_bits(a, b) for (_, a), (_, b) in zip(first, second, strict=True)):
        return False
    here, there = ([tensor.untyped_storage().data_ptr() for _, tensor in each] for each in (first, second))
    # Empty tensors have no storage.
    in_common = {address for address in here if address} & set(there)
    return not in_common and [here.index(one) for one in here] == [there.index(one) for one in there]


def _are_same_bits(one: Tensor, other: Tensor) -> bool:
    if (one.dtype, one.shape, one.device) != (other.dtype, other.shape, other.device):
        return False
    as_bytes = [tensor.detach().contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other)]
    return torch.equal(*as_bytes)


def _is_self_contained(module: nn.Module) -> bool:
    own = vars(module)
    # What was compiled holds the modules that it was made from.
    if isinstance(module, torch.jit.ScriptModule) or type(module).__name__ == "OptimizedModule":
        return False
    if any(own.get(hooks) for hooks in _HOOKS) or "forward" in own or own.get("_compiled_call_impl"):
        return False
    if type(module).__module__.startswith("torch.nn.modules."):
        return True
    seen: set[int] = set()
    return all(_holds_no_function(value, seen) for name, value in own.items() if name not in OF_MODULE_ITSELF)


def _holds_no_function(value: Any, seen: set[int]) -> bool:
    """Tell whether a value is plain data, a function of PyTorch, or an object that holds these alone."""
    if id(value) in seen or isinstance(value, (*_PLAIN, *_OF_TORCH, nn.Module, BuiltinFunctionType)):
        return True
    seen.add(id(value))
    if isinstance(value, FunctionType):
        # A function of the user may name a module that stands beside the model.
        return value.__module__.split(".")[0] == "torch" and value.__closure__ is None
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_holds_no_function(one, seen) for one in value)
    if isinstance(value, Mapping):
        return all(_holds_no_function(one, seen) for one in value.values())
    own = getattr(value, "__dict__", None)
    # A method, or what `functools.partial` gives, holds more than its attributes.
    is_open = isinstance(own, dict) and (is_dataclass(value) or not callable(value))
    return is_open and _holds_no_function(own, seen)
