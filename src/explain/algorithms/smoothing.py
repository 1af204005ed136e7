"""Methods that look at the gradient over a neighbourhood of the input, drawn at random."""

from __future__ import annotations

from explain.algorithms.gradient import zero_gradient_warnings
from explain.backends.found import Found
from explain.errors import ExplainWarning, NoiseWarning
from explain.inputs.examples import Array
from explain.running.expansion import expanded_means, expanded_moments
from explain.running.noise import NoisyPoints
from explain.running.problem import Problem


def smoothgrad(problem: Problem) -> Found:
    """Take the mean of the gradients at the input with noise added, sign kept.

    Smilkov et al., *SmoothGrad: removing noise by adding noise*, arXiv:1706.03825. It estimates the gradient of the
    score smoothed by a Gaussian.
    """
    points = noisy_points(problem)
    means = expanded_means(
        problem.backend, problem.examples, points, problem.executor, in_rows=problem.in_rows
    )
    return Found(values=means, warnings=(*noise_warnings(problem, points), *zero_gradient_warnings(means)))


def smoothgrad_squared(problem: Problem) -> Found:
    """Take the mean of the squared gradients at the input with noise added.

    Hooker et al., *A benchmark for interpretability methods in deep neural networks*, arXiv:1806.10758, where it is
    called SmoothGrad-Squared.
    """
    points, means, variances = _moments(problem)
    squares = tuple(variance + mean**2 for mean, variance in zip(means, variances, strict=True))
    return Found(
        values=squares, warnings=(*noise_warnings(problem, points), *zero_gradient_warnings(squares))
    )


def vargrad(problem: Problem) -> Found:
    """Take the variance of the gradients at the input with noise added: over all samples, not over all but one.

    Adebayo et al., *Local explanation methods for deep neural networks lack sensitivity to parameter values*,
    arXiv:1810.03307. Zero where the score is affine in the input, whatever its gradient.
    """
    points, means, variances = _moments(problem)
    squares = tuple(variance + mean**2 for mean, variance in zip(means, variances, strict=True))
    return Found(
        values=variances, warnings=(*noise_warnings(problem, points), *zero_gradient_warnings(squares))
    )


def noisy_points(problem: Problem) -> NoisyPoints:
    """Give the input with noise added, a point for each of the samples that the options ask for."""
    options = problem.options
    return NoisyPoints(
        problem.examples,
        problem.layout,
        options["stdevs"],
        options["n_samples"],
        problem.seed,
        problem.parts,
    )


def noise_warnings(problem: Problem, points: NoisyPoints) -> tuple[tuple[str, type[ExplainWarning]], ...]:
    """Tell of the examples to which no noise could be added, if there are any."""
    flat = points.without_range
    if flat.size == 0 or problem.options["stdevs"] == 0:
        return ()
    return (
        (
            f"Example{'s' if flat.size > 1 else ''} {flat.tolist()} {'have' if flat.size > 1 else 'has'} one value "
            f"everywhere{' in one of the inputs' if problem.parts else ''}: noise is a share of an example's range, so "
            "none was added, and all samples are the example itself there. Explain an input that varies, or add the "
            "noise that you mean yourself.",
            NoiseWarning,
        ),
    )


def _moments(problem: Problem) -> tuple[NoisyPoints, tuple[Array, ...], tuple[Array, ...]]:
    points = noisy_points(problem)
    means, variances = expanded_moments(
        problem.backend, problem.examples, points, problem.executor, in_rows=problem.in_rows
    )
    return points, means, variances
