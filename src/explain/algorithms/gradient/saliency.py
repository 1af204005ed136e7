"""Saliency: the gradient of the score to the input."""

from __future__ import annotations

from explain.algorithms.example_warnings import zero_gradient_warnings
from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.running.problem import Problem


def saliency(problem: Problem) -> Found:
    """Take the gradient of the score to the input, with its sign.

    Simonyan, Vedaldi & Zisserman, *Deep inside convolutional networks*, arXiv:1312.6034. (The paper draws the
    absolute value; here that is an option of drawing.)
    """
    gradients, _ = problem.gradients_at(problem.examples.inputs)
    return Found(values=gradients, warnings=zero_gradient_warnings(gradients))


ROWS = (
    Method(
        saliency,
        aliases=("gradient", "vanilla_gradients"),
        summary="Which inputs the score is most sensitive to: its signed gradient.",
        paper="Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034",
        needs=frozenset({"outputs", "gradients"}),
        begins_with="gradients",
        forms_points=False,
        is_slope=True,
        layer="may",
        reference_engines=("captum", "tf-explain"),
    ),
)
