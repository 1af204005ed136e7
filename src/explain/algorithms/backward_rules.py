"""Methods that change what some operations hand on in the backward pass."""

from __future__ import annotations

import numpy as np

from explain.algorithms.completeness import convergence_delta, convergence_warnings, scores_at_baseline
from explain.algorithms.gradient import zero_gradient_warnings
from explain.algorithms.path import equal_baseline_warnings
from explain.backends.found import Found
from explain.backends.protocol import Rule
from explain.errors import ExplainWarning, PlainGradientWarning, RelevanceWarning
from explain.inputs.examples import Array
from explain.running.problem import Problem

# So many times its score the sizes of an example's relevance may sum to. Without z⁺ and with a small epsilon a
# hundred times is common in convolutional networks.
_MOST_GROWTH = 1000


def guided_backprop(problem: Problem) -> Found:
    """Take the gradient, of which every ReLU hands on the positive part only.

    Springenberg, Dosovitskiy, Brox & Riedmiller, *Striving for simplicity: the all convolutional net*,
    arXiv:1412.6806. A ReLU hands on what is positive, and only where it is open.
    """
    return _rectified(problem, "guided")


def deconvolution(problem: Problem) -> Found:
    """Take the gradient, in whose place every ReLU hands on the positive part of what arrives, open or not.

    Zeiler & Fergus, *Visualizing and understanding convolutional networks*, arXiv:1311.2901.
    """
    return _rectified(problem, "deconvolution")


def deep_lift(problem: Problem) -> Found:
    """Take the slopes between baseline and input in the place of gradients, times (input − baseline).

    Shrikumar, Greenside & Kundaje, *Learning important features through propagating activation differences*,
    arXiv:1704.02685, its rescale rule. The values of an example sum to the difference of its scores at input and
    baseline, up to the convergence delta.
    """
    inputs, baselines = problem.examples.inputs, problem.baselines
    assert baselines is not None, "the catalogue says that this method needs a baseline"
    at_baseline = scores_at_baseline(problem)
    slopes, _ = _rule_gradients(problem, "rescale", baselines)
    values = tuple(
        (point - base) * slope for point, base, slope in zip(inputs, baselines, slopes, strict=True)
    )
    delta, relative_delta = convergence_delta(values, problem.scores, at_baseline)
    return Found(
        values=values,
        delta=delta,
        relative_delta=relative_delta,
        warnings=(
            *equal_baseline_warnings(inputs, baselines),
            *incomplete_warnings(relative_delta),
            *zero_gradient_warnings(slopes),
        ),
    )


def lrp(problem: Problem) -> Found:
    """Share the score out to the inputs as relevance, layer by layer.

    Bach et al., *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance propagation*,
    doi:10.1371/journal.pone.0130140; the composite of rules is that of Kohlbrenner et al., *Towards best practice in
    explaining neural network decisions with LRP*, arXiv:1910.09840; gates as in Arras et al., arXiv:1706.07206. The
    values of an example sum to its score, less what biases and epsilon took.
    """
    inputs, rule = problem.examples.inputs, problem.options["rule"]
    shares, _ = _rule_gradients(problem, rule, epsilon=float(problem.options["epsilon"]))
    values = tuple(point * share for point, share in zip(inputs, shares, strict=True))
    return Found(
        values=values,
        warnings=(*_grown_warnings(values, problem.scores), *zero_gradient_warnings(shares)),
    )


def _grown_warnings(values: tuple[Array, ...], scores: Array) -> tuple[tuple[str, type[ExplainWarning]], ...]:
    sizes = sum(np.abs(part.reshape(len(part), -1)).sum(axis=1, dtype=np.float64) for part in values)
    far = np.flatnonzero(sizes > _MOST_GROWTH * np.abs(scores))
    if far.size == 0:
        return ()
    return (
        (
            f"The relevance of example{'s' if far.size > 1 else ''} {far.tolist()} is in all more than {_MOST_GROWTH} "
            "times the score, of both signs: on its way back it was shared out by sums near zero again and again, and "
            "what cancels out hides what does not. Raise epsilon, for example to 0.25, or use integrated_gradients.",
            RelevanceWarning,
        ),
    )


def incomplete_warnings(relative_delta: Array) -> tuple[tuple[str, type[ExplainWarning]], ...]:
    """Tell of the examples whose values miss the difference of the scores: no slope saw what made it."""
    return convergence_warnings(
        relative_delta,
        "A part of the model depends on the input without a gradient (a gate, a rounding, a detached tensor), or the "
        "scores of input and baseline are too near each other. Take another baseline, explain in float64, or use "
        "integrated_gradients.",
        what="The values are not complete",
    )


def _rectified(problem: Problem, rule: Rule) -> Found:
    gradients, changed = _rule_gradients(problem, rule)
    plain: tuple[tuple[str, type[ExplainWarning]], ...] = ()
    if changed == 0:
        plain = (
            (
                f"No ReLU lies between the input and the score of {problem.backend.model_name}, so that "
                f"{problem.method} has nothing to change: it takes the plain gradient, that of saliency.",
                PlainGradientWarning,
            ),
        )
    return Found(values=gradients, warnings=(*plain, *zero_gradient_warnings(gradients)))


def _rule_gradients(
    problem: Problem, rule: Rule, baselines: tuple[Array, ...] | None = None, **settings: float
) -> tuple[tuple[Array, ...], int]:
    """Ask a rule's gradients of all examples, in chunks, and how many operations it changed."""
    backend, examples = problem.backend, problem.examples
    over = problem.executor.over_rows(
        len(examples),
        lambda rows: backend.rule_gradients(
            examples.rows(rows),
            rule,
            None if baselines is None else tuple(base[rows] for base in baselines),
            **settings,
        ),
    )
    parts = [found for _, found in over]
    gradients = tuple(np.concatenate(part) for part in zip(*(found for found, _ in parts), strict=True))
    return gradients, parts[0][1]
