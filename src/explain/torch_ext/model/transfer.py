"""Between host arrays and tensors on a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from explain.inputs.examples import Array


def to_device(array: Array, device: torch.device, dtype: torch.dtype, *, channels_last: bool) -> Tensor:
    """Copy an array to a device: what a model changes in place is not the caller's.

    Examples
    --------
    >>> to_device(np.arange(3.0)[::-1], torch.device("cpu"), torch.float32, channels_last=False).tolist()
    [2.0, 1.0, 0.0]
    >>> pictures = np.ones((2, 3, 4, 4))
    >>> to_device(pictures, torch.device("cpu"), torch.float32, channels_last=True).stride()
    (48, 1, 12, 3)
    """
    last = channels_last and array.ndim == 4
    # PyTorch takes no array that runs backwards, and warns of one that must not be written to.
    array = np.ascontiguousarray(array)
    # Token ids stay whole numbers, and masks what they are.
    precision = dtype if array.dtype.kind == "f" else None
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(
        device, precision, copy=True, memory_format=torch.channels_last if last else torch.contiguous_format
    )


def to_host(tensor: Tensor) -> Array:
    """Copy a tensor to the host, half precision as float32.

    Examples
    --------
    >>> to_host(torch.ones(2, dtype=torch.bfloat16)).dtype.name
    'float32'
    """
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def ordered(points: Tensor, dtype: torch.dtype, *, channels_last: bool) -> Tensor:
    """Bring what holds no whole numbers to a precision, and lay pictures out channels last in memory if that is wanted.

    What their axes mean does not change.

    Examples
    --------
    >>> ordered(torch.ones(2, 3, 4, 4), torch.float32, channels_last=True).stride()
    (48, 1, 12, 3)
    """
    points = points.to(dtype) if points.is_floating_point() else points
    return in_order(points, channels_last=channels_last)


def in_order(tensor: Tensor, *, channels_last: bool = False) -> Tensor:
    """Copy a tensor unless its strides are those of a new one: contiguous, or channels last for pictures.

    Where an axis has size 1, PyTorch takes some strides for both orders: `Tensor.contiguous` keeps them, whichever it
    is asked for, and a convolution reads from them that the channels are last.

    Examples
    --------
    >>> grey = torch.ones(2, 1, 4, 4).clone(memory_format=torch.channels_last)
    >>> grey.contiguous().stride(), in_order(grey).stride()
    ((16, 1, 4, 1), (16, 16, 4, 1))
    """
    if not any(tensor.stride()):
        # One number stands for all of them.
        return tensor
    order = torch.channels_last if channels_last and tensor.ndim == 4 else torch.contiguous_format
    return tensor if _is_in(tensor, order) else tensor.clone(memory_format=order)


def order_of(tensor: Tensor) -> torch.memory_format:
    """Give the memory format for a tensor that replaces another: channels last only if the other is certainly that.

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
    return tensor.stride() == torch.empty(tensor.shape, device="meta", memory_format=order).stride()


def keywords_on_device(
    common: Mapping[str, Any], companions: Mapping[str, Array], device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    """Bring a model's keyword arguments to its device: those for all examples, and those with one row an example.

    The latter come in the model's precision where they are no whole numbers.

    Examples
    --------
    >>> rows = {"weight": np.ones(2)}
    >>> keywords_on_device({"flag": True}, rows, torch.device("cpu"), torch.float32)
    {'flag': True, 'weight': tensor([1., 1.])}
    """
    found = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in common.items()}
    for name, array in companions.items():
        found[name] = to_device(array, device, dtype, channels_last=False)
    return found
