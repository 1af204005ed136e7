"""The order of a tensor's values in memory: contiguous, or channels last for pictures."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


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
