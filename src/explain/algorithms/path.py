"""Methods that integrate gradients along a path from a baseline to the input."""

from __future__ import annotations

from typing import Any

import numpy as np

from explain.algorithms.gradient import zero_gradient_warnings
from explain.algorithms.integration import Integral, integrate
from explain.errors import BaselineError, BaselineWarning, ConvergenceWarning, ExplainWarning
from explain.examples import Array
from explain.problem import Found, Problem

_WORST_RELATIVE_DELTA = 0.05
_LEAST_DIFFERENCE = 1e-3


def integrated_gradients(problem: Problem) -> Found:
    """Integrate the gradient along the straight path from the baseline, times (input − baseline).

    Sundararajan, Taly & Yan, *Axiomatic attribution for deep networks*, arXiv:1703.01365. The values of an
    example sum to the difference of its scores at input and baseline, up to the convergence delta.
    """
    inputs, baselines = problem.examples.inputs, problem.baselines
    assert baselines is not None, "the catalogue says that this method needs a baseline"
    integral = integrate(problem)
    values = tuple(
        (point - base) * gradient
        for point, base, gradient in zip(inputs, baselines, integral.gradients, strict=True)
    )
    return with_convergence(problem, values, integral)


def with_convergence(problem: Problem, values: tuple[Array, ...], integral: Integral) -> Found:
    """Give values, whoever integrated, with their convergence delta and what must be warned of."""
    inputs, baselines = problem.examples.inputs, problem.baselines
    assert baselines is not None, "the catalogue says that this method needs a baseline"
    at_baseline = problem.scores_at(baselines)
    if not np.isfinite(at_baseline).all():
        raise BaselineError(
            f"The score at the baseline is NaN or infinite for examples "
            f"{np.flatnonzero(~np.isfinite(at_baseline)).tolist()}: there is no difference of scores to share out. "
            "Give a baseline at which the model is defined, for example 'mean', 'blur' or a small number."
        )
    delta, relative_delta = convergence_delta(values, problem.scores, at_baseline)
    return Found(
        values=values,
        delta=delta,
        relative_delta=relative_delta,
        steps=integral.steps,
        rule=integral.rule,
        map_error=integral.map_error,
        warnings=(
            *_equal_baseline_warnings(inputs, baselines),
            # One warning of an integral is enough: the map's error says more than its sum.
            *(integral.warnings or _convergence_warnings(relative_delta, problem.options["n_steps"])),
            *zero_gradient_warnings(integral.gradients),
        ),
    )


def convergence_delta(values: tuple[Array, ...], at_input: Array, at_baseline: Array) -> tuple[Array, Array]:
    """Give how far the values' sum is from the difference of the scores, absolute and relative, shape (N,).

    The relative delta is |delta| / max(|F(x) − F(baseline)|, 1e-3 · max(|F(x)|, |F(baseline)|)): a
    difference that is nothing beside the scores themselves is no yardstick.
    """
    total = np.sum([part.reshape(len(part), -1).sum(axis=1, dtype=np.float64) for part in values], axis=0)
    first, last = at_baseline.astype(np.float64), at_input.astype(np.float64)
    difference = last - first
    delta = total - difference
    yardstick = np.maximum(np.abs(difference), _LEAST_DIFFERENCE * np.maximum(np.abs(first), np.abs(last)))
    # Both scores zero: a delta of zero is none at all, any other is infinitely large beside them.
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(delta == 0, 0.0, np.abs(delta) / yardstick)
    return delta, relative


def _convergence_warnings(relative_delta: Array, n_steps: Any) -> list[tuple[str, type[ExplainWarning]]]:
    far = np.flatnonzero(relative_delta > _WORST_RELATIVE_DELTA)
    if far.size == 0:
        return []
    remedy = (
        "Lower tolerance" if n_steps == "auto" else "Raise n_steps (double it until relative_delta falls)"
    )
    return [
        (
            f"The integral has not converged for example{'s' if far.size > 1 else ''} {far.tolist()}: the values miss "
            f"the difference of the scores by up to {relative_delta.max():.1%}, more than "
            f"{_WORST_RELATIVE_DELTA:.0%}. {remedy}; if it does not fall, take a baseline nearer "
            "to the input or explain in float64.",
            ConvergenceWarning,
        )
    ]


def _equal_baseline_warnings(
    inputs: tuple[Array, ...], baselines: tuple[Array, ...]
) -> list[tuple[str, type[ExplainWarning]]]:
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
