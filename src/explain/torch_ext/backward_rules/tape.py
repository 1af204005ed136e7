"""A recorded run of a model: the operations that depend on the input, and their operands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from explain.backends.operations.flow import Flow
from explain.backends.operations.patterns import Patterns
from explain.backends.operations.score_graph import names
from explain.backends.protocol import Ahead
from explain.errors import UnsupportedModelError
from explain.inputs.examples import Examples
from explain.torch_ext.backward_rules.backward import operations_between
from explain.torch_ext.backward_rules.kinds import (
    ELEMENTWISE,
    KINDS,
    PAIR_PICKS,
    axes_of,
    is_affine,
    is_reciprocal,
)
from explain.torch_ext.backward_rules.refusals import no_rule, on_a_view
from explain.torch_ext.backward_rules.running_modules import module_of, recording_modules
from explain.torch_ext.interception import Interception
from explain.torch_ext.model.graph import name_of
from explain.torch_ext.model.opened import OpenedModel
from explain.torch_ext.model.scores import pick_scores

# The node of any in-place operation on a view of a larger tensor.
ON_A_VIEW = "CopySlices"
# The operations that only write into a view.
_WRITES = names(
    "aten.copy_.default aten.fill_.Scalar aten.fill_.Tensor aten.zero_.default aten.masked_fill_.Scalar "
    "aten.masked_fill_.Tensor aten.index_put_.default aten.add_.Tensor aten.sub_.Tensor"
)


class Tape(Interception):
    """Records the operations that depend on the input, in the order of their calls, and their operands.

    An edge identifies a tensor: its node in the autograd graph, and the number of the node's output.

    Parameters
    ----------
    hold : bool
        Whether to keep the tensors.
    """

    def __init__(self, hold: bool = True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.holds = hold
        self.operations: list[str] = []
        self.on_views: set[str] = set()
        self.values: dict[Any, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record a call, and run it."""
        given = kwargs or {}
        tensors = [*_dependent(args), *_dependent(given.values())]
        if tensors:
            name, is_mutable = _signature(func)
            self._note(name, tensors)
            if is_mutable:
                if any(tensor._is_view() for tensor in tensors):
                    self.on_views.add(name)
                self._keep(tensors)
        return func(*args, **given)

    def end(self, scores: Tensor) -> None:
        """Record the end of the run."""
        self._note("end", [scores])

    def value(self, edge: tuple[Any, int]) -> Tensor:
        """Give the tensor of an edge."""
        return self.values[edge]

    def _note(self, operation: str, tensors: Sequence[Tensor]) -> None:
        self.operations.append(operation)
        if not self.holds:
            return
        for tensor in tensors:
            # What was written into a view is read from the tensor under it, which itself may have no further use.
            base = tensor._base
            for one in (tensor,) if base is None or not base.requires_grad else (tensor, base):
                edge = _edge_into(one)
                if edge not in self.values:
                    self.values[edge] = one.detach()

    def _keep(self, tensors: Sequence[Tensor]) -> None:
        """Copy the recorded tensors that the next operation changes in place."""
        changing = {tensor.untyped_storage().data_ptr() for tensor in tensors}
        for edge, value in self.values.items():
            if value.untyped_storage().data_ptr() in changing:
                self.values[edge] = value.clone()


