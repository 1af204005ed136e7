"""The bar: the results that a run must reach, and whether it reached them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.path_gradients import BARE, SAME_ERROR, SAME_STEPS, default_of, tuned_of

_AT_LEAST = (
    # case, peer, ours, over the peer's default, over its best chunk
    ("cifar_keras-torch", "Captum", SAME_ERROR, 4.5, 2.2),
    ("cifar_net-torch", "Captum", SAME_ERROR, 6.0, 3.5),
    ("names_rnn-torch", "Captum", SAME_STEPS, 2.5, 1.8),
    ("lstm-torch", "Captum", SAME_ERROR, 2.5, 1.6),
    ("cifar_keras-tensorflow", "Xplique", SAME_ERROR, 4.0, 1.8),
    ("fashion_rnn-tensorflow", "Xplique", SAME_ERROR, 4.0, 1.5),
    ("efficientnet_lite0-torch", "Captum", SAME_ERROR, None, 1.3),
)
_BARE_LOOP = 1.10
_MEMORY = 1.5
# Bound on the time of a call for one small picture, relative to the call with the least overhead in its framework.
_OVERHEAD = (("torch", "Captum", 1.3), ("tensorflow", "bare", 1.3))
_COVERAGE, _WIDTH = 0.94, 1.5


def rows(results: Mapping[str, Any], calibration: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Compare the results of a run with the bar.

    Parameters
    ----------
    results : Mapping
        One device's section of ``results.json``.
    calibration : Mapping, optional
        The content of ``calibration.json``, if it exists.

    Returns
    -------
    list of dict
        ``what``, ``measured``, ``quartiles`` (or None), ``bound``, ``kind`` (``"at least"`` or ``"at most"``)
        and ``met``; only for measurements that were made.
    """
    found = [*_speed(results["cases"]), *_overheads(results["overhead"]), *_memory(results["memory"])]
    if calibration is not None:
        found += [
            _row(
                "share of examples within the stated 95 % bound",
                calibration["coverage"],
                None,
                "at least",
                _COVERAGE,
            ),
            _row(
                "stated bound over the narrowest that covers 95 %",
                calibration["width"],
                None,
                "at most",
                _WIDTH,
            ),
        ]
    return found


def _speed(cases: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, peer, ours, over_default, over_tuned in _AT_LEAST:
        for theirs, bound in ((default_of(peer), over_default), (tuned_of(peer), over_tuned)):
            if bound is not None and name in cases:
                measured = cases[name]["ratios"][f"{theirs} / {ours}"]
                what = f"`{name}`: time of {theirs} over {ours}"
                yield _row(what, measured["median"], measured["quartiles"], "at least", bound)
    for name, case in cases.items():
        measured = case["ratios"][f"{SAME_STEPS} / {BARE}"]
        what = f"`{name}`: time of the same steps over the bare loop's, {measured['rounds']} rounds"
        yield _row(what, measured["median"], measured["quartiles"], "at most", _BARE_LOOP)


def _overheads(overheads: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for framework, other, bound in _OVERHEAD:
        for name, found in overheads.items():
            if found["case"]["framework"] == framework:
                measured = found["ratios"][f"explain / {other}"]
                what = f"`{name}`: saliency of one picture over {other}'s own call"
                yield _row(what, measured["median"], measured["quartiles"], "at most", bound)


def _memory(memories: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, found in memories.items():
        for label, one in found["ratios"].items():
            what = (
                f"`{name}`: peak memory of {found['case']['examples']} examples × {found['case']['steps']} steps "
                f"({label}) over the need of one chunk of {one['chunk']}"
            )
            yield _row(what, one["ratio"], None, "at most", _MEMORY)


def _row(
    what: str, measured: float, quartiles: list[float] | None, kind: str, bound: float
) -> dict[str, Any]:
    met = measured >= bound if kind == "at least" else measured <= bound
    return {
        "what": what,
        "measured": measured,
        "quartiles": quartiles,
        "kind": kind,
        "bound": bound,
        "met": met,
    }
