"""Layer-wise relevance propagation."""

from __future__ import annotations

import numpy as np

from explain.algorithms.backward_rules.rule_gradients import rule_gradients
from explain.algorithms.example_warnings import Warnings, examples_named, zero_gradient_warnings
from explain.algorithms.method import Method
from explain.algorithms.options import one_of, positive
from explain.backends.found import Found
from explain.errors import RelevanceWarning
from explain.inputs.examples import Array
from explain.running.problem import Problem

# How many times its score the absolute relevance of an example may sum to without a warning. Without z⁺ and with a
# small epsilon a hundred times is common in convolutional networks.
_MOST_GROWTH = 1000


def lrp(problem: Problem) -> Found:
    """Distribute the score to the inputs as relevance, layer by layer.

    Bach et al., *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance propagation*,
    doi:10.1371/journal.pone.0130140; the composite of rules is that of Kohlbrenner et al., *Towards best practice in
    explaining neural network decisions with LRP*, arXiv:1910.09840; gates as in Arras et al., arXiv:1706.07206. The
    values of an example sum to its score, less what biases and epsilon absorb.
    """
    inputs, rule = problem.examples.inputs, problem.options["rule"]
    shares, _ = rule_gradients(problem, rule, epsilon=float(problem.options["epsilon"]))
    values = tuple(point * share for point, share in zip(inputs, shares, strict=True))
    return Found(
        values=values,
        warnings=(*_grown_warnings(values, problem.scores), *zero_gradient_warnings(shares)),
    )


def _grown_warnings(values: tuple[Array, ...], scores: Array) -> Warnings:
    sizes = sum(np.abs(part.reshape(len(part), -1)).sum(axis=1, dtype=np.float64) for part in values)
    far = np.flatnonzero(sizes > _MOST_GROWTH * np.abs(scores))
    if far.size == 0:
        return ()
    return (
        (
            f"The relevance of {examples_named(far)} is in all more than {_MOST_GROWTH} "
            "times the score, of both signs: the backward pass divided it by sums near zero again and again, and terms "
            "that cancel out hide those that do not. Raise epsilon, for example to 0.25, or use integrated_gradients.",
            RelevanceWarning,
        ),
    )


ROWS = (
    Method(
        lrp,
        title="LRP",
        aliases=("layer_wise_relevance_propagation", "layerwise_relevance_propagation"),
        summary="How much of the score each input contributes: shared out layer by layer as it was summed up.",
        paper="Bach et al. 2015, doi:10.1371/journal.pone.0130140; Kohlbrenner et al. 2019, arXiv:1910.09840",
        needs=frozenset({"outputs", "backward_rules"}),
        layer="may",
        options=(
            one_of(
                "rule",
                "epsilon_plus",
                ("epsilon_plus", "epsilon"),
                "How sums share out: 'epsilon' all as they are, 'epsilon_plus' convolutions to what raises them.",
            ),
            positive("epsilon", 1e-9, "What is added to the size of a sum before it is divided by."),
        ),
        refused_engines={
            "captum": "its LRP goes by the module: it refuses a layer that is called twice, passes functions by, "
            "and changes the model's weights while it runs"
        },
    ),
)