@dataclass(frozen=True)
class Run:
    """A run of a model on a tape.

    Parameters
    ----------
    opened : OpenedModel
        The model.
    examples : Examples
        The examples.
    tape : Tape
        The tape.
    points : tuple of torch.Tensor
        The inputs of the run.
    scores : torch.Tensor
        The scores, shape (N,).
    """

    opened: OpenedModel
    examples: Examples
    tape: Tape
    points: tuple[Tensor, ...]
    scores: Tensor

    @classmethod
    def on(cls, tape: Tape, opened: OpenedModel, examples: Examples) -> Run:
        """Run a model on a tape."""
        points = opened.tensors(examples.inputs, grad=True)
        with tape:
            explained = opened.read(points, examples).explained
        return cls.to_scores(tape, opened, examples, points, explained)

    @classmethod
    def to_scores(
        cls,
        tape: Tape,
        opened: OpenedModel,
        examples: Examples,
        points: tuple[Tensor, ...],
        explained: Tensor,
    ) -> Run:
        """End a run at the scores of an explained output, whose operations are on the tape."""
        with tape:
            scores = pick_scores(explained, examples.target)
        tape.end(scores)
        return cls(opened, examples, tape, points, scores)

    @cached_property
    def nodes(self) -> dict[Any, None]:
        """The operations through which the scores depend on the points."""
        return operations_between(self.scores, self.points)

    @cached_property
    def flow(self) -> Flow:
        """The kinds of the operations."""
        operands = {node: [below for below, _ in self.reads[node]] for node in self.nodes}
        return Flow.of(operands, self.affine, KINDS, name_of, self._keeps_shape)

    @cached_property
    def affine(self) -> dict[Any, None]:
        """The operations that are affine in their operands."""
        return {node: None for node in self.nodes if not is_input(node) and self.is_affine(node)}

    @cached_property
    def patterns(self) -> Patterns:
        """The functions that the model writes by hand."""
        return Patterns(
            self.flow,
            self.reads,
            lambda edge: self.tape.value(edge_of(edge)).shape,
            lambda node: axes_of(node) or None,
        )

    @cached_property
    def reciprocals(self) -> set[Any]:
        """The operations that divide a constant by a value."""
        return {node for node in self.nodes if is_reciprocal(node, self.nodes)}

    @cached_property
    def gates(self) -> set[Any]:
        """The sigmoids and their like; a bounded rectifier is one only if it begins at zero."""
        return {
            node
            for node in self.nodes
            if name_of(node) in KINDS.gates and getattr(node, "_saved_min_val", 0) == 0
        }

    @cached_property
    def reads(self) -> dict[Any, list[tuple[Any, int]]]:
        """For each operation, the edges into it that depend on the points."""
        return {
            node: [(below, number) for below, number in node.next_functions if below in self.nodes]
            for node in self.nodes
        }

    def is_affine(self, node: Any) -> bool:
        """Tell whether an operation is affine in its operands that depend on the points."""
        # What only writes into a part of a tensor moves values.
        writes = name_of(node).endswith(ON_A_VIEW) and self.tape.on_views <= _WRITES
        return writes or is_affine(node, self.nodes)

    def is_elementwise(self, node: Any) -> bool:
        """Tell whether each result of an operation depends on one real value of one operand."""
        read, name = self.reads[node], name_of(node)
        if len(read) != 1 or self.tape.value(edge_of(read[0])).is_complex():
            return False
        # A bound by a constant.
        return name in ELEMENTWISE or (name in PAIR_PICKS and self._keeps_shape(node))

    def _keeps_shape(self, node: Any) -> bool:
        """Tell whether the result of an operation has the shape of its operands that depend on the points."""
        shape = self.tape.value((node, 0)).shape
        return all(self.tape.value(edge_of(edge)).shape == shape for edge in self.reads[node])

    def no_rule(self, method: str, node: Any) -> UnsupportedModelError:
        """Give the error for an operation without a rule."""
        if name_of(node).endswith(ON_A_VIEW):
            return on_a_view(next(iter(sorted(self.tape.on_views)), "an assignment"))
        # Where an operation stands is asked only here: the same run again, with its modules recorded.
        with recording_modules() as spans:
            again = Run.on(Tape(hold=False), self.opened, self.examples)
        twins = dict(zip(self.nodes, again.nodes, strict=False))
        place = module_of(twins[node], spans, self.opened.named_layers) if node in twins else ""
        return no_rule(method, node, len(self.reads[node]), self.opened.model_name, place)

    def refuse_hidden(self, *words: str) -> None:
        """Raise `UnsupportedModelError` if a view hides an operation with one of these words in its name."""
        hidden = [name for name in self.tape.on_views if any(word in name for word in words)]
        if hidden and any(name_of(node).endswith(ON_A_VIEW) for node in self.nodes):
            raise on_a_view(hidden[0])


def tape_for(ahead: Ahead) -> Tape | None:
    """Give a tape for a run that a rule needs; None for the rules of rectifiers, which read the graph alone."""
    return Tape() if ahead in ("rescale", "epsilon", "epsilon_plus") else None


@contextmanager
def recording(tape: Tape, opened: OpenedModel) -> Iterator[None]:
    """Record a run of the model on a tape."""
    with unfused_for(tape, opened), tape:
        yield


@contextmanager
def unfused_for(tape: Tape, opened: OpenedModel) -> Iterator[None]:
    """Make attention, and LSTMs on a CPU, run operation by operation if a tape holds values of operations."""
    if not tape.holds:
        yield
        return
    # Fused kernels hide the operations.
    with sdpa_kernel(SDPBackend.MATH):
        structure = opened.inspection.structure
        if not (structure.recurrent and any(isinstance(one, nn.LSTM) for one in structure.modules)):
            yield
            return
        # The context manager for these flags also sets the other flags, and warns about them.
        (enabled, *_) = torch.backends.mkldnn.set_flags(False, _fp32_precision=None)  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            torch.backends.mkldnn.set_flags(enabled, _fp32_precision=None)  # type: ignore[no-untyped-call]


def _dependent(arguments: Iterable[Any]) -> Iterator[Tensor]:
    """Iterate over the tensors among the arguments of an operation that depend on the input."""
    for one in arguments:
        if isinstance(one, Tensor):
            if one.requires_grad:
                yield one
        elif isinstance(one, (list, tuple)):
            yield from _dependent(one)


@lru_cache(maxsize=1024)
def _signature(operation: Any) -> tuple[str, bool]:
    """Give the name of an operation of PyTorch, and whether it changes an argument in place."""
    return str(operation), operation._schema.is_mutable


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
