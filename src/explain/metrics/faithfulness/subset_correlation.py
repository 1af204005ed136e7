"""Faithfulness correlation: whether random subsets of the places are worth what the score drops without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.options import whole_number
from explain.metrics.drops.compared import followed_score, sums_and_drops
from explain.metrics.drops.subsets import SUBSET_SIZE, random_subsets, size_of
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.opened import Presence
from explain.metrics.removal import REFERENCE
from explain.metrics.subject import Subject
from explain.results.similarity import pearson


def faithfulness_correlation(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the correlation (Pearson) over random subsets S of one size of Σ_{i∈S} Φᵢ and f(x) − f(x without S).

    Bhatt, Weller & Moura, *Evaluating and Aggregating Feature-based Model Explanations*, arXiv:2005.00631.

    What is removed becomes the reference. Quantus 0.6 takes single values of the channels for places, and its subset
    has 224 of them by default.
    """
    n_subsets = options["n_subsets"]
    left_out = subject.no_information()
    sizes = []
    for row, count in enumerate(subject.places.counts.tolist()):
        sizes.append(size_of(options["subset_size"], count))
        if sizes[row] >= count:
            left_out[row] = f"It has {count} places: a subset of {sizes[row]} leaves nothing to compare."
    counts = {row: n_subsets for row in range(len(subject)) if row not in left_out}

    def subsets(row: int) -> Presence:
        return random_subsets(subject, row, sizes[row], n_subsets)

    values = np.full(len(subject), np.nan)
    for row, (sums, dropped) in sums_and_drops(subject, options, counts, subsets).items():
        values[row] = pearson(sums, dropped)
        if np.isnan(values[row]):
            left_out[row] = "All subsets have the same value or the same drop: there is no correlation."
    return Measured(values, left_out=left_out)


ROWS = (
    Metric(
        faithfulness_correlation,
        summary="The correlation of the summed values of random subsets of places with the drop of the score without "
        "them.",
        paper="Bhatt, Weller & Moura 2020, arXiv:2005.00631",
        better="higher",
        needs=frozenset({"scores"}),
        limits=(-1.0, 1.0),
        seeded=True,
        options=(
            whole_number("n_subsets", 100, 2, "The number of random subsets of each example."),
            SUBSET_SIZE,
            REFERENCE,
            followed_score("explained"),
        ),
    ),
)
