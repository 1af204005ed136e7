"""Compares the estimated map error with the true error: `python -m benchmarks.calibration`.

Each example of a small network is integrated automatically at several tolerances, so that runs stop at several numbers
of steps. A run stops because its estimate is small, so these maps are the ones for which a wrong estimate matters.
EfficientNet-Lite0 is so slow that there is time for only a few examples; each gives a map at every number of steps.
The reference is the midpoint rule with 2187 nodes. Its own error is about a fifth of the error of the finest map here,
405 nodes. This makes the estimates look slightly worse than they are, and never better.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer
from tqdm import tqdm

import explain
from benchmarks import report
from benchmarks.cases import CASES, Case
from benchmarks.examples import examples_of, origin
from benchmarks.models_torch import model_of
from benchmarks.path_gradients import relative

_CHUNK_OF_EXAMPLES = 32
# The number of nodes of the reference, and the largest number of steps compared with it; for a full and a quick run.
_NODES, _MOST_STEPS = 2187, 405
_QUICK_NODES, _QUICK_MOST_STEPS = 135, 45


@dataclass(frozen=True)
class Plan:
    """A model, the number of its examples, and how to integrate each: to tolerances, or with numbers of steps."""

    case: Case
    examples: int
    tolerances: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()


def main(
    quick: Annotated[bool, typer.Option(help="A short trial run; its figures are meaningless.")] = False,
    images: Annotated[int, typer.Option(help="Pictures for each small network.")] = 256,
    large_images: Annotated[int, typer.Option(help="Pictures for EfficientNet-Lite0, minutes each.")] = 8,
    only: Annotated[
        list[str] | None, typer.Option(help="Models to measure again; other figures are unchanged.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder; by default the folder of this file.")
    ] = None,
) -> None:
    """Measure coverage and width for every model with kinks and write the table."""
    by_name = {case.name: case for case in CASES}
    fine = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
    plans = [
        Plan(by_name["cifar_net-torch"], 8 if quick else images, fine),
        Plan(by_name["cifar_keras-torch"], 8 if quick else images, fine),
        Plan(
            by_name["efficientnet_lite0-torch"],
            1 if quick else large_images,
            steps=(15,) if quick else (15, 45, 135, 405),
        ),
    ]
    nodes, most_steps = (_QUICK_NODES, _QUICK_MOST_STEPS) if quick else (_NODES, _MOST_STEPS)
    folder = out or report.folder_for(quick=quick)
    measured = folder / "calibration.json"
    models = json.loads(measured.read_text())["models"] if only and measured.exists() else {}
    for plan in plans:
        if only and plan.case.model not in only:
            continue
        records = np.concatenate(
            [compared(plan, x, nodes, most_steps) for x in tqdm(parts(plan), desc=plan.case.model)]
        )
        models[plan.case.model] = table(records)
    write(
        folder,
        {
            "quick": quick,
            "examples": origin(),
            "nodes": nodes,
            "coverage": min(model["all"]["covered"] for model in models.values()),
            "width": max(model["all"]["width"] for model in models.values()),
            "models": models,
        },
    )


def parts(plan: Plan) -> list[npt.NDArray[Any]]:
    """Split the examples of a plan into chunks, so that a long run shows its progress."""
    x = examples_of(replace(plan.case, examples=plan.examples))
    size = _CHUNK_OF_EXAMPLES if max(x.shape[1:]) <= 32 else 1
    return [x[first : first + size] for first in range(0, len(x), size)]


def compared(plan: Plan, x: npt.NDArray[Any], nodes: int, most_steps: int) -> npt.NDArray[np.float64]:
    """Give steps, stated and true error of every map, shape (maps, 3); one map per example and number of steps."""
    model = model_of(plan.case)
    with torch.no_grad():
        target = model(torch.from_numpy(x)).argmax(1).tolist()
    requests: list[dict[str, Any]] = [
        *({"n_steps": "auto", "tolerance": one, "max_steps": most_steps} for one in plan.tolerances),
        *({"n_steps": n_steps, "rule": "midpoint"} for n_steps in plan.steps),
    ]
    seen: dict[tuple[int, int], tuple[float, float]] = {}
    with warnings.catch_warnings():
        # Tolerances that are not reached and integrals that do not converge are part of the measurement.
        warnings.simplefilter("ignore", explain.errors.ConvergenceWarning)
        exact = explain.attribute(model, x, "ig", target=target, n_steps=nodes, rule="midpoint").values
        for request in requests:
            found = explain.attribute(model, x, "ig", target=target, **request)
            assert found.steps is not None
            assert found.map_error is not None
            # The stated error is relative to the norm of its own map; so is the true error here.
            for row, error in enumerate(relative(exact, found.values)):
                seen[row, int(found.steps[row])] = (float(found.map_error[row]), float(error))
    return np.array([(steps, *errors) for (_, steps), errors in seen.items()], np.float64)


def table(records: npt.NDArray[np.float64]) -> dict[str, dict[str, float]]:
    """Summarise maps by their number of steps, and all maps together."""
    groups = {f"{steps:.0f}": records[records[:, 0] == steps] for steps in np.unique(records[:, 0])}
    return {name: _row(group) for name, group in {**groups, "all": records}.items()}


def write(folder: Path, results: Mapping[str, Any]) -> None:
    """Write ``calibration.json`` and its table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "calibration.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "calibration.md").write_text(report.page("calibration.md.jinja", **results))


def _row(group: npt.NDArray[np.float64]) -> dict[str, float]:
    ratios = group[:, 2] / group[:, 1]
    percentile = float(np.quantile(ratios, 0.95))
    return {
        "maps": len(group),
        "covered": float(np.mean(ratios <= 1)),
        "width": 1 / percentile,
        "median": float(np.median(ratios)),
        "percentile": percentile,
        "most": float(ratios.max()),
        "error": float(np.median(group[:, 2])),
    }


if __name__ == "__main__":
    typer.run(main)
