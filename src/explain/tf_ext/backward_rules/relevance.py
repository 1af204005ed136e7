"""Layer-wise relevance propagation, operation by operation.

The backward pass does not propagate the relevance R of a tensor a. It propagates g = R / a, which behaves like a
gradient: R = a · g. So every operation that moves values, scales them by constants or picks one of them propagates its
own gradient, and only sums, convolutions and non-linearities need a rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.operations.score_graph import names
from explain.tf_ext.backward_rules.anatomy import Anatomy
from explain.tf_ext.backward_rules.backward import Rules, gradient_of
from explain.tf_ext.backward_rules.grouped import in_groups
from explain.tf_ext.backward_rules.kinds import (
    KINDS,
    PAIR_PICKS,
    PICKS,
    PRODUCTS,
    ROOTS,
    SOFTMAXES,
    WRAPPED,
    is_affine,
)
from explain.tf_ext.backward_rules.refusals import no_rule
from explain.tf_ext.model.graph import name_of, run_again

_CONVOLUTIONS = names(
    "Conv2D Conv3D DepthwiseConv2dNative Conv2DBackpropInput Conv3DBackpropInputV2 DepthwiseConv2dNativeBackpropInput"
)
# Operations whose gradient is their rule: picks move values. Of a softmax and its logarithm it is the rule of AttnLRP.
_KEEPING = PICKS | PAIR_PICKS | SOFTMAXES | ROOTS | names("LogSoftmax TopKV2")
# What may stand between a convolution and its bias. After a reshape, constants are added to places, as positions are.
_MOVERS = names("Squeeze ExpandDims Transpose Identity BatchToSpaceND")


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
    anatomy = Anatomy.of(scores, points)
    flow = anatomy.flow
    products = {one for one in flow.operands if name_of(one) in PRODUCTS and len(anatomy.moving(one)) == 2}
    wholes: dict[Any, list[Any]] = {}
    if plus:
        movers = {one for one in flow.carriers if name_of(one) in _MOVERS}
        for one in flow.sums:
            if name_of(one) in _CONVOLUTIONS:
                wholes[one] = flow.with_constants(one, movers)
    apart = {one for whole in wholes.values() for one in whole} | anatomy.patterns.shifts
    completed = flow.completed(apart) | products

    def propagate(operation: Any, arriving: Sequence[Any]) -> Sequence[Any]:
        name = name_of(operation)
        if name == WRAPPED:
            return arriving
        if operation in flow.carriers or operation in anatomy.patterns.parts:
            return gradient_of(operation, arriving)
        if operation in wholes:
            rules.changed.append(operation)
            return _raised(operation, wholes[operation], arriving[0], epsilon)
        if operation in completed:
            rules.changed.append(operation)
            given = gradient_of(operation, [arriving[0] * _share(operation.outputs[0], epsilon)])
            return _halved(given) if operation in products else given
        if operation in flow.sums or (name in KINDS.scales and is_affine(operation, anatomy.dependent)):
            return gradient_of(operation, arriving)
        of_one = anatomy.is_elementwise(operation)
        if (of_one or name in KINDS.quotients) and anatomy.hides_a_way(operation):
            raise no_rule("LRP", operation, anatomy.dependent, model_name)
        if of_one:
            rules.changed.append(operation)
            (place,) = anatomy.moving(operation)
            kept = _unchanged(operation, place, arriving)
            return [kept if at == place else None for at in range(len(operation.inputs))]
        if name in _KEEPING:
            return gradient_of(operation, arriving)
        found = _shared(operation, name, arriving, anatomy)
        if found is None:
            raise no_rule("LRP", operation, anatomy.dependent, model_name)
        rules.changed.append(operation)
        return found

    rules = Rules(propagate)
    return rules


def _shared(operation: Any, name: str, arriving: Sequence[Any], anatomy: Anatomy) -> Sequence[Any] | None:
    """Give what an operation on several values propagates, None if it has no rule.

    Achtibat et al., *AttnLRP*, arXiv:2402.05602: a product of two values that depend on the input shares its relevance
    equally between them; a norm passes it on as if its statistics were constant.
    """
    given = list(gradient_of(operation, arriving))
    if name in ("Mul", "MulNoNan"):
        signal = _signal_of(operation, anatomy)
        return _halved(given) if signal is None else _only(given, signal)
    if name in KINDS.quotients:
        # The gradient of a constant divided by b is -z / b; relevance stays, as through any function of one value.
        return _only(given, 0) if 0 in anatomy.moving(operation) else [None, -given[1]]
    return _halved(given) if name in ("Square", "SquaredDifference") else None


def _signal_of(operation: Any, anatomy: Anatomy) -> int | None:
    """Give the position of the factor that gets all relevance; None if both get half.

    It is the value of which the other factor is a function, or that the other one scales: a reciprocal, as in norms, or
    a gate.
    """
    if (own := anatomy.patterns.own_signal(operation)) is not None:
        return own
    factors = [tensor.op for tensor in operation.inputs]
    for scaling in (anatomy.reciprocals, anatomy.gates):
        place = anatomy.flow.factor_from(factors, scaling)
        if place is not None:
            return 1 - place
    return None


def _only(given: Sequence[Any], place: int) -> Sequence[Any]:
    return [one if at == place else None for at, one in enumerate(given)]


def _halved(given: Sequence[Any]) -> Sequence[Any]:
    return [None if one is None else one / 2 for one in given]


def _tiny(dtype: Any) -> float:
    """Give the smallest normal number of a dtype; NumPy lacks bfloat16, which has float32's exponents."""
    return float(np.finfo(np.float32 if dtype == tf.bfloat16 else dtype.as_numpy_dtype).tiny)


