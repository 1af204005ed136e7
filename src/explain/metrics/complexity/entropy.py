"""Complexity: on how many places a map is spread, by the entropy of their shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.metrics.measured import Measured, one_by_one
from explain.metrics.metric import Metric
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject


def complexity(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the entropy of the shares that the places have in the map, in nats.

    −Σ pᵢ ln pᵢ with pᵢ = |aᵢ| / Σⱼ |aⱼ|: 0 if all is on one place, ln P if P places have equal sizes.

    Bhatt, Weller & Moura, *Evaluating and aggregating feature-based model explanations*, arXiv:2005.00631,
    definition 4. Quantus 0.6 adds 1e-12 to each share before the logarithm, and takes values, not places.
    """

    def measure(row: int) -> float | str:
        own = np.abs(subject.places.of(row))
        return entropy(own) if own.any() else "The map is zero: its places have no shares."

    return one_by_one(len(subject), measure)


def entropy(sizes: Floats) -> float:
    """Give the entropy of the shares of numbers of at least zero, one of which is larger.

    Examples
    --------
    >>> entropy(np.array([3.0, 0.0])), round(entropy(np.array([2.0, 2.0])), 4)
    (0.0, 0.6931)
    """
    shares = sizes[sizes > 0] / sizes.sum()
    return abs(float(shares @ np.log(shares)))


ROWS = (
    Metric(
        complexity,
        summary="On how many places the map is spread: the entropy of the shares of their sizes.",
        paper="Bhatt, Weller & Moura 2020, arXiv:2005.00631",
        better="lower",
        limits=(0.0, float("inf")),
        aliases=("entropy",),
    ),
)
