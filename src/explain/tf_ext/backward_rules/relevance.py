"""Backward passes that share a score out as relevance: layer-wise relevance propagation, by the operation.

What goes backward is not the relevance R of a tensor a but R / a, as a gradient would: R = a · g. So every operation
that moves values, scales them by constants or picks one of them hands on its own gradient, and only sums, convolutions
and non-linearities need a rule.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.relevance import Flow
from explain.errors import UnsupportedModelError
from explain.tf_ext.backward_rules.backward import (
    ALSO_AFFINE,
    ELEMENTWISE,
    POOLS,
    backward,
    dependent_on,
    gradient_of,
    unknown,
)
from explain.tf_ext.model.graph import is_affine_kind, names

_CONVOLUTIONS = names("Conv2D Conv3D DepthwiseConv2dNative")
_ADDITIONS = names("Add AddV2 AddN Sub BiasAdd")
_SUMS = (
    _ADDITIONS
    | _CONVOLUTIONS
    | names("Sum Mean Cumsum MatMul BatchMatMul BatchMatMulV2 Einsum AvgPool AvgPool3D ResizeBilinear")
)
# Each value times a constant.
_SCALES = names("Mul RealDiv Neg")
# One of the values that go in.
_PICKS = POOLS | names("Max Min Maximum Minimum")
_MOVERS = names("Reshape Squeeze ExpandDims Transpose Identity BatchToSpaceND")
# Sigmoids, the bounded rectifier that hard ones are made of, and the error function of GELU.
_GATES = names("Sigmoid Relu6 Erf Erfc")
# A function with a gradient of its own: what it computes is in the trace before it.
_WRAPPED = "IdentityN"


def relevance_backward(
    scores: Any, points: Sequence[Any], model_name: str, epsilon: Any, *, plus: bool
) -> tuple[tuple[Any, ...], Any]:
    """Go back from scores to points; what arrives is shared out as relevance.

    Parameters
    ----------
    scores : tf.Tensor
        Of a run at the points, in a trace.
    points : sequence of tf.Tensor
        The inputs.
    model_name : str
        For messages.
    epsilon : tf.Tensor
        What is added to the size of a sum, once an example.
    plus : bool
        Whether convolutions share out to what raises them alone.
    """
    flow = _flow(scores, points)
    apart: set[Any] = set()
    wholes: dict[Any, list[Any]] = {}
    if plus:
        movers = {one for one in flow.carriers if one.type in _MOVERS}
        for one in flow.sums:
            if one.type in _CONVOLUTIONS and one.inputs[0].op in flow.operands:
                wholes[one] = flow.with_constants(one, movers)
                apart.update(wholes[one])
    completed = flow.completed(apart)
    changed: list[Any] = []

    def hand_on(operation: Any, arriving: Sequence[Any]) -> Sequence[Any]:
        if operation not in flow.operands:
            return [None] * len(operation.inputs)
        if operation.type == _WRAPPED:
            return arriving
        if operation in flow.carriers or operation.type in _PICKS:
            return gradient_of(operation, arriving)
        if operation.type == "Mul" and len(flow.operands[operation]) == 2:
            changed.append(operation)
            given = list(gradient_of(operation, arriving))
            given[_gate_of(operation, flow, model_name)] = None
            return given
        if operation.type in _SCALES and is_affine_kind(operation, flow.operands):
            return gradient_of(operation, arriving)
        if operation in wholes:
            changed.append(operation)
            return _raised(operation, wholes[operation], arriving[0], epsilon)
        if operation in completed:
            changed.append(operation)
            made = operation.outputs[0]
            return gradient_of(operation, [arriving[0] * made / _added_to(made, epsilon)])
        if operation in flow.sums:
            return gradient_of(operation, arriving)
        if operation.type in ELEMENTWISE:
            changed.append(operation)
            return [_unchanged(operation, arriving)]
        raise UnsupportedModelError(unknown("LRP", operation, flow.operands, model_name))

    return backward(scores, points, hand_on, model_name), tf.constant(len(changed))


def _flow(scores: Any, points: Sequence[Any]) -> Flow:
    dependent = dependent_on(scores.graph.get_operations(), points)
    way: set[Any] = set()
    left = [scores.op]
    while left:
        one = left.pop()
        if one in dependent and one not in way:
            way.add(one)
            left.extend(tensor.op for tensor in one.inputs)
    nodes = [one for one in dependent if one in way]
    inputs = {point.op for point in points}
    operands: dict[Any, list[Any]] = {
        one: [] if one in inputs else [tensor.op for tensor in one.inputs if tensor.op in way]
        for one in nodes
    }
    affine = [one for one in nodes if one not in inputs and _is_affine(one, operands)]
    return Flow(
        operands=operands,
        carriers={one for one in affine if one.type not in _SUMS and one.type not in _SCALES},
        sums={one for one in affine if one.type in _SUMS},
        additions={one for one in affine if one.type in _ADDITIONS and _keeps_shape(one, operands)},
    )


def _is_affine(operation: Any, operands: Mapping[Any, Any]) -> bool:
    return is_affine_kind(operation, operands) or operation.type in ALSO_AFFINE or operation.type == _WRAPPED


def _keeps_shape(operation: Any, operands: Collection[Any]) -> bool:
    shape = operation.outputs[0].shape
    return all(
        tensor.shape.rank == shape.rank and tensor.shape.is_compatible_with(shape)
        for tensor in operation.inputs
        if tensor.op in operands
    )


def _gate_of(operation: Any, flow: Flow, model_name: str) -> int:
    """Give which of two factors is a gate: a sigmoid, or what is affine in one."""
    gates = [one for one in flow.operands if one.type in _GATES]
    through = {
        one
        for one in flow.operands
        if (one.type in _ADDITIONS or one.type in _SCALES) and len(flow.operands[one]) == 1
    }
    found = [
        number for number, tensor in enumerate(operation.inputs) if flow.comes_from(tensor.op, gates, through)
    ]
    if len(found) != 1:
        raise UnsupportedModelError(unknown("LRP", operation, flow.operands, model_name))
    return found[0]


def _tiny(dtype: Any) -> float:
    """Give the least normal number of a precision; NumPy does not know bfloat16, which has float32's exponents."""
    return float(np.finfo(np.float32 if dtype == tf.bfloat16 else dtype.as_numpy_dtype).tiny)


