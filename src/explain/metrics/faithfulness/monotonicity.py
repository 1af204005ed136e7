"""Monotonicity: whether the score never falls while places are put into the reference, the least important first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.method import Option
from explain.algorithms.options import whole_number
from explain.metrics.drops.compared import followed_score
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.opened import Presence
from explain.metrics.removal import REFERENCE, ranks, removed_counts, score_kind
from explain.metrics.subject import Subject

# A fall below this share of the greatest score is rounding: scores may be in single precision.
_ROUNDING = 1e-6


def monotonicity(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the share of the steps at which the score does not fall, while places are put into the reference.

    Arya et al., *One Explanation Does Not Fit All*, arXiv:1909.03012, with the code of AI Explainability 360; after
    Luss et al., arXiv:1905.12698.

    Places are put in by ascending values, with their signs as in the authors' code, or by their sizes with
    `absolute`. The authors tell only whether the score never falls: then the share is 1. They leave out the step from
    the bare reference. A model that is a sum of its places gets the same share for each order, one place at a time:
    the metric tells maps apart only where places act together. Quantus 0.6 puts nothing in (it replaces the reference
    by itself), so that its result is always true.
    """
    n_steps, places = options["n_steps"], subject.places
    counts = [removed_counts(count, n_steps) for count in places.counts.tolist()]

    def kept(row: int) -> Presence:
        own = places.of(row)
        ascending = ranks(-np.abs(own) if options["absolute"] else -own)
        found: Presence = ascending < counts[row][:, np.newaxis]
        return found

    with subject.opened(options["reference"], score_kind(subject, options["score"])) as model:
        curve = model.scores_keeping(kept, n_steps + 1)
    left_out = subject.no_information()
    values = np.full(len(subject), np.nan)
    for row, scores in enumerate(curve):
        rounding = _ROUNDING * np.abs(scores).max()
        if np.ptp(scores) <= rounding:
            left_out[row] = "The score is the same at each step from the reference to the input."
        elif row not in left_out:
            # With fewer places than steps, some steps put nothing in.
            steps = np.diff(counts[row]) > 0
            values[row] = np.mean(np.diff(scores)[steps] >= -rounding)
    return Measured(values, curve, np.linspace(0, 1, n_steps + 1), left_out=left_out)


ROWS = (
    Metric(
        monotonicity,
        summary="The share of steps at which the score does not fall while places are put into the reference, the "
        "least important first.",
        paper="Arya et al. 2019, arXiv:1909.03012",
        better="higher",
        needs=frozenset({"scores"}),
        limits=(0.0, 1.0),
        options=(
            whole_number("n_steps", 64, 1, "In how many equal steps all places are put in."),
            Option(
                "absolute",
                False,
                "True or False",
                lambda value: isinstance(value, bool),
                "Whether the sizes of the values say what is important, not the values with their signs.",
            ),
            REFERENCE,
            followed_score("auto"),
        ),
    ),
)
