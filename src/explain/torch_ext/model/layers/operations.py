"""The operations that the code of a PyTorch model calls between its layers, such as a sum or a concatenation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from explain.backends.places import is_replacing
from explain.inputs.layer_calls import LayerCall, RecordedCall, operation_name
from explain.keras.layers import is_keras_model
from explain.torch_ext.model.layers.calls import TorchPlace, named_layers
from explain.torch_ext.model.layers.fused import attended, unwrapped

_SOFTMAX = (torch.softmax, Tensor.softmax, functional.softmax)

_Handle = Callable[[str, Tensor], Tensor]
"""From the name of an operation and its result to what replaces the result."""


class _OperationCalls(TorchFunctionMode):
    """Passes the result of each operation through a function.

    Parameters
    ----------
    running : list of str or None
        The names of the modules that run, the innermost last; None for one without submodules.
    handle : callable
        The function.
    """

    def __init__(self, running: list[str | None], handle: _Handle) -> None:
        super().__init__()
        self._running, self._handle = running, handle
        self._only_softmax = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function of PyTorch; in one that is fused, the softmax is an operation of its own."""
        result = self._result_of(func, args, kwargs or {})
        if self._only_softmax and func not in _SOFTMAX:
            return result
        path = self._running[-1] if self._running else None
        if path is None or is_replacing.get() or not isinstance(result, Tensor):
            return result
        # A descriptor, as of `x.T`, is no operation; those in place and operators have underscores in their names.
        name = getattr(func, "__name__", "").strip("_")
        if name in ("", "get") or not result.is_floating_point():
            return result
        return self._handle(operation_name(path, ".", name), result)

    def _result_of(self, func: Any, args: Any, keywords: Mapping[str, Any]) -> Any:
        if is_replacing.get():
            return func(*args, **keywords)
        if func is functional.scaled_dot_product_attention:
            with self._softmax_alone():
                return attended(*args, **keywords)
        if func is functional.multi_head_attention_forward:
            with self._softmax_alone():
                return unwrapped(func)(*args, **keywords)
        return func(*args, **keywords)

    @contextmanager
    def _softmax_alone(self) -> Iterator[None]:
        """See the softmaxes of what runs inside, and nothing else of it."""
        before, self._only_softmax = self._only_softmax, True
        try:
            with self:
                yield
        finally:
            self._only_softmax = before


@dataclass(frozen=True)
class _Handles:
    """What is done with the results of operations of one model, in this order."""

    model: nn.Module
    each: list[_Handle]


_open: ContextVar[_Handles | None] = ContextVar("open", default=None)


@contextmanager
def _handled(model: nn.Module, handle: _Handle) -> Iterator[None]:
    """Pass the result of each operation that is called outside the innermost modules through a function.

    The operations of a model are seen once, for all functions that are open: a second mode would see the parts of a
    fused function that the first one takes apart, not the function.
    """
    handles = _open.get()
    if handles is not None and handles.model is model:
        handles.each.append(handle)
        try:
            yield
        finally:
            handles.each.remove(handle)
        return
    handles = _Handles(model, [handle])
    token = _open.set(handles)
    try:
        with _seen_operations(handles):
            yield
    finally:
        _open.reset(token)


@contextmanager
def _seen_operations(handles: _Handles) -> Iterator[None]:
    """Pass the result of each operation that is called outside the innermost modules through all functions."""
    running: list[str | None] = []
    thread = threading.get_ident()

    def begin(name: str | None, module: nn.Module, arguments: Any) -> None:
        if threading.get_ident() == thread:
            running.append(name)

    def end(module: nn.Module, arguments: Any, output: Any) -> None:
        if threading.get_ident() == thread:
            running.pop()

    def handle(name: str, result: Tensor) -> Tensor:
        for each in handles.each:
            result = each(name, result)
        return result

    with ExitStack() as stack:
        for name, module in {"": handles.model, **named_layers(handles.model)}.items():
            path = name if name == "" or list(module.children()) else None
            stack.callback(module.register_forward_pre_hook(partial(begin, path)).remove)
            stack.callback(module.register_forward_hook(end, always_call=True).remove)
        stack.enter_context(_OperationCalls(running, handle))
        yield


@contextmanager
def noted_operations(model: nn.Module, seen: list[RecordedCall]) -> Iterator[None]:
    """Record the name of each operation and the shape of its result, among the calls of layers."""

    def note(name: str, result: Tensor) -> Tensor:
        seen.append((name, tuple(result.shape)))
        return result

    with _handled(model, note):
        yield


@dataclass(frozen=True)
class TorchOperationPlace(TorchPlace):
    """The result of an operation at one of its calls; `layer` is the model whose code calls it."""

    @contextmanager
    def passed_through(self, function: Callable[[Tensor], Tensor]) -> Iterator[None]:
        """Replace the result of the call by `function(result)`."""
        count = -1

        def handle(name: str, result: Tensor) -> Tensor:
            nonlocal count
            if name != self.call.name:
                return result
            count += 1
            return function(result) if count == self.call.call else result

        with _handled(self.layer, handle):
            yield

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Let the model run to its end: an operation may stand inside a layer's own code."""
        yield


def place_of(model: nn.Module, call: LayerCall) -> TorchPlace:
    """Give the place of a call in a model: of a layer, or of an operation between layers."""
    if call.is_operation:
        return TorchOperationPlace(model, call)
    # To name all layers takes a walk over the model.
    layer = named_layers(model)[call.name] if is_keras_model(model) else model.get_submodule(call.name)
    return TorchPlace(layer, call)
