"""Insertion: how fast the score rises when the places with the largest values are put in first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.options import whole_number
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.removal import REFERENCE, SCORE, area, removal_curve
from explain.metrics.subject import Subject


def insertion(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the area under the score while places are put into the reference, those with the largest values first.

    Petsiuk, Das & Saenko, *RISE*, arXiv:1806.07421, section 4.2.
    """
    curve, left_out = removal_curve(subject, options, insertion=True)
    left_out |= subject.no_information()
    values = area(curve)
    values[list(left_out)] = np.nan
    return Measured(values, curve, np.linspace(0, 1, curve.shape[1]), left_out=left_out)


ROWS = (
    Metric(
        insertion,
        summary="The area under the score while the places with the largest values are put into the reference first.",
        paper="Petsiuk, Das & Saenko 2018, arXiv:1806.07421",
        better="higher",
        needs=frozenset({"scores"}),
        aliases=("insertion_auc",),
        options=(
            whole_number("n_steps", 32, 1, "In how many equal steps all places are put in."),
            REFERENCE,
            SCORE,
        ),
    ),
)
