"""Effective complexity: how many places of a map are not negligible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.options import from_0_to_1, one_of
from explain.metrics.measured import Measured, one_by_one
from explain.metrics.metric import Metric
from explain.metrics.subject import Subject


def effective_complexity(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the number of places whose size exceeds a share of the largest one.

    #{i : |aᵢ| > tolerance · maxⱼ |aⱼ|}, or this number divided by the number of places with ``unit="share"``.

    Nguyen & Rodríguez Martínez, *On quantitative aspects of model interpretability*, arXiv:2007.07584, whose value is
    a number of features, so that ``unit="places"`` is the default. The paper takes features as negligible if the
    model's expected loss without them stays below a tolerance; this reads the map alone, as Quantus 0.6 does, which
    takes the largest size of all examples of a call, and values, not places. At the default tolerance few maps
    have negligible places: compare dense maps at a larger one.
    """

    def measure(row: int) -> float | str:
        own = np.abs(subject.places.of(row))
        if not own.any():
            return "The map is zero: none of its places is larger than others."
        number = np.count_nonzero(own > options["tolerance"] * own.max())
        return float(number / len(own) if options["unit"] == "share" else number)

    return one_by_one(len(subject), measure)


ROWS = (
    Metric(
        effective_complexity,
        summary="How many places of the map have a size that is not negligible beside the largest.",
        paper="Nguyen & Rodríguez Martínez 2020, arXiv:2007.07584",
        better="lower",
        limits=(0.0, float("inf")),
        options=(
            from_0_to_1(
                "tolerance",
                1e-5,
                "The size, as a share of the largest one, up to which a place is negligible.",
            ),
            one_of(
                "unit",
                "places",
                ("places", "share"),
                "Whether the places are counted, or are a share of all places.",
            ),
        ),
    ),
)
