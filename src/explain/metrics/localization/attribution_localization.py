"""Attribution localization: how much of a map lies on the object, beside the object's size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explain.metrics.localization.located import Inside, located, positive_share
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject


def attribution_localization(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the share of the positive attribution in the mask, divided by the share of all places that the mask has.

    (R_in / R_tot) · (S_tot / S_in) with sums R over positive values and numbers of places S: 1 for a map that is
    spread evenly, more if it lies on the object; at most S_tot / S_in.

    Kohlbrenner et al., *Towards best practice in explaining neural network decisions with LRP*, arXiv:1910.09840,
    section 3; its value without the weight is `relevance_mass_accuracy`, and that of Quantus 0.6 with
    ``abs=False, positive_attributions=True``, whose ``weighted=True`` has another weight.
    """

    def measure(row: int, own: Floats, inside: Inside) -> float | str:
        share = positive_share(own, inside)
        return share if isinstance(share, str) else share / float(inside.mean())

    return located(subject, measure)


ROWS = (
    Metric(
        attribution_localization,
        summary="The share of the positive values' sum on the object, divided by the share of the places it has.",
        paper="Kohlbrenner et al. 2020, arXiv:1910.09840",
        better="higher",
        needs=frozenset({"masks"}),
        limits=(0.0, float("inf")),
    ),
)
