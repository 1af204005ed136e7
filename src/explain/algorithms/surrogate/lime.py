"""LIME: a sparse linear model of which features are present, fitted to the scores of coalitions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from explain.algorithms.completeness import baselines_of, equal_baseline_warnings
from explain.algorithms.example_warnings import Warnings, examples_named
from explain.algorithms.feature_values import at_positions, drawn_by_count, features_of
from explain.algorithms.method import Method
from explain.algorithms.options import FEATURE_MASK, non_negative, one_of, positive, whole_number
from explain.algorithms.surrogate.coalition_draws import uniform_coalitions
from explain.algorithms.surrogate.coalition_scores import (
    Floats,
    coalition_scores,
    underdetermined_warnings,
)
from explain.backends.found import Found
from explain.errors import OptionError, SurrogateWarning
from explain.inputs.examples import Array
from explain.inputs.features import Features
from explain.running.coalitions import Presence
from explain.running.problem import Problem

# With scikit-learn's default of 1e-4, the descent ends at coefficients that change by as much when the scores
# are rounded differently.
_TOLERANCE, _MOST_ROUNDS = 1e-9, 20_000


def lime(problem: Problem) -> Found:
    """Fit a sparse linear model to the scores of random coalitions of features, with more weight near the input.

    Ribeiro, Singh & Guestrin, *"Why should I trust you?": explaining the predictions of any classifier*,
    arXiv:1602.04938. As in Captum, a feature is present or absent with equal probability, a sample has the
    weight exp(−d² / (2 · kernel_width²)), where d is its distance from the input, and every position of a
    feature gets the feature's coefficient.
    """
    options = problem.options
    features = features_of(problem)
    drawn = drawn_by_count(
        features, lambda count: uniform_coalitions(count, options["n_samples"], problem.seed)
    )
    scores = coalition_scores(problem, features, drawn)
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
        values=(at_positions(features, coefficients),),
        warnings=(
            *equal_baseline_warnings(problem.examples.inputs, baselines_of(problem)),
            *underdetermined_warnings(short, features, options["n_samples"]),
            *_unfinished(unfinished, options["alpha"]),
            *_all_zero(coefficients, scores, options),
        ),
    )


def _similarities(problem: Problem, features: Features, row: int, presence: Presence) -> Floats:
    """Give the weight of each sample, by its distance from the input; padding does not count.

    A sample consists of whole features of the input x and of the baseline b. So its norm and its product with
    x are sums over features of the feature's part of x·x, x·b or b·b, and the samples need not be formed.
    """
    (inputs,), (base,) = problem.examples.inputs, baselines_of(problem)
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
        # An all-zero sample has no direction: its distance is that of a sample at a right angle to the input.
        squared = (1 - np.divide(product, norms, out=np.zeros_like(product), where=norms > 0)) ** 2
    weights: Floats = np.exp(-squared / (2 * width**2))
    if not weights.any():
        raise OptionError(
            f"kernel_width={width} is too small for distance_mode={mode!r}: the nearest sample of example {row} is "
            f"{np.sqrt(squared.min()):.3g} from the input, so every sample has weight zero. Give kernel_width of "
            "about that size."
        )
    return weights


def _rank(presence: Presence, weights: Floats) -> int:
    """Give the number of coefficients, without the constant, that the weighted samples determine."""
    share = (weights / weights.sum())[:, np.newaxis]
    centred = presence - (share * presence).sum(axis=0)
    return int(np.linalg.matrix_rank(np.sqrt(share) * centred))


def _fit(problem: Problem, presence: Presence, scores: Floats, weights: Floats) -> tuple[Floats, bool]:
    """Fit the linear model; give its coefficients, and whether the fit converged."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import Lasso, LinearRegression, Ridge

    alpha = problem.options["alpha"]
    if alpha == 0:
        # The limit of both penalised models, by a solver that is stable there.
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


def _unfinished(rows: list[int], alpha: float) -> Warnings:
    if not rows:
        return ()
    return (
        (
            f"The Lasso of {examples_named(rows)} was stopped after {_MOST_ROUNDS} iterations, "
            f"before its coefficients converged. Raise alpha (now {alpha}), or take interpretable_model='ridge'.",
            SurrogateWarning,
        ),
    )


def _all_zero(coefficients: Floats, scores: Floats, options: Mapping[str, object]) -> Warnings:
    """Warn of the examples whose scores differ but whose coefficients the penalty, in units of the score, made zero."""
    rows = np.flatnonzero(~coefficients.any(axis=1) & (np.ptp(scores, axis=1) > 0))
    if rows.size == 0:
        return ()
    spread = float(np.ptp(scores[rows], axis=1).max())
    return (
        (
            f"Every coefficient is zero for {examples_named(rows)}: their scores "
            f"differ by no more than {spread:.3g}, and the penalty alpha={options['alpha']} outweighs every feature. "
            "Lower alpha, which is in units of the score, or take interpretable_model='ridge'.",
            SurrogateWarning,
        ),
    )


ROWS = (
    Method(
        lime,
        title="LIME",
        aliases=("local_surrogate",),
        of_whole_places=True,
        keeps_values=True,
        seeded=True,
        summary="Which features a sparse linear model needs to imitate the score near the input.",
        paper="Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938",
        needs=frozenset({"outputs"}),
        options=(
            whole_number("n_samples", 500, 2, "Number of random coalitions of features that are scored."),
            FEATURE_MASK,
            one_of("interpretable_model", "lasso", ("lasso", "ridge"), "The linear model to fit."),
            non_negative(
                "alpha",
                0.01,
                "Its penalty, for the Lasso in units of the score; 0 is plain least squares.",
            ),
            one_of("distance_mode", "cosine", ("cosine", "euclidean"), "How far a sample is from the input."),
            positive("kernel_width", 1.0, "The distance at which a sample's weight has fallen to 0.61."),
        ),
        uses_baseline=True,
    ),
)
