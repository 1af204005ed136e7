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

# The largest ratio of an example's summed absolute relevance to its absolute score that causes no warning.
# Without z⁺ and with a small epsilon, a ratio of a hundred is common in convolutional networks.
_MOST_GROWTH = 1000


def lrp(problem: Problem) -> Found:
    """Distribute the score to the inputs as relevance, layer by layer.

    Bach et al., *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
    propagation*, doi:10.1371/journal.pone.0130140; the composite of rules is that of Kohlbrenner et al.,
    *Towards best practice in explaining neural network decisions with LRP*, arXiv:1910.09840; gates as in
    Arras et al., arXiv:1706.07206; attention as in Achtibat et al., *AttnLRP: attention-aware layer-wise relevance
    propagation for transformers*, arXiv:2402.05602. The values of an example sum to its score minus the relevance that
    biases and epsilon absorb, and that the softmax of an attention does not pass on.
    """
    inputs, rule = problem.examples.inputs, problem.options["rule"]
    shares = rule_gradients(problem, rule, epsilon=float(problem.options["epsilon"])).gradients
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
            f"The absolute relevance of {examples_named(far)} sums to more than {_MOST_GROWTH} "
            "times the score: the backward pass repeatedly divided by sums near zero, and large terms of both signs, "
            "which cancel, hide the other terms. Raise epsilon, for example to 0.25, or use integrated_gradients.",
            RelevanceWarning,
        ),
    )


ROWS = (
    Method(
        lrp,
        title="LRP",
        aliases=(
            "layer_wise_relevance_propagation",
            "layerwise_relevance_propagation",
            "attn_lrp",
            "attnlrp",
        ),
        summary="How much each input contributes to the score, which is distributed backwards layer by layer.",
        paper="Bach et al. 2015, doi:10.1371/journal.pone.0130140; Kohlbrenner et al. 2019, arXiv:1910.09840; "
        "Achtibat et al. 2024, arXiv:2402.05602",
        needs=frozenset({"outputs", "backward_rules"}),
        begins_with="epsilon",
        forms_points=False,
        layer="may",
        options=(
            one_of(
                "rule",
                "epsilon_plus",
                ("epsilon_plus", "epsilon"),
                "How sums pass on relevance: 'epsilon' to all terms, 'epsilon_plus' in convolutions to positive terms.",
            ),
            positive("epsilon", 1e-9, "Added to the absolute value of a sum before dividing by it."),
        ),
        refused_engines={
            "captum": "its LRP works module by module: it refuses a layer that is called twice, ignores "
            "functions, and changes the model's weights while it runs"
        },
    ),
)
