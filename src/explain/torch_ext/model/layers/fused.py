"""PyTorch's fused attention, written as the operations that it consists of."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Do what `torch.nn.functional.scaled_dot_product_attention` does; the arguments are the same.

    Examples
    --------
    >>> q, k, v = torch.randn(3, 2, 4, 5, 8).double()
    >>> fused = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    >>> bool((attended(q, k, v, is_causal=True) - fused).abs().max() < 1e-12)
    True
    """
    if enable_gqa:
        key, value = (one.repeat_interleave(query.shape[-3] // one.shape[-3], dim=-3) for one in (key, value))
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, float("-inf"))
    elif attn_mask is not None:
        scores = scores + attn_mask
    # A query that may attend to nothing takes nothing; PyTorch's softmax would give NaN.
    is_empty = (scores == float("-inf")).all(dim=-1, keepdim=True)
    weights = torch.softmax(scores.masked_fill(is_empty, 0), dim=-1)
    return functional.dropout(weights.masked_fill(is_empty, 0), dropout_p) @ value


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a copy of a function of PyTorch that does not first hand itself over to a mode: the mode sees what it calls.

    Examples
    --------
    >>> unwrapped(functional.relu)(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    assert isinstance(function, FunctionType)
    names = {**function.__globals__, "has_torch_function": _hands_nothing_over}
    copied = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


def _hands_nothing_over(arguments: Any) -> bool:
    return False
