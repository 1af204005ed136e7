"""Comparison with a baseline: its scores, and whether values sum to the difference of the scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from explain.algorithms.example_warnings import Warnings, examples_named
from explain.backends.found import Found
from explain.errors import BaselineError, BaselineWarning, ConvergenceWarning
from explain.inputs.examples import Array
from explain.running.problem import Problem

WORST_RELATIVE_DELTA = 0.05
"""The largest relative delta that gives no warning, unless the caller tolerates a larger error."""

_LEAST_DIFFERENCE = 1e-3


def allowed_relative_delta(tolerance: float) -> float:
    """Give the largest relative delta of a map whose error may be up to a tolerance.

    An integral is refined further above it. Who tolerates an error of 10 % in the map does not ask for a sum that is
    closer than that.

    Examples
    --------
    >>> allowed_relative_delta(0.02), allowed_relative_delta(0.1)
    (0.05, 0.1)
    """
    return max(WORST_RELATIVE_DELTA, tolerance)


def baselines_of(problem: Problem) -> tuple[Array, ...]:
    """Give the baselines of a problem whose method has `uses_baseline`."""
    assert problem.baselines is not None, "the catalogue says that this method needs a baseline"
    return problem.baselines


def scores_at_baseline(problem: Problem) -> Array:
    """Give the score of each example's baseline, shape (N,).

    Raises
    ------
    BaselineError
        If any is NaN or infinite.
    """
    at_baseline = problem.scores_at(baselines_of(problem))
    check_scores_at_baseline(at_baseline)
    return at_baseline


def check_scores_at_baseline(at_baseline: Array) -> None:
    """Raise `BaselineError` if the score at the baseline of any example is NaN or infinite."""
    if not np.isfinite(at_baseline).all():
        raise BaselineError(
            f"The score at the baseline is NaN or infinite for examples "
            f"{np.flatnonzero(~np.isfinite(at_baseline)).tolist()}: there is no difference of scores to attribute. "
            "Give a baseline at which the model is defined, for example 'mean', 'blur' or a small number."
        )


def equal_baseline_warnings(inputs: tuple[Array, ...], baselines: tuple[Array, ...]) -> Warnings:
    """Warn of the examples whose baseline equals the input."""
    same = np.logical_and.reduce(
        [
            np.all((point == base).reshape(len(point), -1), axis=1)
            for point, base in zip(inputs, baselines, strict=True)
        ]
    )
    equal = np.flatnonzero(same)
    if equal.size == 0:
        return ()
    return (
        (
            f"The baseline equals the input for {examples_named(equal)}: nothing lies between them, so every value is "
            "zero. Take another baseline, for example 'blur' or 'mean'.",
            BaselineWarning,
        ),
    )


def convergence_delta(values: tuple[Array, ...], at_input: Array, at_baseline: Array) -> tuple[Array, Array]:
    """Give the sum of the values minus the difference of the scores, and its relative size, both of shape (N,).

    The relative delta is |delta| / max(|F(x) − F(baseline)|, 1e-3 · max(|F(x)|, |F(baseline)|)): without the
    second term, a difference that is tiny compared with the scores would make any delta look large.
    """
    total = np.sum([part.reshape(len(part), -1).sum(axis=1, dtype=np.float64) for part in values], axis=0)
    first, last = at_baseline.astype(np.float64), at_input.astype(np.float64)
    difference = last - first
    delta = total - difference
    scale = np.maximum(np.abs(difference), _LEAST_DIFFERENCE * np.maximum(np.abs(first), np.abs(last)))
    # If both scores are zero, a delta of zero is relatively zero, and any other is infinitely large.
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(delta == 0, 0.0, np.abs(delta) / scale)
    return delta, relative


def convergence_warnings(
    relative_delta: Array,
    remedy: str,
    what: str = "The integral has not converged",
    allowed: float = WORST_RELATIVE_DELTA,
) -> Warnings:
    """Warn of the examples whose values miss the difference of the scores by too much.

    Parameters
    ----------
    relative_delta : numpy.ndarray
        Shape (N,).
    remedy : str
        The advice for the user, in whole sentences.
    what : str
        The problem, in words.
    allowed : float
        The largest relative delta that gives no warning.
    """
    far = np.flatnonzero(relative_delta > allowed)
    if far.size == 0:
        return ()
    return (
        (
            f"{what} for {examples_named(far)}: the values miss the difference of the scores by up to "
            f"{relative_delta.max():.1%}, more than {100 * allowed:.3g}%. {remedy}",
            ConvergenceWarning,
        ),
    )


def found_with_delta(
    problem: Problem,
    values: tuple[Array, ...],
    at_baseline: Array,
    warn: Callable[[Array], Warnings],
    *,
    before: Warnings = (),
    after: Warnings = (),
) -> Found:
    """Give values with their convergence delta.

    Parameters
    ----------
    problem : Problem
        The problem that the values belong to.
    values : tuple of numpy.ndarray
        One array per input, of the input's shape.
    at_baseline : numpy.ndarray
        The scores that the examples are compared with, shape (N,).
    warn : callable
        Takes the relative delta, shape (N,), and gives the warnings about it.
    before, after : tuple of (message, category)
        Other warnings, which come before or after those about the delta.
    """
    delta, relative_delta = convergence_delta(values, problem.scores, at_baseline)
    return Found(
        values=values,
        delta=delta,
        relative_delta=relative_delta,
        warnings=(*before, *warn(relative_delta), *after),
    )
