"""DeepLift, by its rescale rule."""

from __future__ import annotations

from explain.algorithms.backward_rules.rule_gradients import rule_gradients
from explain.algorithms.completeness import (
    baselines_of,
    check_scores_at_baseline,
    convergence_warnings,
    equal_baseline_warnings,
    found_with_delta,
)
from explain.algorithms.example_warnings import Warnings, zero_gradient_warnings
from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.inputs.examples import Array
from explain.running.problem import Problem


def deep_lift(problem: Problem) -> Found:
    """Multiply (input − baseline) by the slopes between the two, which replace gradients.

    Shrikumar, Greenside & Kundaje, *Learning important features through propagating activation differences*,
    arXiv:1704.02685, its rescale rule. The values of an example sum to the difference of its scores at input and
    baseline, up to the convergence delta.
    """
    inputs, baselines = problem.examples.inputs, baselines_of(problem)
    slopes, _, at_baseline = rule_gradients(problem, "rescale", baselines)
    assert at_baseline is not None, "this rule runs the model at the baseline"
    check_scores_at_baseline(at_baseline)
    values = tuple(
        (point - base) * slope for point, base, slope in zip(inputs, baselines, slopes, strict=True)
    )
    return found_with_delta(
        problem,
        values,
        at_baseline,
        incomplete_warnings,
        before=equal_baseline_warnings(inputs, baselines),
        after=zero_gradient_warnings(slopes),
    )


def incomplete_warnings(relative_delta: Array) -> Warnings:
    """Warn of the examples whose values do not sum to the difference of the scores."""
    return convergence_warnings(
        relative_delta,
        "A part of the model depends on the input without a gradient (a gate, a rounding, a detached tensor), or the "
        "scores of input and baseline are too close. Take another baseline, explain in float64, or use "
        "integrated_gradients.",
        what="The values are not complete",
    )


ROWS = (
    Method(
        deep_lift,
        title="DeepLift",
        aliases=("deeplift",),
        summary="How much each input adds to the score, by slopes from a baseline; sums to the score difference.",
        paper="Shrikumar, Greenside & Kundaje 2017, arXiv:1704.02685",
        needs=frozenset({"outputs", "backward_rules"}),
        begins_with="rescale",
        forms_points=False,
        uses_baseline=True,
        layer="may",
    ),
)
