"""Pointing game: whether the largest value of a map lies on the object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explain.algorithms.options import whole_number
from explain.errors import EvaluationError
from explain.metrics.localization.located import Inside, located
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject


def pointing_game(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give 1 if the largest value lies in the mask, else 0.

    Where several places have the largest value, as in maps of patches, it is the share of them that lie in the mask:
    the chance of a hit if one of them is pointed at. The mean over examples is the accuracy, hits / (hits + misses).

    Zhang et al., *Top-down neural attention by excitation backprop*, arXiv:1608.00507, section 4.2, which also
    counts points that are up to 15 pixels from the object: ``tolerance=15``. Quantus 0.6 has no tolerance, and a hit
    if any of several largest values is in the mask.
    """
    tolerance = options["tolerance"]
    if tolerance and subject.attribution.kind == "table":
        raise EvaluationError(
            f"tolerance={tolerance} of pointing_game is a distance, and the columns of a table have none: give "
            "tolerance=0."
        )
    shape = subject.places.shape

    def measure(row: int, own: Floats, inside: Inside) -> float:
        if tolerance:
            assert subject.masks is not None
            inside = (distances(subject.masks[row].reshape(shape)).ravel() <= tolerance)[
                subject.places.real[row]
            ]
        return float(inside[own == own.max()].mean())

    return located(subject, measure)


def distances(mask: Inside) -> Floats:
    """Give the distance of each place to the nearest place of a mask, in places.

    Examples
    --------
    >>> import numpy as np
    >>> distances(np.array([[True, False], [False, False]])).round(2).tolist()
    [[0.0, 1.0], [1.0, 1.41]]
    """
    from scipy.ndimage import distance_transform_edt

    found: Floats = distance_transform_edt(~mask)
    return found


ROWS = (
    Metric(
        pointing_game,
        summary="Whether the largest value of the map lies on the object: 1 or 0.",
        paper="Zhang et al. 2016, arXiv:1608.00507",
        better="higher",
        needs=frozenset({"masks"}),
        limits=(0.0, 1.0),
        options=(whole_number("tolerance", 0, 0, "How many places beside the object still count as a hit."),),
    ),
)
