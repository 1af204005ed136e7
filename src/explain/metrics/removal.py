"""What metrics that remove places share: in which order, how many at a time, and what the score is then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.algorithms.method import Option
from explain.algorithms.options import is_number, one_of
from explain.inputs.baseline import RULES
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject

REFERENCE = Option(
    "reference",
    "baseline",
    f"'baseline', one of {', '.join(map(repr, RULES))}, a number or an array that broadcasts to x",
    lambda value: not isinstance(value, (bool, type(None))),
    "What takes the place of what is removed: 'baseline' is the baseline of the attribution, zeros if it has none.",
    recorded=lambda value: value if isinstance(value, (str, int, float)) else "an array",
)

SCORE = one_of(
    "score",
    "auto",
    ("auto", "probability", "explained"),
    "Which score is followed: the probability of the target, or the explained score as a share of its drop from the "
    "whole input to the reference. 'auto' takes the probability where the model has classes.",
)


def fractions(default: tuple[float, ...], summary: str) -> Option:
    """Give the option ``fractions``: shares of the places, above 0 and below 1, in increasing order."""
    return Option(
        "fractions",
        default,
        "one or several numbers above 0 and below 1, in increasing order",
        _are_fractions,
        summary,
        plain=lambda value: tuple(float(one) for one in np.atleast_1d(value)),
    )


def _are_fractions(value: Any) -> bool:
    listed = value.tolist() if hasattr(value, "tolist") else value
    numbers = listed if isinstance(listed, (list, tuple)) else [listed]
    if not numbers or not all(is_number(one) and 0 < one < 1 for one in numbers):
        return False
    return all(one < other for one, other in pairwise(numbers))


def ranks(values: Floats) -> npt.NDArray[np.int64]:
    """Give the rank of each value, 0 for the largest; equal values keep their order.

    Examples
    --------
    >>> ranks(np.array([0.1, 5.0, 0.1, 2.0])).tolist()
    [2, 0, 3, 1]
    """
    found = np.empty(len(values), np.int64)
    found[np.argsort(-values, kind="stable")] = np.arange(len(values))
    return found


def removed_counts(count: int, n_steps: int) -> npt.NDArray[np.int64]:
    """Give how many of `count` places are removed at each of the steps, from none to all.

    Examples
    --------
    >>> removed_counts(10, 4).tolist()
    [0, 3, 5, 8, 10]
    """
    return np.floor(np.linspace(0, count, n_steps + 1) + 0.5).astype(np.int64)


def removal_curve(
    subject: Subject, options: Mapping[str, Any], *, insertion: bool = False
) -> tuple[Floats, dict[int, str]]:
    """Give the score while places are removed, those with the largest values first, in equal steps from none to all.

    Parameters
    ----------
    subject : Subject
        What is evaluated.
    options : Mapping
        ``n_steps``, ``reference`` and ``score``.
    insertion : bool
        Whether the places are put into the reference instead.

    Returns
    -------
    numpy.ndarray of float64
        Shape (N, n_steps + 1): probabilities, or shares of the size of the drop of the explained score.
    dict
        The examples for which there is no such share, and why.
    """
    n_steps, places = options["n_steps"], subject.places

    def kept(row: int) -> npt.NDArray[np.bool_]:
        order = ranks(places.of(row))
        removed: npt.NDArray[np.bool_] = order < removed_counts(len(order), n_steps)[:, np.newaxis]
        return removed if insertion else ~removed

    return followed(subject, options, kept, n_steps + 1, whole=-1 if insertion else 0)


def followed(
    subject: Subject,
    options: Mapping[str, Any],
    kept: Callable[[int], npt.NDArray[np.bool_]],
    n_points: int,
    *,
    whole: int = 0,
) -> tuple[Floats, dict[int, str]]:
    """Give the score that is followed, with some places kept and the others replaced.

    Parameters
    ----------
    subject : Subject
        What is evaluated.
    options : Mapping
        ``reference`` and ``score``.
    kept : callable
        From the index of an example to the places that each of its points keeps, shape (points, F). One end keeps
        all, the other none.
    n_points : int
        The number of points.
    whole : int
        Which end keeps all: 0 or -1.

    Returns
    -------
    numpy.ndarray of float64
        Shape (N, points): probabilities, or shares of the size of the drop of the explained score.
    dict
        The examples for which there is no such share, and why.
    """
    kind = score_kind(subject, options["score"])
    with subject.opened(options["reference"], kind) as model:
        scores = model.scores_keeping(kept, n_points)
    return (scores, {}) if kind is not None else as_shares(scores, whole)


def score_kind(subject: Subject, asked: str) -> str | None:
    """Give the kind of score to open the model with; None for the explained one."""
    return "probability" if asked == "probability" or (asked == "auto" and subject.has_classes()) else None


def as_shares(scores: Floats, whole: int) -> tuple[Floats, dict[int, str]]:
    """Give scores as shares of the size of the drop from the whole input to the reference, and the rows without a drop.

    The sign stays: what raises the score has a higher share, whether the whole input scores above the reference or
    below.

    Examples
    --------
    >>> as_shares(np.array([[6.0, 3.0, 2.0]]), whole=0)
    (array([[1.  , 0.25, 0.  ]]), {})
    >>> as_shares(np.array([[-6.0, -7.0, -2.0]]), whole=0)[0].tolist()
    [[-1.0, -1.25, 0.0]]
    """
    empty = scores[:, -1 if whole == 0 else 0]
    drop = scores[:, whole] - empty
    same = np.flatnonzero(drop == 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (scores - empty[:, np.newaxis]) / np.abs(drop)[:, np.newaxis]
    shares[same] = np.nan
    return shares, {int(row): "The score at the reference is that of the input." for row in same}


def held_areas(curve: Floats, n_steps: npt.NDArray[np.int64]) -> Floats:
    """Give the area under each curve from 0 to 1, of which only the first steps count: (N, K) to (N,).

    Parameters
    ----------
    curve : numpy.ndarray of float64
        Shape (N, K).
    n_steps : numpy.ndarray of int
        The number of steps of each curve, shape (N,); what is behind holds its end.

    Examples
    --------
    >>> held_areas(np.array([[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]]), np.array([2, 1])).tolist()
    [0.5, 0.5]
    """
    return np.array([area(one[np.newaxis, : n + 1])[0] for one, n in zip(curve, n_steps, strict=True)])


def area(curve: Floats) -> Floats:
    """Give the area under curves from 0 to 1 with points at equal distances, by trapezoids: (N, K) to (N,).

    Examples
    --------
    >>> area(np.array([[1.0, 0.5, 0.0]])).tolist()
    [0.5]
    """
    found: Floats = (curve[:, :-1] + curve[:, 1:]).mean(axis=1) / 2
    return found
