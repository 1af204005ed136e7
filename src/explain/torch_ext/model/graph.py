"""The autograd graph between an input and a score: which operations are affine, and whether one has kinks."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from functools import lru_cache
from typing import Any

import torch

from explain.backends.operations import score_graph
from explain.backends.operations.score_graph import Operations, names

# Operations by the names of their nodes in the autograd graph, without the ending "Backward0".
# Affine jointly in all their operands.
_ADDITIVE = names(
    "Add Sub Neg Cat Stack View UnsafeView Reshape ReshapeAlias Permute Transpose T Squeeze Unsqueeze Expand Slice "
    "Select Split SplitWithSizes UnsafeSplit Chunk Unbind Index IndexSelect Gather Narrow Flip Roll ConstantPadNd "
    "ReflectionPad1D ReflectionPad2D ReplicationPad1D ReplicationPad2D Sum Mean Clone Alias ToCopy Copys AsStrided "
    "Unfold AvgPool1D AvgPool2D AvgPool3D AdaptiveAvgPool1D AdaptiveAvgPool2D UpsampleNearest2D UpsampleBilinear2D "
    "PixelShuffle Repeat Where"
)
# The input may determine which of their operands they take.
_CHOICES = names("Where Gather Index IndexSelect")
# Affine in one operand if the others are constant.
_LINEAR_IN_EACH = names("Mul Mm Addmm Bmm Baddbmm Addbmm Mv Dot Convolution Linear")
# Operations that make a prefix worth skipping.
_COSTLY = names("Mm Addmm Bmm Baddbmm Addbmm Convolution Linear")
_BATCH_NORMS = names("NativeBatchNorm CudnnBatchNorm MiopenBatchNorm")
_SMOOTH = names(
    "Tanh Sigmoid Softmax LogSoftmax LogSigmoid Softplus Silu Gelu Mish Exp Exp2 Expm1 Log Log1P Log2 Pow Sqrt "
    "Rsqrt Reciprocal Sin Cos Erf Logsumexp Div NativeLayerNorm NativeGroupNorm MkldnnRnnLayer ThnnFusedLstmCell "
    "ThnnFusedGruCell ScaledDotProductFlashAttention ScaledDotProductFlashAttentionForCpu "
    "ScaledDotProductEfficientAttention ScaledDotProductCudnnAttention Contiguous"
)

# Each row of the result depends on the same row of the operands that depend on the input, whose examples are rows.
_BY_ROWS = names(
    "Convolution Relu MaxPool2DWithIndices MaxPool3DWithIndices AvgPool2D AvgPool3D AdaptiveAvgPool2D "
    "AdaptiveAvgPool3D Add Sub Mul Clone LeakyRelu Elu Gelu Silu Hardtanh Hardswish Hardsigmoid Sigmoid Tanh Softplus "
    "Mish Clamp ClampMin Threshold"
)


class ScoreGraph(score_graph.ScoreGraph):
    """The part of an autograd graph through which a score depends on one input.

    Parameters
    ----------
    root : autograd node
        The node of the score.
    leaf : torch.Tensor
        The input, a leaf that requires a gradient.

    Examples
    --------
    >>> import torch
    >>> x = torch.ones(1, 2, requires_grad=True)
    >>> z = torch.nn.Linear(2, 3)(x)
    >>> graph = ScoreGraph(z.relu().sum().grad_fn, x)
    >>> graph.is_affine(z.grad_fn), graph.is_the_only_way(z.grad_fn), graph.has_kinks()
    (True, True, True)
    """

    def __init__(self, root: Any, leaf: Any) -> None:
        nodes = operands_first(root)
        source = next((node for node in nodes if getattr(node, "variable", None) is leaf), None)
        super().__init__(nodes, source, root, _KNOWN)


def is_affine_kind(node: Any, dependent: Container[Any]) -> bool:
    """Tell whether an operation is affine in its operands that depend on the explained input.

    Parameters
    ----------
    node : autograd node
        The operation.
    dependent : container of autograd nodes
        The operations that depend on the explained input.
    """
    depends = [below in dependent for below, _ in node.next_functions]
    # A division is affine in the numerator, not in the denominator.
    divided = name_of(node) == "Div" and sum(depends) == 1 and depends[0]
    return divided or _is_affine_in(node, sum(depends))


def _is_affine_in(node: Any, ways: int) -> bool:
    """Tell whether an operation is affine in its operands that depend on the input; `ways` is their number."""
    name = name_of(node)
    if name in _BATCH_NORMS:
        # In training mode the statistics depend on the input.
        return ways == 1 and not getattr(node, "_saved_training", True)
    return name in _ADDITIVE or (name in _LINEAR_IN_EACH and ways == 1)


def _is_smooth(node: Any) -> bool:
    name = name_of(node)
    return name in _SMOOTH or (_is_affine_in(node, 1) and name not in _CHOICES)


def keeps_rows(root: Any, points: Sequence[torch.Tensor]) -> bool:
    """Tell whether every operation from the points to a result is one that keeps its rows in their order.

    Examples
    --------
    >>> x = torch.ones(2, 3, 4, 4, requires_grad=True)
    >>> units = torch.nn.Conv2d(3, 2, 3)(x).relu()
    >>> keeps_rows(units.grad_fn, [x]), keeps_rows(units.flip(0).grad_fn, [x])
    (True, False)
    """
    found = False
    for node in [] if root is None else operands_first(root):
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            found = found or any(leaf is point for point in points)
            continue
        name, below = name_of(node), node.next_functions
        if name in _BATCH_NORMS:
            if getattr(node, "_saved_training", True):
                return False
        elif name not in _BY_ROWS:
            return False
        if name == "Convolution" and any(
            one is not None and getattr(one, "variable", None) is None for one, _ in below[1:]
        ):
            # Its weights are computed, perhaps from other rows.
            return False
    return found


def operands_of(node: Any) -> list[Any]:
    """Give the nodes whose results are the operands of an operation."""
    return [below for below, _ in node.next_functions if below is not None]


def name_of(node: Any) -> str:
    """Give the name of an operation in the autograd graph, without its ending; empty for a custom function."""
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        # A custom function may have any name.
        return ""
    return _without_ending(node.name())


@lru_cache(maxsize=1024)
def _without_ending(name: str) -> str:
    # What ends twice so is the derivative of a derivative, another function than the operation.
    return re.sub(r"Backward\d*$", "", name)


def operands_first(root: Any) -> list[Any]:
    """List every node of a graph after its operands; without recursion, since unrolled graphs are deep."""
    order: list[Any] = []
    seen: set[Any] = set()
    left = [(root, False)]
    while left:
        node, expanded = left.pop()
        if expanded:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            left.append((node, True))
            left.extend((below, False) for below in operands_of(node))
    return order


_KNOWN = Operations(
    operands_of=operands_of,
    is_affine=is_affine_kind,
    is_costly=lambda node: name_of(node) in _COSTLY,
    is_smooth=_is_smooth,
)
