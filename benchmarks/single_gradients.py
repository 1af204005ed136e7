"""Saliency: one gradient per example, in a batch, and the overhead of a call for a single picture."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from benchmarks.cases import Case
from benchmarks.interleaving import interleaved, ratio, spread
from benchmarks.path_gradients import once, relative
from benchmarks.processes import OWN, PEERS, Workplace

OURS = "explain"
BARE = "bare"
_TARGET = 3

# The tools that compute the same gradient, with their environments. Xplique takes the absolute value, and tf-explain
# one class for all examples.
_TOOLS = {
    "torch": {"Captum": (PEERS, "captum saliency"), BARE: (OWN, "bare saliency")},
    "tensorflow": {
        "tf-explain": (PEERS, "tf-explain saliency"),
        "tf-keras-vis": (PEERS, "tf-keras-vis saliency"),
        "Xplique": (PEERS, "xplique saliency"),
        BARE: (OWN, "bare saliency"),
    },
}
# A single point may lie on a kink in one tool and beside it in another; the median example does not.
_AGREEMENT = 1e-4


def measure(
    workplace: Workplace, case: Case, rounds: int, repeats: int, without: Collection[str] = ()
) -> dict[str, Any]:
    """Time the gradient of every example of a case in each tool, including `explain` and the bare loop.

    Parameters
    ----------
    workplace : Workplace
        Where the workers are.
    case : Case
        The case to measure.
    rounds, repeats : int
        The number of interleaved rounds, and of consecutive calls in each round.
    without : collection of str
        Tools that are not there.

    Returns
    -------
    dict
        Plain data: times, agreement, ratios of our time to each tool's.

    Raises
    ------
    ValueError
        If two tools do not compute the same gradient.
    """
    case = replace(case, name=f"{case.name}-saliency-{case.examples}")
    examples = workplace.prepare(case)
    np.save(workplace.folder / f"{case.name}-targets.npy", np.full(len(examples), _TARGET))
    tools: dict[str, tuple[str, str, dict[str, Any]]] = {
        OURS: (OWN, "explain", {"method": "saliency", "target": _TARGET}),
        **{name: (*tool, {}) for name, tool in _TOOLS[case.framework].items() if name not in without},
    }
    ours = once(workplace, case, *tools[OURS])
    agreement = {}
    for name, tool in tools.items():
        expected = np.abs(ours) if name == "Xplique" else ours
        agreement[name] = float(np.median(relative(once(workplace, case, *tool), expected)))
        if agreement[name] > _AGREEMENT:
            raise ValueError(
                f"{case.name}: {name} and explain differ by {agreement[name]:.1e}: not the same gradient."
            )
    contenders = {name: workplace.make(*tool[:2], case, tool[2]) for name, tool in tools.items()}
    seconds = interleaved(contenders, rounds, case.name, repeats)
    for contender in contenders.values():
        contender.drop()
    return {
        "case": asdict(case),
        "repeats": repeats,
        "contenders": {name: {"seconds": spread(seconds[name])} for name in tools},
        "agreement": agreement,
        "ratios": {f"{OURS} / {name}": ratio(seconds, OURS, name) for name in tools if name != OURS},
    }