def _least(dtype: Any, epsilon: Any) -> Any:
    """Give epsilon as a number of a dtype, above zero there."""
    return tf.maximum(tf.cast(epsilon[0], dtype), tf.constant(_tiny(dtype), dtype))


def _added_to(values: Any, epsilon: Any) -> Any:
    """Move values away from zero."""
    step = _least(values.dtype, epsilon)
    return values + tf.where(values < 0, -step, step)


def _share(made: Any, epsilon: Any) -> Any:
    """Give the share z / (z + ε sign z) of its relevance that a sum z passes on; all of it where a mask added −∞."""
    # It is 1 / (1 + ε / |z|), and 0 for a sum of zero.
    return 1 / (1 + _least(made.dtype, epsilon) / tf.abs(made))


def _unchanged(operation: Any, place: int, arriving: Sequence[Any]) -> Any:
    """Propagate the incoming value times f(z) / z, which keeps the relevance the same; the gradient at zero."""
    entered, made = operation.inputs[place], operation.outputs[0]
    at_zero = tf.abs(entered) < tf.constant(_tiny(entered.dtype), entered.dtype)
    slope = made / tf.where(at_zero, tf.ones_like(entered), entered)
    return tf.where(at_zero, gradient_of(operation, arriving)[place], arriving[0] * slope)


def _raised(operation: Any, whole: Sequence[Any], arriving: Any, epsilon: Any) -> Sequence[Any]:
    """Divide the relevance of a convolution among positive contributions: (x w)⁺ / (Σ (x w)⁺ + b⁺ + ε) each."""
    # A transposed convolution is the gradient of a convolution, whose operands stand in another order.
    place = 2 if "BackpropInput" in name_of(operation) else 0
    x, weight = operation.inputs[place], operation.inputs[1]
    made = whole[-1].outputs[0]
    for one in reversed(whole[1:]):
        if name_of(one) not in KINDS.additions:
            # The gradient of an operation that moves values moves them back.
            made = gradient_of(one, [made])[0]
    zero = tf.zeros((), x.dtype)
    raising, lowering = tf.maximum(weight, zero), tf.minimum(weight, zero)
    above, below = tf.maximum(x, zero), tf.minimum(x, zero)
    first = list(operation.inputs)

    def convolved(values: Any, by: Any) -> Any:
        if place == 0:
            return in_groups(operation, values, by)
        first[place], first[1] = values, by
        return run_again(operation, first)[0]

    by_above, by_below = convolved(above, raising), convolved(below, lowering)
    raised = by_above + by_below + tf.maximum(made - operation.outputs[0], zero)
    share = tf.where(raised > 0, arriving * made / _added_to(raised, epsilon), zero)
    given = [
        tf.gradients(one, values, share, stop_gradients=values)[0]
        for one, values in ((by_below, below), (by_above, above))
    ]
    found = tf.where(x < 0, *given)
    return [found if at == place else None for at in range(len(first))]
