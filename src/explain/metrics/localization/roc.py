"""Localization AUC: how well the values of a map tell the object from the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.metrics.localization.located import Inside, located
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject


def localization_auc(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the area under the ROC curve of the values as a classifier of the places in the mask.

    The chance that a place of the object has a larger value than one beside it, equal values counting half: 0.5 for
    a map without any relation to the mask.

    Fawcett, *An introduction to ROC analysis*, doi:10.1016/j.patrec.2005.10.010. Quantus 0.6 has the same (``AUC``).
    """
    return located(subject, lambda row, own, inside: roc_auc(own, inside))


def roc_auc(values: Floats, inside: Inside) -> float:
    """Give the area under the ROC curve, by mean ranks.

    Examples
    --------
    >>> roc_auc(np.array([2.0, 1.0, 1.0]), np.array([True, True, False]))
    0.75
    """
    from scipy.stats import rankdata

    count = int(np.count_nonzero(inside))
    above = float(rankdata(values)[inside].sum()) - count * (count + 1) / 2
    return above / (count * (len(values) - count))


ROWS = (
    Metric(
        localization_auc,
        summary="How well the values tell the object from the rest: the area under the ROC curve.",
        paper="Fawcett 2006, doi:10.1016/j.patrec.2005.10.010",
        better="higher",
        needs=frozenset({"masks"}),
        limits=(0.0, 1.0),
        aliases=("roc_auc",),
    ),
)
