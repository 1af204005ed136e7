"""The activations of a layer."""

from __future__ import annotations

from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.running.problem import Problem


def activation(problem: Problem) -> Found:
    """Give the activations of the layer.

    Yosinski et al., *Understanding neural networks through deep visualization*, arXiv:1506.06579.
    """
    return Found(values=problem.examples.inputs)


ROWS = (
    Method(
        activation,
        aliases=("layer_activation",),
        summary="The output of a layer: how active each of its units is.",
        paper="Yosinski et al. 2015, arXiv:1506.06579",
        needs=frozenset({"outputs", "layers"}),
        layer="must",
    ),
)
