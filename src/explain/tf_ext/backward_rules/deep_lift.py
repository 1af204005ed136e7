"""DeepLift's rescale rule: slopes between a baseline and the input replace gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from explain.backends.operations.rules import NO_DIFFERENCE, NO_SINGLE_DIFFERENCE
from explain.errors import UnsupportedModelError
from explain.tf_ext.backward_rules.backward import Rules, gradient_of, operations_between, sloped
from explain.tf_ext.backward_rules.kinds import ALSO_AFFINE, ELEMENTWISE, POOLS, no_rule
from explain.tf_ext.model.graph import is_affine_kind, name_of


def rescaled(
    scores: Any, points: Sequence[Any], model_name: str, at_baselines: Any, first: int, second: int
) -> Rules:
    """Make every non-linear operation propagate its slope between the baseline and the input.

    The backward pass raises `UnsupportedModelError` for an operation without a rule.

    Parameters
    ----------
    scores, at_baselines : tf.Tensor
        The scores of a run at the points and of a run at the baselines, in one trace.
    points : sequence of tf.Tensor
        The inputs.
    model_name : str
        The name of the model in error messages.
    first, second : int
        The number of operations in the trace before each run.

    Raises
    ------
    UnsupportedModelError
        If the model runs other operations for the baseline, or carries a state from one run to the next.
    """
    operations = at_baselines.graph.get_operations()
    # A trace captures outside tensors once, at their first use.
    runs = [
        [one for one in run if name_of(one) not in ("Placeholder", "Const")]
        for run in (operations[first:second], operations[second:])
    ]
    if [*map(name_of, runs[0])] != [*map(name_of, runs[1])]:
        raise UnsupportedModelError(
            f"DeepLift: {model_name} runs other operations for the baseline than for the input, so "
            "they cannot be compared one by one. Use integrated_gradients, which needs no rules."
        )
    _check_states(runs[0], runs[1], model_name)
    other = dict(zip(*runs, strict=True))
    dependent = operations_between(scores, points)

    def propagate(operation: Any, arriving: Sequence[Any]) -> Sequence[Any]:
        name = name_of(operation)
        if name in ELEMENTWISE or name in POOLS:
            rules.changed.append(operation)
            slope = _slope if name in ELEMENTWISE else _pool_slope
            return [slope(operation, other[operation], arriving)]
        if not is_affine_kind(operation, dependent) and name not in ALSO_AFFINE:
            raise no_rule("DeepLift", operation, dependent, model_name)
        return gradient_of(operation, arriving)

    rules = Rules(propagate)
    return rules


def _check_states(first: Sequence[Any], second: Sequence[Any], model_name: str) -> None:
    """Reject a model whose second run reads variables that the first run wrote: its initial state would differ."""
    written = {one.inputs[0].ref() for one in first if one.type.startswith("Assign") and one.inputs}
    if any(
        one.type == "ReadVariableOp" and one.inputs[0].ref() in written and one.outputs[0].dtype.is_floating
        for one in second
    ):
        raise UnsupportedModelError(
            f"method='deep_lift' runs the model at the input and at the baseline in one trace, and {model_name} "
            "carries a state from one run to the next: build it with stateful=False, or use integrated_gradients, "
            "which runs it separately at every point."
        )


def _slope(operation: Any, other: Any, arriving: Sequence[Any]) -> Any:
    """Propagate the incoming value times (f(x) − f(b)) / (x − b); the gradient where x and b are equal."""
    step = operation.inputs[0] - other.inputs[0]
    rise = operation.outputs[0] - other.outputs[0]
    return sloped(operation, arriving, rise, step, _are_alike(step))


def _are_alike(step: Any) -> Any:
    return tf.abs(step) < (NO_DIFFERENCE if step.dtype == tf.float64 else NO_SINGLE_DIFFERENCE)


def _pool_slope(operation: Any, other: Any, arriving: Sequence[Any]) -> Any:
    """Divide the change of a maximum between its position at the input and its position at the baseline.

    Captum's rule: with c the greater of both maxima, c − max(b) goes to the position at the input and
    max(x) − c to that at the baseline, each divided by the change of the operand at that position.
    """
    step = operation.inputs[0] - other.inputs[0]
    highest, before = operation.outputs[0], other.outputs[0]
    crossing = tf.maximum(highest, before)
    shares = gradient_of(operation, [arriving[0] * (crossing - before)])[0]
    shares += gradient_of(other, [arriving[0] * (highest - crossing)])[0]
    alike = _are_alike(step)
    slope = shares / tf.where(alike, tf.ones_like(step), step)
    return tf.where(alike, gradient_of(operation, arriving)[0], slope)
