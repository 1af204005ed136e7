"""Gradient × attention: the attentions of all layers, weighted by the gradients of the score to them."""

from __future__ import annotations

import numpy as np

from explain.algorithms.attention.tokens import TOKEN, of_each_example, over_input
from explain.algorithms.example_warnings import zero_gradient_warnings
from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.backends.operations.attention_rows import Attentions
from explain.inputs.examples import Array
from explain.running.problem import Problem


def gradient_attention(problem: Problem) -> Found:
    """Propagate relevance through the attentions, each weighted by the positive part of gradient × attention.

    Chefer, Gur & Wolf, *Generic attention-model explainability for interpreting bi-modal and encoder-decoder
    transformers*, arXiv:2103.15679, the rule for self-attention: with Ā the mean over heads of the positive part of
    ∇A ⊙ A, the relevance R of each token to each other starts as the identity, and each layer adds Ā R. The values are
    the row of the token that the score reads, without the identity that R starts with: that each token is relevant to
    itself is the same for every input.
    """

    def solve(found: Attentions, read: Array | None) -> Array:
        identity = np.eye(found.n_tokens)
        relevance: Array = np.broadcast_to(identity, (len(found.values), *identity.shape))
        for weights, gradients in zip(found.weights, found.gradients, strict=True):
            share = np.maximum(weights.astype(np.float64) * gradients, 0).mean(axis=1)
            if share.shape[-2] == found.n_tokens:
                relevance = relevance + share @ relevance
            elif read is None:
                # The query of a last attention that pools the tokens starts without any relevance.
                pooled: Array = share @ relevance
                return pooled
        assert read is not None, "without a query of its own, a token is read"
        return read @ (relevance - identity)

    shares, chosen, is_dead = of_each_example(problem, solve)
    return Found(
        values=(over_input(problem, shares),),
        warnings=zero_gradient_warnings((~is_dead[:, np.newaxis],)),
        chosen=chosen,
    )


ROWS = (
    Method(
        gradient_attention,
        title="Gradient × attention",
        aliases=("gradient_x_attention", "grad_x_attention", "generic_attention", "chefer"),
        summary="How much each token raises the score through the attentions of all layers.",
        paper="Chefer, Gur & Wolf 2021, arXiv:2103.15679",
        needs=frozenset({"outputs", "attentions"}),
        options=(TOKEN,),
        drawn="unsigned",
        of_shape=True,
    ),
)
