"""Shapley value sampling: features added in random orders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explain.algorithms.completeness import (
    baselines_of,
    convergence_delta,
    equal_baseline_warnings,
    scores_at_baseline,
)
from explain.algorithms.feature_values import at_positions, drawn_by_count, features_of
from explain.algorithms.method import Method
from explain.algorithms.options import FEATURE_MASK, whole_number
from explain.algorithms.perturbation.perturbed_scores import perturbed_scores
from explain.backends.found import Found
from explain.inputs.examples import Array
from explain.running.coalitions import Coalitions, Presence
from explain.running.problem import Problem


def shapley_value_sampling(problem: Problem) -> Found:
    """Add the features to the baseline in random orders; a feature gets its mean gain, at each of its positions.

    Castro, Gómez & Tejada, *Polynomial calculation of the Shapley value based on sampling*, 2009; a survey of
    such estimators is Mitchell et al., arXiv:2104.12199. The values are those of Captum's
    ``ShapleyValueSampling``. In each order the gains sum to F(x) − F(baseline), and so do the features'
    values: the convergence delta, over features rather than positions, is only rounding error.
    """
    inputs, baselines = problem.examples.inputs, baselines_of(problem)
    at_baseline = scores_at_baseline(problem)
    features = features_of(problem)
    n_samples, between = problem.options["n_samples"], len(features) - 1
    # The rank of each feature in each order: the same for all examples with as many features, whatever else
    # is in the batch.
    ranks = drawn_by_count(
        features, lambda count: np.argsort(drawn_orders(count, n_samples, problem.seed), axis=1)
    )

    def added(row: int, points: slice) -> Presence:
        order, step = np.divmod(np.arange(points.start, points.stop), between)
        in_place: Presence = ranks[int(features.counts[row])][order] <= step[:, np.newaxis]
        return in_place

    expansion = Coalitions(inputs, baselines, features, n_samples * between, added)
    scores = perturbed_scores(problem, expansion).reshape(len(inputs[0]), n_samples, between)
    by_feature = np.zeros((len(inputs[0]), len(features)))
    for row, count in enumerate(features.counts):
        # The scores at both ends of an order are known; an example with fewer features reaches its end earlier.
        first, last = (
            np.full((n_samples, 1), float(one[row]), np.float64) for one in (at_baseline, problem.scores)
        )
        gains = np.diff(np.concatenate([first, scores[row, :, : count - 1], last], axis=1), axis=1)
        by_feature[row, :count] = np.take_along_axis(gains, ranks[int(count)], axis=1).mean(axis=0)
    delta, relative_delta = convergence_delta((by_feature,), problem.scores, at_baseline)
    return Found(
        values=(at_positions(features, by_feature),),
        delta=delta,
        relative_delta=relative_delta,
        warnings=equal_baseline_warnings(inputs, baselines),
    )


def drawn_orders(n_features: int, n_samples: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw the orders in which features are added, shape (samples, features).

    Examples
    --------
    >>> orders = drawn_orders(4, 2, seed=0)
    >>> np.sort(orders, axis=1).tolist()
    [[0, 1, 2, 3], [0, 1, 2, 3]]
    """
    generator = np.random.default_rng((seed, n_features))
    orders: Array = generator.permuted(np.tile(np.arange(n_features), (n_samples, 1)), axis=1)
    return orders


ROWS = (
    Method(
        shapley_value_sampling,
        aliases=("shapley_sampling", "shapley_values"),
        of_whole_places=True,
        keeps_values=True,
        seeded=True,
        summary="The mean gain of each feature when features are added in random orders; sums to the difference.",
        paper="Castro, Gómez & Tejada 2009; Mitchell et al. 2021, arXiv:2104.12199",
        needs=frozenset({"outputs"}),
        options=(
            whole_number("n_samples", 25, 1, "Number of random orders."),
            FEATURE_MASK,
        ),
        uses_baseline=True,
    ),
)
