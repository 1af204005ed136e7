"""The bar: the results that a run must reach, and whether it reached them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.path_gradients import (
    AT_TOLERANCE,
    AUTO,
    BARE,
    BY_TOLERANCE,
    PEER_OF,
    SAME_STEPS,
    default_of,
    tuned_of,
)

Row = dict[str, Any]

OTHERS = ("calibration", "family", "first_call", "scaling")
"""The other files of results that have bars, without ``.json``; each is written by a script of that name."""

# Of a call as typed: case, over the peer's default, over its best chunk.
_AS_TYPED = {
    "cifar_keras-torch": (4.0, 2.4),
    "cifar_net-torch": (3.6, 2.4),
    "names_rnn-torch": (4.0, 4.0),
    "lstm-torch": (2.0, 1.3),
    "fashion_rnn-torch": (1.0, 0.95),
    "cifar_keras-tensorflow": (3.5, 2.0),
    "cifar_net-tensorflow": (6.0, 2.2),
    "fashion_rnn-tensorflow": (4.0, 1.6),
}
# Of a case to the peer's error: over the peer's best chunk.
_TO_ERROR = {"efficientnet_lite0-torch": 1.1}
_BARE_LOOP = 1.10
_MEMORY = 1.5
# On the time of a call for one small picture, over the call with the least overhead in its framework.
_OVERHEAD = {"torch": "Captum", "tensorflow": "bare"}
_OVERHEAD_BOUND = 1.15
_GROWTH, _ORDER, _FIRST_CALL = 1.1, 1.05, 1.3
_COVERAGE, _OVER_ORACLE, _TOLERANCE = 0.95, 1.35, 0.02

_LAYERS_AND_RULES = ("conductance", "deep_lift", "guided_backprop", "deconvolution", "grad_cam")
_PERTURBATIONS = ("occlusion", "feature_ablation", "shapley_value_sampling", "lime", "kernel_shap")
_FAMILY, _SHARED = 1.0, 1.5
_BATCHES = (1, 32)


def rows(results: Mapping[str, Any], others: Mapping[str, Any]) -> list[Row]:
    """Compare the results of a run with the bar.

    Parameters
    ----------
    results : Mapping
        One device's section of ``results.json``.
    others : Mapping
        The content of the other files that there are, by their names in `OTHERS`.

    Returns
    -------
    list of dict
        ``what``, ``measured``, ``quartiles`` (or None), ``bound``, ``kind`` (``"at least"`` or ``"at most"``),
        ``met`` and ``source``, the name of the file; only for measurements that were made.
    """
    found = [*_speed(results["cases"]), *_overheads(results["overhead"]), *_memory(results["memory"])]
    of_others = {
        "scaling": _scaling,
        "family": _family,
        "first_call": _first_calls,
        "calibration": _calibration,
    }
    for name, give in of_others.items():
        if name in others:
            found += [{**row, "source": name} for row in give(others[name])]
    return found


def of_method(method: str, examples: int) -> float | None:
    """Give the least that Captum's time over ours must be for a method; None if there is no bar.

    Examples
    --------
    >>> of_method("occlusion", 1), of_method("occlusion", 32), of_method("saliency", 32)
    (1.0, 1.5, None)
    """
    if examples not in _BATCHES or method not in (*_LAYERS_AND_RULES, *_PERTURBATIONS):
        return None
    # Points of several examples share a batch.
    return _SHARED if method in _PERTURBATIONS and examples > 1 else _FAMILY


def _speed(cases: Mapping[str, Any]) -> Iterator[Row]:
    for name, bounds in _AS_TYPED.items():
        peer = PEER_OF[name.rpartition("-")[2]]
        for theirs, bound in zip((default_of(peer), tuned_of(peer)), bounds, strict=True):
            yield from _ratio(cases, name, theirs, AUTO, "at least", bound)
    for name, bound in _TO_ERROR.items():
        for ours in (BY_TOLERANCE, AT_TOLERANCE):
            yield from _ratio(
                cases, name, tuned_of(PEER_OF[name.rpartition("-")[2]]), ours, "at least", bound
            )
    for name in cases:
        yield from _ratio(cases, name, SAME_STEPS, BARE, "at most", _BARE_LOOP)


def _ratio(
    cases: Mapping[str, Any], name: str, slower: str, faster: str, kind: str, bound: float
) -> Iterator[Row]:
    """Give the row of a ratio of times, if it was measured."""
    measured = cases[name]["ratios"].get(f"{slower} / {faster}") if name in cases else None
    if measured is not None:
        what = f"`{name}`: time of {slower} over {faster}, {measured['rounds']} rounds"
        yield _row(what, measured["median"], kind, bound, measured["quartiles"])


def _overheads(overheads: Mapping[str, Any]) -> Iterator[Row]:
    for name, found in overheads.items():
        other = _OVERHEAD[found["case"]["framework"]]
        measured = found["ratios"][f"explain / {other}"]
        what = f"`{name}`: saliency of one picture over {other}'s own call"
        yield _row(what, measured["median"], "at most", _OVERHEAD_BOUND, measured["quartiles"])


def _memory(memories: Mapping[str, Any]) -> Iterator[Row]:
    for name, found in memories.items():
        for label, one in found["ratios"].items():
            what = (
                f"`{name}`: peak memory of {found['case']['examples']} examples × {found['case']['steps']} steps "
                f"({label}) over the need of one chunk of {one['chunk']}"
            )
            yield _row(what, one["ratio"], "at most", _MEMORY)


def _scaling(found: Mapping[str, Any]) -> Iterator[Row]:
    most = max(found["growth"], key=lambda row: row["examples"])
    yield _row(
        f"time an example at {most['examples']} examples over the least", most["ratio"], "at most", _GROWTH
    )
    for row in found["memory"]:
        what = f"memory of a first call, {row['examples']} examples × {row['points']} points, over its largest chunk"
        yield _row(what, row["grown"] / row["need"], "at most", _MEMORY)
    for name, row in found["large"].items():
        yield _row(f"memory of {name} over its budget", row["grown"] / found["budget"], "at most", 1.0)
    for model in dict.fromkeys(row["model"] for row in found["orders"]):
        several = [row for row in found["orders"] if row["model"] == model]
        worst = max(several, key=lambda row: row["ratio"])
        what = (
            f"`{model}`: the memory order taken over the other, worst of {len(several)} "
            f"({worst['method']}, {worst['images']} × {worst['side']}²)"
        )
        yield _row(what, worst["ratio"], "at most", _ORDER)


def _family(found: Mapping[str, Any]) -> Iterator[Row]:
    for method in (*_LAYERS_AND_RULES, *_PERTURBATIONS):
        cells: dict[str, list[tuple[float, float, dict[str, Any], str]]] = {}
        for table in found["tables"]:
            bound = of_method(method, table["count"])
            if bound is None or method not in table["methods"]:
                continue
            for theirs, measured in table["methods"][method]["ratios"].items():
                where = f"{table['network']}, {table['count']}"
                cells.setdefault(theirs, []).append((measured["median"] / bound, bound, measured, where))
        for theirs, several in cells.items():
            _, bound, worst, where = min(several, key=lambda cell: cell[0])
            what = f"`{method}`: time of {theirs} over ours, worst of {len(several)} ({where})"
            yield _row(what, worst["median"], "at least", bound, worst["quartiles"])


def _first_calls(found: Mapping[str, Any]) -> Iterator[Row]:
    worst: dict[str, tuple[str, dict[str, Any]]] = {}
    for cell, row in found["by_hand"].items():
        name, method = cell.split(", ")
        if method not in worst or row["ratio"]["median"] > worst[method][1]["median"]:
            worst[method] = name, row["ratio"]
    for method, (name, ratio) in worst.items():
        what = f"`{method}`: first call in TensorFlow over one by hand, worst network (`{name}`)"
        yield _row(what, ratio["median"], "at most", _FIRST_CALL, ratio["quartiles"])


def _calibration(found: Mapping[str, Any]) -> Iterator[Row]:
    for total in found["totals"]:
        if total["networks"].startswith("judged on") and total["tolerance"] is None:
            what = f"share of examples within the stated error, networks {total['networks']}, all tolerances"
            yield _row(what, total["covered"], "at least", _COVERAGE)
    for total in found["totals"]:
        networks, tolerance = total["networks"], total["tolerance"]
        # The oracle takes golden nodes: where others do better it is no oracle, and on average it flatters.
        if networks != "judged on, other nodes" and tolerance in (None, _TOLERANCE) and total["ratio"]:
            at = "all tolerances" if tolerance is None else f"tolerance {tolerance}"
            yield _row(
                f"steps over an oracle's, networks {networks}, {at}", total["ratio"], "at most", _OVER_ORACLE
            )


def _row(what: str, measured: float, kind: str, bound: float, quartiles: list[float] | None = None) -> Row:
    met = measured >= bound if kind == "at least" else measured <= bound
    return {
        "what": what,
        "measured": measured,
        "quartiles": quartiles,
        "kind": kind,
        "bound": bound,
        "met": met,
        "source": "results",
    }
