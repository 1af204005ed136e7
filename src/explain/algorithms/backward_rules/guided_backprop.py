"""Guided backpropagation."""

from __future__ import annotations

from explain.algorithms.backward_rules.rule_gradients import rectified
from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.running.problem import Problem


def guided_backprop(problem: Problem) -> Found:
    """Compute the gradient; every ReLU passes on only its positive part.

    Springenberg, Dosovitskiy, Brox & Riedmiller, *Striving for simplicity: the all convolutional net*,
    arXiv:1412.6806. A ReLU passes on positive gradients only, and only where the ReLU is active.
    """
    return rectified(problem, "guided")


ROWS = (
    Method(
        guided_backprop,
        aliases=("guided_backpropagation",),
        summary="The gradient, where every ReLU passes on only its positive part: what raises the score.",
        paper="Springenberg, Dosovitskiy, Brox & Riedmiller 2014, arXiv:1412.6806",
        needs=frozenset({"outputs", "backward_rules"}),
        begins_with="guided",
        forms_points=False,
        is_slope=True,
    ),
)
