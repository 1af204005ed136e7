"""A PyTorch model run once as it is given, and what its modules gave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from explain.backends.observation import (
    Observation,
    ObservedCall,
    batch_first,
    canonical,
    first_in,
    tensors_in,
)
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring
from explain.keras.layers import wired
from explain.torch_ext.model.inspection import call_error, device_and_dtype, inspect_model
from explain.torch_ext.model.layers import has_channels_last, named_layers
from explain.torch_ext.model.memory_format import ordered
from explain.torch_ext.model.state import inference_mode
from explain.torch_ext.model.transfer import to_device, to_host

# The same words as in Keras.
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
_PLAIN = (
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
    model: Any,
    inputs: Sequence[Array | None],
    layout: Layout,
    wiring: Wiring | None = None,
    *,
    layers: bool = True,
) -> Observation | None:
    """Run a model as it is given, in its own mode; it is again as it came.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    inputs : sequence of numpy.ndarray
        As the model takes them; None for one that is given as None.
    layout : Layout
        The axes of the first that has numbers.
    wiring : Wiring, optional
        How the model is called with several.
    layers : bool
        Whether to note what the layers give.

    Returns
    -------
    Observation, optional
        None for a model whose layers cannot be reached, or that takes one step of a sequence at a time.

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
    seen: list[ObservedCall] = []
    # Its own mode is part of what is observed; what a run in training mode changes is put back.
    as_given = replace(inspection.structure, training=(), stock=False)
    with ExitStack() as stack:
        put_back = stack.enter_context(inference_mode(network, as_given, device))
        if layers:
            watcher = _Watcher(layout, seen)
            for name, module in named_layers(network).items():
                if _is_noted(module):
                    stack.enter_context(watcher.watching(name, module))
        # Held so, a model is to have gradients.
        stack.enter_context(torch.no_grad())
        put_back()
        try:
            result = network(*given, **keywords)
        except Exception as cause:  # The model is foreign code, which may raise anything.
            raise call_error(inspection, cause, points) from cause
        found = tensors_in(result, lambda one: isinstance(one, Tensor))
        outputs = {name: batch_first(to_host(one), layout.batch_axis) for name, one in found.items()}
        put_back()
    return Observation(outputs, tuple(seen), network.training, flattens_channels_last=False)


class _Watcher:
    """Notes the calls of modules in their order, and follows where the channels are.

    Parameters
    ----------
    layout : Layout
        The axes of the model's input.
    seen : list of ObservedCall
        Where they are noted.
    """

    def __init__(self, layout: Layout, seen: list[ObservedCall]) -> None:
        self._seen = seen
        self._batch_axis = layout.batch_axis
        # What has no channels gets them last, in an embedding.
        self._last = layout.axes[-1] == "C" or "C" not in layout.axes
        # The rank of what was last given by a module that tells where the channels are.
        self._rank = len(layout.axes)
        self._thread = threading.get_ident()

    def watching(self, name: str, module: nn.Module) -> _Hooks:
        """Note the calls of a module while a context lasts."""
        given: list[Array | None] = []

        def before(module: nn.Module, arguments: Any) -> None:
            if threading.get_ident() == self._thread:
                first = first_in(arguments)
                # A copy: what is changed in place is noted as it came.
                given.append(to_host(first.clone()) if isinstance(first, Tensor) else None)

        def after(module: nn.Module, arguments: Any, output: Any) -> None:
            if threading.get_ident() != self._thread:
                return
            inputs, first = (given.pop() if given else None), first_in(output)
            if isinstance(first, Tensor):
                self._note(name, module, inputs, first)

        return _Hooks(module, before, after)

    def _note(self, name: str, module: nn.Module, inputs: Array | None, output: Tensor) -> None:
        if has_channels_last(module, True) == has_channels_last(module, False):
            self._rank = output.ndim
        self._last = has_channels_last(module, self._last)
        batch_axis = self._batch_axis
        if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
            batch_axis = 0 if module.batch_first else 1
        laid_out = [
            None if one is None else canonical(one, batch_axis, channels_last=self._last)
            for one in (inputs, to_host(output.clone()))
        ]
        assert laid_out[1] is not None
        self._seen.append(
            ObservedCall(
                name=name,
                call=sum(one.name == name for one in self._seen),
                operation=_operation_of(module),
                inputs=laid_out[0],
                outputs=laid_out[1],
                settings=_settings_of(module),
                dtype=str(output.dtype).removeprefix("torch."),
                # A model that makes a sequence of a map, or a map of a row, lays it out as it likes.
                has_known_axes=output.ndim in (2, self._rank),
            )
        )


class _Hooks:
    """Two hooks on a module, for the length of a context."""

    def __init__(self, module: nn.Module, before: Callable[..., None], after: Callable[..., None]) -> None:
        self._module, self._before, self._after = module, before, after

    def __enter__(self) -> None:
        """Put the hooks on."""
        self._handles = (
            self._module.register_forward_pre_hook(self._before),
            self._module.register_forward_hook(self._after),
        )

    def __exit__(self, *_: object) -> None:
        """Take them off."""
        for handle in self._handles:
            handle.remove()


def _is_noted(module: nn.Module) -> bool:
    """Tell a module that does something of its own: one without modules in it, or with parameters beside them."""
    return not any(True for _ in module.children()) or any(True for _ in module.parameters(recurse=False))


def _operation_of(module: nn.Module) -> str:
    for kind, word in _OPERATIONS:
        if isinstance(module, kind):
            return word
    return type(module).__name__.lower()


def _settings_of(module: nn.Module) -> dict[str, Any]:
    if any(True for _ in module.parameters(recurse=False)):
        return {}
    found = {name: getattr(module, name) for name in _PLAIN if hasattr(module, name)}
    return {name: value for name, value in found.items() if isinstance(value, (bool, int, float, str, tuple))}
