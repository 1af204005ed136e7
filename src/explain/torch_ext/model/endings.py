"""The end of a PyTorch model: the activations in the autograd graph that made its output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from explain.backends.operations.endings import CONSTANT, OTHER, ActivationKind, Ending, Step, ending_of
from explain.backends.operations.score_graph import names
from explain.torch_ext.model.graph import name_of

_ACTIVATIONS: dict[str, ActivationKind] = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "log_sigmoid",
}
# Each value of the result is one value of an operand.
MOVES = names(
    "View UnsafeView Reshape ReshapeAlias Squeeze Unsqueeze Alias Clone T Transpose Permute Movedim Expand Repeat "
    "Slice Select Narrow Split SplitWithSizes UnsafeSplit UnsafeSplitWithSizes Chunk Unbind Cat Stack Index "
    "IndexSelect Flip Roll AsStrided ToCopy Contiguous Diagonal Unfold PixelShuffle PixelUnshuffle UpsampleNearest1D "
    "UpsampleNearest2D UpsampleNearest3D"
)
_MIXES = names(
    "Add Sub Rsub Mul Div Neg Sum Mean Prod Pow Sqrt Clamp ClampMin ClampMax Hardtanh Max Min Maximum Minimum Amax "
    "Amin Where MaskedFill Gather Topk Sort Lerp Addcmul Cumsum ConstantPadNd CopySlices IndexPut SliceScatter Copy "
    "AvgPool1D AvgPool2D AdaptiveAvgPool1D AdaptiveAvgPool2D UpsampleLinear1D UpsampleBilinear2D UpsampleTrilinear3D "
    "Copys MaxPool2DWithIndices Relu"
)
_EXPONENTS, _LOGARITHMS = names("Exp"), names("Log")
_INDICES = ("_saved_indices", "_saved_index")

# A tensor: its node in the autograd graph, and the number of the node's output.
_Edge = tuple[Any, int]


def ending_of_output(output: Tensor, ends: Mapping[_Edge, ActivationKind] | None = None) -> Ending | None:
    """Follow an output through the autograd graph back to its activations; None if it has no graph.

    Parameters
    ----------
    output : torch.Tensor
        The model's output.
    ends : Mapping, optional
        Tensors that stand for activations.
    """
    if output.grad_fn is None:
        return None
    return ending_of((output.grad_fn, output.output_nr), lambda edge: _step_of(edge, ends or {}))


def _step_of(edge: _Edge, ends: Mapping[_Edge, ActivationKind]) -> Step:
    node = edge[0]
    if edge in ends:
        return Step("activates", kind=ends[edge])
    if node is None:
        return CONSTANT
    if getattr(node, "variable", None) is not None:
        return CONSTANT if isinstance(node.variable, nn.Parameter) else OTHER
    name = name_of(node)
    if name in _ACTIVATIONS:
        return Step("activates", kind=_ACTIVATIONS[name])
    operands, label = node.next_functions, f"{name}{_indices_of(node)}"
    if name in MOVES:
        return Step("moves", operands, label=label)
    if name in _MIXES:
        return Step("mixes", operands, label=label)
    if name in _EXPONENTS:
        return Step("exp", operands, label=label)
    return Step("log", operands, label=label) if name in _LOGARITHMS else OTHER


def _indices_of(node: Any) -> str:
    """Give the indices by which a node chooses values: they may depend on the values themselves."""
    found = next((getattr(node, name) for name in _INDICES if hasattr(node, name)), None)
    if found is None:
        return ""
    given = found if isinstance(found, (list, tuple)) else [found]
    return str([one.tolist() if isinstance(one, Tensor) else one for one in given])


def replacement(wanted: str) -> Callable[[ActivationKind, Tensor, int], Tensor]:
    """Give the function that replaces an activation for a wanted kind of score.

    Parameters
    ----------
    wanted : str
        ``"logit"``, ``"probability"`` or ``"log_probability"``.
    """

    def function(kind: ActivationKind, logits: Tensor, axis: int) -> Tensor:
        if wanted == "logit":
            # A view has a node of its own in the graph, at which the check of the end stops.
            return logits.view_as(logits)
        if kind in ("sigmoid", "log_sigmoid"):
            return torch.sigmoid(logits) if wanted == "probability" else nn.functional.logsigmoid(logits)
        along = torch.softmax if wanted == "probability" else torch.log_softmax
        return along(logits, axis)

    return function
