"""`explain.attribute` with ``checks=True``: the evidence that a map brings with it, in numbers and in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from explain.algorithms.catalogue import find_method
from explain.algorithms.completeness import allowed_relative_delta
from explain.algorithms.method import resolved_options
from explain.errors import ExplainError, OptionError
from explain.explanation.again.arguments import missing_arguments
from explain.explanation.request import Request
from explain.fingerprints import fingerprint
from explain.inputs.naming.brief import brief
from explain.metrics.catalogue import find
from explain.metrics.places import places_of
from explain.metrics.random_map import with_random_map
from explain.metrics.randomization.map_similarity import similarity_of
from explain.metrics.randomization.random_weights import random_weights
from explain.metrics.results.measurement import Floats
from explain.metrics.same_model import scores_of
from explain.metrics.subject import Subject
from explain.public_calls.progress import counted
from explain.results.attribution import Attribution
from explain.results.names import number, percent

MOST_EXAMPLES = 8
"""The checks read at most so many examples of a call, the first ones: they tell of the method on the model."""

SAME_FOR_RANDOM = 0.75
"""From this mean rank correlation on, the map of a network with shuffled weights is nearly the same map."""

STEADY = 0.8
"""Below this mean correlation, the maps of other seeds are other maps."""

_OTHER_SEEDS = 2

# No result has these arguments of its call.
_NEVER_RECORDED = ("output", "forward_kwargs", "framework", "memory_budget")

Check = dict[str, Any]


def checks_of(model: Any, attribution: Attribution, given: Mapping[str, Any]) -> tuple[Check, ...]:
    """Give the evidence of an attribution.

    Parameters
    ----------
    model : object
        The model that was explained; it is restored.
    attribution : Attribution
        Its explanation.
    given : Mapping
        The arguments of the call that the attribution does not record.

    Returns
    -------
    tuple of dict
        For each check that applies: ``"name"``, ``"value"``, ``"count"`` (of the examples that have a value),
        ``"doubtful"`` and ``"words"``. A check that cannot be made has the value None, and says why.
    """
    some = attribution[: min(len(attribution), MOST_EXAMPLES)]
    subject = Subject(model, some, given, seed=attribution.seed)
    # Whether the inputs are ids; what else is wrong, each check says by itself.
    with suppress(ExplainError):
        scores_of(subject)
    made: list[tuple[str, Callable[[Subject], Check | None]]] = [
        ("sum of the values", lambda _: _sum_of_values(attribution)),
        ("error of the map", lambda _: _map_error(attribution)),
        ("shuffled network", _randomized),
        ("other seeds", _seeds),
        ("deletion", lambda one: _removal(one, "deletion")),
        ("insertion", lambda one: _removal(one, "insertion")),
    ]
    found = []
    with counted(len(made), "checks") as work:
        for name, check in made:
            work.begins(what=f"check: {name}")
            try:
                one = check(subject)
            except ExplainError as error:
                # The map is there, and is given whatever the evidence for it runs into.
                one = _check(None, 0, False, f"Not checked: {error}")
            if one is not None:
                found.append({"name": name, **one})
            work.advance()
    return tuple(found)


def checkable(request: Request, checks: Any) -> None:
    """Refuse a call whose result cannot be checked, before it is computed.

    Parameters
    ----------
    request : Request
        The call.
    checks : object
        The argument, which is not False.

    Raises
    ------
    OptionError
        If `checks` is not True, the method finds an input, each of several inputs has an explanation of its own, or
        the output of a layer is explained.
    """
    if checks is not True:
        raise OptionError(f"checks={brief(checks)} is neither True nor False: give one of the two.")
    if request.method.drawn == "input":
        raise OptionError(
            f"checks=True checks an explanation, and {request.method.name} finds an input: leave checks out."
        )
    if request.given.structure is not None:
        raise OptionError(
            "checks=True checks the explanation of one input, and x has several: leave checks out, or give a function "
            "of one input, with the others fixed."
        )
    if request.layer is not None and request.method.layer != "map":
        raise OptionError(
            "checks=True checks an explanation of the input, and layer= explains the output of a layer: leave one of "
            "the two out."
        )


def with_checks(model: Any, attribution: Attribution, given: Mapping[str, Any]) -> Attribution:
    """Give an attribution with its evidence.

    Parameters
    ----------
    model, attribution
        As for `checks_of`.
    given : Mapping
        All arguments of the call by name: those that the attribution does not record are taken.
    """
    missing = missing_arguments({"": attribution}, "one")
    kept = {*missing, *_NEVER_RECORDED}
    own = {name: value for name, value in given.items() if name in kept and value is not None}
    made = checks_of(model, attribution, own)
    return replace(attribution, checks=made, fingerprint=fingerprint(model))


def _check(value: float | None, count: int, doubtful: bool, words: str) -> Check:
    return {"value": value, "count": count, "doubtful": doubtful, "words": words}


def _sum_of_values(attribution: Attribution) -> Check | None:
    if attribution.relative_delta is None:
        return None
    worst = float(np.max(attribution.relative_delta, initial=0.0))
    allowed = allowed_relative_delta(_tolerance(attribution))
    doubtful = not worst <= allowed
    words = (
        f"The values miss the difference of the scores by up to {percent(worst)}: raise n_steps."
        if doubtful
        else f"The values add up to the difference of the scores within {percent(worst)}."
    )
    return _check(worst, len(attribution), doubtful, words)


def _map_error(attribution: Attribution) -> Check | None:
    errors = attribution.map_error
    if errors is None or np.isnan(errors).all():
        return None
    worst = float(np.nanmax(errors))
    doubtful = worst > _tolerance(attribution)
    words = f"The map is within {percent(worst)} of the exact integral" + (
        ": raise n_steps or lower tolerance." if doubtful else "."
    )
    return _check(worst, int((~np.isnan(errors)).sum()), doubtful, words)


def _tolerance(attribution: Attribution) -> float:
    """Give the error of the map that the caller tolerates; 0 for a method that has no such option."""
    tolerance = attribution.options.get("tolerance")
    return float(tolerance) if isinstance(tolerance, (int, float)) else 0.0


def _randomized(subject: Subject) -> Check:
    with random_weights(subject) as network:
        network.randomize_all()
        places = places_of(network.explained("every layer"))
        network.check_changed()
    similar = [
        similarity_of(np.abs(subject.places.of(row)), np.abs(places.of(row)), "spearman", places.shape)
        for row in range(len(subject))
    ]
    value, count = _mean(np.array(similar))
    if value is None:
        return _check(None, 0, False, "Not checked: the maps are constant.")
    doubtful = value >= SAME_FOR_RANDOM
    words = (
        "Nearly the same map for an untrained network: do not rely on it."
        if doubtful
        else f"Another map for an untrained network (rank correlation {number(value)})."
    )
    return _check(value, count, doubtful, words)


def _seeds(subject: Subject) -> Check | None:
    if not find_method(subject.attribution.method).seeded:
        return None
    row = find("seed_stability")
    found = row.implementation(subject, resolved_options(row.name, row.options, {"n_seeds": _OTHER_SEEDS}))
    value, count = _mean(found.values)
    if value is None:
        return _check(None, 0, False, "Not checked: the maps are constant.")
    doubtful = value < STEADY
    words = (
        "Another map for another seed: draw more samples."
        if doubtful
        else f"Much the same map for other seeds (correlation {number(value)})."
    )
    return _check(value, count, doubtful, words)


def _removal(subject: Subject, name: str) -> Check:
    """Compare the map with a random one, example by example, by the area under its curve."""
    row = find(name)
    options = resolved_options(row.name, row.options, {})
    own = row.implementation(subject, options).values
    by_chance_map = subject.with_attribution(with_random_map(subject.attribution, subject.seed))
    by_chance = row.implementation(by_chance_map, options).values
    gain = by_chance - own if name == "deletion" else own - by_chance
    value, count = _mean(gain)
    if value is None:
        return _check(None, 0, False, "Not checked: the maps are constant.")
    doubtful = value <= 0
    what = "Removing" if name == "deletion" else "Putting in"
    words = (
        f"{what} its highest values first does no more than {what.lower()} random places: do not rely on its order."
        if doubtful
        else f"{what} its highest values first does more than random places do (area {number(value)})."
    )
    return _check(value, count, doubtful, words)


def _mean(values: Floats | Sequence[float]) -> tuple[float | None, int]:
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return (float(known.mean()), len(known)) if len(known) else (None, 0)
