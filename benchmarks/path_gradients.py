"""Integrated gradients: measures every contender on a case, at equal steps and at equal map error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Case
from benchmarks.interleaving import interleaved, ratio, spread
from benchmarks.processes import OWN, PEERS, Contender, Workplace

Array = npt.NDArray[Any]

AUTO = "explain, automatic"
SAME_STEPS = "explain, the peer's steps"
SAME_ERROR = "explain, the peer's error"
BY_TOLERANCE = "explain, the peer's error by tolerance"
AT_TOLERANCE = "explain, tolerance = the peer's error"
BARE = "bare loop"
SHAP = "SHAP"

_OURS = (AUTO, SAME_STEPS, SAME_ERROR, BY_TOLERANCE, AT_TOLERANCE)

PEER_OF = {"torch": "Captum", "tensorflow": "Xplique"}
_XPLIQUE_DEFAULT, _XPLIQUE_LARGE = 32, 256
# The tolerances that are tried are this factor apart, and so many at most: the last is 3.5 times the first, or over it.
_FINER, _MOST_TOLERANCES = 1.1, 14
# If a call takes more seconds than this, one call is enough to rate a chunk size.
_SLOW = 2.0


def default_of(peer: str) -> str:
    """Give the label of a peer with its defaults."""
    return f"{peer}, default"


def tuned_of(peer: str) -> str:
    """Give the label of a peer with its fastest number of points at once."""
    return f"{peer}, best chunk"


def measure(workplace: Workplace, case: Case, reference_nodes: int) -> dict[str, Any]:
    """Measure one case from its first call to its ratios.

    Parameters
    ----------
    workplace : Workplace
        Where the workers are.
    case : Case
        The case to measure.
    reference_nodes : int
        The number of nodes of the midpoint rule that replaces the exact integral.

    Returns
    -------
    dict
        Plain data: times, settings, errors, agreement, ratios.

    Raises
    ------
    ValueError
        If two tools do not compute the same map, which makes a comparison of their times meaningless.
    """
    peer = PEER_OF[case.framework]
    chunk, tuning = tuned(workplace, case)
    bare, bare_tuning = tuned_bare(workplace, case)
    settings: dict[str, tuple[str, str, dict[str, Any]]] = {
        AUTO: (OWN, "explain", {"n_steps": "auto", "max_steps": case.most_steps}),
        SAME_STEPS: (OWN, "explain", {"n_steps": case.steps, "rule": "midpoint"}),
        default_of(peer): (PEERS, peer.lower(), peer_settings(case, None)),
        tuned_of(peer): (PEERS, peer.lower(), peer_settings(case, chunk)),
        BARE: (OWN, "bare", bare),
    }
    if case.framework == "tensorflow":
        settings[f"{peer}, batch {_XPLIQUE_LARGE}"] = (PEERS, "xplique", peer_settings(case, _XPLIQUE_LARGE))
    if case.sampled:
        settings[SHAP] = (PEERS, "shap", {})
    made = {label: workplace.make(where, tool, case, told) for label, (where, tool, told) in settings.items()}
    agreement = agreement_of(workplace, case, made)
    errors: dict[str, Any] = {}
    search: dict[str, Any] = {}
    if not case.affine:
        reference = explained(workplace, case, reference_nodes, "midpoint")
        search = least_steps(
            workplace, case, reference, errors_of(made[default_of(peer)], reference)["median"]
        )
        settings[SAME_ERROR] = (OWN, "explain", {"n_steps": search["steps"], "rule": case.rule})
        if case.by_tolerance:
            settings[AT_TOLERANCE] = (OWN, "explain", by_tolerance(case, search["bound"]))
            largest = largest_tolerance(workplace, case, reference, search["bound"])
            if largest is not None:
                settings[BY_TOLERANCE] = (OWN, "explain", by_tolerance(case, largest))
        made |= {
            label: workplace.make(where, tool, case, told)
            for label, (where, tool, told) in settings.items()
            if label not in made
        }
        errors = {label: errors_of(contender, reference) for label, contender in made.items()}
    contenders = dict(sorted(made.items(), key=lambda item: _place(item[0])))
    seconds = interleaved(contenders, case.rounds, case.name)
    found = {
        "case": asdict(case),
        "contenders": {
            label: {
                "seconds": spread(seconds[label]),
                "settings": settings[label][2],
                "facts": summary(contenders[label].facts),
            }
            for label in contenders
        },
        "tuning": {tuned_of(peer): tuning, BARE: bare_tuning},
        "agreement": agreement,
        "errors": errors,
        "search": search,
        "ratios": ratios(seconds, peer),
    }
    for contender in contenders.values():
        contender.drop()
    return found


def peer_settings(case: Case, chunk: int | None) -> dict[str, Any]:
    """Give the settings of a peer: its steps, and its points at once; its default for None."""
    if case.framework == "torch":
        return {"n_steps": case.steps} | ({} if chunk is None else {"internal_batch_size": chunk})
    return {"steps": case.steps, "batch_size": _XPLIQUE_DEFAULT if chunk is None else chunk}


def tuned(workplace: Workplace, case: Case) -> tuple[int, dict[str, float]]:
    """Find the peer's fastest number of points at once; give it, and the seconds of each number tried."""
    tool = PEER_OF[case.framework].lower()
    found = {
        str(chunk): fastest(workplace.make(PEERS, tool, case, peer_settings(case, chunk)))
        for chunk in case.chunks
    }
    return int(min(found, key=lambda chunk: found[chunk])), found


