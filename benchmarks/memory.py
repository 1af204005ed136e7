"""Compares the peak memory of a large call with the need of one chunk of its points, each in a fresh process."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from benchmarks.cases import Case
from benchmarks.path_gradients import PEER_OF, peer_settings
from benchmarks.processes import OWN, PEERS, Workplace

FIRST, LATER = "explain, first call", "explain, a later call"


def measure(workplace: Workplace, case: Case, examples: int, n_steps: int) -> dict[str, Any]:
    """Measure the growth of a process while it explains many examples with many steps.

    Parameters
    ----------
    workplace : Workplace
        Where the workers are.
    case : Case
        The model.
    examples, n_steps : int
        The number of examples and of steps.

    Returns
    -------
    dict
        Bytes of growth by contender, and two ratios to the need of one chunk, which is only the forward and the
        backward pass of its points: our first call, which searches for the best chunk, over the largest chunk that
        it tried; and a later call over the chunk that it uses.
    """
    many = replace(case, name=f"{case.name}-memory", examples=examples, steps=n_steps)
    workplace.prepare(many)
    own = {"n_steps": n_steps, "rule": "midpoint"}
    calls = _growth(workplace, OWN, "explain", many, own, calls=3)
    grown = {FIRST: calls[0]["bytes"], LATER: calls[-1]["bytes"]}
    chunks = {FIRST: calls[0]["facts"]["largest chunk"], LATER: calls[-1]["facts"]["batch_size"]}
    needs = {}
    for chunk in sorted(set(chunks.values())):
        one = replace(case, name=f"{case.name}-chunk-{chunk}", examples=chunk)
        workplace.prepare(one)
        needs[chunk] = _growth(workplace, OWN, "bare saliency", one, {}, calls=1)[0]["bytes"]
    peer = PEER_OF[case.framework]
    settings = peer_settings(many, max(256, examples) if case.framework == "torch" else 256)
    theirs = _growth(workplace, PEERS, peer.lower(), many, settings, calls=1)[0]["bytes"]
    return {
        "case": asdict(many),
        "bytes": {
            **grown,
            **{f"one chunk of {chunk}": need for chunk, need in needs.items()},
            f"{peer}, {max(256, examples)} at once": theirs,
        },
        "input bytes": int(np.prod((examples, *case.shape))) * 4,
        "ratios": {
            label: {"chunk": chunk, "ratio": grown[label] / needs[chunk]} for label, chunk in chunks.items()
        },
    }


def _growth(
    workplace: Workplace, where: str, tool: str, case: Case, settings: dict[str, Any], calls: int
) -> list[dict[str, Any]]:
    """Give the growth and the facts of each of several calls in a fresh process."""
    worker = workplace.fresh_worker(where, case.framework)
    # A tiny call on another copy of the model loads the libraries' kernels, which do not count as a tool's memory.
    tiny = replace(case, name=f"{case.name}-tiny", examples=2, steps=2)
    workplace.prepare(tiny)
    few = {**settings, **{name: 2 for name in ("n_steps", "steps") if name in settings}}
    worker.ask("make", contender=tool, case=asdict(tiny), settings=few)
    made = worker.ask("make", contender=tool, case=asdict(case), settings=settings, warm=False)
    answers = [worker.ask("peak", number=made["number"]) for _ in range(calls)]
    worker.stop()
    return answers
