"""Backward passes that share a score out as relevance: layer-wise relevance propagation, by the operation.

What goes backward is not the relevance R of a tensor a but R / a, as a gradient would: R = a · g. So every operation
that moves values, scales them by constants or picks one of them hands on its own gradient, and only sums, convolutions
and non-linearities need a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from explain.backends.relevance import Flow
from explain.errors import UnsupportedModelError
from explain.torch_ext.backward_rules.tape import (
    ALSO_AFFINE,
    ELEMENTWISE,
    POOLS,
    Hook,
    Tape,
    edge_of,
    is_input,
    nodes_on_the_way,
    unknown,
)
from explain.torch_ext.model.graph import is_affine_kind, name_of, names

if TYPE_CHECKING:
    from explain.torch_ext.backend import TorchBackend

_Prehook = Callable[[tuple[Any, ...]], tuple[Any, ...]]

_ADDITIONS = names("Add Sub Rsub")
_SUMS = _ADDITIONS | names(
    "Sum Mean Cumsum Mm Addmm Bmm Baddbmm Addbmm Mv Dot Linear Convolution AvgPool1D AvgPool2D AvgPool3D "
    "AdaptiveAvgPool1D AdaptiveAvgPool2D AdaptiveAvgPool3D UpsampleBilinear2D "
    "NativeBatchNorm CudnnBatchNorm MiopenBatchNorm"
)
# Each value times a constant.
_SCALES = names("Mul Div Neg")
# One of the values that go in.
_PICKS = POOLS | names("Max Amax Min Amin Maximum Minimum")
_RESHAPES = names("View UnsafeView Reshape ReshapeAlias Squeeze Unsqueeze Alias Clone")
# Sigmoids, the bounded rectifier that hard ones are made of, and the error function of GELU.
_GATES = names("Sigmoid Hardsigmoid Hardtanh Erf")


def relevance_hooks(
    backend: TorchBackend,
    scores: Tensor,
    points: Sequence[Tensor],
    tape: Tape,
    epsilon: float,
    *,
    plus: bool,
) -> tuple[dict[Any, _Prehook], dict[Any, Hook]]:
    """Give what is to be done before nodes of the graph run, and after.

    Parameters
    ----------
    backend : TorchBackend
        The model, for messages.
    scores, points : torch.Tensor
        What the model gave, and what for.
    tape : Tape
        What was held of the run.
    epsilon : float
        What is added to the size of a sum.
    plus : bool
        Whether convolutions share out to what raises them alone.
    """
    nodes = nodes_on_the_way(scores, points)
    inner = {node: name_of(node) for node in nodes if not is_input(node)}
    flow = _flow(nodes, inner, tape)
    before: dict[Any, _Prehook] = {}
    after: dict[Any, Hook] = {}
    apart: set[Any] = set()
    for node, name in inner.items():
        if name == "Convolution" and plus and node.next_functions[0][0] in nodes:
            whole = flow.with_constants(node, {one for one in flow.carriers if inner[one] in _RESHAPES})
            apart.update(whole)
            after[node] = _plus_hook(node, tape.value((whole[-1], 0)), epsilon)
        elif name in ELEMENTWISE:
            after[node] = _unchanged_hook(tape.value(edge_of(node.next_functions[0])), tape.value((node, 0)))
        elif name == "Mul" and len(flow.operands[node]) == 2:
            after[node] = _signal_hook(_gate_of(node, flow, inner, backend, nodes, tape))
        elif name not in _PICKS and not _is_affine(node, nodes):
            raise UnsupportedModelError(unknown("LRP", backend, node, nodes, tape))
    for node in flow.completed(apart):
        before[node] = _stabilised(tape.value((node, 0)), epsilon)
    return before, after


@contextmanager
def unfused(backend: TorchBackend, *, when: bool) -> Iterator[None]:
    """Let LSTMs run operation by operation on a CPU, where oneDNN would hide the operations."""
    if not when or not any(isinstance(module, nn.LSTM) for module in backend.leaf_modules):
        yield
        return
    # The context manager of these flags sets the others too, and warns of it.
    (enabled, *_) = torch.backends.mkldnn.set_flags(False, _fp32_precision=None)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(enabled, _fp32_precision=None)  # type: ignore[no-untyped-call]


def _flow(nodes: Mapping[Any, None], inner: Mapping[Any, str], tape: Tape) -> Flow:
    affine = {node: name for node, name in inner.items() if _is_affine(node, nodes)}
    return Flow(
        operands={node: [below for below, _ in node.next_functions if below in nodes] for node in nodes},
        carriers={node for node, name in affine.items() if name not in _SUMS and name not in _SCALES},
        sums={node for node, name in affine.items() if name in _SUMS},
        additions={
            node for node, name in affine.items() if name in _ADDITIONS and _keeps_shape(node, nodes, tape)
        },
    )


def _is_affine(node: Any, nodes: Mapping[Any, None]) -> bool:
    return is_affine_kind(node, nodes) or name_of(node) in ALSO_AFFINE


def _keeps_shape(node: Any, nodes: Mapping[Any, None], tape: Tape) -> bool:
    shape = tape.value((node, 0)).shape
    return all(tape.value(edge_of(edge)).shape == shape for edge in node.next_functions if edge[0] in nodes)


def _gate_of(
    node: Any,
    flow: Flow,
    inner: Mapping[Any, str],
    backend: TorchBackend,
    nodes: Mapping[Any, None],
    tape: Tape,
) -> int:
    """Give which of two factors is a gate: a sigmoid, or what is affine in one."""
    gates = [one for one, name in inner.items() if name in _GATES and getattr(one, "_saved_min_val", 0) == 0]
    through = {
        one
        for one, name in inner.items()
        if (name in _ADDITIONS or name in _SCALES) and len(flow.operands[one]) == 1
    }
    found = [
        number
        for number, (below, _) in enumerate(node.next_functions)
        if flow.comes_from(below, gates, through)
    ]
    if len(found) != 1:
        raise UnsupportedModelError(unknown("LRP", backend, node, nodes, tape))
    return found[0]


def _added_to(values: Tensor, epsilon: float) -> Tensor:
    """Move values away from zero."""
    step = max(epsilon, torch.finfo(values.dtype).tiny)
    return values + torch.where(values < 0, -step, step).to(values.dtype)


def _stabilised(made: Tensor, epsilon: float) -> _Prehook:
    """Let a sum z share out R z / (z + ε sign z): in the place of what arrives, what the sum's own gradient spreads."""
    share = made / _added_to(made, epsilon)

    def hook(arriving: tuple[Any, ...]) -> tuple[Any, ...]:
        first = arriving[0]
        return (None if first is None else first * share, *arriving[1:])

    return hook


def _unchanged_hook(entered: Tensor, made: Tensor) -> Hook:
    """Hand on f(z) / z times what arrives, so that the relevance is what it was; the gradient at zero."""
    at_zero = entered.abs() < torch.finfo(entered.dtype).tiny
    ratio = made / torch.where(at_zero, torch.ones_like(entered), entered)

    def hook(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        if given[0] is None:
            return None
        return (torch.where(at_zero, given[0], arriving[0] * ratio), *given[1:])

    return hook


def _signal_hook(gate: int) -> Hook:
    """Let the signal take all of a product, and its gate nothing."""

    def hook(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        return tuple(
            torch.zeros_like(one) if number == gate and one is not None else one
            for number, one in enumerate(given)
        )

    return hook


def _plus_hook(node: Any, made: Tensor, epsilon: float) -> Hook:
    """Share out the relevance of a convolution to what raises it: (x w)⁺ / (Σ (x w)⁺ + b⁺ + ε) of it each."""

    def hook(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
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

    return hook
