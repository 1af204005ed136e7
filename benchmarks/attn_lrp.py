"""Times AttnLRP and DeepLift on a transformer of BERT's size: `python -m benchmarks.attn_lrp`.

Beside one forward and backward pass in our own environment, and beside lxt, which needs an older transformers, in that
of the peers.
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
from benchmarks.bert_calls import EXAMPLES, LXT, PASS, SIZES, TOKENS
from benchmarks.processes import OWN, PEERS, PYTHONS, ROOT

# The methods beside one pass, and beside lxt, with the most that they may take of it.
BARS = {OWN: {"lrp": 3.0, "deep_lift": 3.0}, PEERS: {"lrp": 1.2}}
OTHER = {OWN: PASS, PEERS: LXT}
_ROUNDS, _QUICK_ROUNDS = 7, 2
_console = Console(stderr=True, log_path=False)


def in_environment(python: Path, where: str, rounds: int, methods: list[str]) -> dict[str, Any]:
    """Measure in a new process of an environment."""
    surroundings = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        # Or transformers imports TensorFlow, where it is installed.
        "USE_TF": "0",
    }
    command = [str(python), "-m", "benchmarks.bert_calls", where, str(rounds), *methods]
    done = subprocess.run(command, cwd=ROOT, env=surroundings, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(
    quick: Annotated[bool, typer.Option(help="A short trial run; its figures are meaningless.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Methods to measure, any of `explain`.")] = None,
    peers: Annotated[Path, typer.Option(help="The Python that has lxt.", exists=True)] = PYTHONS[PEERS],
    out: Annotated[
        Path | None, typer.Option(help="Output folder; by default the folder of this file.")
    ] = None,
) -> None:
    """Measure the methods in both environments and write ``attn_lrp.json`` and its table."""
    found = {}
    for where, python in {OWN: PYTHONS[OWN], PEERS: peers}.items():
        _console.log(f"beside {OTHER[where]}")
        rounds = _QUICK_ROUNDS if quick else _ROUNDS
        found[where] = in_environment(python, where, rounds, only or list(BARS[where]))
    folder = out or report.folder_for(quick=quick)
    folder.mkdir(parents=True, exist_ok=True)
    results = {
        "quick": quick,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "sizes": SIZES,
        "examples": EXAMPLES,
        "tokens": TOKENS,
        "bars": BARS,
        "found": found,
    }
    (folder / "attn_lrp.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "attn_lrp.md").write_text(report.page("attn_lrp.md.jinja", **results))


if __name__ == "__main__":
    typer.run(main)
