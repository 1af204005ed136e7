"""Deconvolution."""

from __future__ import annotations

from explain.algorithms.backward_rules.rule_gradients import rectified
from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.running.problem import Problem


def deconvolution(problem: Problem) -> Found:
    """Compute the gradient; every ReLU passes on the positive part of the incoming gradient, active or not.

    Zeiler & Fergus, *Visualizing and understanding convolutional networks*, arXiv:1311.2901.
    """
    return rectified(problem, "deconvolution")


ROWS = (
    Method(
        deconvolution,
        aliases=("deconvnet",),
        summary="The gradient, where every ReLU passes on the positive part of the incoming gradient.",
        paper="Zeiler & Fergus 2013, arXiv:1311.2901",
        needs=frozenset({"outputs", "backward_rules"}),
        begins_with="deconvolution",
        forms_points=False,
        is_slope=True,
    ),
)
