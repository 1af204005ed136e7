"""Seed stability: how far the map is that of another seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.catalogue import find_method, methods
from explain.algorithms.options import whole_number
from explain.errors import EvaluationError
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.places import places_of
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject

# Tells these draws from those of other metrics with the same seed.
_KEY = 2

_SEEDS = 2**31


def seed_stability(subject: Subject, options: Mapping[str, Any]) -> Measured:
    r"""Give the mean correlation of the map with those of other seeds, of a method that draws random numbers.

    .. math:: \frac{1}{K} \sum_k \rho(\Phi_{s_k}(x), \Phi_s(x))

    where ρ is Pearson's correlation over the places that are not padding, and s is the seed of the attribution. One
    where the draws do not matter, for example because KernelSHAP has every coalition. The spread over runs is that of
    Visani et al., *Statistical stability indices for LIME*, arXiv:2001.11757, measured by the map itself. Quantus 0.6
    has no such metric.

    Parameters
    ----------
    subject : Subject
        What is evaluated, with N examples.
    options : Mapping
        ``n_seeds``.

    Returns
    -------
    Measured
        Values of shape (N,).

    Raises
    ------
    EvaluationError
        If the method draws nothing.
    """
    attribution = subject.attribution
    redrawn = _redrawn(subject)
    if not (find_method(attribution.method).seeded or redrawn):
        drawing = ", ".join(row.name for row in methods() if row.seeded and row.drawn != "input")
        raise EvaluationError(
            f"metrics='seed_stability' compares maps of other seeds, but method={attribution.method!r} draws nothing: "
            f"its map does not depend on a seed. Leave the metric out, or evaluate one of {drawing}."
        )
    every = np.arange(len(subject))
    correlations = np.empty((len(subject), options["n_seeds"]))
    for column, seed in enumerate(other_seeds(subject, options["n_seeds"])):
        again = places_of(subject.explained_again(every, seed=seed, **redrawn)).values
        for row in range(len(subject)):
            real = subject.places.real[row]
            correlations[row, column] = _correlation(subject.places.of(row), again[row, real])
    values = correlations.mean(axis=1)
    left_out = {
        int(row): "With another seed the map is constant." for row in np.flatnonzero(np.isnan(values))
    }
    left_out |= subject.no_information()
    values[list(left_out)] = np.nan
    return Measured(values, left_out=left_out)


def other_seeds(subject: Subject, count: int) -> list[int]:
    """Give other seeds than that of the attribution.

    Parameters
    ----------
    subject : Subject
        What is evaluated; its seed decides.
    count : int
        How many.

    Returns
    -------
    list of int
        Whole numbers, one after the other.

    Examples
    --------
    >>> import explain
    >>> a = explain.Attribution(np.ones((1, 2)), np.ones((1, 2)), "NC", "lime", np.ones(1), seed=7)
    >>> seeds = other_seeds(Subject(None, a, {}), 3)
    >>> len(set(seeds)), 7 in seeds
    (3, False)
    """
    first = int(subject.generator(_KEY).integers(_SEEDS))
    return [seed for seed in range(first, first + count + 1) if seed != subject.attribution.seed][:count]


def _redrawn(subject: Subject) -> dict[str, Any]:
    """Give the arguments by which a baseline that was drawn is drawn anew."""
    rule = subject.attribution.baseline_rule
    if rule.get("rule") != "uniform":
        return {}
    return {"baseline": "uniform", "bounds": tuple(rule["bounds"])}


def _correlation(one: Floats, other: Floats) -> float:
    """Give Pearson's correlation; NaN if one of the two is constant."""
    if not one.size or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    first, second = one - one.mean(), other - other.mean()
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


ROWS = (
    Metric(
        seed_stability,
        summary="How far the map is that of another seed: the mean correlation over the places.",
        paper="Visani et al. 2020, arXiv:2001.11757",
        better="higher",
        needs=frozenset({"explanations"}),
        limits=(-1.0, 1.0),
        options=(whole_number("n_seeds", 5, 1, "With how many other seeds the map is compared."),),
        seeded=True,
    ),
)
