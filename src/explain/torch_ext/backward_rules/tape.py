"""What backward passes with a rule have in common: a run on a tape, and what is refused.

Operations are told by the nodes of the autograd graph, not by modules: a module that is called twice and a function
that is no module are then like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from explain.inputs.examples import Examples
from explain.torch_ext.model.graph import ScoreGraph, name_of, names
from explain.torch_ext.model.scores import pick_scores

if TYPE_CHECKING:
    from explain.torch_ext.backend import TorchBackend

# From the gradients that a node gives and the gradients that it was given to other gradients that it gives.
Hook = Callable[[tuple[Any, ...], tuple[Any, ...]], Any]

POOLS = names("MaxPool2DWithIndices MaxPool3DWithIndices AdaptiveMaxPool2D AdaptiveMaxPool3D")
# One value in, one value out.
ELEMENTWISE = names(
    "Relu ClampMin ClampMax Clamp Threshold Hardtanh Hardtanh LeakyRelu Elu Celu Sigmoid Tanh Softplus Gelu Silu Mish "
    "Hardsigmoid Hardswish LogSigmoid Exp Exp2 Expm1 Log Log1P Log2 Sqrt Abs Sin Cos Erf"
)
# Whole recurrent layers, or steps of them, in one operation.
FUSED = names("MkldnnRnnLayer CudnnRnn MiopenRnn ThnnFusedLstmCell ThnnFusedGruCell")
# What graph.py does not count among the affine operations, since no prefix needs it.
ALSO_AFFINE = names("Rsub MaskedFill Cumsum Movedim")
# An operation in place on a view of a larger tensor, whatever it was.
ON_A_VIEW = "CopySlices"


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What is on the way from the input: operations in the order of their calls, and the tensors that go into them.

    A tensor is found by its edge: the node of the autograd graph that made it and which of its outputs it is. In
    another run of the same model the same tensor has the same place: the number of the call, and of the argument.

    Parameters
    ----------
    hold : bool
        Whether to hold the tensors.
    wanted : set of (int, int), optional
        The places to hold, all if it is None.
    """

    def __init__(self, hold: bool = True, wanted: set[tuple[int, int]] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._hold, self._wanted = hold, wanted
        self.operations: list[str] = []
        self.on_views: set[str] = set()
        self.places: dict[Any, tuple[int, int]] = {}
        self.values: dict[tuple[int, int], Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note a call, and make it."""
        given = kwargs or {}
        tensors = [one for one in tree_leaves((args, given)) if isinstance(one, Tensor) and one.requires_grad]
        if tensors:
            self._note(str(func), tensors)
        if func._schema.is_mutable and tensors:
            if any(tensor._is_view() for tensor in tensors):
                self.on_views.add(str(func))
            self._keep(tensors)
        return func(*args, **given)

    def end(self, scores: Tensor) -> None:
        """Note what the run ended in."""
        self._note("end", [scores])

    def value(self, edge: tuple[Any, int]) -> Tensor:
        """Give the tensor of an edge."""
        return self.values[self.places[edge]]

    def _note(self, operation: str, tensors: Sequence[Tensor]) -> None:
        call = len(self.operations)
        self.operations.append(operation)
        if not self._hold:
            return
        for number, tensor in enumerate(tensors):
            place = call, number
            edge = _edge_into(tensor)
            if self._wanted is None and edge not in self.places:
                self.places[edge] = place
                self.values[place] = tensor.detach()
            elif self._wanted is not None and place in self._wanted:
                self.values[place] = tensor.detach()

    def _keep(self, tensors: Sequence[Tensor]) -> None:
        """Copy what is held and about to be changed in place."""
        changing = {tensor.untyped_storage().data_ptr() for tensor in tensors}
        for place, value in self.values.items():
            if value.untyped_storage().data_ptr() in changing:
                self.values[place] = value.clone()


def run_on_tape(backend: TorchBackend, examples: Examples, tape: Tape) -> tuple[tuple[Tensor, ...], Tensor]:
    """Run the model on a tape; give the points and the scores, shape (N,)."""
    points = backend.tensors(examples.inputs, grad=True)
    with tape:
        scores = pick_scores(backend.read(points, examples).explained, examples.target)
    tape.end(scores)
    return points, scores


def nodes_on_the_way(scores: Tensor, points: Sequence[Tensor]) -> dict[Any, None]:
    """Give the nodes through which the scores depend on the inputs, without the inputs themselves."""
    found: dict[Any, None] = {}
    for point in points:
        found.update(dict.fromkeys(ScoreGraph(scores.grad_fn, point).nodes))
    return found


def is_input(node: Any) -> bool:
    """Tell whether a node stands for a tensor that no node made."""
    return getattr(node, "variable", None) is not None


def edge_of(of: tuple[Any, int]) -> tuple[Any, int]:
    """Give an edge as tapes know it: of a tensor that no node made, an input or a weight, the tensor stands for one."""
    node, number = of
    return _edge_into(node.variable) if is_input(node) else (node, number)


def _edge_into(tensor: Tensor) -> tuple[Any, int]:
    """Give the node that made a tensor and which of its outputs it is; two tensors that none made are two edges."""
    return ("made by none", id(tensor)) if tensor.grad_fn is None else (tensor.grad_fn, tensor.output_nr)


def unknown(method: str, backend: TorchBackend, node: Any, nodes: Mapping[Any, None], tape: Tape) -> str:
    """Say which operation has no rule, and in which module it is, where one can be seen."""
    name = name_of(node)
    if name.endswith(ON_A_VIEW):
        return on_a_view(next(iter(sorted(tape.on_views)), "an assignment"))
    made_by = _modules_that_make(backend, node)
    where = f" (in {made_by})" if made_by else ""
    ways = sum(below in nodes for below, _ in node.next_functions)
    what = f"{name or node.name()}{where}"
    if ways > 1:
        what += f", of {ways} tensors that all depend on the input,"
    hint = " Explain the logit: score='logit'." if name in ("Softmax", "LogSoftmax") else ""
    if name in FUSED and method == "LRP":
        hint = " It is a whole step of a recurrent layer: move the model to the CPU, where it is run piece by piece."
    return (
        f"{method} has no rule for the operation {what} of {backend.model_name}, through which the score "
        f"depends on the input; taken for linear, it would make the values wrong.{hint} Use integrated_gradients, "
        "which needs no rules."
    )


def _modules_that_make(backend: TorchBackend, node: Any) -> str:
    """Name the modules of the model that end in such an operation."""
    inside: list[str] = []
    for module in backend.leaf_modules:
        kind = type(module).__name__.lower().replace("norm", "")
        if kind and kind[:4] in name_of(node).lower():
            inside.append(str(module))
    return ", ".join(dict.fromkeys(inside))


def on_a_view(operation: str) -> str:
    """Say that an operation is hidden."""
    return (
        f"The model runs {operation.removeprefix('aten.').split('.')[0]} in place on a view of another tensor, which "
        "hides the operation from the backward pass (ReLU(inplace=True) after a Flatten, for example). Build that "
        "module with inplace=False, or use integrated_gradients, which needs no rules."
    )
