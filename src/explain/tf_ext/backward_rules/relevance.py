"""Layer-wise relevance propagation, operation by operation.

The backward pass does not propagate the relevance R of a tensor a. It propagates g = R / a, which behaves like a
gradient: R = a · g. So every operation that moves values, scales them by constants or picks one of them propagates its
own gradient, and only sums, convolutions and non-linearities need a rule.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.operations.relevance import Flow, Kinds
from explain.backends.operations.score_graph import names
from explain.tf_ext.backward_rules.backward import Rules, gradient_of, operations_between, sloped
from explain.tf_ext.backward_rules.kinds import ALSO_AFFINE, ELEMENTWISE, POOLS, no_rule
from explain.tf_ext.model.graph import is_affine_kind, name_of, run_again

_CONVOLUTIONS = names("Conv2D Conv3D DepthwiseConv2dNative")
_ADDITIONS = names("Add AddV2 AddN Sub BiasAdd")
_KINDS = Kinds(
    sums=_ADDITIONS
    | _CONVOLUTIONS
    | names("Sum Mean Cumsum MatMul BatchMatMul BatchMatMulV2 Einsum AvgPool AvgPool3D ResizeBilinear"),
    additions=_ADDITIONS,
    scales=names("Mul RealDiv Neg"),
    gates=names("Sigmoid Relu6 Erf Erfc"),
)
# Operations whose result is one of the values of their operands.
_PICKS = POOLS | names("Max Min Maximum Minimum")
_MOVERS = names("Reshape Squeeze ExpandDims Transpose Identity BatchToSpaceND")
# A function with a custom gradient: its operations are in the trace before it.
_WRAPPED = "IdentityN"


def shared_out(scores: Any, points: Sequence[Any], model_name: str, epsilon: Any, *, plus: bool) -> Rules:
    """Make operations divide the incoming relevance among their operands.

    The backward pass raises `UnsupportedModelError` for an operation without a rule.

    Parameters
    ----------
    scores : tf.Tensor
        The scores of a run at the points, in a trace.
    points : sequence of tf.Tensor
        The inputs.
    model_name : str
        The name of the model in error messages.
    epsilon : tf.Tensor
        The number added to the magnitude of a sum, repeated for every example, shape (N,).
    plus : bool
        Whether convolutions propagate relevance only to positive contributions.
    """
    flow = _flow(scores, points)
    wholes: dict[Any, list[Any]] = {}
    if plus:
        movers = {one for one in flow.carriers if name_of(one) in _MOVERS}
        for one in flow.sums:
            if name_of(one) in _CONVOLUTIONS and one.inputs[0].op in flow.operands:
                wholes[one] = flow.with_constants(one, movers)
    completed = flow.completed({one for whole in wholes.values() for one in whole})

    def propagate(operation: Any, arriving: Sequence[Any]) -> Sequence[Any]:
        if operation not in flow.operands:
            return [None] * len(operation.inputs)
        name = name_of(operation)
        if name == _WRAPPED:
            return arriving
        if operation in flow.carriers or name in _PICKS:
            return gradient_of(operation, arriving)
        if name == "Mul" and len(flow.operands[operation]) == 2:
            rules.changed.append(operation)
            given = list(gradient_of(operation, arriving))
            given[_gate_of(operation, flow, model_name)] = None
            return given
        if name in _KINDS.scales and is_affine_kind(operation, flow.operands):
            return gradient_of(operation, arriving)
        if operation in wholes:
            rules.changed.append(operation)
            return _raised(operation, wholes[operation], arriving[0], epsilon)
        if operation in completed:
            rules.changed.append(operation)
            made = operation.outputs[0]
            return gradient_of(operation, [arriving[0] * made / _added_to(made, epsilon)])
        if operation in flow.sums:
            return gradient_of(operation, arriving)
        if name in ELEMENTWISE:
            rules.changed.append(operation)
            return [_unchanged(operation, arriving)]
        raise no_rule("LRP", operation, flow.operands, model_name)

    rules = Rules(propagate)
    return rules


def _flow(scores: Any, points: Sequence[Any]) -> Flow:
    nodes = operations_between(scores, points)
    inputs = {point.op for point in points}
    operands: dict[Any, list[Any]] = {
        one: [] if one in inputs else [tensor.op for tensor in one.inputs if tensor.op in nodes]
        for one in nodes
    }
    affine = [one for one in nodes if one not in inputs and _is_affine(one, operands)]
    return Flow.of(operands, affine, _KINDS, name_of, lambda one: _keeps_shape(one, operands))


def _is_affine(operation: Any, operands: Mapping[Any, Any]) -> bool:
    return (
        is_affine_kind(operation, operands)
        or name_of(operation) in ALSO_AFFINE
        or name_of(operation) == _WRAPPED
    )


def _keeps_shape(operation: Any, operands: Collection[Any]) -> bool:
    shape = operation.outputs[0].shape
    return all(
        tensor.shape.rank == shape.rank and tensor.shape.is_compatible_with(shape)
        for tensor in operation.inputs
        if tensor.op in operands
    )


def _gate_of(operation: Any, flow: Flow, model_name: str) -> int:
    """Give the position of the factor that is a gate."""
    gates = [one for one in flow.operands if name_of(one) in _KINDS.gates]
    gate = flow.gate_among([tensor.op for tensor in operation.inputs], gates)
    if gate is None:
        raise no_rule("LRP", operation, flow.operands, model_name)
    return gate


def _tiny(dtype: Any) -> float:
    """Give the smallest normal number of a dtype; NumPy lacks bfloat16, which has float32's exponents."""
    return float(np.finfo(np.float32 if dtype == tf.bfloat16 else dtype.as_numpy_dtype).tiny)


def _added_to(values: Any, epsilon: Any) -> Any:
    """Move values away from zero."""
    step = tf.maximum(tf.cast(epsilon[0], values.dtype), tf.constant(_tiny(values.dtype), values.dtype))
    return values + tf.where(values < 0, -step, step)


def _unchanged(operation: Any, arriving: Sequence[Any]) -> Any:
    """Propagate the incoming value times f(z) / z, which keeps the relevance the same; the gradient at zero."""
    entered, made = operation.inputs[0], operation.outputs[0]
    at_zero = tf.abs(entered) < tf.constant(_tiny(entered.dtype), entered.dtype)
    return sloped(operation, arriving, made, entered, at_zero)


def _raised(operation: Any, whole: Sequence[Any], arriving: Any, epsilon: Any) -> Sequence[Any]:
    """Divide the relevance of a convolution among positive contributions: (x w)⁺ / (Σ (x w)⁺ + b⁺ + ε) each."""
    x, weight = operation.inputs
    made = whole[-1].outputs[0]
    for one in reversed(whole[1:]):
        if name_of(one) not in _ADDITIONS:
            # The gradient of an operation that moves values moves them back.
            made = gradient_of(one, [made])[0]
    zero = tf.zeros((), x.dtype)
    raising, lowering = tf.maximum(weight, zero), tf.minimum(weight, zero)
    above, below = tf.maximum(x, zero), tf.minimum(x, zero)
    (by_above,), (by_below,) = run_again(operation, [above, raising]), run_again(operation, [below, lowering])
    raised = by_above + by_below + tf.maximum(made - operation.outputs[0], zero)
    share = tf.where(raised > 0, arriving * made / _added_to(raised, epsilon), zero)
    given = [
        tf.gradients(one, values, share, stop_gradients=values)[0]
        for one, values in ((by_below, below), (by_above, above))
    ]
    return [tf.where(x < 0, *given), None]
