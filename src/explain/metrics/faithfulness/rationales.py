"""Sufficiency and comprehensiveness: what the score is with only the largest values, and without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.removal import REFERENCE, SCORE, followed, fractions, ranks, score_kind
from explain.metrics.subject import Subject


def sufficiency(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give how much of the score is lost if only the places with the largest values are kept.

    The mean over some fractions q of ``f(x) − f(only the top q of the places)``, DeYoung et al., *ERASER: A benchmark
    to evaluate rationalized NLP models*, arXiv:1911.03429. At each fraction ``⌈q · F⌉`` of the F places are
    the rationale, as in the authors' scorer; their formula also has an empty rationale, their scorer does not.
    """
    return _of_rationales(subject, options, keep=True)


def comprehensiveness(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give how much of the score is lost without the places with the largest values.

    The mean over some fractions q of ``f(x) − f(x without the top q of the places)``; DeYoung et al., arXiv:1911.03429;
    see `sufficiency`.
    """
    return _of_rationales(subject, options, keep=False)


def _of_rationales(subject: Subject, options: Mapping[str, Any], *, keep: bool) -> Measured:
    """Give the drop of the score with only the rationale of each fraction, or without it."""
    shares = np.array(options["fractions"])
    # A share of the drop to the reference needs the score with nothing kept.
    n_ends = 1 if score_kind(subject, options["score"]) is None else 0

    def kept(row: int) -> npt.NDArray[np.bool_]:
        order = ranks(subject.places.of(row))
        top = order < rationale_sizes(len(order), shares)[:, np.newaxis]
        whole = np.ones((1, len(order)), bool)
        return np.concatenate([whole, top if keep else ~top, ~whole.repeat(n_ends, axis=0)])

    scores, left_out = followed(subject, options, kept, 1 + len(shares) + n_ends)
    left_out |= subject.no_information()
    drops = scores[:, :1] - scores[:, 1 : 1 + len(shares)]
    values = drops.mean(axis=1)
    values[list(left_out)] = np.nan
    return Measured(values, drops, shares, left_out=left_out)


def rationale_sizes(count: int, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Give the number of places that are some shares of `count` places, rounded up.

    Examples
    --------
    >>> rationale_sizes(100, np.array([0.001, 0.07, 0.5])).tolist()
    [1, 7, 50]
    """
    # 0.07 times 100 is a little above 7 in floating point.
    return np.ceil(count * shares - 1e-9).astype(np.int64)


_PAPER = "DeYoung et al. 2020, arXiv:1911.03429"
_OPTIONS = (
    fractions(
        (0.01, 0.05, 0.1, 0.2, 0.5),
        "The shares of the places that are the rationale, those with the largest values.",
    ),
    REFERENCE,
    SCORE,
)

ROWS = (
    Metric(
        sufficiency,
        summary="How much of the score is lost if only the places with the largest values are kept.",
        paper=_PAPER,
        better="lower",
        needs=frozenset({"scores"}),
        options=_OPTIONS,
    ),
    Metric(
        comprehensiveness,
        summary="How much of the score is lost without the places with the largest values.",
        paper=_PAPER,
        better="higher",
        needs=frozenset({"scores"}),
        options=_OPTIONS,
    ),
)
