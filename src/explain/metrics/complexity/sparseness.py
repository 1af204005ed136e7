"""Sparseness: on how few places a map lies, by the Gini index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.metrics.measured import Measured, one_by_one
from explain.metrics.metric import Metric
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject


def sparseness(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the Gini index of the absolute values of the places.

    Chalasani et al., *Concise explanations of neural networks using adversarial training*, arXiv:1810.06583.
    """

    def measure(row: int) -> float | str:
        own = np.abs(subject.places.of(row))
        return gini(own) if own.any() else "The map is zero: it has no sparseness."

    return one_by_one(len(subject), measure)


def gini(sizes: Floats) -> float:
    """Give the Gini index of numbers of at least zero: 0 if all are equal, near 1 if one has everything.

    Examples
    --------
    >>> gini(np.array([1.0, 1.0])), gini(np.array([0.0, 0.0, 0.0, 1.0]))
    (0.0, 0.75)
    """
    count = len(sizes)
    weights = 2 * np.arange(1, count + 1) - count - 1
    return float(weights @ np.sort(sizes) / (count * sizes.sum()))


ROWS = (
    Metric(
        sparseness,
        summary="On how few places the map lies: the Gini index of the sizes of its values.",
        paper="Chalasani et al. 2020, arXiv:1810.06583",
        better="higher",
        limits=(0.0, 1.0),
        aliases=("gini",),
    ),
)
