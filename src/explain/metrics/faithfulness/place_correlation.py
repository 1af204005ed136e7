"""Faithfulness estimate: whether each place is worth what the score drops when it alone is removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.metrics.drops.compared import followed_score, sums_and_drops
from explain.metrics.drops.groups import N_GROUPS, groups_of, members
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.removal import REFERENCE
from explain.metrics.subject import Subject
from explain.results.similarity import pearson


def faithfulness_estimate(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the correlation (Pearson) over the places of Φᵢ and f(x) − f(x without i).

    Alvarez-Melis & Jaakkola, *Towards Robust Interpretability with Self-Explaining Neural Networks*, arXiv:1806.07538.

    With more places than `n_groups`, neighbours are removed together and their values are summed. Quantus 0.6 groups
    by value instead, in descending order, and follows the logit by default.
    """
    left_out = subject.no_information()
    groups, counts = groups_of(subject.places, options["n_groups"]), {}
    for row, own in enumerate(groups):
        if own.max(initial=0) < 1:
            left_out[row] = "It has one place or none: there is no correlation."
        elif row not in left_out:
            counts[row] = 1 + int(own.max())
    found = sums_and_drops(subject, options, counts, lambda row: members(groups[row]))
    values = np.full(len(subject), np.nan)
    for row, (sums, dropped) in found.items():
        values[row] = pearson(sums, dropped)
        if np.isnan(values[row]):
            left_out[row] = "All places have the same value or the same drop: there is no correlation."
    return Measured(values, left_out=left_out)


ROWS = (
    Metric(
        faithfulness_estimate,
        summary="The correlation of the value of each place with the drop of the score when it alone is removed.",
        paper="Alvarez-Melis & Jaakkola 2018, arXiv:1806.07538",
        better="higher",
        needs=frozenset({"scores"}),
        limits=(-1.0, 1.0),
        options=(N_GROUPS, REFERENCE, followed_score("auto")),
    ),
)
