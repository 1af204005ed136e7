"""The order of a tensor's values in memory: contiguous, or channels last for pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

# From so many numbers of weights for each pixel on, a pass over a picture takes less time than the conversion of the
# weights that PyTorch makes in it: ResNet-18 has 219 at 224×224, 671 at 128×128 and 2,684 at 64×64.
HEAVY = 600

# From so many on, one conversion before the first pass takes less time than the two in it, forwards and backwards.
CONVERTED_FIRST = 100


def ordered(points: Tensor, dtype: torch.dtype, *, channels_last: bool) -> Tensor:
    """Convert points to a dtype, if they are floating-point, and to a memory order; their axes do not change.

    Examples
    --------
    >>> ordered(torch.ones(2, 3, 4, 4), torch.float32, channels_last=True).stride()
    (48, 1, 12, 3)
    """
    points = points.to(dtype) if points.is_floating_point() else points
    return in_order(points, channels_last=channels_last)


def in_order(tensor: Tensor, *, channels_last: bool = False) -> Tensor:
    """Copy a tensor unless its strides are those of a new one: contiguous, or channels last for pictures.

    Where an axis has size 1, PyTorch accepts some strides as both orders. `Tensor.contiguous` keeps them for either
    memory format, and a convolution takes them as channels last.

    Examples
    --------
    >>> grey = torch.ones(2, 1, 4, 4).clone(memory_format=torch.channels_last)
    >>> grey.contiguous().stride(), in_order(grey).stride()
    ((16, 1, 4, 1), (16, 16, 4, 1))
    """
    if not any(tensor.stride()):
        # All values are the same number in memory.
        return tensor
    order = torch.channels_last if channels_last and tensor.ndim == 4 else torch.contiguous_format
    return tensor if _is_in(tensor, order) else tensor.clone(memory_format=order)


def order_of(tensor: Tensor) -> torch.memory_format:
    """Give the memory format for a tensor that replaces another: channels last only if the other is unambiguously so.

    Examples
    --------
    >>> grey = torch.ones(2, 1, 4, 4)
    >>> order_of(grey), order_of(grey.clone(memory_format=torch.channels_last))
    (torch.contiguous_format, torch.channels_last)
    """
    if tensor.ndim != 4 or _is_in(tensor, torch.contiguous_format):
        return torch.contiguous_format
    return torch.channels_last if _is_in(tensor, torch.channels_last) else torch.contiguous_format


def _is_in(tensor: Tensor, order: torch.memory_format) -> bool:
    return tensor.stride() == _strides_of(tensor.shape, order)


@lru_cache(maxsize=512)
def _strides_of(shape: torch.Size, order: torch.memory_format) -> tuple[int, ...]:
    return torch.empty(shape, device="meta", memory_format=order).stride()


def weights_per_pixel(modules: Iterable[nn.Module], shape: Sequence[int]) -> float:
    """Count the weights that a pass over pictures of a shape, channels first, has to convert, for each pixel.

    A convolution of pictures that are channels last converts its weights to this order, forwards and backwards, if
    its kernel is larger than 1×1. The count tells which order is faster for a single pass over a few pictures. It
    depends on the model and the shape alone, not on the number of pictures, so that the map of a picture does not
    depend on others.

    Examples
    --------
    >>> weights_per_pixel([nn.Conv2d(256, 256, 3)], (3, 16, 16)), weights_per_pixel([nn.Conv2d(256, 256, 1)], (3, 9, 9))
    (2304.0, 0.0)
    """
    if len(shape) != 3:
        return 0.0
    return sum(weight.numel() for weight in _to_convert(modules)) / max(1, shape[1] * shape[2])


class ConvertedWeights:
    """The weights of convolutions, converted to channels last once instead of in every pass; the values are the same.

    Examples
    --------
    >>> layer, weights = nn.Conv2d(2, 4, 3), ConvertedWeights()
    >>> weights.convert([layer])
    >>> layer.weight.stride()
    (18, 1, 6, 2)
    >>> weights.restore()
    >>> layer.weight.stride()
    (18, 9, 3, 1)
    """

    def __init__(self) -> None:
        self._done = False
        self._converted: list[tuple[nn.Parameter, Tensor, int]] = []

    def convert(self, modules: Iterable[nn.Module]) -> None:
        """Convert the weights, those that are not in this order already; once only."""
        if self._done:
            return
        self._done = True
        for weight in _to_convert(modules):
            before = weight.data
            if _is_in(before, torch.channels_last):
                continue
            # The parameter stays the same object, so that whoever compares or counts parameters finds it.
            weight.data = before.clone(memory_format=torch.channels_last)
            self._converted.append((weight, before, weight.data_ptr()))

    def restore(self) -> None:
        """Give the parameters their own tensors back, unless the model's code has given them others meanwhile."""
        self._done = False
        while self._converted:
            weight, before, address = self._converted.pop()
            if weight.data_ptr() == address:
                weight.data = before


def _to_convert(modules: Iterable[nn.Module]) -> Iterator[nn.Parameter]:
    """Give the weights of PyTorch's own convolutions that have two different orders."""
    for module in modules:
        weight = module._parameters.get("weight") if type(module) is nn.Conv2d else None
        if type(weight) is nn.Parameter and not weight.is_inference():
            _, inward, height, width = weight.shape
            if inward > 1 and height * width > 1:
                yield weight
