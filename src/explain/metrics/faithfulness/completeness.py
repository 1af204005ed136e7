"""Completeness: how far the sum of the values is from the difference of the scores that they explain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.method import Option
from explain.errors import EvaluationError
from explain.metrics.drops.shares import shares_of
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.removal import REFERENCE
from explain.metrics.subject import Subject


def completeness(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give |Σ Φᵢ − (f(x) − f(x₀))| for the reference x₀ and the explained score f, relative to |f(x) − f(x₀)|.

    Sundararajan, Taly & Yan, *Axiomatic Attribution for Deep Networks*, arXiv:1703.01365, proposition 1.

    With `relative` False it is the distance itself, in units of the score. Quantus 0.6 only tells whether the two are
    equal to the last bit, after dividing the map by its largest value.
    """
    reference = options["reference"]
    if isinstance(reference, str) and reference == "baseline":
        _check_baseline(subject)
    sums = shares_of(subject).reshape(len(subject), -1).sum(axis=1)
    with subject.opened(reference) as model:

        def nothing(row: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
            return np.zeros((1, int(subject.places.counts[row])), bool)

        differences = model.scores - model.scores_keeping(nothing, 1)[:, 0]
    values = np.abs(sums - differences)
    if not options["relative"]:
        return Measured(values)
    same = np.flatnonzero(differences == 0)
    values[same] = np.nan
    np.divide(values, np.abs(differences), out=values, where=differences != 0)
    return Measured(
        values, left_out={int(row): "The score at the reference is that of the input." for row in same}
    )


def _check_baseline(subject: Subject) -> None:
    """Refuse what was compared with other inputs than with zeros, if these are not known."""
    attribution = subject.attribution
    rule = attribution.baseline_rule.get("rule")
    if rule == "references":
        raise EvaluationError(
            f"metrics='completeness' compares with one reference, but method={attribution.method!r} compared the input "
            "with a set of them, which the attribution does not record: read its delta, or give reference=."
        )
    if rule in ("tokens", "string") and "baseline" not in subject.arguments:
        raise EvaluationError(
            "metrics='completeness' compares with the baseline of the attribution, which does not record its tokens: "
            "give baseline= as it was given to explain.attribute."
        )


ROWS = (
    Metric(
        completeness,
        summary="How far the sum of the values is from the difference of the scores at the input and the reference.",
        paper="Sundararajan, Taly & Yan 2017, arXiv:1703.01365",
        better="lower",
        needs=frozenset({"scores"}),
        limits=(0.0, float("inf")),
        options=(
            REFERENCE,
            Option(
                "relative",
                True,
                "True or False",
                lambda value: isinstance(value, bool),
                "Whether the distance is divided by the size of the difference of the scores.",
            ),
        ),
    ),
)
