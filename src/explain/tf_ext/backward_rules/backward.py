"""A backward pass in which some operations propagate something else than their gradient.

It walks through a trace from the score to the input, operation by operation, and applies a rule or the gradient that
TensorFlow has registered for the operation. Operations are not layers: so a layer that is called twice and a plain
function need no special case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

# TensorFlow's own backward pass uses the same registry of gradients.
from tensorflow.python.framework.ops import get_gradient_function

from explain.backends.operations.score_graph import names
from explain.backends.scoring import no_gradient_reason
from explain.errors import GradientError
from explain.tf_ext.backward_rules.grouped import gradient_in_groups, groups_of
from explain.tf_ext.backward_rules.kinds import COMPOSITE
from explain.tf_ext.backward_rules.pools import first_place_gradient
from explain.tf_ext.model.graph import name_of

# Takes an operation and the gradients of its outputs; gives the gradients of its inputs.
Propagation = Callable[[Any, Sequence[Any]], Sequence[Any]]

# Operations without a gradient, or whose values do not depend on the values of their inputs.
_STOPS = names("StopGradient Shape ShapeN Size Rank ZerosLike OnesLike")


@dataclass
class Rules:
    """The values that operations propagate instead of their gradients.

    Parameters
    ----------
    propagate : callable
        Called for every operation between points and scores.
    changed : list of operations
        The operations to which a rule applied; `propagate` fills the list.
    """

    propagate: Propagation
    changed: list[Any] = field(default_factory=list)


def backward(
    scores: Any, points: Sequence[Any], rules: Rules, model_name: str, picked: Any = None
) -> tuple[tuple[Any, ...], Any]:
    """Propagate from scores to points; give the results at the points, and the number of operations with a rule.

    With `picked`, as in `explain.tf_ext.model.scores.gradients_of_scores`.

    Raises
    ------
    GradientError
        If nothing reaches the points.
    """
    operations = scores.graph.get_operations()
    dependent = operations_between(scores, points)
    arriving_first = tf.ones_like(scores) if picked is None else tf.cast(picked, scores.dtype)
    arrived: dict[Any, list[Any]] = {scores.ref(): [arriving_first]}
    for operation in reversed(operations):
        if operation not in dependent or any(operation is point.op for point in points):
            continue
        arriving = [_total(arrived.pop(output.ref(), [])) for output in operation.outputs]
        if all(one is None for one in arriving):
            continue
        filled = [
            tf.zeros_like(output)
            if one is None and _is_number(output) and output.dtype != tf.variant
            else one
            for output, one in zip(operation.outputs, arriving, strict=True)
        ]
        for tensor, gradient in zip(operation.inputs, rules.propagate(operation, filled), strict=False):
            if gradient is not None and tensor.op in dependent:
                arrived.setdefault(tensor.ref(), []).append(tf.convert_to_tensor(gradient))
    found = [_total(arrived.get(point.ref(), [])) for point in points]
    if all(one is None for one in found):
        raise GradientError(no_gradient_reason(model_name))
    gradients = tuple(
        tf.zeros_like(point) if one is None else one for point, one in zip(points, found, strict=True)
    )
    return gradients, tf.constant(len(rules.changed))


def _total(gradients: list[Any]) -> Any:
    return None if not gradients else gradients[0] if len(gradients) == 1 else tf.add_n(gradients)


def operations_between(scores: Any, points: Sequence[Any]) -> dict[Any, None]:
    """Give the operations through which the scores depend differentiably on the points, in their order."""
    dependent: dict[Any, None] = dict.fromkeys(point.op for point in points)
    for operation in scores.graph.get_operations():
        if (
            name_of(operation) not in _STOPS
            and any(tensor.op in dependent and _is_number(tensor) for tensor in operation.inputs)
            and any(map(_is_number, operation.outputs))
        ):
            dependent[operation] = None
    reached: set[Any] = set()
    left = [scores.op]
    while left:
        one = left.pop()
        if one in dependent and one not in reached:
            reached.add(one)
            left.extend(tensor.op for tensor in one.inputs)
    return {one: None for one in dependent if one in reached}


def _is_number(tensor: Any) -> bool:
    # Loops store their steps in tensor lists, which have the dtype variant; Fourier transforms give complex numbers.
    return bool(tensor.dtype.is_floating or tensor.dtype.is_complex) or tensor.dtype == tf.variant


def gradient_of(operation: Any, arriving: Sequence[Any]) -> Sequence[Any]:
    """Compute the gradients of an operation's inputs, as a rule with the function that TensorFlow has registered."""
    if name_of(operation) in COMPOSITE:
        inputs = [tensor for tensor in operation.inputs if _is_number(tensor)]
        pairs = [(y, dy) for y, dy in zip(operation.outputs, arriving, strict=True) if dy is not None]
        found = iter(
            tf.gradients([y for y, _ in pairs], inputs, [dy for _, dy in pairs], stop_gradients=inputs)
        )
        return [next(found) if _is_number(tensor) else None for tensor in operation.inputs]
    if groups_of(operation) > 1:
        return gradient_in_groups(operation, arriving[0])
    if name_of(operation) == "MaxPool3D":
        return [first_place_gradient(operation, arriving[0])]
    function = get_gradient_function(operation)
    if function is None:
        return [None] * len(operation.inputs)
    given = function(operation, *arriving)
    return list(given) if isinstance(given, (list, tuple)) else [given]
