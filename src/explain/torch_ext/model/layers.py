"""The layers of a PyTorch model while it runs: which are called, and where it is entered or left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from explain.backends.places import Place
from explain.inputs.layers import LayerCall, as_calls

# Layers that tell which axis has the channels; what lies between them, an activation or a dropout, keeps it.
_CHANNELS_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.GroupNorm,
    nn.Upsample,
)
_CHANNELS_LAST = (nn.RNNBase, nn.Linear, nn.LayerNorm, nn.Embedding, nn.MultiheadAttention)


def named_layers(model: nn.Module) -> Mapping[str, nn.Module]:
    """Give the modules of a model by name, itself left out."""
    return {name: module for name, module in model.named_modules() if name}


def has_channels_last(module: nn.Module, before: bool) -> bool:
    """Tell whether what a module gives has its channels last, from where they were before it.

    Examples
    --------
    >>> has_channels_last(nn.Conv2d(3, 8, 3), True), has_channels_last(nn.ReLU(), True)
    (False, True)
    """
    if isinstance(module, _CHANNELS_FIRST):
        return False
    return before or isinstance(module, _CHANNELS_LAST)


def layer_calls(
    layers: Mapping[str, nn.Module], run: Callable[[], object], *, channels_last: bool
) -> tuple[LayerCall, ...]:
    """Give every call of a module, in the order in which they end.

    Parameters
    ----------
    layers : Mapping of str to torch.nn.Module
        The modules by name.
    run : callable
        Runs the model.
    channels_last : bool
        Whether the channels of its input are the last axis.
    """
    seen: list[tuple[str, tuple[int, ...], bool]] = []
    last = channels_last

    def note(name: str) -> Callable[[nn.Module, Tensor], None]:
        def see(module: nn.Module, output: Tensor) -> None:
            nonlocal last
            last = has_channels_last(module, last)
            if output.ndim >= 2:
                seen.append((name, tuple(output.shape[1:]), last or output.ndim == 2))

        return see

    with torch.no_grad(), ExitStack() as stack:
        for name, module in layers.items():
            stack.enter_context(_watched(module, note(name)))
        run()
    return as_calls(seen, ".")


@dataclass(frozen=True)
class TorchPlace(Place):
    """The output of a module at one of its calls; see `explain.backends.places.Place`."""

    layer: nn.Module

    @contextmanager
    def passed_through(self, function: Callable[[Tensor], Tensor]) -> Iterator[None]:
        """Replace the output by what a function makes of it."""
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

    def fits(self, output: Tensor, value: Tensor) -> bool:
        """Tell whether a value has the shape of the output."""
        return output.shape == value.shape

    def in_place_of(self, output: Tensor, value: Tensor) -> Tensor:
        """Give a copy of a value: what follows may change it in place, which a leaf does not allow."""
        return value.to(output.dtype, copy=True)

    def copied(self, output: Tensor) -> Tensor:
        """Give a copy of the output: what follows may change it in place."""
        return output.clone()

    @contextmanager
    def opened(self) -> Iterator[list[Tensor]]:
        """Keep the output as a leaf, at which the graph begins, in the precision of points."""
        found: list[Tensor] = []

        def open_up(output: Tensor) -> Tensor:
            wide = output.dtype if output.dtype == torch.float64 else torch.float32
            found.append(output.detach().to(wide).requires_grad_())
            return self.in_place_of(output, found[-1])

        with self._called_once(open_up):
            yield found


@contextmanager
def _watched(module: nn.Module, see: Callable[[nn.Module, Tensor], None]) -> Iterator[None]:
    """Show the output of a module, at each of its calls, to a function."""
    thread = threading.get_ident()

    def hook(module: nn.Module, arguments: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) and output else output
        if isinstance(first, Tensor) and threading.get_ident() == thread:
            see(module, first)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
