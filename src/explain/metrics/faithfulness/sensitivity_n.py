"""Sensitivity-n: whether random subsets of n places are worth the drop of the score without them, for several n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.method import Option
from explain.algorithms.options import is_number, whole_number
from explain.metrics.drops.compared import followed_score, sums_and_drops
from explain.metrics.drops.subsets import random_subsets, size_of
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.opened import Presence
from explain.metrics.removal import REFERENCE
from explain.metrics.subject import Subject
from explain.results.similarity import pearson


def sensitivity_n(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the mean over n of the correlation (Pearson), over random subsets of n places, of sum and drop.

    Ancona et al., *Towards better understanding of gradient-based attribution methods*, arXiv:1711.06104.

    The curve has the correlation for each share of the places, from Σ_{i∈S} Φᵢ and f(x) − f(x without S), |S| = n. The
    mean takes each n once: of few places, several shares may be the same n. Quantus 0.6 computes something else: the
    correlation over the examples of a batch, while places are removed in descending order of their values.
    """
    shares, n_subsets = options["sizes"], options["n_subsets"]
    left_out = subject.no_information()
    sizes: dict[int, list[int]] = {}
    for row, count in enumerate(subject.places.counts.tolist()):
        if count < 2:
            left_out[row] = "It has one place or none: there is no correlation."
        elif row not in left_out:
            sizes[row] = [min(size_of(share, count), count - 1) for share in shares]

    def subsets(row: int) -> Presence:
        drawn = [random_subsets(subject, row, size, n_subsets) for size in sorted(set(sizes[row]))]
        return np.concatenate(drawn)

    counts = {row: len(set(own)) * n_subsets for row, own in sizes.items()}
    values, curve = np.full(len(subject), np.nan), np.full((len(subject), len(shares)), np.nan)
    for row, found in sums_and_drops(subject, options, counts, subsets).items():
        sums, dropped = (one.reshape(-1, n_subsets) for one in found)
        by_size = np.array([pearson(one, other) for one, other in zip(sums, dropped, strict=True)])
        distinct, numbers = np.unique(sizes[row], return_inverse=True)
        curve[row] = by_size[numbers]
        values[row] = by_size.mean()
        if np.isnan(values[row]):
            size = distinct[np.flatnonzero(np.isnan(by_size))[0]]
            left_out[row] = (
                f"All subsets of {size} have the same value or the same drop: there is no correlation."
            )
    return Measured(values, curve, np.array(shares, np.float64), left_out=left_out)


def _are_shares(value: Any) -> bool:
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(is_number(one) and 0 < one < 1 for one in value) and list(value) == sorted(set(value))


ROWS = (
    Metric(
        sensitivity_n,
        summary="The correlation of the summed values of random subsets with the drop of the score without them, for "
        "subsets of several sizes.",
        paper="Ancona et al. 2018, arXiv:1711.06104",
        better="higher",
        needs=frozenset({"scores"}),
        limits=(-1.0, 1.0),
        title="sensitivity-n",
        seeded=True,
        options=(
            Option(
                "sizes",
                (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8),
                "ascending shares of the places, each above 0 and below 1",
                _are_shares,
                "The sizes of the subsets, as shares of the places; each is at least one place and leaves one.",
                plain=tuple,
                recorded=list,
            ),
            whole_number("n_subsets", 50, 2, "The number of random subsets of each size."),
            REFERENCE,
            followed_score("explained"),
        ),
    ),
)
