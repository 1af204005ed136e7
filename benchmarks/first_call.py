"""Compares the first and the second default call with those of another checkout: `python -m benchmarks.first_call`.

`python -m benchmarks.first_call beside-hand` compares first calls in TensorFlow with the same methods written by hand.

Every measurement is a fresh process, because the first call to a model pays for traces and probes. The two checkouts
take turns, so that other load on the machine affects both.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from benchmarks import report
from benchmarks.interleaving import ratio, spread

ROOT = Path(__file__).resolve().parents[1]
OURS, OTHER = "this checkout", "the other checkout"
# The rounds of each model, and the calls after the first: the first call of EfficientNet-Lite0 takes over a minute.
CASES = {"cifar_keras": (21, 31), "efficientnet_lite0": (3, 7)}
# The steps of the calls after the first: so few that one more pass shows in their time.
_STEPS = 8
_EXAMPLES = 8
_PASSES = 20
# The contenders of the calls that are also written by hand, and the rounds.
BY_HAND, EXPLAIN = "by hand", "explain"
_ROUNDS = 3
_NAME_LENGTH = 7

_app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Measurement:
    """The times of one process, in seconds.

    Attributes
    ----------
    first : float
        The first call, with traces and probes.
    second : float
        The median of the calls after it, with few steps.
    one_pass : float
        The median forward pass over a single example, without `explain`.
    """

    first: float
    second: float
    one_pass: float


def measured(model: str, framework: str, repeats: int) -> Measurement:
    """Time the calls of one model in this process, with the `explain` that this process imports."""
    import explain

    net, x = explain.zoo.load(model, framework), explain.zoo.samples(model, framework).x[:_EXAMPLES]
    # Load the framework's kernels, which no version of `explain` can avoid.
    forward = _forward(net, x, framework)
    forward()

    def call(**options: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return explain.attribute(net, x, **options)

    first = _seconds(call)
    few = partial(call, n_steps=_STEPS)
    # What the first call with as many steps traces is no part of the calls that follow.
    few()
    later = [_seconds(few) for _ in range(repeats)]
    passes = [_seconds(forward) for _ in range(_PASSES)]
    return Measurement(first, spread(later)["median"], spread(passes)["median"])


def model_runs(model: str) -> int:
    """Count how often a later call runs a PyTorch model; a TensorFlow model is traced, and not called then."""
    import explain

    net, x = explain.zoo.load(model, "torch"), explain.zoo.samples(model, "torch").x[:_EXAMPLES]
    runs: list[None] = []
    net.register_forward_pre_hook(lambda *call: runs.append(None))
    for _ in range(2):
        runs.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            explain.attribute(net, x, n_steps=_STEPS)
    return len(runs)


def first_calls(contender: str, order: int) -> dict[str, float]:
    """Time the first call of each method on each seed model in TensorFlow, in seconds of the processor.

    What a process loads once, modules and kernels, is loaded before, by all the calls on models that are not timed.
    """
    import explain
    from benchmarks.first_calls_by_hand import METHODS, by_hand, same_call

    def timed(name: str, method: str) -> float:
        net, x = explain.zoo.load(name, "tensorflow"), _examples_of(name)
        began = time.process_time()
        if contender == BY_HAND:
            by_hand(name, net, method, _STEPS)(x)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                explain.attribute(net, x, method, **same_call(net, method, _STEPS))
        return time.process_time() - began

    cells = [(name, method) for name, several in METHODS.items() for method in several]
    for cell in cells:
        timed(*cell)
    # Each round has another order, so that what one call leaves to the next differs.
    cells = cells[order % len(cells) :] + cells[: order % len(cells)]
    return {f"{name}, {method}": timed(name, method) for name, method in cells}


def _examples_of(name: str) -> Any:
    """Give examples of a seed model; names of the same length, so that nothing has to handle padding."""
    import numpy as np

    import explain

    if name != "names_rnn":
        return explain.zoo.samples(name, "tensorflow").x[:_EXAMPLES]
    letters = np.random.default_rng(0).integers(0, 57, (_EXAMPLES, _NAME_LENGTH))
    return np.eye(57, dtype=np.float32)[letters]


def _forward(net: Any, x: Any, framework: str) -> Any:
    if framework == "torch":
        import torch

        tensor = torch.from_numpy(x[:1])

        def run() -> Any:
            with torch.inference_mode():
                return net(tensor)

        net.eval()
        return run
    return lambda: net(x[:1], training=False)


def _seconds(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def in_fresh_process(source: Path, *arguments: object) -> Any:
    """Run a command of this file in a new process that imports `explain` from a folder of sources."""
    surroundings = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(source), str(ROOT))),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
    # An installed package has its bytecode already: the first round writes it.
    surroundings.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "benchmarks.first_call", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=surroundings, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@_app.command()
def one(model: str, framework: str, repeats: int) -> None:
    """Measure one model in this process and print the result as JSON."""
    print(json.dumps(asdict(measured(model, framework, repeats))))


@_app.command()
def count(model: str) -> None:
    """Count the runs of one PyTorch model in a later call and print their number."""
    print(model_runs(model))


@_app.command()
def firsts(contender: str, order: int) -> None:
    """Time the first calls of one contender in this process and print them as JSON."""
    print(json.dumps(first_calls(contender, order)))


@_app.command()
def beside_hand(
    quick: Annotated[bool, typer.Option(help="A short trial run; its figures are meaningless.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Output folder; by default the folder of this file.")
    ] = None,
) -> None:
    """Time first calls in TensorFlow beside the same methods written by hand, and write the table."""
    folder = out or report.folder_for(quick=quick)
    spent: dict[str, list[dict[str, float]]] = {EXPLAIN: [], BY_HAND: []}
    for order in tqdm(range(1 if quick else _ROUNDS), desc="by hand"):
        for contender, rounds in spent.items():
            rounds.append(in_fresh_process(ROOT / "src", "firsts", contender, order))
    found = {}
    for cell in spent[EXPLAIN][0]:
        seconds = {contender: [one[cell] for one in rounds] for contender, rounds in spent.items()}
        found[cell] = {
            **{contender: spread(times) for contender, times in seconds.items()},
            "ratio": ratio(seconds, EXPLAIN, BY_HAND),
        }
    _write(folder, quick=quick, by_hand=found)


@_app.command()
def compare(
    other: Annotated[Path, typer.Argument(help="The src folder of the other checkout.", exists=True)],
    quick: Annotated[bool, typer.Option(help="A short trial run; its figures are meaningless.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Models to measure.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder; by default the folder of this file.")
    ] = None,
) -> None:
    """Measure every model in both checkouts and write ``first_call.json`` and its table."""
    folder = out or report.folder_for(quick=quick)
    kept = folder / "first_call.json"
    # What is not measured again stays as it was.
    found = json.loads(kept.read_text())["models"] if only and kept.exists() else {}
    sources = {OURS: ROOT / "src", OTHER: other.resolve()}
    for model, framework in itertools.product(only or CASES, ("torch", "tensorflow")):
        rounds, repeats = (1, 1) if quick else CASES[model]
        rows: dict[str, list[Measurement]] = {OURS: [], OTHER: []}
        for _ in tqdm(range(rounds), desc=f"{model}, {framework}"):
            for name, source in sources.items():
                found_here = in_fresh_process(source, "one", model, framework, repeats)
                rows[name].append(Measurement(**found_here))
        firsts = {name: [row.first for row in measured] for name, measured in rows.items()}
        seconds = {name: [row.second for row in measured] for name, measured in rows.items()}
        passes = [row.one_pass for measured in rows.values() for row in measured]
        more = spread(seconds[OURS])["median"] - spread(seconds[OTHER])["median"]
        found[f"{model}, {framework}"] = {
            "first": {name: spread(spent) for name, spent in firsts.items()},
            "second": {name: spread(spent) for name, spent in seconds.items()},
            "first_ratio": ratio(firsts, OURS, OTHER),
            "second_ratio": ratio(seconds, OURS, OTHER),
            "one_pass": spread(passes),
            "more_passes": more / spread(passes)["median"],
        }
    for model in only or CASES:
        found[f"{model}, torch"]["runs"] = {
            name: in_fresh_process(source, "count", model) for name, source in sources.items()
        }
    _write(folder, quick=quick, models=found)


def _write(folder: Path, *, quick: bool, **measured: Any) -> None:
    """Write the results and their page; what is not measured again stays as it was."""
    kept = folder / "first_call.json"
    before = {"models": {}, "by_hand": {}} | (json.loads(kept.read_text()) if kept.exists() else {})
    folder.mkdir(parents=True, exist_ok=True)
    results = {
        **before,
        "quick": quick,
        "count": _EXAMPLES,
        "n_steps": _STEPS,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        **measured,
    }
    kept.write_text(json.dumps(results, indent=1) + "\n")
    (folder / "first_call.md").write_text(report.page("first_call.md.jinja", **results))


if __name__ == "__main__":
    _app()
