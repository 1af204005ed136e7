"""The operations of a call, and the least time that its arithmetic could take on this machine."""

from __future__ import annotations

from typing import Any

from benchmarks.cases import Case
from benchmarks.path_gradients import BARE, SAME_STEPS, default_of, tuned_of
from benchmarks.processes import OWN, Workplace

_PEER = "Captum"
# Operations with a smaller share of the time than this are reported together.
_LEAST_SHARE = 0.03


def measure(workplace: Workplace, case: Case, found: dict[str, Any]) -> dict[str, Any]:
    """Count and profile our call and the bare loop's at the peer's steps, after they were timed.

    Parameters
    ----------
    workplace : Workplace
        Where the workers are.
    case : Case
        The measured case, in PyTorch.
    found : dict
        The result of `benchmarks.path_gradients.measure`.

    Returns
    -------
    dict
        Multiplications and additions of each call, their rate on this machine in a large matrix product, the least
        time that follows, the measured times, and each operation's share.
    """
    contenders = found["contenders"]
    settings = {
        SAME_STEPS: ("explain", contenders[SAME_STEPS]["settings"]),
        BARE: ("bare", contenders[BARE]["settings"]),
    }
    rate = workplace.worker(OWN, "torch").ask("peak_rate", device=case.device)["flops per second"]
    rows = {}
    for label, (tool, told) in settings.items():
        contender = workplace.make(OWN, tool, case, told)
        profile = contender.worker.ask("profile", number=contender.number)
        contender.drop()
        seconds = contenders[label]["seconds"]["median"]
        rows[label] = {
            "flops": profile["flops"],
            "least seconds": profile["flops"] / rate,
            "seconds": seconds,
            "shares": shares(profile["operations"], profile["seconds"]),
        }
    return {
        "flops per second": rate,
        "contenders": rows,
        "peers": {
            label: contenders[label]["seconds"]["median"] for label in (default_of(_PEER), tuned_of(_PEER))
        },
    }


def shares(operations: dict[str, float], seconds: float) -> dict[str, float]:
    """Give each operation's share of a call, the largest first; the time outside all operations counts as Python's.

    Examples
    --------
    >>> shares({"convolution": 0.5, "add": 0.01}, 1.0)
    {'convolution': 0.5, 'other operations': 0.01, 'Python and dispatch': 0.49}
    """
    ordered = sorted(operations.items(), key=lambda item: -item[1])
    large = {name: spent / seconds for name, spent in ordered if spent >= _LEAST_SHARE * seconds}
    spent = sum(operations.values())
    other = spent / seconds - sum(large.values())
    return {
        **large,
        "other operations": round(other, 6),
        "Python and dispatch": max(0.0, round(1 - spent / seconds, 6)),
    }
