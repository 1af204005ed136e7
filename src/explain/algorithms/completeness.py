"""Completeness: whether values sum to the difference of the scores at input and baseline."""

from __future__ import annotations

import numpy as np

from explain.errors import BaselineError, ConvergenceWarning, ExplainWarning
from explain.inputs.examples import Array
from explain.running.problem import Problem

WORST_RELATIVE_DELTA = 0.05
"""What an integral may miss of the difference before it is refined further, or warned of."""

_LEAST_DIFFERENCE = 1e-3


def scores_at_baseline(problem: Problem) -> Array:
    """Give the score of each example's baseline, shape (N,).

    Raises
    ------
    BaselineError
        If any is NaN or infinite.
    """
    assert problem.baselines is not None, "the catalogue says that this method needs a baseline"
    at_baseline = problem.scores_at(problem.baselines)
    if not np.isfinite(at_baseline).all():
        raise BaselineError(
            f"The score at the baseline is NaN or infinite for examples "
            f"{np.flatnonzero(~np.isfinite(at_baseline)).tolist()}: there is no difference of scores to share out. "
            "Give a baseline at which the model is defined, for example 'mean', 'blur' or a small number."
        )
    return at_baseline


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


def convergence_warnings(
    relative_delta: Array, remedy: str, what: str = "The integral has not converged"
) -> tuple[tuple[str, type[ExplainWarning]], ...]:
    """Tell of the examples whose values miss the difference of the scores by too much: what it is, what helps."""
    far = np.flatnonzero(relative_delta > WORST_RELATIVE_DELTA)
    if far.size == 0:
        return ()
    return (
        (
            f"{what} for example{'s' if far.size > 1 else ''} {far.tolist()}: the values miss "
            f"the difference of the scores by up to {relative_delta.max():.1%}, more than "
            f"{WORST_RELATIVE_DELTA:.0%}. {remedy}",
            ConvergenceWarning,
        ),
    )
