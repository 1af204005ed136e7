"""Compares the estimated map error with the true error: `python -m benchmarks.calibration`.

Every network is explained by the call as its user types it, at three tolerances. The reference is the midpoint rule
with 2,187 nodes, by a loop of its own. The oracle knows the true error: it takes the fewest golden nodes from which on
its map stays within the tolerance. The rule to stop was tuned on two of the networks; it is judged on the others.

No time is measured, so other work on the machine changes no figure.
"""

from __future__ import annotations

import json
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer
from torch import Tensor
from tqdm import tqdm

import explain
from benchmarks import report
from benchmarks.calibration_networks import NAMES, TUNED, Network, networks
from benchmarks.examples import origin
from benchmarks.path_gradients import relative
from explain.running.quadrature import nodes_and_weights

Floats = npt.NDArray[np.floating[Any]]

TOLERANCES = (0.1, 0.02, 0.005)
_NODES, _MOST_STEPS = 2187, 405
_QUICK_NODES, _QUICK_MOST_STEPS = 135, 45
# The oracle's levels grow by at most this factor, so that it overshoots by no more.
_GROWTH = 1.07
# As many values of gradients are held at once for the oracle.
_VALUES = 2**26


def main(
    quick: Annotated[bool, typer.Option(help="A short trial run; its figures are meaningless.")] = False,
    examples: Annotated[int, typer.Option(help="Examples of each shipped network.")] = 32,
    large_examples: Annotated[int, typer.Option(help="Pictures for EfficientNet-Lite0.")] = 4,
    only: Annotated[
        list[str] | None, typer.Option(help="Networks to measure again; other figures are unchanged.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder; by default the folder of this file.")
    ] = None,
) -> None:
    """Measure coverage, width and steps of every network and write the table."""
    if unknown := set(only or ()) - set(NAMES):
        raise typer.BadParameter(f"{sorted(unknown)} is none of the networks: {', '.join(NAMES)}.")
    nodes, most_steps = (_QUICK_NODES, _QUICK_MOST_STEPS) if quick else (_NODES, _MOST_STEPS)
    folder = out or report.folder_for(quick=quick)
    measured = folder / "calibration.json"
    kept = json.loads(measured.read_text())["rows"] if only and measured.exists() else []
    records: dict[str, list[dict[str, Any]]] = {}
    shown = tqdm(networks(4 if quick else examples, 1 if quick else large_examples, only))
    for network in shown:
        shown.set_description(network.name)
        records.setdefault(network.name, []).extend(compared(network, nodes, most_steps))
    found = [row(name, tolerance, parts) for name, parts in records.items() for tolerance in TOLERANCES]
    rows = [*(one for one in kept if one["network"] not in records), *found]
    rows.sort(key=lambda one: NAMES.index(one["network"]))
    write(
        folder,
        {
            "quick": quick,
            "examples": origin(),
            "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}",
            "nodes": nodes,
            "most_steps": most_steps,
            "rows": rows,
            "totals": totals(rows),
        },
    )


def compared(network: Network, nodes: int, most_steps: int) -> list[dict[str, Any]]:
    """Explain the examples at each tolerance; give what the calls state beside the truth.

    Returns
    -------
    list of dict
        For each tolerance: the rule that the call took and, for each example, its steps, the stated and the true
        error, both relative to the norm of its map, and the oracle's steps, NaN where `most_steps` are too few for it.
    """
    with torch.no_grad():
        targets = network.logits(torch.from_numpy(network.x)).argmax(1)
    exact = integrated(network, targets, nodes)
    oracle = oracle_steps(network, targets, exact, most_steps)
    records = []
    for tolerance, fewest in zip(TOLERANCES, oracle, strict=True):
        options: dict[str, Any] = {"tolerance": tolerance, "max_steps": most_steps}
        with warnings.catch_warnings():
            # Tolerances that are not reached are part of the measurement.
            warnings.simplefilter("ignore", explain.errors.ExplainWarning)
            found = explain.attribute(network.model, network.x, target=targets.tolist(), **options)
        records.append(
            {
                "tolerance": tolerance,
                "rule": str(found.rule),
                "steps": np.asarray(found.steps, np.float64),
                "stated": np.asarray(found.map_error, np.float64),
                "true": relative(exact, found.values),
                "oracle": fewest,
            }
        )
    return records


def integrated(network: Network, targets: Tensor, nodes: int) -> Floats:
    """Give the maps of the midpoint rule, summed in double precision."""
    alphas, weights = nodes_and_weights("midpoint", nodes)
    total = np.zeros(network.x.shape, np.float64)
    first = 0
    for part in gradients(network, network.x, targets, alphas):
        total += np.tensordot(weights[first : first + len(part)], part.double().numpy(), 1)
        first += len(part)
    maps: Floats = total * network.x
    return maps


