"""Methods that integrate gradients along a path from a baseline to the input."""

from __future__ import annotations

import numpy as np

from explain.algorithms.completeness import convergence_delta, convergence_warnings, scores_at_baseline
from explain.algorithms.gradient import zero_gradient_warnings
from explain.algorithms.integration import Integral, integrate
from explain.backends.found import Found
from explain.errors import BaselineWarning, ExplainWarning
from explain.inputs.examples import Array
from explain.running.problem import Problem

_REMEDY = (
    "Raise n_steps (max_steps, where it is 'auto') until it falls; if it does not, take a baseline nearer to the "
    "input or explain in float64."
)


def integrated_gradients(problem: Problem) -> Found:
    """Integrate the gradient along the straight path from the baseline, times (input − baseline).

    Sundararajan, Taly & Yan, *Axiomatic attribution for deep networks*, arXiv:1703.01365. The values of an
    example sum to the difference of its scores at input and baseline, up to the convergence delta.
    """
    inputs, baselines = problem.examples.inputs, problem.baselines
    assert baselines is not None, "the catalogue says that this method needs a baseline"
    at_baseline = scores_at_baseline(problem)
    integral = integrate(problem, at_baseline)
    values = tuple(
        (point - base) * gradient
        for point, base, gradient in zip(inputs, baselines, integral.gradients, strict=True)
    )
    return with_convergence(problem, values, integral, at_baseline)


def with_convergence(
    problem: Problem, values: tuple[Array, ...], integral: Integral, at_baseline: Array
) -> Found:
    """Give values, whoever integrated, with their convergence delta and what must be warned of."""
    inputs, baselines = problem.examples.inputs, problem.baselines
    assert baselines is not None, "the catalogue says that this method needs a baseline"
    delta, relative_delta = convergence_delta(values, problem.scores, at_baseline)
    return Found(
        values=values,
        delta=delta,
        relative_delta=relative_delta,
        steps=integral.steps,
        rule=integral.rule,
        map_error=integral.map_error,
        warnings=(
            *equal_baseline_warnings(inputs, baselines),
            # One warning of an integral is enough: the map's error says more than its sum.
            *(integral.warnings or convergence_warnings(relative_delta, _REMEDY)),
            *(zero_gradient_warnings(integral.gradients) if integral.gradients else ()),
        ),
    )


def equal_baseline_warnings(
    inputs: tuple[Array, ...], baselines: tuple[Array, ...]
) -> list[tuple[str, type[ExplainWarning]]]:
    """Tell of the examples whose baseline is the input itself."""
    same = np.logical_and.reduce(
        [
            np.all((point == base).reshape(len(point), -1), axis=1)
            for point, base in zip(inputs, baselines, strict=True)
        ]
    )
    equal = np.flatnonzero(same)
    if equal.size == 0:
        return []
    return [
        (
            f"The baseline equals the input for example{'s' if equal.size > 1 else ''} {equal.tolist()}: nothing lies "
            "between them, so every value is zero. Take another baseline, for example 'blur' or 'mean'.",
            BaselineWarning,
        )
    ]
