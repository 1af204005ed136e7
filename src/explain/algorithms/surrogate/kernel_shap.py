"""Kernel SHAP: Shapley values by a weighted linear fit to the scores of coalitions."""

from __future__ import annotations

import numpy as np

from explain.algorithms.completeness import (
    baselines_of,
    convergence_delta,
    equal_baseline_warnings,
    scores_at_baseline,
)
from explain.algorithms.feature_values import at_positions, drawn_by_count, features_of
from explain.algorithms.method import Method
from explain.algorithms.options import FEATURE_MASK, whole_number
from explain.algorithms.surrogate.coalition_draws import WeightedCoalitions, shapley_coalitions
from explain.algorithms.surrogate.coalition_scores import (
    Floats,
    coalition_scores,
    underdetermined_warnings,
)
from explain.backends.found import Found
from explain.running.problem import Problem

_ROUNDING = 1e-12


def kernel_shap(problem: Problem) -> Found:
    """Estimate the Shapley value of each feature: its coefficient in the linear model that fits best.

    Lundberg & Lee, *A unified approach to interpreting model predictions*, arXiv:1705.07874. The weights of
    the fit are the Shapley kernel. `explain.algorithms.surrogate.coalition_draws.shapley_coalitions` draws
    the coalitions. The values of an example's features sum to the difference of its scores at input and
    baseline, by construction. If all coalitions are scored, the values are the exact Shapley values.
    """
    n_samples = problem.options["n_samples"]
    features = features_of(problem)
    drawn = drawn_by_count(features, lambda count: shapley_coalitions(count, n_samples, problem.seed))
    at_baseline = scores_at_baseline(problem)
    scores = coalition_scores(problem, features, {count: one.presence for count, one in drawn.items()})
    shapley = np.zeros((len(features.counts), len(features)))
    short: list[int] = []
    for count, coalitions in drawn.items():
        rows = np.flatnonzero(features.counts == count)
        start = at_baseline[rows].astype(np.float64)
        gains = scores[rows, : len(coalitions.weights)] - start[:, np.newaxis]
        shapley[rows, :count], rank = _constrained_fit(coalitions, gains, problem.scores[rows] - start)
        if rank < count - 1:
            short += rows.tolist()
    delta, relative_delta = convergence_delta((shapley,), problem.scores, at_baseline)
    # The values have this sum by construction; the rounding error that remains differs between machines.
    met = relative_delta < _ROUNDING
    delta, relative_delta = np.where(met, 0.0, delta), np.where(met, 0.0, relative_delta)
    return Found(
        values=(at_positions(features, shapley),),
        delta=delta,
        relative_delta=relative_delta,
        warnings=(
            *equal_baseline_warnings(problem.examples.inputs, baselines_of(problem)),
            *underdetermined_warnings(sorted(short), features, n_samples),
        ),
    )


def _constrained_fit(coalitions: WeightedCoalitions, gains: Floats, totals: Floats) -> tuple[Floats, int]:
    """Solve the weighted least squares of coalitions' gains over the baseline, values summing to the totals.

    The values are an equal share of the total plus a part that sums to zero: φ = total / F + Q θ, where the
    columns of Q are orthonormal and each sums to zero. So the sum is exact, without eliminating a feature. If
    there are too few coalitions, take the solution nearest to equal shares.

    Returns
    -------
    tuple
        The values, shape (rows, F), and the rank of the system, F − 1 where it is determined.
    """
    count = coalitions.presence.shape[1]
    if count < 2:
        return np.broadcast_to(totals[:, np.newaxis], (len(totals), count)).copy(), count - 1
    basis = np.linalg.qr(np.eye(count)[:, 1:] - 1 / count)[0]
    roots = np.sqrt(coalitions.weights)[:, np.newaxis]
    equal = totals[:, np.newaxis] / count
    rest = gains - coalitions.presence.sum(axis=1) * equal
    across, _, rank, _ = np.linalg.lstsq(roots * (coalitions.presence @ basis), roots * rest.T)
    return equal + across.T @ basis.T, int(rank)


ROWS = (
    Method(
        kernel_shap,
        title="Kernel SHAP",
        aliases=("shap",),
        of_whole_places=True,
        keeps_values=True,
        seeded=True,
        summary="How much each feature adds to the score on average over all coalitions: its Shapley value.",
        paper="Lundberg & Lee 2017, arXiv:1705.07874; Covert & Lee 2020, arXiv:2012.01536",
        needs=frozenset({"outputs"}),
        options=(
            whole_number(
                "n_samples",
                500,
                4,
                "Largest number of coalitions to score; all coalitions if there are not more.",
            ),
            FEATURE_MASK,
        ),
        uses_baseline=True,
    ),
)
