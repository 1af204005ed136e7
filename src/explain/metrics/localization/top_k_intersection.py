"""Top-k intersection: how many of the largest values of a map lie on the object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.method import Option
from explain.algorithms.options import is_count, is_number
from explain.errors import EvaluationError
from explain.metrics.localization.located import Inside, located, share_in_top
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject


def top_k_intersection(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the share of the k places with the largest values that lie in the mask.

    With ``concept_influence=True`` it is divided by the share of all places that the mask has, so that 1 is what a
    map without any relation to the mask has. Of values that are equal to the k-th largest, the expected share is taken.

    Theiner, Müller-Budack & Ewerth, *Interpretable semantic photo geolocation*, arXiv:2104.14995. Quantus 0.6 takes
    k=1000, which is the default share of a picture of 224 × 224, and breaks ties by an unstable sort.
    """
    k, least = options["k"], int(subject.places.counts.min())
    if is_count(k) and k >= least:
        row = int(np.argmin(subject.places.counts))
        raise EvaluationError(
            f"k={k} of top_k_intersection is not below the number of places of example {row}, {least}: give fewer, or "
            "a share of the places such as 0.02."
        )

    def measure(row: int, own: Floats, inside: Inside) -> float:
        found = share_in_top(own, inside, k if is_count(k) else max(1, math.floor(k * len(own) + 0.5)))
        return found / float(inside.mean()) if options["concept_influence"] else found

    return located(subject, measure)


ROWS = (
    Metric(
        top_k_intersection,
        summary="The share of the k largest values that lie on the object.",
        paper="Theiner, Müller-Budack & Ewerth 2021, arXiv:2104.14995",
        better="higher",
        needs=frozenset({"masks"}),
        limits=(0.0, float("inf")),
        options=(
            Option(
                "k",
                0.02,
                "a whole number of at least 1, or a share between 0 and 1",
                lambda value: is_count(value) or (is_number(value) and 0 < value < 1),
                "How many of the largest values: a number, or a share of the places.",
            ),
            Option(
                "concept_influence",
                False,
                "True or False",
                lambda value: isinstance(value, (bool, np.bool_)),
                "Whether the share is divided by the share of the places that are in the mask.",
                plain=bool,
            ),
        ),
    ),
)