def gradients(network: Network, x: Floats, targets: Tensor, alphas: Floats) -> Iterator[Tensor]:
    """Give the gradients at points between zeros and the examples, a few nodes at a time, shape (nodes, *x.shape)."""
    given = torch.from_numpy(x)
    several = max(1, network.at_once // len(x))
    for first in range(0, len(alphas), several):
        chosen = torch.from_numpy(alphas[first : first + several].astype(np.float32))
        points = (chosen.reshape(-1, *[1] * given.ndim) * given).flatten(0, 1).requires_grad_()
        scores = network.logits(points).gather(1, targets.repeat(len(chosen))[:, None])
        (found,) = torch.autograd.grad(scores.sum(), points)
        yield found.unflatten(0, (len(chosen), len(x)))


def oracle_steps(network: Network, targets: Tensor, exact: Floats, most_steps: int) -> Floats:
    """Give the fewest golden nodes from which on the true error stays within each tolerance.

    Returns
    -------
    numpy.ndarray, shape (tolerances, examples)
        NaN where the error at the last level is still larger.
    """
    alphas, _ = nodes_and_weights("golden", most_steps)
    steps = levels(most_steps)
    weights = torch.zeros(len(steps), most_steps, dtype=torch.float32)
    for level, count in enumerate(steps):
        weights[level, :count] = torch.from_numpy(nodes_and_weights("golden", count, np.float32)[1])
    several = max(1, _VALUES // (most_steps * network.x[0].size))
    fewest = []
    for first in range(0, len(network.x), several):
        part = slice(first, first + several)
        x = network.x[part]
        known = torch.cat(list(gradients(network, x, targets[part], alphas)))
        maps = (weights @ known.flatten(1)).reshape(len(steps), *x.shape).numpy() * x
        errors = np.stack([relative(exact[part], one) for one in maps])
        fewest.append(np.stack([settled(errors, steps, tolerance) for tolerance in TOLERANCES]))
    return np.concatenate(fewest, axis=1)


def levels(most: int) -> list[int]:
    """Give numbers of nodes up to `most`, each the next whole number or 1.07 times the last.

    Examples
    --------
    >>> levels(30)[-8:]
    [23, 24, 25, 26, 27, 28, 29, 30]
    >>> levels(405)[-3:]
    [373, 399, 405]
    """
    found = [1]
    while found[-1] < most:
        found.append(min(most, max(found[-1] + 1, int(_GROWTH * found[-1]))))
    return found


def settled(errors: Floats, steps: Sequence[int], tolerance: float) -> Floats:
    """Give the first level of each example from which on its error stays within a tolerance; NaN if none does.

    Parameters
    ----------
    errors : numpy.ndarray, shape (levels, examples)
        The errors at every level.
    steps : sequence of int
        The number of nodes of every level.
    tolerance : float
        The tolerance.

    Examples
    --------
    >>> settled(np.array([[0.3, 0.3], [0.01, 0.3], [0.03, 0.3], [0.01, 0.3]]), [1, 2, 3, 4], 0.02)
    array([ 4., nan])
    """
    # Of the levels in reverse, the first one that is outside; the count of levels if none is.
    outside = np.concatenate([errors[::-1] > tolerance, np.ones((1, errors.shape[1]), bool)])
    first = len(steps) - outside.argmax(axis=0)
    found: Floats = np.append(np.asarray(steps, np.float64), np.nan)[first]
    return found


def row(name: str, tolerance: float, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Summarise a network at a tolerance, over its seeds if it has several."""
    chosen = [one for one in records if one["tolerance"] == tolerance]
    joined = {
        key: np.concatenate([one[key] for one in chosen]) for key in ("steps", "stated", "true", "oracle")
    }
    known = ~np.isnan(joined["oracle"])
    # A map that is exact has no ratio.
    inexact = joined["true"] > 0
    return {
        "network": name,
        "tolerance": tolerance,
        "tuned": name in TUNED,
        "rule": ", ".join(sorted({one["rule"] for one in chosen})),
        "examples": len(known),
        "reached": float(np.mean(joined["stated"] <= tolerance)),
        "covered": float(np.mean(joined["true"] <= joined["stated"])),
        "error": float(np.median(joined["true"])),
        "width": float(np.median(joined["stated"][inexact] / joined["true"][inexact])),
        "steps": float(joined["steps"].mean()),
        "compared": int(known.sum()),
        "steps_compared": float(joined["steps"][known].sum()),
        "oracle_compared": float(joined["oracle"][known].sum()),
    }


def totals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sum rows up: the networks of the tuning, and those that it is judged on, with golden nodes and with others."""
    groups = {
        "tuned on": [one for one in rows if one["tuned"]],
        "judged on": [one for one in rows if not one["tuned"]],
        "judged on, golden nodes": [one for one in rows if not one["tuned"] and "golden" in one["rule"]],
        "judged on, other nodes": [one for one in rows if not one["tuned"] and "golden" not in one["rule"]],
    }
    found = []
    for name, group in groups.items():
        for tolerance in (*TOLERANCES, None):
            chosen = [one for one in group if tolerance in (None, one["tolerance"])]
            if chosen:
                found.append({"networks": name, "tolerance": tolerance, **_total(chosen)})
    return found


def _total(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    maps = sum(one["examples"] for one in group)
    oracle = sum(one["oracle_compared"] for one in group)
    return {
        "examples": maps,
        "covered": sum(one["covered"] * one["examples"] for one in group) / maps,
        "reached": sum(one["reached"] * one["examples"] for one in group) / maps,
        "compared": sum(one["compared"] for one in group),
        "ratio": sum(one["steps_compared"] for one in group) / oracle if oracle else None,
    }


def write(folder: Path, results: Mapping[str, Any]) -> None:
    """Write ``calibration.json`` and its table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "calibration.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "calibration.md").write_text(report.page("calibration.md.jinja", **results))


if __name__ == "__main__":
    typer.run(main)
