"""Copies between host arrays and tensors on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from explain.inputs.examples import Array


def to_device(array: Array, device: torch.device, dtype: torch.dtype, *, channels_last: bool) -> Tensor:
    """Copy an array to a device; always a copy, since a model may change its input in place.

    Examples
    --------
    >>> to_device(np.arange(3.0)[::-1], torch.device("cpu"), torch.float32, channels_last=False).tolist()
    [2.0, 1.0, 0.0]
    >>> pictures = np.ones((2, 3, 4, 4))
    >>> to_device(pictures, torch.device("cpu"), torch.float32, channels_last=True).stride()
    (48, 1, 12, 3)
    """
    last = channels_last and array.ndim == 4
    # PyTorch rejects an array with negative strides, and warns about a read-only array.
    array = np.ascontiguousarray(array)
    # Cast floating-point arrays only, not token ids or masks.
    precision = dtype if array.dtype.kind == "f" else None
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(
        device, precision, copy=True, memory_format=torch.channels_last if last else torch.contiguous_format
    )


def to_host(tensor: Tensor) -> Array:
    """Copy a tensor to the host, half precision as float32, quantised numbers as the real numbers that they stand for.

    Examples
    --------
    >>> to_host(torch.ones(2, dtype=torch.bfloat16)).dtype.name
    'float32'
    >>> to_host(torch.quantize_per_tensor(torch.tensor([0.3, 1.0]), 0.5, 0, torch.quint8)).tolist()
    [0.5, 1.0]
    """
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    array: npt.NDArray[Any] = tensor.numpy(force=True)
    return array