def tuned_bare(workplace: Workplace, case: Case) -> tuple[dict[str, Any], dict[str, float]]:
    """Find the fastest split of the model and number of points at once for the hand-written loop."""
    tried = [
        {"n_steps": case.steps, "split": split, "points_at_once": chunk}
        for split in ("prefix once", "whole model")
        for chunk in case.chunks
    ]
    found = [fastest(workplace.make(OWN, "bare", case, settings)) for settings in tried]
    labels = [f"{settings['split']}, {settings['points_at_once']}" for settings in tried]
    return tried[int(np.argmin(found))], dict(zip(labels, found, strict=True))


def fastest(contender: Contender) -> float:
    """Give the better of two timings of a contender, or the first call's if it is slow; then drop the contender."""
    slow = contender.first_seconds > _SLOW
    seconds = contender.first_seconds if slow else min(contender.seconds() for _ in range(2))
    contender.drop()
    return seconds


def once(workplace: Workplace, case: Case, where: str, tool: str, settings: Mapping[str, Any]) -> Array:
    """Run a contender once, and give its map."""
    contender = workplace.make(where, tool, case, settings)
    contender.drop()
    return contender.values


def explained(workplace: Workplace, case: Case, n_steps: int, rule: str) -> Array:
    """Give our map at given steps and rule."""
    return once(workplace, case, OWN, "explain", {"n_steps": n_steps, "rule": rule})


def agreement_of(workplace: Workplace, case: Case, made: Mapping[str, Contender]) -> dict[str, Any]:
    """Check that `explain`, the peer and the bare loop give the same map with the same steps and rule."""
    peer = PEER_OF[case.framework]
    peers_rule = "gauss_legendre" if case.framework == "torch" else "trapezoid"
    ours = {rule: explained(workplace, case, case.steps, rule) for rule in (peers_rule, "midpoint")}
    found = {}
    for label, rule in ((default_of(peer), peers_rule), (tuned_of(peer), peers_rule), (BARE, "midpoint")):
        distances = relative(made[label].values, ours[rule])
        found[label] = {"rule": rule, "median": float(np.median(distances)), "most": float(distances.max())}
        if found[label]["median"] > case.agreement:
            raise ValueError(
                f"{case.name}: {label} and explain differ by a median relative L2 of {found[label]['median']:.1e} at "
                f"{case.steps} steps of rule {rule!r}, more than {case.agreement:.0e}: they compute different things."
            )
    return found


def least_steps(workplace: Workplace, case: Case, reference: Array, bound: float) -> dict[str, Any]:
    """Find the smallest number of steps with which our median error is at most a bound, one number after another.

    Start at `case.search_from`; search upwards if the error there is too large, else downwards.
    """
    tried: dict[int, float] = {}

    def reaches(n_steps: int) -> bool:
        found = explained(workplace, case, n_steps, case.rule)
        tried[n_steps] = float(np.median(relative(found, reference)))
        return tried[n_steps] <= bound

    steps = case.search_from
    if reaches(steps):
        while steps > 1 and reaches(steps - 1):
            steps -= 1
    else:
        steps = next(
            n_steps for n_steps in range(steps + 1, case.search_from + 20 * case.steps) if reaches(n_steps)
        )
    return {"steps": steps, "rule": case.rule, "bound": bound, "tried": dict(sorted(tried.items()))}


def by_tolerance(case: Case, tolerance: float) -> dict[str, Any]:
    """Give our settings for a tolerance."""
    return {"tolerance": tolerance, "max_steps": case.most_steps}


def largest_tolerance(workplace: Workplace, case: Case, reference: Array, bound: float) -> float | None:
    """Find the largest tolerance with which our median error is at most a bound; None if no tried one is small enough.

    Start at the bound; try larger ones, each by a tenth, until the error is too large, else smaller ones.
    """

    def reaches(tolerance: float) -> bool:
        found = once(workplace, case, OWN, "explain", by_tolerance(case, tolerance))
        return float(np.median(relative(found, reference))) <= bound

    if reaches(bound):
        tried = [bound * _FINER**power for power in range(_MOST_TOLERANCES)]
        return next((last for last, one in pairwise(tried) if not reaches(one)), tried[-1])
    return next((one for power in range(1, _MOST_TOLERANCES) if reaches(one := bound / _FINER**power)), None)


def relative(found: Array, reference: Array) -> Array:
    """Give the relative L2 distance of each example's map from a reference."""
    rows = [part.reshape(len(part), -1).astype(np.float64) for part in (found, reference)]
    distances: Array = np.linalg.norm(rows[0] - rows[1], axis=1) / np.linalg.norm(rows[1], axis=1)
    return distances


def errors_of(contender: Contender, reference: Array) -> dict[str, float]:
    """Summarise the errors of a contender's maps."""
    distances = relative(contender.values, reference)
    return {"median": float(np.median(distances)), "most": float(distances.max())}


def summary(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Summarise facts with one value per example by their minimum, median and maximum; copy the other facts."""
    return {
        name: {"least": min(value), "median": float(np.median(value)), "most": max(value)}
        if isinstance(value, list)
        else value
        for name, value in facts.items()
    }


def ratios(seconds: Mapping[str, list[float]], peer: str) -> dict[str, Any]:
    """Give the ratios of the peer's times to ours, and of our time to the bare loop's."""
    times = dict(seconds)
    ours = [label for label in _OURS if label in times]
    found = {
        f"{theirs} / {own}": ratio(times, theirs, own)
        for theirs in times
        if theirs.startswith((peer, SHAP))
        for own in ours
    }
    found[f"{SAME_STEPS} / {BARE}"] = ratio(times, SAME_STEPS, BARE)
    return found


def _place(label: str) -> int:
    """Give the sort key of a label: our contenders first, the bare loop and SHAP last."""
    last = (BARE, SHAP)
    return (
        _OURS.index(label) if label in _OURS else len(_OURS) + (1 + last.index(label) if label in last else 0)
    )
