"""The attentions of a PyTorch model, read from the autograd graph of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge
from torch.nn.attention import SDPBackend, sdpa_kernel

from explain.backends.operations.attention_rows import RawAttentions
from explain.backends.operations.attentions import AttentionKinds, SeenAttention, attentions_among
from explain.backends.operations.score_graph import names
from explain.backends.scoring import no_gradient_reason
from explain.errors import GradientError
from explain.inputs.examples import Examples
from explain.torch_ext.model.graph import name_of, operands_first
from explain.torch_ext.model.opened import OpenedModel
from explain.torch_ext.model.scores import gradients_of, pick_scores
from explain.torch_ext.model.transfer import to_host

_SOFTMAX = names("Softmax SafeSoftmax")
# Operations that change the shape, the order of the axes or the precision of a tensor, or copy it.
_CARRIES = names(
    "View UnsafeView Reshape ReshapeAlias Permute Transpose Squeeze Unsqueeze Expand Clone Alias ToCopy Contiguous"
)
# Half precision rounds a weight by 2⁻⁸ at most, and so the sum of a row.
_ONE = 0.01


def attentions_in_one_run(opened: OpenedModel, examples: Examples) -> RawAttentions:
    """Give the attentions on the way to the scores, and the gradients to them, from one run of the model.

    The fused attention of PyTorch runs operation by operation, so that its softmax is in the graph.
    """
    points = opened.tensors(examples.inputs, grad=True)
    explained = opened.read(points, examples, sdpa_kernel(SDPBackend.MATH)).explained
    scores = pick_scores(explained, examples.target)
    if not scores.requires_grad:
        raise GradientError(no_gradient_reason(opened.model_name))
    operations = operands_first(scores.grad_fn)
    sources = {one for one in operations if any(getattr(one, "variable", None) is point for point in points)}
    seen = attentions_among(operations, sources, _KINDS)
    # Read before the backward pass, which frees what is saved.
    weights = [_weights_of(one) for one in seen]
    values = _values_of(seen[0])
    edges = [GradientEdge(one.softmax, 0) for one in seen]
    gradients = gradients_of(scores, edges, torch.ones_like(scores))
    return RawAttentions(
        [to_host(one) for one in weights],
        [
            to_host(torch.zeros_like(weight) if slope is None else slope.movedim(_axis_of(one.softmax), -1))
            for one, weight, slope in zip(seen, weights, gradients, strict=True)
        ],
        to_host(values),
    )


def _axis_of(softmax: Any) -> int:
    """Give the axis of a softmax, which PyTorch saves as an unsigned number."""
    axis: int = softmax._saved_dim
    return axis - 2**64 if axis >= 2**63 else axis


def _weights_of(attention: SeenAttention) -> Tensor:
    """Give the weights of an attention, its keys on the last axis."""
    weights: Tensor = attention.softmax._saved_result.detach()
    for mask in attention.masks:
        weights = weights.masked_fill(mask._saved_mask, 0)
    return weights.movedim(_axis_of(attention.softmax), -1)


def _values_of(attention: SeenAttention) -> Tensor:
    """Give the values of an attention, their keys on axis 1."""
    product = attention.product
    values: Tensor = product._saved_mat2 if attention.position == 0 else product._saved_self.transpose(1, 2)
    return values.detach()


def _operands_of(node: Any) -> Sequence[Any | None]:
    return [below for below, _ in node.next_functions]


def _masks(node: Any, position: int) -> bool:
    """Tell whether a node fills some weights as the softmax gives them; what is no zero breaks the sums of the rows."""
    if name_of(node) != "MaskedFill" or position != 0:
        return False
    below = node.next_functions[0][0]
    if name_of(below) == "ToCopy":
        below = below.next_functions[0][0]
    return name_of(below) in _SOFTMAX


def _sums_over(node: Any, position: int, axis: int) -> bool:
    """Tell whether a batched product sums over the keys: along that axis each row of its operand sums to one."""
    if name_of(node) != "Bmm":
        return False
    operand: Tensor | None = node._saved_self if position == 0 else node._saved_mat2
    if operand is None:
        # The values have no gradient: they do not depend on the input.
        return False
    sums = operand.detach().sum(dim=-1 if position == 0 else -2, dtype=torch.float64)
    # A row where everything is masked may be zero.
    return bool((((sums - 1).abs() < _ONE) | (sums == 0)).all())


_KINDS = AttentionKinds(
    operands_of=_operands_of,
    is_softmax=lambda node: name_of(node) in _SOFTMAX,
    is_fused=lambda node: name_of(node).startswith("ScaledDotProduct"),
    axis_of=_axis_of,
    # The order of the axes is not followed: the sums of the rows show it.
    carried=lambda node, axis: axis if name_of(node) in _CARRIES else None,
    masks=_masks,
    sums_over=_sums_over,
    shape_of=lambda node: tuple(node._saved_result.shape),
)
