"""Attention rollout: the product of the attentions of all layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from explain.algorithms.attention.tokens import TOKEN, of_each_example, over_input
from explain.algorithms.method import Method
from explain.algorithms.options import one_of
from explain.backends.found import Found
from explain.backends.operations.attention_rows import Attentions
from explain.inputs.examples import Array
from explain.running.problem import Problem

_FUSIONS: Mapping[str, Callable[[Array], Array]] = {
    "mean": lambda weights: weights.mean(axis=1, dtype=np.float64),
    "max": lambda weights: weights.max(axis=1).astype(np.float64),
    "min": lambda weights: weights.min(axis=1).astype(np.float64),
}


def attention_rollout(problem: Problem) -> Found:
    """Multiply the attentions of all layers, each half attention and half the token itself.

    Abnar & Zuidema, *Quantifying attention flow in transformers*, arXiv:2005.00928. The heads of a layer are fused to
    one matrix W; the token itself stands for the connection past the attention, A = 0.5 W + 0.5 I, its rows divided by
    their sums. The values are the row of the token that the score reads of the product over all layers. They sum to one
    over all tokens, and do not depend on the target.
    """
    fuse = _FUSIONS[problem.options["head_fusion"]]

    def solve(found: Attentions, read: Array | None) -> Array:
        rolled: Array = np.eye(found.n_tokens)
        for weights in found.weights:
            one = fuse(weights)
            if one.shape[-2] == found.n_tokens:
                rolled = _with_rows_of_one(0.5 * one + 0.5 * np.eye(found.n_tokens)) @ rolled
            elif read is None:
                # The query of a last attention that pools the tokens is no token, which it could be itself.
                rolled = _with_rows_of_one(one) @ rolled
        return rolled if read is None else np.matmul(read, rolled)

    shares, chosen, _ = of_each_example(problem, solve)
    return Found(values=(over_input(problem, shares),), chosen=chosen)


def _with_rows_of_one(matrix: Array) -> Array:
    sums = matrix.sum(axis=-1, keepdims=True)
    divided: Array = np.divide(matrix, sums, out=np.zeros_like(matrix), where=sums != 0)
    return divided


ROWS = (
    Method(
        attention_rollout,
        aliases=("rollout",),
        summary="How much of each token reaches the one that the score reads, through the attentions of all layers.",
        paper="Abnar & Zuidema 2020, arXiv:2005.00928",
        needs=frozenset({"outputs", "attentions"}),
        options=(
            one_of("head_fusion", "mean", tuple(_FUSIONS), "How the heads of a layer become one matrix."),
            TOKEN,
        ),
        drawn="unsigned",
        of_shape=True,
    ),
)
