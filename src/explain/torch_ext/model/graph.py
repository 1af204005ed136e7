"""What autograd recorded between an input and a score: which of it is affine, and whether any of it has kinks."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

import torch


def names(words: str) -> frozenset[str]:
    """Give the words as a set of names.

    Examples
    --------
    >>> sorted(names("Mul Add"))
    ['Add', 'Mul']
    """
    return frozenset(words.split())


# Operations by the names of their nodes in the autograd graph, without the ending "Backward0".
# Affine in all their inputs together.
_ADDITIVE = names(
    "Add Sub Neg Cat Stack View UnsafeView Reshape ReshapeAlias Permute Transpose T Squeeze Unsqueeze Expand Slice "
    "Select Split SplitWithSizes UnsafeSplit Chunk Unbind Index IndexSelect Gather Narrow Flip Roll ConstantPadNd "
    "ReflectionPad1D ReflectionPad2D ReplicationPad1D ReplicationPad2D Sum Mean Clone Alias ToCopy Copys AsStrided "
    "Unfold AvgPool1D AvgPool2D AvgPool3D AdaptiveAvgPool1D AdaptiveAvgPool2D UpsampleNearest2D UpsampleBilinear2D "
    "PixelShuffle Repeat Where"
)
# Which of their inputs they take may follow the input.
_CHOICES = names("Where Gather Index IndexSelect")
# Affine in one of their inputs while the others are held.
_LINEAR_IN_EACH = names("Mul Mm Addmm Bmm Baddbmm Addbmm Mv Dot Convolution Linear")
# What makes a prefix worth skipping.
_COSTLY = names("Mm Addmm Bmm Baddbmm Addbmm Convolution Linear")
_BATCH_NORMS = names("NativeBatchNorm CudnnBatchNorm MiopenBatchNorm")
_SMOOTH = names(
    "Tanh Sigmoid Softmax LogSoftmax LogSigmoid Softplus Silu Gelu Mish Exp Exp2 Expm1 Log Log1P Log2 Pow Sqrt "
    "Rsqrt Reciprocal Sin Cos Erf Logsumexp Div NativeLayerNorm NativeGroupNorm MkldnnRnnLayer ThnnFusedLstmCell "
    "ThnnFusedGruCell ScaledDotProductFlashAttention ScaledDotProductFlashAttentionForCpu "
    "ScaledDotProductEfficientAttention Contiguous"
)


class ScoreGraph:
    """The part of an autograd graph through which a score depends on one input.

    Parameters
    ----------
    root : autograd node
        Of the score.
    leaf : torch.Tensor
        The input, a leaf that requires its gradient.

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
        self._root = root
        self._leaf = leaf
        # Of every node that depends on the input: those it depends on it through, in order of the graph.
        self._ways: dict[Any, list[Any]] = {}
        self._affine: set[Any] = set()
        self._costly: set[Any] = set()
        for node in _inputs_first(root):
            self._look_at(node)

    @property
    def nodes(self) -> list[Any]:
        """Every node that depends on the input, each after those it depends on."""
        return list(self._ways)

    def has_kinks(self, beyond: Any = None) -> bool:
        """Tell whether anything on the way, or between the score and a node, is not known to be smooth."""
        left, seen = [self._root], {beyond}
        while left:
            node = left.pop()
            if node in seen or self._is_leaf(node):
                continue
            seen.add(node)
            name = name_of(node)
            if node in self._ways and not (
                name in _SMOOTH or (_is_affine_in(node, 1) and name not in _CHOICES)
            ):
                return True
            left.extend(self._ways.get(node, ()))
        return False

    def is_affine(self, node: Any) -> bool:
        """Tell whether what a node made is affine in the input, and cost something."""
        return node in self._affine and node in self._costly

    def is_the_only_way(self, node: Any) -> bool:
        """Tell whether the score depends on the input through this node alone."""
        left, seen = [self._root], {node}
        while left:
            one = left.pop()
            if one in seen:
                continue
            seen.add(one)
            if self._is_leaf(one):
                return False
            left.extend(self._ways.get(one, ()))
        return True

    def _look_at(self, node: Any) -> None:
        if self._is_leaf(node):
            self._ways[node] = []
            self._affine.add(node)
            return
        inputs = [below for below, _ in node.next_functions]
        ways = [below for below in inputs if below in self._ways]
        if not ways:
            return
        self._ways[node] = ways
        name = name_of(node)
        if is_affine_kind(node, self._ways) and all(way in self._affine for way in ways):
            self._affine.add(node)
        if name in _COSTLY or any(way in self._costly for way in ways):
            self._costly.add(node)

    def _is_leaf(self, node: Any) -> bool:
        return getattr(node, "variable", None) is self._leaf


def is_affine_kind(node: Any, dependent: Container[Any]) -> bool:
    """Tell whether an operation is affine in those of its inputs that depend on the explained one.

    Parameters
    ----------
    node : autograd node
        The operation.
    dependent : container of autograd nodes
        What depends on the explained input.
    """
    depends = [below in dependent for below, _ in node.next_functions]
    # Dividing by what depends on the input is not affine; dividing it is.
    divided = name_of(node) == "Div" and sum(depends) == 1 and depends[0]
    return divided or _is_affine_in(node, sum(depends))


def _is_affine_in(node: Any, ways: int) -> bool:
    """Tell whether an operation is affine in what depends on the input, which comes in on so many ways."""
    name = name_of(node)
    if name in _BATCH_NORMS:
        # In training the statistics depend on the input.
        return ways == 1 and not getattr(node, "_saved_training", True)
    return name in _ADDITIVE or (name in _LINEAR_IN_EACH and ways == 1)


def name_of(node: Any) -> str:
    """Give the name of an operation in the autograd graph, without its ending; empty for a user's own."""
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        # A user's own function may have any name.
        return ""
    return re.sub(r"Backward\d*", "", node.name())


def _inputs_first(root: Any) -> list[Any]:
    """Give every node of a graph after all that it depends on; no recursion, since unrolled graphs are deep."""
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
            left.extend((below, False) for below, _ in node.next_functions if below is not None)
    return order
