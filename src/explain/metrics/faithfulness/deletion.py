"""Deletion: how fast the score falls when the places with the largest values are removed first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.options import whole_number
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.removal import REFERENCE, SCORE, area, removal_curve
from explain.metrics.subject import Subject


def deletion(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the area under the score while places are removed, those with the largest values first.

    Petsiuk, Das & Saenko, *RISE*, arXiv:1806.07421, section 4.2.
    """
    curve, left_out = removal_curve(subject, options)
    left_out |= subject.no_information()
    values = area(curve)
    values[list(left_out)] = np.nan
    return Measured(values, curve, np.linspace(0, 1, curve.shape[1]), left_out=left_out)


ROWS = (
    Metric(
        deletion,
        summary="The area under the score while the places with the largest values are removed first.",
        paper="Petsiuk, Das & Saenko 2018, arXiv:1806.07421",
        better="lower",
        needs=frozenset({"scores"}),
        aliases=("deletion_auc",),
        options=(
            whole_number("n_steps", 32, 1, "In how many equal steps all places are removed."),
            REFERENCE,
            SCORE,
        ),
    ),
)
