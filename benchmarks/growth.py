"""How the time of a call grows with the steps, the batch, the side of a picture and the size of a model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.cases import Case
from benchmarks.interleaving import interleaved, spread
from benchmarks.path_gradients import PEER_OF, default_of
from benchmarks.processes import OWN, PEERS, Workplace

OURS = "explain"
_POINTS = 64

_BASE = Case("growth", "convolutional", "torch", 16, (3, 32, 32))

# Each axis starts from its own base case; only the value on the axis changes.
_AXES: dict[str, tuple[Case, tuple[int, ...]]] = {
    "steps": (_BASE, (10, 25, 50, 100, 200)),
    "examples": (_BASE, (1, 4, 16, 64)),
    "side": (replace(_BASE, examples=4), (32, 64, 96, 128)),
    "width": (replace(_BASE, examples=8), (8, 16, 32, 64)),
}


def measure(workplace: Workplace, *, quick: bool) -> dict[str, Any]:
    """Time `explain`, Captum with its defaults and Captum with few points at once along each axis.

    Returns
    -------
    dict
        For each axis, its values and, for each contender, the spread of seconds at each value.
    """
    found = {}
    for axis, (base, values) in _AXES.items():
        base = replace(base, device=workplace.device)
        base = replace(base, examples=2, steps=5) if quick else base
        rows: dict[str, list[dict[str, Any]]] = {}
        values = values[:2] if quick else values
        for value in values:
            for name, times in _timed(workplace, _along(base, axis, value), rounds=1 if quick else 3).items():
                rows.setdefault(name, []).append(spread(times))
        found[axis] = {"values": list(values), "seconds": rows}
    return found


def _along(base: Case, axis: str, value: int) -> Case:
    """Set the value of a case on an axis."""
    name = f"growth-{axis}-{value}"
    if axis == "side":
        return replace(base, name=name, shape=(3, value, value))
    return replace(base, name=name, **{axis: value})


def _timed(workplace: Workplace, case: Case, rounds: int) -> dict[str, list[float]]:
    peer = PEER_OF[case.framework]
    steps, points = {"n_steps": case.steps}, max(_POINTS, case.examples)
    contenders = {
        OURS: workplace.make(OWN, "explain", case, {**steps, "rule": "midpoint"}),
        default_of(peer): workplace.make(PEERS, "captum", case, steps),
        f"{peer}, {_POINTS} points": workplace.make(
            PEERS, "captum", case, {**steps, "internal_batch_size": points}
        ),
    }
    seconds = interleaved(contenders, rounds, case.name)
    for contender in contenders.values():
        contender.drop()
    return seconds
