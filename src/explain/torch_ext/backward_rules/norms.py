"""The shapes in which the norms that PyTorch fuses compute their statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from explain.torch_ext.model.graph import name_of


class NormShape(NamedTuple):
    """How a norm computes its statistics.

    Parameters
    ----------
    shape : sequence of int
        The shape of its operand in which the statistics are over whole axes.
    statistics : sequence of int
        The shape of the mean and of the deviation, which broadcasts to `shape`.
    axes : tuple of int
        The axes over which they are computed.
    weights : torch.Tensor, optional
        The scale of the result, which broadcasts to the operand as it is.
    """

    shape: Sequence[int]
    statistics: Sequence[int]
    axes: tuple[int, ...]
    weights: Tensor | None


def shape_of(node: Any) -> NormShape:
    """Give the shapes of a fused norm, from its node in the autograd graph."""
    return _SHAPES[name_of(node)](node, node._saved_input)


def _layer_norm(node: Any, entered: Tensor) -> NormShape:
    rank = len(node._saved_normalized_shape)
    statistics = (*entered.shape[: entered.dim() - rank], *(1,) * rank)
    return NormShape(entered.shape, statistics, tuple(range(-rank, 0)), node._saved_weight)


def _group_norm(node: Any, entered: Tensor) -> NormShape:
    shape = (entered.shape[0], node._saved_group, -1)
    return NormShape(shape, (*shape[:2], 1), (2,), _by_channel(node._saved_weight, entered))


def _batch_norm(node: Any, entered: Tensor) -> NormShape:
    axes = tuple(axis for axis in range(entered.dim()) if axis != 1)
    statistics = [entered.shape[1] if axis == 1 else 1 for axis in range(entered.dim())]
    return NormShape(entered.shape, statistics, axes, _by_channel(node._saved_weight, entered))


def _by_channel(weight: Tensor | None, entered: Tensor) -> Tensor | None:
    return None if weight is None else weight.reshape(-1, *(1,) * (entered.dim() - 2))


_SHAPES: Mapping[str, Callable[[Any, Tensor], NormShape]] = {
    "NativeLayerNorm": _layer_norm,
    "NativeGroupNorm": _group_norm,
    "NativeBatchNorm": _batch_norm,
    "CudnnBatchNorm": _batch_norm,
    "MiopenBatchNorm": _batch_norm,
}
