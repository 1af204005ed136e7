"""The end of a PyTorch model: the activations in the autograd graph that made its output, and runs without them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

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
_MOVES = names(
    "View UnsafeView Reshape ReshapeAlias Squeeze Unsqueeze Alias Clone T Transpose Permute Movedim Expand Repeat "
    "Slice Select Narrow Split SplitWithSizes UnsafeSplit UnsafeSplitWithSizes Chunk Unbind Cat Stack Index IndexSelect "
    "Flip Roll AsStrided ToCopy Contiguous Diagonal Unfold PixelShuffle PixelUnshuffle UpsampleNearest1D UpsampleNearest2D "
    "UpsampleNearest3D"
)
_MIXES = names(
    "Add Sub Rsub Mul Div Neg Sum Mean Prod Pow Sqrt Clamp ClampMin ClampMax Hardtanh Max Min Maximum Minimum Amax "
    "Amin Where MaskedFill Gather Topk Sort Lerp Addcmul Cumsum ConstantPadNd CopySlices IndexPut SliceScatter Copy Copys "
    "AvgPool1D AvgPool2D AdaptiveAvgPool1D AdaptiveAvgPool2D UpsampleLinear1D UpsampleBilinear2D UpsampleTrilinear3D "
    "MaxPool2DWithIndices Relu"
)
_EXPONENTS, _LOGARITHMS = names("Exp"), names("Log")
_INDICES = ("_saved_indices", "_saved_index")

# The functions that call an activation, by the name that all their forms have.
_FUNCTIONS: Mapping[str, ActivationKind] = {
    "softmax": "softmax",
    "special_softmax": "softmax",
    "log_softmax": "log_softmax",
    "special_log_softmax": "log_softmax",
    "sigmoid": "sigmoid",
    "sigmoid_": "sigmoid",
    "special_expit": "sigmoid",
    "logsigmoid": "log_sigmoid",
    "log_sigmoid": "log_sigmoid",
}

# A tensor: its node in the autograd graph, and the number of the node's output.
_Edge = tuple[Any, int]


def edge_of(tensor: Tensor) -> _Edge:
    """Give the edge of a tensor in the autograd graph."""
    return tensor.grad_fn, tensor.output_nr


def ending_in_graph(output: Tensor, ends: Mapping[_Edge, ActivationKind] | None = None) -> Ending | None:
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
    return ending_of(edge_of(output), lambda edge: _step_of(edge, ends or {}))


def without_graph(ending: Ending | None) -> Ending | None:
    """Give an ending that does not keep the autograd graph in memory."""
    return None if ending is None else replace(ending, activations=())


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
    if name in _MOVES:
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


@dataclass(frozen=True)
class End:
    """How to run a model so that its output has the wanted kind of score.

    Parameters
    ----------
    replaced : tuple of int
        The numbers of the calls of activations that are replaced.
    ending : Ending, optional
        The end of the model with them: a run without them that has other steps is not the same model.
    records : bool
        Whether the calls of activations are recorded.
    is_final : bool
        Whether the end is known, so that no further run is needed.
    is_old : bool
        Whether it was found in an earlier call, perhaps for an input of another length.
    """

    replaced: tuple[int, ...] = ()
    ending: Ending | None = None
    records: bool = False
    is_final: bool = False
    is_old: bool = False

    @property
    def after_failure(self) -> End:
        """How to run the model after a run that was not as expected."""
        return UNKNOWN if self.is_old else KEPT


UNKNOWN, RECORDING, KEPT = End(), End(records=True), End(is_final=True)

_known_ends: weakref.WeakKeyDictionary[Any, dict[Any, End]] = weakref.WeakKeyDictionary()


def known_end(model: Any, output: Any) -> End:
    """Give the end of a model that an earlier call found for an output; each run with a graph checks it again."""
    return _known_ends[model].get(output, UNKNOWN) if model in _known_ends else UNKNOWN


def remember_end(model: nn.Module, output: Any, end: End) -> None:
    """Keep the end of a model for later calls."""
    if end.replaced:
        _known_ends.setdefault(model, {})[output] = replace(end, is_old=True)


@dataclass(eq=False)
class ActivationCalls(TorchFunctionMode):
    """Numbers the calls of softmax, sigmoid and their logarithms, as layers or functions, and replaces some of them.

    Parameters
    ----------
    replaced : collection of int
        The numbers of the calls to replace.
    function : callable
        From the kind of activation, its input and its axis to the replacement.
    """

    replaced: Collection[int]
    function: Callable[[ActivationKind, Tensor, int], Tensor]
    made: dict[int, _Edge] = field(default_factory=dict)
    """The tensor that each call gave, if it has a gradient."""
    ends: dict[_Edge, ActivationKind] = field(default_factory=dict)
    """The replacements."""

    def __post_init__(self) -> None:
        """Prepare the mode."""
        super().__init__()
        self._count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function of PyTorch, or its replacement."""
        given = kwargs or {}
        kind = _FUNCTIONS.get(getattr(func, "__name__", ""))
        if kind is None:
            return func(*args, **given)
        number, self._count = self._count, self._count + 1
        if number not in self.replaced:
            result = func(*args, **given)
            if isinstance(result, Tensor) and result.grad_fn is not None:
                self.made[number] = edge_of(result)
            return result
        logits: Any = args[0] if args else given.get("input", given.get("self"))
        axis = args[1] if len(args) > 1 else given.get("dim")
        if axis is None:
            axis = 0 if logits.ndim in (0, 1, 3) else 1
        dtype = given.get("dtype")
        result = self.function(kind, logits if dtype is None else logits.to(dtype), axis)
        if result.grad_fn is not None:
            self.ends[edge_of(result)] = kind
        return result


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
