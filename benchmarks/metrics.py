"""Times metrics beside Quantus and beside the passes that they need: `python -m benchmarks.metrics`.

It measures in the environment of the peers, which has Quantus, in rounds A B C A B C of one process.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import report
from benchmarks.processes import PEERS, PYTHONS, ROOT

METRICS = ("deletion", "infidelity", "max_sensitivity", "model_parameter_randomization", "road")
# What Quantus' time over ours should be at least, and ours over the bare passes' at most.
LEAST, MOST = 2.0, 1.2
PICTURES = (1, 32)
_ROUNDS, _QUICK_ROUNDS = 15, 1
_console = Console(stderr=True, log_path=False)


def measured(python: Path, pictures: int, rounds: int, metrics: list[str]) -> dict[str, Any]:
    """Measure on a number of pictures in a new process of the peers' environment."""
    surroundings = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        # Quantus imports TensorFlow, where it is installed.
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [str(python), "-m", "benchmarks.metric_calls", str(rounds), str(pictures), *metrics]
    done = subprocess.run(command, cwd=ROOT, env=surroundings, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(
    quick: Annotated[bool, typer.Option(help="A short trial run; its figures are meaningless.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Metrics to measure.")] = None,
    peers: Annotated[Path, typer.Option(help="The Python that has Quantus.", exists=True)] = PYTHONS[PEERS],
    out: Annotated[
        Path | None, typer.Option(help="Output folder; by default the folder of this file.")
    ] = None,
) -> None:
    """Measure the metrics and write ``metrics.json`` and its table; what is left out stays as it was."""
    folder = out or report.folder_for(quick=quick)
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "metrics.json"
    tables: dict[str, Any] = json.loads(written.read_text())["tables"] if only and written.exists() else {}
    for pictures in PICTURES:
        _console.log(f"{pictures} pictures")
        found = measured(peers, pictures, _QUICK_ROUNDS if quick else _ROUNDS, only or list(METRICS))
        tables[str(pictures)] = {**tables.get(str(pictures), {}), **found.pop("metrics")}
    results = {
        "quick": quick,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "bars": {"least": LEAST, "most": MOST},
        "tables": tables,
        **found,
    }
    written.write_text(json.dumps(results, indent=1) + "\n")
    (folder / "metrics.md").write_text(report.page("metrics.md.jinja", **results))


if __name__ == "__main__":
    typer.run(main)
