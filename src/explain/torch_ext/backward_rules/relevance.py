"""Layer-wise relevance propagation, operation by operation.

The backward pass does not propagate the relevance R of a tensor a. It propagates g = R / a, which behaves like a
gradient: R = a · g. So every operation that moves values, scales them by constants or picks one of them propagates its
own gradient, and only sums, convolutions and non-linearities need a rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from explain.backends.operations.relevance import Flow, Kinds
from explain.backends.operations.score_graph import names
from explain.torch_ext.backward_rules.backward import Propagation, Rules, sloped
from explain.torch_ext.backward_rules.kinds import ALSO_AFFINE, ELEMENTWISE, POOLS
from explain.torch_ext.backward_rules.tape import Run, edge_of, is_input
from explain.torch_ext.model.graph import is_affine_kind, name_of, operands_of

_Prepare = Callable[[tuple[Any, ...]], tuple[Any, ...]]

_ADDITIONS = names("Add Sub Rsub")
_KINDS = Kinds(
    sums=_ADDITIONS
    | names(
        "Sum Mean Cumsum Mm Addmm Bmm Baddbmm Addbmm Mv Dot Linear Convolution AvgPool1D AvgPool2D AvgPool3D "
        "AdaptiveAvgPool1D AdaptiveAvgPool2D AdaptiveAvgPool3D UpsampleBilinear2D "
        "NativeBatchNorm CudnnBatchNorm MiopenBatchNorm"
    ),
    additions=_ADDITIONS,
    scales=names("Mul Div Neg"),
    gates=names("Sigmoid Hardsigmoid Hardtanh Erf"),
)
# Operations whose result is one of the values of their operands.
_PICKS = POOLS | names("Max Amax Min Amin Maximum Minimum")
_RESHAPES = names("View UnsafeView Reshape ReshapeAlias Squeeze Unsqueeze Alias Clone")


def shared_out(run: Run, epsilon: float, *, plus: bool) -> Rules:
    """Make operations divide the incoming relevance among their operands.

    Parameters
    ----------
    run : Run
        A run whose tape recorded all tensors.
    epsilon : float
        The number added to the magnitude of a sum.
    plus : bool
        Whether convolutions propagate relevance only to positive contributions.

    Raises
    ------
    UnsupportedModelError
        If an operation has no rule.
    """
    tape = run.tape
    inner = {node: name_of(node) for node in run.nodes if not is_input(node)}
    affine = [node for node in inner if _is_affine(node, run)]
    operands = {node: [one for one in operands_of(node) if one in run.nodes] for node in run.nodes}
    flow = Flow.of(operands, affine, _KINDS, name_of, lambda node: _keeps_shape(node, run))
    propagate: dict[Any, Propagation] = {}
    apart: set[Any] = set()
    for node, name in inner.items():
        if name == "Convolution" and plus and node.next_functions[0][0] in run.nodes:
            whole = flow.with_constants(node, {one for one in flow.carriers if inner[one] in _RESHAPES})
            apart.update(whole)
            propagate[node] = _plus_hook(node, tape.value((whole[-1], 0)), epsilon)
        elif name in ELEMENTWISE:
            propagate[node] = _unchanged_hook(
                tape.value(edge_of(node.next_functions[0])), tape.value((node, 0))
            )
        elif name == "Mul" and len(flow.operands[node]) == 2:
            propagate[node] = _signal_hook(_gate_of(node, flow, inner, run))
        elif name not in _PICKS and not _is_affine(node, run):
            raise run.no_rule("LRP", node)
    prepare = {node: _stabilised(tape.value((node, 0)), epsilon) for node in flow.completed(apart)}
    return Rules(propagate, prepare)


def _is_affine(node: Any, run: Run) -> bool:
    return is_affine_kind(node, run.nodes) or name_of(node) in ALSO_AFFINE


def _gate_of(node: Any, flow: Flow, inner: dict[Any, str], run: Run) -> int:
    """Give the position of the factor that is a gate."""
    gates = [
        one for one, name in inner.items() if name in _KINDS.gates and getattr(one, "_saved_min_val", 0) == 0
    ]
    gate = flow.gate_among([below for below, _ in node.next_functions], gates)
    if gate is None:
        raise run.no_rule("LRP", node)
    return gate


def _keeps_shape(node: Any, run: Run) -> bool:
    shape = run.tape.value((node, 0)).shape
    return all(
        run.tape.value(edge_of(edge)).shape == shape for edge in node.next_functions if edge[0] in run.nodes
    )


def _added_to(values: Tensor, epsilon: float) -> Tensor:
    """Move values away from zero."""
    step = max(epsilon, torch.finfo(values.dtype).tiny)
    return values + torch.where(values < 0, -step, step).to(values.dtype)


def _stabilised(made: Tensor, epsilon: float) -> _Prepare:
    """Make a sum z propagate the share z / (z + ε sign z) of its relevance, which its own gradient then divides."""
    share = made / _added_to(made, epsilon)

    def propagate(arriving: tuple[Any, ...]) -> tuple[Any, ...]:
        first = arriving[0]
        return (None if first is None else first * share, *arriving[1:])

    return propagate


def _unchanged_hook(entered: Tensor, made: Tensor) -> Propagation:
    """Propagate the incoming value times f(z) / z, which keeps the relevance the same; the gradient at zero."""
    return sloped(made, entered, entered.abs() < torch.finfo(entered.dtype).tiny)


def _signal_hook(gate: int) -> Propagation:
    """Give all relevance of a product to the signal, and none to its gate."""

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        return tuple(
            torch.zeros_like(one) if number == gate and one is not None else one
            for number, one in enumerate(given)
        )

    return propagate


def _plus_hook(node: Any, made: Tensor, epsilon: float) -> Propagation:
    """Divide the relevance of a convolution among positive contributions: (x w)⁺ / (Σ (x w)⁺ + b⁺ + ε) each."""

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        if given[0] is None:
            return None
        x, weight = node._saved_input.detach(), node._saved_weight.detach()
        settings = [
            getattr(node, f"_saved_{name}")
            for name in ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
        ]

        def convolved(values: Tensor, by: Tensor) -> Tensor:
            found: Tensor = torch.ops.aten.convolution(values, by, None, *settings)
            return found

        def shared(values: Tensor, by: Tensor) -> Tensor:
            found: Tensor = torch.ops.aten.convolution_backward(
                share, values, by, None, *settings, [True, False, False]
            )[0]
            return found

        raising, lowering = weight.clamp(min=0), weight.clamp(max=0)
        above, below = x.clamp(min=0), x.clamp(max=0)
        raised = convolved(above, raising) + convolved(below, lowering)
        whole = made.reshape(raised.shape)
        raised = raised + (whole - convolved(x, weight)).clamp(min=0)
        share = torch.where(raised > 0, arriving[0] * whole / _added_to(raised, epsilon), 0)
        return (torch.where(x < 0, shared(below, lowering), shared(above, raising)), *given[1:])

    return propagate
