"""Expected gradients: the expectation over a set of references, estimated by sampling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explain.algorithms.completeness import WORST_RELATIVE_DELTA, found_with_delta
from explain.algorithms.example_warnings import Warnings, examples_named, zero_gradient_warnings
from explain.algorithms.gradient.smoothgrad import noise_warnings, noisy_points
from explain.algorithms.method import Method
from explain.algorithms.options import non_negative, whole_number
from explain.algorithms.reference_inputs import (
    equal_reference_warnings,
    reference_paths,
    references_of,
    scores_at_references,
)
from explain.backends.found import Found
from explain.errors import ConvergenceWarning
from explain.inputs.examples import Array
from explain.running.expansion import gradient_blocks
from explain.running.problem import Problem

# If sampling alone gives so large a delta with less than this probability, the delta has another cause.
_BY_CHANCE = 1e-5


def expected_gradients(problem: Problem) -> Found:
    """Take the mean of (input − reference) × gradient over references and points on the lines from them.

    Erion et al., *Improving performance of deep learning models with axiomatic attribution priors and
    expected gradients*, arXiv:1906.10670. Also known as gradient SHAP: where the score is linear and its
    inputs are independent, the values are the SHAP values of Lundberg & Lee, arXiv:1705.07874. In expectation
    the values of an example sum to its score minus the mean score of the references.
    """
    options, examples = problem.options, problem.examples
    n_samples, count = options["n_samples"], len(references_of(problem)[0])
    chosen, alphas = draws(n_samples, count, problem.seed)
    ends = noisy_points(problem) if options["stdevs"] > 0 else None
    paths = reference_paths(problem, chosen, alphas, ends)
    totals = tuple(np.zeros(one.shape) for one in examples.inputs)
    sums = np.zeros((len(examples), n_samples))
    steepest = tuple(np.zeros((len(examples), 1), one.dtype) for one in examples.inputs)
    for rows, points, gradients in gradient_blocks(
        problem.backend, examples, paths, problem.executor, in_rows=problem.in_rows
    ):
        differences = paths.differences(rows, points)
        for total, largest, gradient, difference in zip(
            totals, steepest, gradients, differences, strict=True
        ):
            difference *= gradient
            total[rows] += difference.sum(axis=1, dtype=np.float64)
            sums[rows, points] += difference.reshape(*difference.shape[:2], -1).sum(axis=2, dtype=np.float64)
            # An example with one non-zero gradient needs no further check.
            if not largest[rows].all():
                flat = gradient.reshape(len(gradient), -1)
                largest[rows, 0] = np.maximum(largest[rows, 0], np.abs(flat).max(axis=1))
    values = tuple(total / n_samples for total in totals)
    at_references = scores_at_references(problem).astype(np.float64)
    residuals = sums - (problem.scores.astype(np.float64)[:, np.newaxis] - at_references[:, chosen])
    return found_with_delta(
        problem,
        values,
        at_references.mean(axis=1),
        lambda relative_delta: _bias_warnings(residuals, relative_delta, noisy=ends is not None),
        before=(
            *(noise_warnings(problem, ends) if ends is not None else ()),
            *equal_reference_warnings(problem),
        ),
        after=zero_gradient_warnings(steepest),
    )


def draws(n_samples: int, count: int, seed: int) -> tuple[npt.NDArray[np.intp], Array]:
    """Draw a reference and a position on its line for every sample, stratified.

    [0, 1] has as many equal parts as there are samples, and each sample's position is drawn in its own part.
    The references are drawn in rounds, each a random permutation of all of them: no reference is drawn twice
    before all were drawn, and each gets positions all along its line. Every sample by itself is uniform over
    both, so the mean over samples is unbiased.

    Parameters
    ----------
    n_samples : int
        The number of samples K.
    count : int
        The number of references R.
    seed : int
        Seed of all draws.

    Returns
    -------
    numpy.ndarray of int, numpy.ndarray
        The reference of each sample, from 0 to R − 1, and its position on the line, from 0 to 1; both of
        shape (K,).

    Examples
    --------
    >>> chosen, alphas = draws(6, 3, seed=0)
    >>> sorted(chosen[:3].tolist()), sorted(chosen[3:].tolist())
    ([0, 1, 2], [0, 1, 2])
    >>> np.floor(6 * alphas).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    generator = np.random.default_rng(seed)
    rounds = [generator.permutation(count) for _ in range(-(-n_samples // count))]
    alphas = (np.arange(n_samples) + generator.random(n_samples)) / n_samples
    return np.concatenate(rounds)[:n_samples], alphas


def standard_error(residuals: Array) -> Array:
    """Give the standard error of the mean of stratified samples, one per part, shape (N,), from (N, K).

    Half the mean squared difference of neighbours estimates the variance within the parts. Differences
    between the parts cause no error of the mean and do not count (Wolter, *Introduction to variance
    estimation*, 2007, chapter 8).

    Examples
    --------
    >>> standard_error(np.array([[0.0, 2.0, 0.0, 2.0]])).tolist()
    [0.7071067811865476]
    """
    count = residuals.shape[1]
    squares = np.square(np.diff(residuals, axis=1)).sum(axis=1)
    error: Array = np.sqrt(squares / (2 * count * max(count - 1, 1)))
    return error


def _bias_warnings(residuals: Array, relative_delta: Array, *, noisy: bool) -> Warnings:
    """Warn of the examples whose sum is off by more than sampling explains.

    `residuals`, shape (N, K), are each sample's own sum minus the difference of the scores at the example and
    at the sample's reference.
    """
    from scipy.special import stdtrit

    count = residuals.shape[1]
    if count < 2:
        return ()
    error = standard_error(residuals)
    beyond = np.abs(residuals.mean(axis=1)) > stdtrit(count - 1, 1 - _BY_CHANCE / 2) * error
    off = np.flatnonzero(beyond & (relative_delta > WORST_RELATIVE_DELTA))
    if off.size == 0:
        return ()
    cause = (
        "The noise itself may change the score (stdevs=0 adds none); or the score" if noisy else "The score"
    )
    return (
        (
            f"The values of {examples_named(off)} miss the difference of the scores by "
            f"up to {relative_delta[off].max():.1%}, more than sampling explains: more samples do not help. "
            f"{cause} may jump where its gradient does not show it (a rounding, an argmax, a gradient that the model "
            "defines itself).",
            ConvergenceWarning,
        ),
    )


ROWS = (
    Method(
        expected_gradients,
        aliases=("gradient_shap",),
        seeded=True,
        summary="How much each input adds to the score, compared with a set of references; sums to the mean "
        "difference.",
        paper="Erion et al. 2019, arXiv:1906.10670; Lundberg & Lee 2017, arXiv:1705.07874",
        needs=frozenset({"outputs", "gradients"}),
        options=(
            whole_number(
                "n_samples",
                200,
                1,
                "Number of gradients per example, each at a point on the line from a reference.",
            ),
            non_negative(
                "stdevs",
                0.0,
                "Standard deviation of noise on the input, as a share of each example's range.",
            ),
        ),
        uses_baseline=True,
        takes_references=True,
        layer="may",
        refused_engines={
            "captum": "it draws references, positions and noise itself, unseeded and anew for each example"
        },
    ),
)
