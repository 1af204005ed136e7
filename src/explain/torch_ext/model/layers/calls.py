"""The layers of a PyTorch model while it runs: record their calls, start or end the model at one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from explain.backends.places import EndOfRun, Place
from explain.inputs.layer_calls import RecordedCall
from explain.keras import layers as keras_layers
from explain.keras.layers import derives_from, is_keras_model
from explain.torch_ext.model.memory_format import in_order, order_of

# Layers that determine the channel axis; others, such as an activation or a dropout, preserve it.
_CHANNELS_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._LPPoolNd,
    nn.modules.pooling._MaxUnpoolNd,
    nn.FractionalMaxPool2d,
    nn.FractionalMaxPool3d,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.LocalResponseNorm,
    nn.GroupNorm,
    nn.Upsample,
)
_CHANNELS_LAST = (nn.RNNBase, nn.Linear, nn.LayerNorm, nn.Embedding, nn.MultiheadAttention)


def named_layers(model: nn.Module) -> Mapping[str, nn.Module]:
    """Give the modules of a model by name, without the model itself; of a Keras model its layers."""
    if is_keras_model(model):
        return keras_layers.named_layers(model)
    return {name: module for name, module in model.named_modules() if name}


def has_channels_last(layer: Any, before: bool) -> bool:
    """Tell whether the output of a module has its channels last, from whether its input has.

    Examples
    --------
    >>> has_channels_last(nn.Conv2d(3, 8, 3), True), has_channels_last(nn.ReLU(), True)
    (False, True)
    """
    if derives_from(layer, "Layer"):
        return keras_layers.has_channels_last(layer, before)
    if isinstance(layer, _CHANNELS_FIRST):
        return False
    return before or isinstance(layer, _CHANNELS_LAST)


def fixes_axes(layer: Any) -> bool:
    """Tell whether the operation of a module determines which of its axes are space."""
    if derives_from(layer, "Layer"):
        return keras_layers.fixes_axes(layer)
    return isinstance(layer, (*_CHANNELS_FIRST, nn.RNNBase, nn.Embedding))


def batch_axis_of(layer: Any) -> int | None:
    """Give the axis of the examples that a recurrent or attention module expects; None for any other module.

    Examples
    --------
    >>> batch_axis_of(nn.LSTM(2, 3)), batch_axis_of(nn.GRUCell(2, 3)), batch_axis_of(nn.Linear(2, 3))
    (1, 0, None)
    """
    if isinstance(layer, (nn.RNNBase, nn.MultiheadAttention)):
        return 0 if layer.batch_first else 1
    return 0 if isinstance(layer, nn.RNNCellBase) else None


@contextmanager
def noted_calls(layers: Mapping[str, nn.Module], seen: list[RecordedCall]) -> Iterator[None]:
    """Record the name of every module and the shape of its output, at each of its calls."""
    thread = threading.get_ident()

    def hook(name: str, module: nn.Module, arguments: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) and output else output
        if isinstance(first, Tensor) and threading.get_ident() == thread:
            shape = tuple(first.shape)
            # With steps from last to first, as of a layer of Keras, a map would be reversed relative to the input.
            is_reversed = getattr(module, "go_backwards", False) and len(shape) > 2
            seen.append((name, () if is_reversed else shape))

    with ExitStack() as stack:
        for name, module in layers.items():
            stack.callback(module.register_forward_hook(partial(hook, name)).remove)
        yield


def with_moved_axis(tensor: Tensor, source: int, target: int) -> Tensor:
    """Move an axis of a tensor.

    A tensor whose batch axis leaves the front goes into the model, which may take a view of it: it is contiguous.

    Examples
    --------
    >>> with_moved_axis(torch.zeros(2, 3, 4), 0, 1).shape
    torch.Size([3, 2, 4])
    """
    moved = tensor.movedim(source, target)
    return in_order(moved) if source == 0 else moved


@dataclass(frozen=True)
class TorchPlace(Place):
    """The output of a module at one of its calls; see `explain.backends.places.Place`."""

    layer: nn.Module

    @contextmanager
    def passed_through(self, function: Callable[[Tensor], Tensor]) -> Iterator[None]:
        """Replace the output of the call by `function(output)`."""
        count = -1
        thread = threading.get_ident()

        def hook(module: nn.Module, arguments: Any, output: Any) -> Any:
            nonlocal count
            if threading.get_ident() != thread:
                return None
            count += 1
            if count != self.call.call:
                return None
            return (function(output[0]), *output[1:]) if isinstance(output, tuple) else function(output)

        handle = self.layer.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def received(self) -> Iterator[list[Tensor]]:
        """Record the first argument of the call."""
        found: list[Tensor] = []
        count = -1
        thread = threading.get_ident()

        def hook(module: nn.Module, arguments: Any, keywords: Any) -> None:
            nonlocal count
            if threading.get_ident() == thread:
                count += 1
                if count == self.call.call:
                    found.append(next(iter((*arguments, *keywords.values()))))

        handle = self.layer.register_forward_pre_hook(hook, with_kwargs=True)
        try:
            yield found
        finally:
            handle.remove()

    @contextmanager
    def on_the_way(self) -> Iterator[list[Tensor]]:
        """Record the output, batch first, as it stands in the autograd graph; the model goes on with a copy.

        The model may change its copy in place. It need not make the call.
        """
        found: list[Tensor] = []

        def record(output: Tensor) -> Tensor:
            found.append(output)
            return output.clone()

        with self.passed_through(self._batch_first(record)):
            yield found

    @contextmanager
    def ended(self) -> Iterator[None]:
        """End the run of the model after the call, by `EndOfRun`."""
        count = -1
        thread = threading.get_ident()

        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            nonlocal count
            if threading.get_ident() == thread:
                count += 1
                if count == self.call.call:
                    raise EndOfRun

        handle = self.layer.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    def with_moved_axis(self, output: Tensor, source: int, target: int) -> Tensor:
        """Move an axis of the output, or of what replaces it."""
        return with_moved_axis(output, source, target)

    def with_shape(self, output: Tensor, shape: Sequence[int]) -> Tensor:
        """Reshape the output, or what replaces it."""
        return output.reshape(tuple(shape))

    def joined(self, parts: Sequence[Tensor]) -> Tensor:
        """Put parts of the output, or of what replaces it, behind each other on the second axis."""
        return torch.cat([part.to(parts[0].dtype) for part in parts], dim=1)

    def fits(self, output: Tensor, value: Tensor) -> bool:
        """Tell whether a value has the shape of the output."""
        return output.shape == value.shape

    def in_place_of(self, output: Tensor, value: Tensor) -> Tensor:
        """Give a copy of a value: the model may change it in place, which PyTorch forbids for a leaf.

        It has the memory format of the output, since the model may take a view of it.
        """
        return value.to(output.dtype, copy=True, memory_format=order_of(output))

    def copied(self, output: Tensor) -> Tensor:
        """Give a copy of the output: the model may change the output in place."""
        return output.clone()

    def held_in(self, output: Any, row: int, rows: int | None) -> Any:
        """Give the output with one of its rows as a constant for gradients; as it is if it has not `rows` rows."""
        if not isinstance(output, Tensor) or rows is None or output.shape[:1] != (rows,):
            return output
        is_held = (torch.arange(rows, device=output.device) == row).reshape(-1, *[1] * (output.ndim - 1))
        return self.in_place_of(output, torch.where(is_held, output.detach(), output))

    @contextmanager
    def opened(self) -> Iterator[list[Tensor]]:
        """Replace the output by a leaf in the precision of points, so that the autograd graph starts at it."""
        found: list[Tensor] = []

        def open_up(output: Tensor) -> Tensor:
            wide = output.dtype if output.dtype == torch.float64 else torch.float32
            found.append(output.detach().to(wide).requires_grad_())
            # A copy: the model may change it in place, which PyTorch forbids for a leaf.
            return found[-1].to(output.dtype, copy=True)

        with self._called_once(open_up):
            yield found
