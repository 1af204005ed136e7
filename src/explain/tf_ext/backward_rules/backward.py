"""What backward passes with a rule have in common: going through a trace, and what is refused.

A trace is gone through from the score to the input, operation by operation, with the gradient that TensorFlow has
registered for each, or a rule in its place. Layers are not looked at: one that is called twice and a function that is
no layer are then like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

import tensorflow as tf

# What TensorFlow's own backward pass asks for each operation.
from tensorflow.python.framework.ops import get_gradient_function

from explain.backends.scoring import no_gradient_reason
from explain.errors import GradientError
from explain.tf_ext.model.graph import names

# From an operation and the gradients that arrive at its outputs to those of its inputs.
Hand = Callable[[Any, Sequence[Any]], Sequence[Any]]

# One value in, one value out.
ELEMENTWISE = names(
    "Relu Relu6 LeakyRelu Elu Selu Sigmoid Tanh Softplus Softsign Exp Expm1 Log Log1p Sqrt Rsqrt Square Abs Sin Cos "
    "Erf Erfc Reciprocal"
)
POOLS = names("MaxPool MaxPool3D")
# What graph.py does not count among the affine operations, since no prefix needs it.
ALSO_AFFINE = names("Cumsum")
# Their gradient stops, or their values do not follow those of their inputs.
_STOPS = names("StopGradient Shape ShapeN Size Rank ZerosLike OnesLike")
# They call functions that hold operations of their own.
CALLS = names(
    "While StatelessWhile If StatelessIf Case StatelessCase PartitionedCall StatefulPartitionedCall"
)


def backward(scores: Any, points: Sequence[Any], hand_on: Hand, model_name: str) -> tuple[Any, ...]:
    """Go back from scores to points; `hand_on` says what each operation hands on."""
    operations = scores.graph.get_operations()
    dependent = dependent_on(operations, points)
    arrived: dict[Any, list[Any]] = {scores.ref(): [tf.ones_like(scores)]}
    for operation in reversed(operations):
        if operation not in dependent or any(operation is point.op for point in points):
            continue
        arriving = [_total(arrived.pop(output.ref(), [])) for output in operation.outputs]
        if all(one is None for one in arriving):
            continue
        filled = [
            tf.zeros_like(output) if one is None and output.dtype.is_floating else one
            for output, one in zip(operation.outputs, arriving, strict=True)
        ]
        for tensor, gradient in zip(operation.inputs, hand_on(operation, filled), strict=False):
            if gradient is not None and tensor.op in dependent:
                arrived.setdefault(tensor.ref(), []).append(tf.convert_to_tensor(gradient))
    found = [_total(arrived.get(point.ref(), [])) for point in points]
    if all(one is None for one in found):
        raise GradientError(no_gradient_reason(model_name))
    return tuple(
        tf.zeros_like(point) if one is None else one for point, one in zip(points, found, strict=True)
    )


def _total(gradients: list[Any]) -> Any:
    return None if not gradients else gradients[0] if len(gradients) == 1 else tf.add_n(gradients)


def dependent_on(operations: Sequence[Any], points: Sequence[Any]) -> dict[Any, None]:
    """Give the operations whose values follow the points', as far as a gradient can."""
    found: dict[Any, None] = dict.fromkeys(point.op for point in points)
    for operation in operations:
        if (
            operation.type not in _STOPS
            and any(tensor.op in found and _is_number(tensor) for tensor in operation.inputs)
            and any(map(_is_number, operation.outputs))
        ):
            found[operation] = None
    return found


def _is_number(tensor: Any) -> bool:
    # Loops carry their steps in lists.
    return bool(tensor.dtype.is_floating) or tensor.dtype == tf.variant


def gradient_of(operation: Any, arriving: Sequence[Any]) -> Sequence[Any]:
    """Give the gradients of an operation's inputs, as TensorFlow has them registered."""
    if operation.type in CALLS:
        inputs = [tensor for tensor in operation.inputs if _is_number(tensor)]
        pairs = [(y, dy) for y, dy in zip(operation.outputs, arriving, strict=True) if dy is not None]
        found = iter(
            tf.gradients([y for y, _ in pairs], inputs, [dy for _, dy in pairs], stop_gradients=inputs)
        )
        return [next(found) if _is_number(tensor) else None for tensor in operation.inputs]
    function = get_gradient_function(operation)
    if function is None:
        return [None] * len(operation.inputs)
    given = function(operation, *arriving)
    return list(given) if isinstance(given, (list, tuple)) else [given]


def unknown(method: str, operation: Any, dependent: Container[Any], model_name: str) -> str:
    """Say which operation has no rule."""
    ways = sum(tensor.op in dependent for tensor in operation.inputs)
    what = f"{operation.type} ({operation.name})"
    if ways > 1:
        what += f", of {ways} tensors that all depend on the input,"
    hint = " Explain the logit: score='logit'." if operation.type in ("Softmax", "LogSoftmax") else ""
    return (
        f"{method} has no rule for the operation {what} of {model_name}, through which the score depends on "
        f"the input; taken for linear, it would make the values wrong.{hint} Use integrated_gradients, which needs no "
        "rules."
    )
