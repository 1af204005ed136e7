"""Peak memory of a large call against what one chunk of its points needs, each in a fresh process."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from benchmarks.cases import Case
from benchmarks.path_gradients import PEER_OF, peer_settings
from benchmarks.processes import OWN, PEERS, Workplace

FIRST, LATER, CHUNK = "explain, first call", "explain, a later call", "one chunk"


def measure(workplace: Workplace, case: Case, examples: int, n_steps: int) -> dict[str, Any]:
    """Measure by how much a process grows while it explains many examples at many steps.

    Parameters
    ----------
    workplace : Workplace
        Where the workers are.
    case : Case
        The model.
    examples, n_steps : int
        How many.

    Returns
    -------
    dict
        Bytes of growth by contender, how many points were in memory at once, and the ratio of our first
        call, which also looks for the best chunk, to one chunk's need: the forward and the backward pass
        of that many points and nothing else.
    """
    many = replace(case, name=f"{case.name}-memory", examples=examples, steps=n_steps)
    workplace.prepare(many)
    own = {"n_steps": n_steps, "rule": "midpoint"}
    first, facts, later = _growth(workplace, OWN, "explain", many, own, calls=2)
    chunk = facts["batch_size"]
    one = replace(case, name=f"{case.name}-chunk", examples=chunk)
    workplace.prepare(one)
    need, _, _ = _growth(workplace, OWN, "bare saliency", one, {}, calls=2)
    peer = PEER_OF[case.framework]
    settings = peer_settings(many, max(256, examples) if case.framework == "torch" else 256)
    theirs, _, _ = _growth(workplace, PEERS, peer.lower(), many, settings, calls=1)
    return {
        "case": asdict(many),
        "points at once": chunk,
        "bytes": {FIRST: first, LATER: later, CHUNK: need, f"{peer}, {max(256, examples)} at once": theirs},
        "input bytes": int(np.prod((examples, *case.shape))) * 4,
        "ratio": first / need,
        "ratio later": later / need,
    }


def _growth(
    workplace: Workplace, where: str, tool: str, case: Case, settings: dict[str, Any], calls: int
) -> tuple[int, dict[str, Any], int]:
    """Give the growth during the first and the last of some calls in a process that is otherwise fresh."""
    worker = workplace.fresh_worker(where, case.framework)
    # A tiny call on a model of its own loads the libraries' kernels, which are no part of any tool's need.
    tiny = replace(case, name=f"{case.name}-tiny", examples=2, steps=2)
    workplace.prepare(tiny)
    few = {**settings, **{name: 2 for name in ("n_steps", "steps") if name in settings}}
    worker.ask("make", contender=tool, case=asdict(tiny), settings=few)
    made = worker.ask("make", contender=tool, case=asdict(case), settings=settings, warm=False)
    answers = [worker.ask("peak", number=made["number"]) for _ in range(calls)]
    worker.stop()
    return answers[0]["bytes"], answers[0]["facts"], answers[-1]["bytes"]
