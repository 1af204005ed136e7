"""The attentions of a TensorFlow model, read from the operations of a trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from explain.backends.operations.attention_rows import RawAttentions
from explain.backends.operations.attentions import (
    AttentionKinds,
    SeenAttention,
    attentions_among,
    unreadable,
)
from explain.backends.operations.score_graph import names
from explain.inputs.examples import Examples
from explain.keras.model.tracing import Beside
from explain.public_calls.passes import takes_passes
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass
from explain.tf_ext.model.graph import name_of, operands_of
from explain.tf_ext.model.opened import OpenedModel
from explain.tf_ext.model.transfer import to_host

_SAME_AXES = names("Identity IdentityN Cast StopGradient PreventGradient EnsureShape")
_MATRIX_PRODUCTS = names("BatchMatMul BatchMatMulV2 BatchMatMulV3")


def attentions_in_one_run(opened: OpenedModel, examples: Examples) -> RawAttentions:
    """Give the attentions on the way to the scores, and the gradients to them, from one run of the model."""
    weights, gradients, values = opened.run(_attentions, examples, opened.points(examples))
    return RawAttentions(
        [to_host(one) for one in weights], [to_host(one) for one in gradients], to_host(values)
    )


@takes_passes()
def _attentions(
    forward: TensorFlowForwardPass, points: tuple[Any, ...], beside: Beside
) -> tuple[tuple[Any, ...], tuple[Any, ...], Any]:
    """Give the weights, the gradients of the scores to them, and the values of the first attention."""
    if tf.executing_eagerly():
        raise unreadable("it cannot be traced, and only a trace shows the operations of a Keras model.")
    scores = forward.scores(points, beside)
    needed = _needed_for(scores.op)
    operations = [one for one in scores.graph.get_operations() if one in needed]
    seen = attentions_among(operations, {point.op for point in points}, _KINDS)
    weights = tuple((one.softmax, *one.masks)[-1].outputs[0] for one in seen)
    gradients = tf.gradients(scores, list(weights), unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return weights, tuple(tf.convert_to_tensor(one) for one in gradients), _values_of(seen[0])


def _needed_for(score: Any) -> set[Any]:
    """Give the operations that a score depends on."""
    found, left = {score}, [score]
    while left:
        new = {one for one in operands_of(left.pop()) if one not in found}
        found |= new
        left.extend(new)
    return found


def _values_of(attention: SeenAttention) -> Any:
    """Give the values of an attention, their keys on axis 1."""
    product, position = attention.product, attention.position
    values = product.inputs[1 - position]
    axes = _summed_axes(product)
    assert axes is not None, "the product was seen to sum over the keys"
    axis = axes[1 - position]
    order = [0, axis, *(other for other in range(1, values.shape.rank) if other != axis)]
    return tf.transpose(values, order)


def _summed_axes(product: Any) -> tuple[int, int] | None:
    """Give the axis of each operand that a batched matrix product sums over; None for any other operation."""
    ranks = [tensor.shape.rank for tensor in product.inputs]
    if None in ranks:
        return None
    if name_of(product) in _MATRIX_PRODUCTS:
        # Fewer axes have no axis of examples.
        if min(ranks) < 3:
            return None
        return (
            ranks[0] - (2 if product.get_attr("adj_x") else 1),
            ranks[1] - (1 if product.get_attr("adj_y") else 2),
        )
    if name_of(product) != "Einsum" or len(ranks) != 2:
        return None
    operands, result = product.get_attr("equation").decode().replace(" ", "").split("->")
    first, second = operands.split(",")
    summed = [letter for letter in first if letter in second and letter not in result]
    if "." in operands or len(summed) != 1 or not set(first) & set(second) & set(result):
        return None
    return first.index(summed[0]), second.index(summed[0])


def _carried(operation: Any, axis: int) -> int | None:
    """Give the axis of the result that an axis of the first operand becomes; None if it cannot be told."""
    name = name_of(operation)
    if name in _SAME_AXES:
        return axis
    if name == "Transpose":
        order = tf.get_static_value(operation.inputs[1])
        return None if order is None else int(list(order).index(axis))
    if name == "Reshape":
        before, after = operation.inputs[0].shape, operation.outputs[0].shape
        is_last = before.rank is not None and axis == before.rank - 1
        if is_last and after.rank and before[-1] is not None and before[-1] == after[-1]:
            return int(after.rank) - 1
    return None


def _masks(operation: Any, position: int) -> bool:
    """Tell whether an operation sets weights of a softmax to zero, as Keras does behind a softmax with a mask."""
    if name_of(operation) != "SelectV2" or position != 1:
        return False
    other, below = tf.get_static_value(operation.inputs[2]), operation.inputs[1].op
    return other is not None and not other.any() and name_of(below) == "Softmax"


def _sums_over(operation: Any, position: int, axis: int) -> bool:
    summed = _summed_axes(operation)
    return summed is not None and summed[position] == axis


def _operands_of(operation: Any) -> Sequence[Any]:
    return operands_of(operation)


_KINDS = AttentionKinds(
    operands_of=_operands_of,
    is_softmax=lambda operation: name_of(operation) == "Softmax",
    is_fused=lambda operation: False,
    axis_of=lambda softmax: int(softmax.outputs[0].shape.rank) - 1,
    carried=_carried,
    masks=_masks,
    sums_over=_sums_over,
    shape_of=lambda softmax: tuple(softmax.outputs[0].shape),
)
