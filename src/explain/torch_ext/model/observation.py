"""Runs a PyTorch model once in its own mode, and records the outputs of its modules."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from explain.backends.observation import (
    CallLog,
    ModelInputs,
    Observation,
    ObservedCall,
    first_in,
    named_outputs,
    plain_settings,
)
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring
from explain.keras.calls import wired
from explain.torch_ext.model.inspection import call_error, device_and_dtype, inspect_model
from explain.torch_ext.model.layers.calls import has_channels_last, named_layers
from explain.torch_ext.model.memory_format import ordered
from explain.torch_ext.model.state import inference_mode
from explain.torch_ext.model.transfer import to_device, to_host

# The same words as for Keras layers.
_OPERATIONS: tuple[tuple[Any, str], ...] = (
    (nn.modules.conv._ConvTransposeNd, "transposed_convolution"),
    (nn.modules.conv._ConvNd, "convolution"),
    (nn.Linear, "dense"),
    (nn.modules.batchnorm._BatchNorm, "batch_normalization"),
    (nn.LayerNorm, "layer_normalization"),
    (nn.GroupNorm, "group_normalization"),
    (nn.Embedding, "embedding"),
    (nn.LSTM, "lstm"),
    (nn.GRU, "gru"),
    (nn.RNN, "simple_rnn"),
    (nn.MultiheadAttention, "attention"),
    (nn.modules.pooling._MaxPoolNd, "max_pooling"),
    (nn.modules.pooling._AvgPoolNd, "average_pooling"),
    (nn.modules.pooling._AdaptiveAvgPoolNd, "global_average_pooling"),
    (nn.modules.pooling._AdaptiveMaxPoolNd, "global_max_pooling"),
    (nn.modules.dropout._DropoutNd, "dropout"),
    (nn.Flatten, "flatten"),
    (nn.Unflatten, "reshape"),
    (nn.Identity, "identity"),
    (nn.ReLU6, "relu6"),
    (nn.SiLU, "silu"),
    (nn.LogSoftmax, "log_softmax"),
    (nn.LeakyReLU, "leaky_relu"),
    (nn.Hardtanh, "hard_tanh"),
)
_SETTINGS = (
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "ceil_mode",
    "count_include_pad",
    "negative_slope",
    "approximate",
    "alpha",
    "p",
    "output_size",
)


def observe(
    model: Any, inputs: ModelInputs, layout: Layout, wiring: Wiring | None = None, *, layers: bool = True
) -> Observation | None:
    """Run a model in its own mode, see `explain.backends.protocol.Extension.observe`; its state is restored.

    Raises
    ------
    ModelCallError
        If the model raises.
    """
    inspection = inspect_model(model, (), wiring)
    if inspection.opaque or inspection.stepwise or inspection.keras:
        return None
    network: nn.Module = inspection.model
    device, dtype = device_and_dtype(inspection, inputs[0])
    wide = dtype if dtype == torch.float64 else torch.float32
    points = [
        None
        if one is None
        else ordered(to_device(one, device, wide, channels_last=False), dtype, channels_last=False)
        for one in inputs
    ]
    given, keywords = wired(network, wiring, points, {}, keras=False)
    log = CallLog(layout)
    # The run keeps the model's own mode; changes that a run in training mode makes are restored.
    as_given = replace(inspection.structure, training=(), stock=False)
    with ExitStack() as stack:
        put_back = stack.enter_context(inference_mode(network, as_given, device))
        if layers:
            watcher = _Watcher(layout, log)
            for name, module in named_layers(network).items():
                if _is_recorded(module):
                    stack.enter_context(watcher.watching(name, module))
        # `inference_mode` above enables gradients.
        stack.enter_context(torch.no_grad())
        put_back()
        try:
            result = network(*given, **keywords)
        except Exception as cause:  # The model is the user's code, which may raise anything.
            raise call_error(inspection, cause, points, wiring) from cause
        outputs = named_outputs(result, lambda one: isinstance(one, Tensor), to_host, layout)
        put_back()
    return Observation(outputs, tuple(log.calls), network.training, flattens_channels_last=False)


class _Watcher:
    """Adds the calls of modules to a log, and tracks the channel axis.

    Parameters
    ----------
    layout : Layout
        The axes of the model's input.
    log : CallLog
        The log to which calls are added.
    """

    def __init__(self, layout: Layout, log: CallLog) -> None:
        self._log = log
        # The rank of the last output of a module that determines the channel axis.
        self._rank = len(layout.axes)
        self._thread = threading.get_ident()

    def watching(self, name: str, module: nn.Module) -> _Hooks:
        """Log the calls of a module while a context lasts."""
        given: list[Array | None] = []

        def before(module: nn.Module, arguments: Any) -> None:
            if threading.get_ident() == self._thread:
                first = first_in(arguments)
                # A copy, since the module may change its input in place.
                given.append(to_host(first.clone()) if isinstance(first, Tensor) else None)

        def after(module: nn.Module, arguments: Any, output: Any) -> None:
            if threading.get_ident() != self._thread:
                return
            inputs, first = (given.pop() if given else None), first_in(output)
            if isinstance(first, Tensor):
                self._add(name, module, inputs, first)

        return _Hooks(module, before, after)

    def _add(self, name: str, module: nn.Module, inputs: Array | None, output: Tensor) -> None:
        log = self._log
        if has_channels_last(module, True) == has_channels_last(module, False):
            self._rank = output.ndim
        log.channels_last = has_channels_last(module, log.channels_last)
        batch_axis = None
        if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
            batch_axis = 0 if module.batch_first else 1
        call = ObservedCall(
            name,
            0,
            _operation_of(module),
            inputs,
            to_host(output.clone()),
            settings=_settings_of(module),
            dtype=str(output.dtype).removeprefix("torch."),
            # Where a model turns a map into a sequence or a row into a map, its axes are not known.
            has_known_axes=output.ndim in (2, self._rank),
        )
        log.add(call, batch_axis)


class _Hooks:
    """Two hooks on a module while a context lasts."""

    def __init__(self, module: nn.Module, before: Callable[..., None], after: Callable[..., None]) -> None:
        self._module, self._before, self._after = module, before, after

    def __enter__(self) -> None:
        """Register the hooks."""
        self._handles = (
            self._module.register_forward_pre_hook(self._before),
            self._module.register_forward_hook(self._after),
        )

    def __exit__(self, *_: object) -> None:
        """Remove them."""
        for handle in self._handles:
            handle.remove()


def _is_recorded(module: nn.Module) -> bool:
    """Tell whether a module computes by itself: it has no submodules, or parameters of its own."""
    return not any(True for _ in module.children()) or any(True for _ in module.parameters(recurse=False))


def _operation_of(module: nn.Module) -> str:
    for kind, word in _OPERATIONS:
        if isinstance(module, kind):
            return word
    return type(module).__name__.lower()


def _settings_of(module: nn.Module) -> dict[str, Any]:
    return {} if any(True for _ in module.parameters(recurse=False)) else plain_settings(module, _SETTINGS)
