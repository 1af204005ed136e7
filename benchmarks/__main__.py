"""Runs the benchmarks and writes ``results.json`` and ``results.md``: `python -m benchmarks`."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console

from benchmarks import growth, limits, memory, path_gradients, report, single_gradients
from benchmarks.cases import CASES, Case, quick
from benchmarks.examples import origin
from benchmarks.processes import OWN, PEERS, Workplace

_REFERENCE_NODES, _QUICK_NODES = 2187, 27
_GRADIENT_MODELS = ("cifar_keras-torch", "cifar_net-torch", "cifar_keras-tensorflow", "cifar_net-tensorflow")
_MEMORY_MODELS = ("cifar_keras-torch", "cifar_keras-tensorflow")
# Recurrent models, whose kernels are not counted as work.
_RECURRENT = ("names_rnn", "fashion_rnn", "lstm")
_console = Console(stderr=True, log_path=False)


def main(
    quick_run: Annotated[
        bool, typer.Option("--quick", help="A short trial run; its figures are meaningless.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option(help="Cases to run, e.g. cifar_net-torch.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder; by default the folder of this file.")
    ] = None,
) -> None:
    """Measure every contender on every case, side by side, and write the results and their page."""
    start = time.perf_counter()
    out = out or report.folder_for(quick=quick_run)
    out.mkdir(parents=True, exist_ok=True)
    cases = [quick(case) if quick_run else case for case in CASES if not only or case.name in only]
    results: dict[str, Any] = {
        "quick": quick_run,
        "machine": machine(),
        "examples": origin(),
        "reference_nodes": _QUICK_NODES if quick_run else _REFERENCE_NODES,
        "cuda": None,
    }
    with Workplace() as workplace:
        versions = versions_of(workplace)
        results["versions"] = versions
        for results["cpu"] in sections(workplace, cases, quick_run):
            save(out, results, start)
    if has_cuda():
        on_cuda = [replace(case, device="cuda") for case in cases if case.framework == "torch"]
        with Workplace("cuda") as workplace:
            for results["cuda"] in sections(workplace, on_cuda, quick_run):
                save(out, results, start)
    report.write(out)
    _console.log(f"{out / 'results.md'}: {results['minutes']:.1f} minutes")


def sections(workplace: Workplace, cases: Sequence[Case], quick_run: bool) -> Iterator[dict[str, Any]]:
    """Run all measurements on one device; yield the results so far after every case."""
    nodes = _QUICK_NODES if quick_run else _REFERENCE_NODES
    found: dict[str, Any] = {"cases": {}, "limits": {}, "saliency": {}, "overhead": {}, "memory": {}}
    for case in cases:
        _console.log(f"{case.name} ({case.device})")
        found["cases"][case.name] = path_gradients.measure(workplace, case, nodes)
        if case.framework == "torch" and case.model not in _RECURRENT:
            found["limits"][case.name] = limits.measure(workplace, case, found["cases"][case.name])
        yield found
    for case in cases:
        if case.name in _GRADIENT_MODELS:
            _console.log(f"{case.name}: saliency")
            rounds, repeats = (2, 2) if quick_run else (20, 5)
            found["saliency"][case.name] = single_gradients.measure(workplace, case, rounds, repeats)
            one = replace(case, examples=1)
            found["overhead"][case.name] = single_gradients.measure(workplace, one, rounds, 4 * repeats)
        if case.name in _MEMORY_MODELS and case.device == "cpu":
            _console.log(f"{case.name}: memory")
            many = (8, 20) if quick_run else (256, 200)
            found["memory"][case.name] = memory.measure(workplace, case, *many)
        yield found
    _console.log("growth")
    found["growth"] = growth.measure(workplace, quick=quick_run)
    yield found


def save(folder: Path, results: dict[str, Any], start: float) -> None:
    """Write the results so far, so that an interrupted run is not lost."""
    results["minutes"] = (time.perf_counter() - start) / 60
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")


def versions_of(workplace: Workplace) -> dict[str, Any]:
    """Get the package versions of every environment."""
    return {
        f"{where}, {framework}": workplace.worker(where, framework).ask("versions")
        for where in (OWN, PEERS)
        for framework in ("torch", "tensorflow")
    }


def has_cuda() -> bool:
    """Tell whether PyTorch finds a GPU; the check runs in a separate process."""
    with Workplace("cuda") as workplace:
        return workplace.worker(OWN, "torch").ask("versions")["cuda device"] is not None


def machine() -> dict[str, Any]:
    """Describe the properties of the machine that affect the measurements."""
    described = Path("/proc/cpuinfo")
    models = (
        [line for line in described.read_text().splitlines() if "model name" in line]
        if described.exists()
        else []
    )
    return {
        "processor": models[0].split(":")[1].strip() if models else platform.processor(),
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "memory GiB": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    typer.run(main)
