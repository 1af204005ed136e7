"""The two sides of a correlation: what removed places are worth by the map, and what the score drops without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from explain.algorithms.method import Option
from explain.algorithms.options import one_of
from explain.metrics.drops.shares import shares_of, summed_over_places
from explain.metrics.drops.subsets import of_subsets
from explain.metrics.opened import Presence
from explain.metrics.removal import score_kind
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject


def followed_score(default: str) -> Option:
    """Give the option for the score whose drops are taken."""
    return one_of(
        "score",
        default,
        ("auto", "probability", "explained"),
        "Which score is followed: the probability of the target, or the explained score. 'auto' takes the probability "
        "where the model has classes.",
    )


def sums_and_drops(
    subject: Subject,
    options: Mapping[str, Any],
    counts: Mapping[int, int],
    subsets: Callable[[int], Presence],
) -> dict[int, tuple[Floats, Floats]]:
    """Give the sum of the values of each subset of places, and the drop of the score without it.

    Parameters
    ----------
    subject : Subject
        What is evaluated.
    options : Mapping
        ``reference`` and ``score``.
    counts, subsets
        How many subsets each example has, and which, as for `explain.metrics.drops.subsets.of_subsets`.

    Returns
    -------
    dict
        By the index of an example: the sums and the drops, each of shape (count,).
    """
    values = summed_over_places(subject, shares_of(subject))
    with subject.opened(options["reference"], score_kind(subject, options["score"])) as model:
        return of_subsets(subject, model, values, counts, subsets)
