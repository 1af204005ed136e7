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

from explain.backends.operations.score_graph import names
from explain.torch_ext.backward_rules.backward import Propagation, Rules, sloped
from explain.torch_ext.backward_rules.kinds import (
    NORMS,
    PAIR_PICKS,
    PICKS,
    PRODUCTS,
    ROOTS,
    SOFTMAXES,
    axes_of,
)
from explain.torch_ext.backward_rules.norms import shape_of
from explain.torch_ext.backward_rules.tape import Run, edge_of, is_input
from explain.torch_ext.model.graph import name_of

_Prepare = Callable[[tuple[Any, ...]], tuple[Any, ...]]

# Operations whose gradient is their rule: picks move values, and roots of quadratic functions are of degree one. Of a
# softmax and its logarithm it is the rule of AttnLRP.
_KEEPING = PICKS | PAIR_PICKS | ROOTS | SOFTMAXES | names("LogSoftmax Logsumexp Topk Sort Kthvalue Median")
# What may stand between a convolution and its bias. After a reshape, constants are added to places, as positions are.
_MOVERS = names("Squeeze Unsqueeze Alias Clone")


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
    tape, flow = run.tape, run.flow
    inner = {node: name_of(node) for node in run.nodes if not is_input(node)}
    propagate: dict[Any, Propagation] = {}
    apart = set(run.patterns.shifts)
    products: set[Any] = set()
    for node, name in inner.items():
        if node in run.patterns.parts:
            continue
        several = len(run.reads[node]) > 1
        if name == "Convolution" and plus and not several:
            whole = flow.with_constants(node, {one for one in flow.carriers if inner[one] in _MOVERS})
            apart.update(whole)
            propagate[node] = _plus_hook(node, tape.value((whole[-1], 0)), epsilon)
        elif run.is_elementwise(node):
            entered = tape.value(edge_of(run.reads[node][0]))
            propagate[node] = _unchanged_hook(entered, tape.value((node, 0)))
        elif node in run.affine or name in _KEEPING:
            continue
        elif (rule := _rule_of(node, name, run)) is not None:
            propagate[node] = rule
            if name in PRODUCTS:
                products.add(node)
        else:
            raise run.no_rule("LRP", node)
    sums = [*flow.completed(apart), *products]
    prepare = {node: _stabilised(tape.value((node, 0)), epsilon) for node in sums}
    return Rules(propagate, prepare)


def _rule_of(node: Any, name: str, run: Run) -> Propagation | None:
    """Give the rule of an operation on several values, None if there is none.

    Achtibat et al., *AttnLRP*, arXiv:2402.05602: a product of two values that depend on the input shares its relevance
    equally between them; a norm passes it on as if its statistics were constant.
    """
    if name in ("Mul", *PRODUCTS) and len(run.reads[node]) == 2:
        signal = _signal_of(node, run) if name == "Mul" else None
        return _halved if signal is None else _signal_hook(1 - signal)
    if name == "Div":
        # The gradient of a constant divided by b is -z / b; relevance stays, as through any function of one value.
        return _signal_hook(1) if run.reads[node][0] == node.next_functions[0] else _negated
    if name in ("Var", "VarMean"):
        return _halved
    if name in NORMS:
        return _norm_hook(node)
    return _gated_half_hook(node, run) if name == "Glu" else None


def _signal_of(node: Any, run: Run) -> int | None:
    """Give the position of the factor that gets all relevance; None if both get half.

    It is the value of which the other factor is a function, or that the other one scales: a reciprocal, as in norms, or
    a gate.
    """
    factors = [below for below, _ in node.next_functions]
    if (own := run.patterns.own_signal(node)) is not None:
        return own
    for scaling in (run.reciprocals, run.gates):
        place = run.flow.factor_from(factors, scaling)
        if place is not None:
            return 1 - place
    return None


def _added_to(values: Tensor, epsilon: float) -> Tensor:
    """Move values away from zero."""
    step = max(epsilon, torch.finfo(values.dtype).tiny)
    return values + torch.where(values < 0, -step, step).to(values.dtype)


def _stabilised(made: Tensor, epsilon: float) -> _Prepare:
    """Make a sum z propagate the share z / (z + ε sign z) of its relevance, which its own gradient then divides."""
    step = made.new_tensor(max(epsilon, torch.finfo(made.dtype).tiny))

    def propagate(arriving: tuple[Any, ...]) -> tuple[Any, ...]:
        first = arriving[0]
        if first is None:
            return arriving
        # 1 + ε / |z| is 1 where a mask added −∞, and ∞ for a sum of zero. In place, since memory limits the speed.
        divisor = made.abs()
        torch.div(step, divisor, out=divisor)
        return (first / divisor.add_(1), *arriving[1:])

    return propagate


def _unchanged_hook(entered: Tensor, made: Tensor) -> Propagation:
    """Propagate the incoming value times f(z) / z, which keeps the relevance the same; the gradient at zero."""

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        if given[0] is None:
            return None
        flat = entered.abs() < torch.finfo(entered.dtype).tiny
        return (sloped(given[0], arriving[0], made, entered, flat), *given[1:])

    return propagate


def _signal_hook(gate: int) -> Propagation:
    """Give all relevance of a product or quotient to the signal, and none to what scales it."""

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        return tuple(
            torch.zeros_like(one) if number == gate and one is not None else one
            for number, one in enumerate(given)
        )

    return propagate


def _halved(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
    """Propagate half the gradient to each factor."""
    return tuple(None if one is None else one / 2 for one in given)


def _negated(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
    return tuple(None if one is None else -one for one in given)


def _norm_hook(node: Any) -> Propagation:
    """Propagate through a norm as if its deviation were constant: scale, and centre."""
    inverse = node._saved_result2

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        shape, statistics, axes, weights = shape_of(node)
        scaled = (arriving[0] if weights is None else arriving[0] * weights).reshape(shape)
        scaled = scaled * inverse.reshape(statistics).to(scaled.dtype)
        centred = scaled - scaled.mean(axes, keepdim=True)
        return (centred.reshape(arriving[0].shape), *given[1:])

    return propagate


def _gated_half_hook(node: Any, run: Run) -> Propagation:
    """Give all relevance of GLU to its first half, whose gate is the second."""
    (axis,) = axes_of(node)
    gate = run.tape.value(edge_of(node.next_functions[0])).chunk(2, axis)[1].sigmoid()

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        signal = arriving[0] * gate
        return (torch.cat((signal, torch.zeros_like(signal)), axis),)

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
