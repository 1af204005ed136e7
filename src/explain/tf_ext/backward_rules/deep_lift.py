"""DeepLift: slopes between a baseline and the input replace gradients, operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from explain.errors import UnsupportedModelError
from explain.tf_ext.backward_rules import multipliers
from explain.tf_ext.backward_rules.anatomy import Anatomy
from explain.tf_ext.backward_rules.backward import Rules, gradient_of
from explain.tf_ext.backward_rules.kinds import (
    KINDS,
    PAIR_PICKS,
    PICKS,
    QUADRATIC,
    ROOTS,
    SOFTMAXES,
    WRAPPED,
    is_affine,
)
from explain.tf_ext.backward_rules.multipliers import Step
from explain.tf_ext.backward_rules.refusals import no_rule
from explain.tf_ext.model.graph import name_of

_RULES: Mapping[str, Callable[[Step, Sequence[Any]], Sequence[Any]]] = {
    **dict.fromkeys(QUADRATIC, multipliers.of_polynomial),
    **dict.fromkeys(PICKS, multipliers.of_pick),
    **dict.fromkeys(PAIR_PICKS, multipliers.of_pair),
    "SelectV2": multipliers.of_choice,
    "Mul": multipliers.of_product,
    **dict.fromkeys(KINDS.quotients, multipliers.of_quotient),
    **dict.fromkeys(ROOTS, multipliers.of_root),
    **dict.fromkeys(SOFTMAXES, multipliers.of_softmax),
    "LogSoftmax": multipliers.of_log_softmax,
}


def rescaled(
    scores: Any, points: Sequence[Any], model_name: str, at_baselines: Any, first: int, second: int
) -> Rules:
    """Make every non-linear operation propagate its slopes between the baseline and the input.

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
    anatomy = Anatomy.of(scores, points)

    def propagate(operation: Any, arriving: Sequence[Any]) -> Sequence[Any]:
        name = name_of(operation)
        if name == WRAPPED:
            return arriving
        if name != "SelectV2" and is_affine(operation, anatomy.dependent):
            return gradient_of(operation, arriving)
        of_one = anatomy.is_elementwise(operation)
        rule = multipliers.of_one_value if of_one else _RULES.get(name)
        is_blind = (of_one or name in KINDS.quotients) and anatomy.hides_a_way(operation)
        if rule is None or is_blind:
            raise no_rule("DeepLift", operation, anatomy.dependent, model_name)
        rules.changed.append(operation)
        if operation in by_hand:
            return by_hand[operation](arriving)
        return rule(Step(operation, other[operation], anatomy), arriving)

    by_hand = _by_hand(anatomy, lambda one: Step(one, other[one], anatomy))
    rules = Rules(propagate)
    return rules


def _by_hand(
    anatomy: Anatomy, step: Callable[[Any], Step]
) -> dict[Any, Callable[[Sequence[Any]], Sequence[Any]]]:
    """Give the rules of the operations that make up a softmax, or a logarithm of a sum of exponentials."""
    found: dict[Any, Callable[[Sequence[Any]], Sequence[Any]]] = {}
    for quotient, (exponential, _, axes) in anatomy.patterns.softmaxes.items():
        found[quotient] = partial(multipliers.of_softmax_by_hand, step(quotient), axes)
        found[exponential] = list
    for logarithm, (total, exponential, axes) in anatomy.patterns.log_sums.items():
        found[exponential] = partial(multipliers.of_log_sum_by_hand, step(exponential), step(total), axes)
        found[logarithm] = list
    return found


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
