"""A recorded run of a model: the operations that depend on the input, and their operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from explain.errors import UnsupportedModelError
from explain.inputs.examples import Examples
from explain.torch_ext.backward_rules.backward import operations_between
from explain.torch_ext.backward_rules.kinds import no_rule
from explain.torch_ext.model.graph import name_of
from explain.torch_ext.model.opened import OpenedModel
from explain.torch_ext.model.scores import pick_scores

# The node of any in-place operation on a view of a larger tensor.
_ON_A_VIEW = "CopySlices"


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations that depend on the input, in the order of their calls, and their operands.

    An edge identifies a tensor: its node in the autograd graph, and the number of the node's output. In another run of
    the same model the same tensor has the same place: the number of the call, and of the argument.

    Parameters
    ----------
    hold : bool
        Whether to keep the tensors.
    wanted : set of (int, int), optional
        The places to keep; None keeps all of them.
    """

    def __init__(self, hold: bool = True, wanted: set[tuple[int, int]] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._hold, self._wanted = hold, wanted
        self.operations: list[str] = []
        self.on_views: set[str] = set()
        self.places: dict[Any, tuple[int, int]] = {}
        self.values: dict[tuple[int, int], Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record a call, and run it."""
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
        """Record the end of the run."""
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
        """Copy the recorded tensors that the next operation changes in place."""
        changing = {tensor.untyped_storage().data_ptr() for tensor in tensors}
        for place, value in self.values.items():
            if value.untyped_storage().data_ptr() in changing:
                self.values[place] = value.clone()


@dataclass(frozen=True)
class Run:
    """A run of a model on a tape.

    Parameters
    ----------
    opened : OpenedModel
        The model.
    tape : Tape
        The tape.
    points : tuple of torch.Tensor
        The inputs of the run.
    scores : torch.Tensor
        The scores, shape (N,).
    """

    opened: OpenedModel
    tape: Tape
    points: tuple[Tensor, ...]
    scores: Tensor

    @classmethod
    def on(cls, tape: Tape, opened: OpenedModel, examples: Examples) -> Run:
        """Run a model on a tape."""
        points = opened.tensors(examples.inputs, grad=True)
        with tape:
            scores = pick_scores(opened.read(points, examples).explained, examples.target)
        tape.end(scores)
        return cls(opened, tape, points, scores)

    @cached_property
    def nodes(self) -> dict[Any, None]:
        """The operations through which the scores depend on the points."""
        return operations_between(self.scores, self.points)

    def no_rule(self, method: str, node: Any) -> UnsupportedModelError:
        """Give the error for an operation without a rule."""
        if name_of(node).endswith(_ON_A_VIEW):
            return _on_a_view(next(iter(sorted(self.tape.on_views)), "an assignment"))
        return no_rule(method, node, self.nodes, self.opened.model_name, self.opened.leaf_modules)

    def refuse_hidden(self, *words: str) -> None:
        """Raise `UnsupportedModelError` if a view hides an operation with one of these words in its name."""
        hidden = [name for name in self.tape.on_views if any(word in name for word in words)]
        if hidden and any(name_of(node).endswith(_ON_A_VIEW) for node in self.nodes):
            raise _on_a_view(hidden[0])


def is_input(node: Any) -> bool:
    """Tell whether a node stands for a leaf tensor."""
    return getattr(node, "variable", None) is not None


def edge_of(of: tuple[Any, int]) -> tuple[Any, int]:
    """Give the key of an edge on a tape; for a leaf tensor (an input or a weight) the key is the tensor's identity."""
    node, number = of
    return _edge_into(node.variable) if is_input(node) else (node, number)


def _edge_into(tensor: Tensor) -> tuple[Any, int]:
    """Give a tensor's node and the number of the node's output; each leaf tensor has an edge of its own."""
    return ("leaf", id(tensor)) if tensor.grad_fn is None else (tensor.grad_fn, tensor.output_nr)


def _on_a_view(operation: str) -> UnsupportedModelError:
    """Give the error for an operation that a view hides."""
    return UnsupportedModelError(
        f"The model runs {operation.removeprefix('aten.').split('.')[0]} in place on a view of another tensor, which "
        "hides the operation from the backward pass (ReLU(inplace=True) after a Flatten, for example). Build that "
        "module with inplace=False, or use integrated_gradients, which needs no rules."
    )
