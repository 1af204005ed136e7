"""Input × gradient."""

from __future__ import annotations

from explain.algorithms.example_warnings import zero_gradient_warnings
from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.running.problem import Problem


def input_x_gradient(problem: Problem) -> Found:
    """Take the input times the gradient of the score, element by element, with its sign.

    Shrikumar et al., *Not just a black box*, arXiv:1605.01713: the first-order Taylor term of the drop of the
    score when an input goes to zero. Exact where the score is linear in the input; elsewhere values do not
    add up.
    """
    inputs = problem.examples.inputs
    gradients, _ = problem.gradients_at(inputs)
    values = tuple(point * gradient for point, gradient in zip(inputs, gradients, strict=True))
    return Found(values=values, warnings=zero_gradient_warnings(gradients))


ROWS = (
    Method(
        input_x_gradient,
        aliases=("input_x_gradients", "gradient_x_input", "gradient_x_activation"),
        title="Input × gradient",
        summary="The input times its gradient: what each input adds to a score that is linear in it.",
        paper="Shrikumar et al. 2016, arXiv:1605.01713",
        needs=frozenset({"outputs", "gradients"}),
        begins_with="gradients",
        forms_points=False,
        layer="may",
        reference_engines=("captum", "tf-explain"),
    ),
)
