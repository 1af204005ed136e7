"""Surrogates: a linear model of which features are in place, fitted to the scores of coalitions of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from explain.algorithms.coalition_draws import WeightedCoalitions, shapley_coalitions, uniform_coalitions
from explain.algorithms.completeness import convergence_delta, scores_at_baseline
from explain.algorithms.path import equal_baseline_warnings
from explain.backends.found import Found
from explain.errors import ExplainWarning, OptionError, SurrogateWarning
from explain.inputs.examples import Array
from explain.inputs.features import Features, resolve_features
from explain.running.coalitions import Coalitions, Presence
from explain.running.expansion import expanded_scores
from explain.running.problem import Problem

Floats = npt.NDArray[np.float64]

# Scikit-learn's own 1e-4 ends the descent at coefficients that another rounding of the scores moves by as much.
_TOLERANCE, _MOST_ROUNDS = 1e-9, 20_000
_ROUNDING = 1e-12


def lime(problem: Problem) -> Found:
    """Fit a sparse linear model to the scores of random coalitions of features, near ones counting more.

    Ribeiro, Singh & Guestrin, *"Why should I trust you?": explaining the predictions of any classifier*,
    arXiv:1602.04938. As in Captum, a feature is in place or not with equal chance, a sample weighs
    exp(−d² / (2 · kernel_width²)) with d its distance from the input, and every position of a feature gets the
    feature's coefficient.
    """
    options = problem.options
    features = _features(problem)
    drawn = {
        int(count): uniform_coalitions(int(count), options["n_samples"], problem.seed)
        for count in np.unique(features.counts)
    }
    scores = _scores(problem, features, drawn)
    coefficients = np.zeros((len(features.counts), len(features)))
    short, unfinished = [], []
    for row, count in enumerate(features.counts):
        presence = drawn[int(count)]
        weights = _similarities(problem, features, row, presence)
        if _rank(presence, weights) < count:
            short.append(row)
        coefficients[row, :count], finished = _fit(problem, presence, scores[row], weights)
        if not finished:
            unfinished.append(row)
    return Found(
        values=(_by_position(features, coefficients),),
        warnings=(
            *equal_baseline_warnings(problem.examples.inputs, _baselines(problem)),
            *_underdetermined(short, features, options["n_samples"]),
            *_unfinished(unfinished, options["alpha"]),
            *_all_zero(coefficients, scores, options),
        ),
    )


def kernel_shap(problem: Problem) -> Found:
    """Estimate the Shapley value of each feature: the linear model that the Shapley kernel fits best.

    Lundberg & Lee, *A unified approach to interpreting model predictions*, arXiv:1705.07874; how coalitions are
    drawn: `explain.algorithms.coalition_draws.shapley_coalitions`. The values of an example's features sum to the
    difference of its scores at input and baseline, by construction. Where all coalitions are scored they are the
    Shapley values themselves.
    """
    n_samples = problem.options["n_samples"]
    features = _features(problem)
    drawn = {
        int(count): shapley_coalitions(int(count), n_samples, problem.seed)
        for count in np.unique(features.counts)
    }
    at_baseline = scores_at_baseline(problem)
    scores = _scores(problem, features, {count: one.presence for count, one in drawn.items()})
    shapley = np.zeros((len(features.counts), len(features)))
    short: list[int] = []
    for count, coalitions in drawn.items():
        rows = np.flatnonzero(features.counts == count)
        start = at_baseline[rows].astype(np.float64)
        gains = scores[rows, : len(coalitions.weights)] - start[:, np.newaxis]
        shapley[rows, :count], rank = _shared_out(coalitions, gains, problem.scores[rows] - start)
        if rank < count - 1:
            short += rows.tolist()
    delta, relative_delta = convergence_delta((shapley,), problem.scores, at_baseline)
    # The sum is met by construction; what rounding leaves differs between machines, and says nothing.
    met = relative_delta < _ROUNDING
    delta, relative_delta = np.where(met, 0.0, delta), np.where(met, 0.0, relative_delta)
    return Found(
        values=(_by_position(features, shapley),),
        delta=delta,
        relative_delta=relative_delta,
        warnings=(
            *equal_baseline_warnings(problem.examples.inputs, _baselines(problem)),
            *_underdetermined(sorted(short), features, n_samples),
        ),
    )


def _features(problem: Problem) -> Features:
    return resolve_features(
        problem.options["feature_mask"], problem.examples.inputs[0], problem.layout, problem.examples.mask
    )


def _baselines(problem: Problem) -> tuple[Array, ...]:
    assert problem.baselines is not None, "the catalogue says that this method needs a baseline"
    return problem.baselines


def _scores(problem: Problem, features: Features, drawn: Mapping[int, Presence]) -> Floats:
    """Give the score of every coalition of every example, shape (N, K), for draws by number of features."""
    most = max(len(presence) for presence in drawn.values())
    if most == 0:
        return np.zeros((len(features.counts), 0))

    def present(row: int, points: slice) -> Presence:
        presence = drawn[int(features.counts[row])]
        if len(presence) == 0:
            return np.ones((points.stop - points.start, 1), bool)
        # An example with fewer coalitions than another has its last one again in the places left over, unread.
        return presence[np.minimum(np.arange(points.start, points.stop), len(presence) - 1)]

    expansion = Coalitions(problem.examples.inputs, _baselines(problem), features, most, present)
    # A model with a fixed batch may keep a state for each row of it.
    in_rows = problem.backend.fixed_batch_size is not None
    scores = expanded_scores(problem.backend, problem.examples, expansion, problem.executor, in_rows=in_rows)
    return scores.astype(np.float64)


def _by_position(features: Features, coefficients: Floats) -> Array:
    """Give every position its feature's coefficient, and padding zero."""
    return np.stack([features.spread(row, one) for row, one in enumerate(coefficients)])


