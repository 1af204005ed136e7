"""Relevance mass and rank accuracy: how much of a map lies on the object, by its sum and by its largest values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.metrics.localization.located import located, positive_share, share_in_top
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.subject import Subject


def relevance_mass_accuracy(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the share of the positive relevance that lies in the mask.

    Σ_{i in mask} aᵢ⁺ / Σᵢ aᵢ⁺ with aᵢ⁺ = max(aᵢ, 0), where aᵢ is the sum over the channels of a place.

    Arras, Osman & Samek, *CLEVR-XAI*, arXiv:2003.07258, section 3.3; the paper also pools channels by norms. Quantus
    0.6 takes signed values, so that its share may leave [0, 1]; of maps without negative values it is the same.
    """
    return located(subject, lambda row, own, inside: positive_share(own, inside))


def relevance_rank_accuracy(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the share of the K places with the largest values that lie in the mask, where K is its number of places.

    Of values that are equal to the K-th largest, the expected share is taken.

    Arras, Osman & Samek, *CLEVR-XAI*, arXiv:2003.07258, section 3.3. Quantus 0.6 breaks ties by an unstable sort.
    """
    return located(subject, lambda row, own, inside: share_in_top(own, inside, int(np.count_nonzero(inside))))


_PAPER = "Arras, Osman & Samek 2022, arXiv:2003.07258"

ROWS = (
    Metric(
        relevance_mass_accuracy,
        summary="The share of the positive values' sum that lies on the object.",
        paper=_PAPER,
        better="higher",
        needs=frozenset({"masks"}),
        limits=(0.0, 1.0),
    ),
    Metric(
        relevance_rank_accuracy,
        summary="The share of the largest values, as many as the object has places, that lie on it.",
        paper=_PAPER,
        better="higher",
        needs=frozenset({"masks"}),
        limits=(0.0, 1.0),
    ),
)