def _added_to(values: Any, epsilon: Any) -> Any:
    """Move values away from zero."""
    step = tf.maximum(tf.cast(epsilon[0], values.dtype), tf.constant(_tiny(values.dtype), values.dtype))
    return values + tf.where(values < 0, -step, step)


def _unchanged(operation: Any, arriving: Sequence[Any]) -> Any:
    """Hand on f(z) / z times what arrives, so that the relevance is what it was; the gradient at zero."""
    entered, made = operation.inputs[0], operation.outputs[0]
    at_zero = tf.abs(entered) < tf.constant(_tiny(entered.dtype), entered.dtype)
    ratio = made / tf.where(at_zero, tf.ones_like(entered), entered)
    return tf.where(at_zero, gradient_of(operation, arriving)[0], arriving[0] * ratio)


def _raised(operation: Any, whole: Sequence[Any], arriving: Any, epsilon: Any) -> Sequence[Any]:
    """Share out the relevance of a convolution to what raises it: (x w)⁺ / (Σ (x w)⁺ + b⁺ + ε) of it each."""
    x, weight = operation.inputs
    made = whole[-1].outputs[0]
    for one in reversed(whole[1:]):
        if one.type not in _ADDITIONS:
            # What moves values brings them back as it brings back gradients.
            made = gradient_of(one, [made])[0]
    zero = tf.zeros((), x.dtype)
    raising, lowering = tf.maximum(weight, zero), tf.minimum(weight, zero)
    above, below = tf.maximum(x, zero), tf.minimum(x, zero)
    by_above, by_below = _again(operation, above, raising), _again(operation, below, lowering)
    raised = by_above + by_below + tf.maximum(made - operation.outputs[0], zero)
    share = tf.where(raised > 0, arriving * made / _added_to(raised, epsilon), zero)
    given = [
        tf.gradients(one, values, share, stop_gradients=values)[0]
        for one, values in ((by_below, below), (by_above, above))
    ]
    return [tf.where(x < 0, *given), None]


def _again(operation: Any, *inputs: Any) -> Any:
    """Run an operation on other inputs."""
    attributes = {
        one.name: operation.get_attr(one.name) for one in operation.op_def.attr if one.type != "type"
    }
    plain = {
        name: value.decode() if isinstance(value, bytes) else value for name, value in attributes.items()
    }
    arguments = {one.name: tensor for one, tensor in zip(operation.op_def.input_arg, inputs, strict=True)}
    return getattr(tf.raw_ops, operation.type)(**arguments, **plain)
