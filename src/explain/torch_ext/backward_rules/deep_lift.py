"""DeepLift: slopes between a baseline and the input replace gradients, operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from explain.errors import UnsupportedModelError
from explain.inputs.examples import Examples
from explain.torch_ext.backward_rules import multipliers
from explain.torch_ext.backward_rules.backward import Propagation, Rules
from explain.torch_ext.backward_rules.kinds import (
    NORMS,
    PAIR_PICKS,
    PICKS,
    QUADRATIC,
    ROOTS,
    SOFTMAXES,
)
from explain.torch_ext.backward_rules.multipliers import Step
from explain.torch_ext.backward_rules.tape import Run, Tape, is_input
from explain.torch_ext.model.graph import name_of

_Rule = Callable[[Step], Propagation | None]

_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(QUADRATIC, multipliers.of_polynomial),
    **dict.fromkeys(PICKS, multipliers.of_pick),
    **dict.fromkeys(PAIR_PICKS, multipliers.of_pair),
    **dict.fromkeys(SOFTMAXES, multipliers.of_softmax),
    **dict.fromkeys(NORMS, multipliers.of_norm),
    **dict.fromkeys(ROOTS, multipliers.of_root),
    "Where": multipliers.of_choice,
    "Mul": multipliers.of_product,
    "Div": multipliers.of_quotient,
    "LogSoftmax": multipliers.of_log_softmax,
    "Logsumexp": multipliers.of_log_sum_exp,
    "Glu": multipliers.of_gated_half,
}


def rescaled(run: Run, at_baselines: Examples) -> Rules:
    """Make every non-linear operation propagate its slopes between the baseline and the input.

    Raises
    ------
    UnsupportedModelError
        If an operation has no rule, or the model runs other operations for the baseline.
    """
    ruled = [
        node
        for node in run.nodes
        if not is_input(node) and (node not in run.affine or name_of(node) == "Where")
    ]
    for node in ruled:
        if not run.is_elementwise(node) and name_of(node) not in _RULES:
            raise run.no_rule("DeepLift", node)
    other = Run.on(Tape(), run.opened, at_baselines)
    if not _are_alike(run, other):
        raise UnsupportedModelError(
            f"DeepLift: {run.opened.model_name} runs other operations for the baseline than for the input, so "
            "they cannot be compared one by one. Use integrated_gradients, or a baseline for which the model runs the "
            "same operations."
        )
    twins = dict(zip(run.nodes, other.nodes, strict=True))
    steps = {node: Step(node, twins[node], run, other) for node in run.nodes}
    hooks = _by_hand(run, steps)
    for node in ruled:
        if node in hooks:
            continue
        of_one = run.is_elementwise(node)
        hook = (multipliers.of_one_value if of_one else _RULES[name_of(node)])(steps[node])
        if hook is None:
            raise run.no_rule("DeepLift", node)
        hooks[node] = hook
    return Rules(hooks, beside=(other.scores, other.points))


def _by_hand(run: Run, steps: Mapping[Any, Step]) -> dict[Any, Propagation]:
    """Give the hooks of the operations that make up a softmax, or a logarithm of a sum of exponentials."""
    hooks: dict[Any, Propagation] = {}
    for quotient, (exponential, _, axes) in run.patterns.softmaxes.items():
        hooks[quotient] = multipliers.of_softmax_by_hand(steps[quotient], axes)
        hooks[exponential] = _passed_on
    for logarithm, (total, exponential, axes) in run.patterns.log_sums.items():
        hooks[exponential] = multipliers.of_log_sum_by_hand(steps[exponential], steps[total], axes)
        hooks[logarithm] = _passed_on
    return hooks


def _are_alike(run: Run, other: Run) -> bool:
    """Tell whether two runs have the same operations, on tensors of the same shapes."""
    if run.tape.operations != other.tape.operations:
        return False
    if [*map(name_of, run.nodes)] != [*map(name_of, other.nodes)]:
        return False
    shapes = ([value.shape for value in one.tape.values.values()] for one in (run, other))
    first, second = shapes
    return first == second


def _passed_on(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
    return (arriving[0],)
