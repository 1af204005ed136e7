"""The layers of a PyTorch model while it runs: which are called, what they give, and another thing in its place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from explain.errors import LayerError
from explain.inputs.examples import Array, Examples
from explain.inputs.layers import LayerCall, as_calls
from explain.torch_ext.model.transfer import order_of, to_host

if TYPE_CHECKING:
    from explain.torch_ext.backend import TorchBackend

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


def layer_calls(backend: TorchBackend, examples: Examples, *, channels_last: bool) -> tuple[LayerCall, ...]:
    """Run one example; give every call of a module. `channels_last` says where the input's channels are."""
    seen: list[tuple[str, tuple[int, ...], bool]] = []
    last = channels_last

    def note(name: str) -> Callable[[nn.Module, Tensor], None]:
        def see(module: nn.Module, output: Tensor) -> None:
            nonlocal last
            last = has_channels_last(module, last)
            if output.ndim >= 2:
                seen.append((name, tuple(output.shape[1:]), last or output.ndim == 2))

        return see

    few = examples.rows(slice(0, 1))
    with torch.no_grad(), ExitStack() as stack:
        for name, module in backend.named_layers.items():
            stack.enter_context(_watched(module, note(name)))
        backend.read(backend.tensors(few.inputs), few)
    return as_calls(seen, ".")


def activations(backend: TorchBackend, call: LayerCall, examples: Examples) -> Array:
    """Give what a module gives at a call for each example, shape (N, ...)."""
    with torch.no_grad():
        given = backend.until(call).read(backend.tensors(examples.inputs), examples).source
    return to_host(given.contiguous())


def units_and_gradients(backend: TorchBackend, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
    """Give what a module gives at a call, and the gradients of the scores to it; what is before it needs no graph."""
    with backend.place_of(call).opened() as found:
        explained = backend.read(backend.tensors(examples.inputs), examples).explained
    (gradient,) = backend.gradients_of(explained, examples, found[-1:])
    return to_host(found[-1].detach().contiguous()), to_host(gradient.contiguous())


@dataclass(frozen=True)
class Entry:
    """Where a model is entered, or left: at what a module gives at one of its calls.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    call : LayerCall
        Which of its calls.
    """

    module: nn.Module
    call: LayerCall

    @contextmanager
    def entered(self, value: Tensor) -> Iterator[None]:
        """Put a value in the place of what the module gives."""
        met = False

        def enter(output: Tensor) -> Tensor:
            nonlocal met
            met = True
            if output.shape != value.shape:
                raise LayerError(
                    f"layer={self.call.label!r} gives shape {tuple(output.shape)} here and {tuple(value.shape)} "
                    "before: it cannot be taken for an input."
                )
            # A copy: what follows may change it in place, which a leaf does not allow. Its memory format is that of the
            # module's output, since what follows may take a view.
            return value.to(output.dtype, copy=True, memory_format=order_of(output))

        with passed_through(self.module, self.call.call, enter):
            yield
            if not met:
                raise _missed(self.call)

    @contextmanager
    def opened(self) -> Iterator[list[Tensor]]:
        """Keep what the module gives as a leaf, from which the graph begins, in the precision of points."""
        found: list[Tensor] = []

        def open_up(output: Tensor) -> Tensor:
            wide = output.dtype if output.dtype == torch.float64 else torch.float32
            found.append(output.detach().to(wide).requires_grad_())
            # A copy: what follows may change it in place, which a leaf does not allow.
            return found[-1].to(output.dtype, copy=True)

        with passed_through(self.module, self.call.call, open_up):
            yield found
            if not found:
                raise _missed(self.call)

    @contextmanager
    def kept(self) -> Iterator[list[Tensor]]:
        """Keep what the module gives."""
        found: list[Tensor] = []

        def keep(output: Tensor) -> Tensor:
            # What follows may change it in place.
            found.append(output.clone())
            return output

        with passed_through(self.module, self.call.call, keep):
            yield found
            if not found:
                raise _missed(self.call)


@contextmanager
def entered_at(
    readers: Sequence[tuple[int, Entry]], entry: Entry | None, moved: Sequence[Tensor], value: Tensor | None
) -> Iterator[None]:
    """Put values in the places at which a model is entered: some of its moved inputs at `readers`, one at `entry`."""
    with ExitStack() as stack:
        for place, reader in readers:
            stack.enter_context(reader.entered(moved[place]))
        if entry is not None and value is not None:
            stack.enter_context(entry.entered(value))
        yield


@contextmanager
def passed_through(module: nn.Module, call: int, function: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let what a module gives at one of its calls go through a function.

    Of a module that gives several things, an LSTM its states, the first.
    """
    count = -1
    thread = threading.get_ident()

    def hook(module: nn.Module, arguments: Any, output: Any) -> Any:
        nonlocal count
        if threading.get_ident() != thread:
            return None
        count += 1
        if count != call:
            return None
        return (function(output[0]), *output[1:]) if isinstance(output, tuple) else function(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _watched(module: nn.Module, see: Callable[[nn.Module, Tensor], None]) -> Iterator[None]:
    """Show what a module gives, at each of its calls, to a function."""
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


def _missed(call: LayerCall) -> LayerError:
    return LayerError(
        f"layer={call.label!r} was not called this time: the model goes other ways through its layers for other "
        "inputs. Name a layer that it always calls."
    )