def _shared_out(coalitions: WeightedCoalitions, gains: Floats, totals: Floats) -> tuple[Floats, int]:
    """Solve the weighted least squares of coalitions' gains over the baseline, values summing to the totals.

    The values are an equal share of the total plus what lies across that: φ = total / F + Q θ, where the columns of
    Q are orthonormal and each sums to zero. So the sum is met exactly, and no feature is singled out to be what the
    others leave. Where coalitions are too few, the solution nearest to equal shares is taken.

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


def _similarities(problem: Problem, features: Features, row: int, presence: Presence) -> Floats:
    """Give the weight of each sample, by its distance from the input; padding has no part in the distance.

    A sample is made of whole features of the input x and of the baseline b. So its norm and its product with x are
    sums, over features, of what the feature has of x·x, x·b or b·b, and no sample is formed for it.
    """
    (inputs,), (base,) = problem.examples.inputs, _baselines(problem)
    mode, width = problem.options["distance_mode"], problem.options["kernel_width"]
    place = features.indices[row].reshape(-1) + 1
    x, b = (array[row].reshape(-1).astype(np.float64) for array in (inputs, base))
    count = presence.shape[1]

    def by_feature(values: Array) -> Floats:
        sums: Floats = np.bincount(place, values, count + 1)[1:].astype(np.float64)
        return sums

    there, away = presence.astype(np.float64), (~presence).astype(np.float64)
    if mode == "euclidean":
        squared = away @ by_feature((x - b) ** 2)
    else:
        own = by_feature(x * x)
        product = there @ own + away @ by_feature(x * b)
        norms = np.sqrt(own.sum() * (there @ own + away @ by_feature(b * b)))
        # An empty sample points nowhere: as far from the input as one at a right angle to it.
        squared = (1 - np.divide(product, norms, out=np.zeros_like(product), where=norms > 0)) ** 2
    weights: Floats = np.exp(-squared / (2 * width**2))
    if not weights.any():
        raise OptionError(
            f"kernel_width={width} is too small for distance_mode={mode!r}: the nearest sample of example {row} is "
            f"{np.sqrt(squared.min()):.3g} from the input, so that every sample weighs nothing. Give kernel_width of "
            "about that size."
        )
    return weights


def _rank(presence: Presence, weights: Floats) -> int:
    """Give how many coefficients, the constant apart, the weighted samples determine."""
    share = (weights / weights.sum())[:, np.newaxis]
    centred = presence - (share * presence).sum(axis=0)
    return int(np.linalg.matrix_rank(np.sqrt(share) * centred))


def _fit(problem: Problem, presence: Presence, scores: Floats, weights: Floats) -> tuple[Floats, bool]:
    """Fit the linear model; give its coefficients, and whether the fit came to its end."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import Lasso, LinearRegression, Ridge

    alpha = problem.options["alpha"]
    if alpha == 0:
        # What both penalised models come to, by a solver that stands up to it.
        model = LinearRegression()
    elif problem.options["interpretable_model"] == "ridge":
        model = Ridge(alpha)
    else:
        model = Lasso(alpha, tol=_TOLERANCE, max_iter=_MOST_ROUNDS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(presence.astype(np.float64), scores, sample_weight=weights)
    coefficients: Floats = model.coef_
    return coefficients, not any(issubclass(one.category, ConvergenceWarning) for one in caught)


def _underdetermined(
    rows: list[int], features: Features, n_samples: int
) -> tuple[tuple[str, type[ExplainWarning]], ...]:
    if not rows:
        return ()
    return (
        (
            f"n_samples={n_samples} is too few for example{'s' if len(rows) > 1 else ''} {rows} with up to "
            f"{int(features.counts[rows].max())} features: the samples do not determine a coefficient for each. Raise "
            "n_samples to several times the number of features, or give a coarser feature_mask, so that there are "
            "fewer; where kernel_width leaves weight on few samples only, give a greater one.",
            SurrogateWarning,
        ),
    )


def _unfinished(rows: list[int], alpha: float) -> tuple[tuple[str, type[ExplainWarning]], ...]:
    if not rows:
        return ()
    return (
        (
            f"The Lasso of example{'s' if len(rows) > 1 else ''} {rows} was stopped after {_MOST_ROUNDS} rounds, "
            f"before its coefficients had settled. Raise alpha (now {alpha}), or take interpretable_model='ridge'.",
            SurrogateWarning,
        ),
    )


def _all_zero(
    coefficients: Floats, scores: Floats, options: Mapping[str, object]
) -> tuple[tuple[str, type[ExplainWarning]], ...]:
    """Tell where the penalty, which is in units of the score, has left nothing of scores that do differ."""
    rows = np.flatnonzero(~coefficients.any(axis=1) & (np.ptp(scores, axis=1) > 0))
    if rows.size == 0:
        return ()
    spread = float(np.ptp(scores[rows], axis=1).max())
    return (
        (
            f"Every coefficient is zero for example{'s' if rows.size > 1 else ''} {rows.tolist()}: beside scores that "
            f"differ by no more than {spread:.3g}, the penalty alpha={options['alpha']} outweighs every feature. "
            "Lower alpha, which is in units of the score, or take interpretable_model='ridge'.",
            SurrogateWarning,
        ),
    )
