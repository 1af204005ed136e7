"""Methods that take one gradient at the input."""

from __future__ import annotations

import numpy as np

from explain.backends.found import Found
from explain.errors import ExplainWarning, ZeroGradientWarning
from explain.inputs.examples import Array
from explain.running.problem import Problem


def saliency(problem: Problem) -> Found:
    """Take the gradient of the score to the input, sign kept.

    Simonyan, Vedaldi & Zisserman, *Deep inside convolutional networks*, arXiv:1312.6034. (The paper draws
    the absolute value; here that is a matter of drawing.)
    """
    gradients, _ = problem.gradients_at(problem.examples.inputs)
    return Found(values=gradients, warnings=zero_gradient_warnings(gradients))


def input_x_gradient(problem: Problem) -> Found:
    """Take the input times the gradient of the score, element by element, sign kept.

    Shrikumar et al., *Not just a black box*, arXiv:1605.01713: the first-order Taylor term of what the score loses
    when an input goes to zero. Exact where the score is linear in the input; elsewhere values do not add up.
    """
    inputs = problem.examples.inputs
    gradients, _ = problem.gradients_at(inputs)
    values = tuple(point * gradient for point, gradient in zip(inputs, gradients, strict=True))
    return Found(values=values, warnings=zero_gradient_warnings(gradients))


def zero_gradient_warnings(gradients: tuple[Array, ...]) -> tuple[tuple[str, type[ExplainWarning]], ...]:
    """Tell of the examples whose gradient is zero everywhere, if there are any."""
    # Nearly every map has a positive value, which is found faster than one that is not zero.
    flat = [part.reshape(len(part), -1) for part in gradients]
    if flat[0].max(axis=1).min() > 0:
        return ()
    dead = np.flatnonzero(~np.logical_or.reduce([np.any(part, axis=1) for part in flat]))
    if dead.size == 0:
        return ()
    return (
        (
            f"The gradient is zero everywhere for example{'s' if dead.size > 1 else ''} {dead.tolist()}: the map "
            "says nothing there. The score may be saturated (explain the logit: score='logit'), constant, or cut "
            "off from the input by a rounding, an argmax or dead ReLUs.",
            ZeroGradientWarning,
        ),
    )
