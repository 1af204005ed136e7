"""SmoothGrad, SmoothGrad squared and VarGrad: the gradient over noisy copies of the input."""

from __future__ import annotations

from explain.algorithms.example_warnings import Warnings, examples_named, zero_gradient_warnings
from explain.algorithms.method import Method, Option
from explain.algorithms.options import non_negative, whole_number
from explain.backends.found import Found
from explain.errors import NoiseWarning
from explain.inputs.examples import Array
from explain.running.expansion import expanded_means, expanded_moments
from explain.running.noise import NoisyPoints
from explain.running.problem import Problem


def smoothgrad(problem: Problem) -> Found:
    """Take the mean of the gradients at the input with noise added, with its sign.

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
    """Take the variance of the gradients at the input with noise added, over n samples, not over n − 1.

    Adebayo et al., *Local explanation methods for deep neural networks lack sensitivity to parameter values*,
    arXiv:1810.03307. Zero where the score is affine in the input, whatever its gradient.
    """
    points, means, variances = _moments(problem)
    squares = tuple(variance + mean**2 for mean, variance in zip(means, variances, strict=True))
    return Found(
        values=variances, warnings=(*noise_warnings(problem, points), *zero_gradient_warnings(squares))
    )


def noisy_points(problem: Problem) -> NoisyPoints:
    """Give noisy copies of the input, one per sample, as the options ``n_samples`` and ``stdevs`` define."""
    options = problem.options
    return NoisyPoints(
        problem.examples,
        problem.layout,
        options["stdevs"],
        options["n_samples"],
        problem.seed,
        problem.parts,
    )


def noise_warnings(problem: Problem, points: NoisyPoints) -> Warnings:
    """Warn of the examples to which no noise could be added."""
    flat = points.without_range
    if flat.size == 0 or problem.options["stdevs"] == 0:
        return ()
    return (
        (
            f"{examples_named(flat).capitalize()} {'have' if flat.size > 1 else 'has'} one value "
            f"everywhere{' in one of the inputs' if problem.parts else ''}: noise is a share of an example's range, so "
            "none was added, and all samples are the example itself there. Explain an input that varies, or add "
            "noise yourself.",
            NoiseWarning,
        ),
    )


def _moments(problem: Problem) -> tuple[NoisyPoints, tuple[Array, ...], tuple[Array, ...]]:
    points = noisy_points(problem)
    means, variances = expanded_moments(
        problem.backend, problem.examples, points, problem.executor, in_rows=problem.in_rows
    )
    return points, means, variances


def _n_samples(least: int) -> Option:
    return whole_number("n_samples", 50, least, "Number of noisy copies of each example.")


_STDEVS = non_negative(
    "stdevs",
    0.15,
    "Standard deviation of the noise, as a share of each example's range (greatest − least value).",
)

_OWN_DRAWS = "it draws its noise itself, unseeded, and not as a share of the input's range"
_NO_SMOOTHGRAD = "its SmoothGrad takes the gradient of a loss and fails on Keras 3"
_NO_SUCH_SQUARES = "it has SmoothGrad only, not its squares or variance"

ROWS = (
    Method(
        smoothgrad,
        title="SmoothGrad",
        aliases=("smooth_grad",),
        seeded=True,
        summary="The gradient averaged over noisy copies of the input, with its sign.",
        paper="Smilkov et al. 2017, arXiv:1706.03825",
        needs=frozenset({"outputs", "gradients"}),
        options=(_n_samples(least=1), _STDEVS),
        is_slope=True,
        refused_engines={"captum": _OWN_DRAWS, "tf-explain": _NO_SMOOTHGRAD},
    ),
    Method(
        smoothgrad_squared,
        title="SmoothGrad squared",
        aliases=("smoothgrad_sq",),
        seeded=True,
        summary="The squared gradient averaged over noisy copies of the input.",
        paper="Hooker et al. 2018, arXiv:1806.10758",
        needs=frozenset({"outputs", "gradients"}),
        options=(_n_samples(least=1), _STDEVS),
        drawn="unsigned",
        refused_engines={"captum": _OWN_DRAWS, "tf-explain": _NO_SUCH_SQUARES},
    ),
    Method(
        vargrad,
        title="VarGrad",
        aliases=("var_grad",),
        seeded=True,
        summary="How much the gradient varies over noisy copies of the input.",
        paper="Adebayo et al. 2018, arXiv:1810.03307",
        needs=frozenset({"outputs", "gradients"}),
        options=(_n_samples(least=2), _STDEVS),
        drawn="unsigned",
        refused_engines={"captum": _OWN_DRAWS, "tf-explain": _NO_SUCH_SQUARES},
    ),
)
