"""Measures how time and memory scale, and the memory order taken, in PyTorch: `python -m benchmarks.scaling measure`.

It writes `scaling.json` and `scaling.md`. Times are of the processor, of calls in turns after calls that find the chunk
size. Memory is the growth of a fresh process, after a tiny call that loads the libraries' kernels.
"""

from __future__ import annotations

import copy
import json
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor, nn

import explain
from benchmarks import report
from benchmarks.cases import CASES, Case
from benchmarks.models_torch import model_of
from benchmarks.resident_memory import growth_during
from explain.running.tuning import largest_chunk_of
from explain.torch_ext.model.opened import OpenedModel

_HERE = Path(__file__).parent
_PICTURES = Case("scaling", "convolutional", "torch", 8, (3, 32, 32))
_SERIES = "series"
_EXAMPLES = (8, 32, 128, 512, 2048)
# Examples and points of each; the first is what the others are compared with.
_LOADS = ((64, 50), (2048, 50), (64, 1600))
_LARGE = {
    "a picture of 1,024²": ("convolutional", (3, 1024, 1024)),
    "a series of 10,000 steps": (_SERIES, (10_000, 4)),
}
_BUDGET = 2**30
_ROUNDS = 5

_app = typer.Typer(add_completion=False)


class _Series(nn.Module):
    """A recurrent network over series, (N, T, 4) to (N, 3) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.head = nn.GRU(4, 16, batch_first=True), nn.Linear(16, 3)

    def forward(self, series: Tensor) -> Tensor:
        """Give the logits after the last step."""
        states, _ = self.recurrent(series)
        logits: Tensor = self.head(states[:, -1])
        return logits


def _model(name: str, classes: int = 10) -> nn.Module:
    if name == _SERIES:
        torch.manual_seed(0)
        return _Series().eval().requires_grad_(False)
    known = [case for case in CASES if case.model == name and case.framework == "torch"]
    return model_of(known[0] if known else replace(_PICTURES, model=name, classes=classes))


def _inputs(count: int, shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


def _explained(model: nn.Module, x: Any, method: str = "integrated_gradients", **options: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explain.attribute(model, x, method, target=1, **options)


def _times(calls: dict[str, Callable[[], None]], rounds: int, warm: int) -> dict[str, float]:
    """Give the median seconds of the processor of each call; the calls take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(warm + rounds):
        for name, call in calls.items():
            began = time.process_time()
            call()
            if turn >= warm:
                seconds[name].append(time.process_time() - began)
    return {name: median(found) for name, found in seconds.items()}


@contextmanager
def _other_order() -> Iterator[None]:
    """Take the memory order that is not taken."""
    expect = OpenedModel.expect
    own: dict[int, bool] = {}

    def turned(self: OpenedModel, *about: Any, **options: Any) -> None:
        self._channels_last = own.get(id(self), self._channels_last)
        expect(self, *about, **options)
        own[id(self)] = self._channels_last
        self._channels_last = not self._channels_last
        self._weights.restore()

    OpenedModel.expect = turned  # type: ignore[method-assign]
    try:
        yield
    finally:
        OpenedModel.expect = expect  # type: ignore[method-assign]


def _in_the_other_order(call: Callable[[], None]) -> None:
    with _other_order():
        call()


def _orders(rounds: int, models: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for name in models:
        model = _model(name)
        for side in (64, 224):
            for count in (1, 8):
                x = _inputs(count, (3, side, side))
                for method, options in (
                    ("saliency", {}),
                    ("integrated_gradients", {"n_steps": 16, "batch_size": 16}),
                ):
                    taken = partial(_explained, model, x, method, **options)
                    other = partial(_in_the_other_order, taken)
                    found = _times({"taken": taken, "other": other}, rounds, 1)
                    rows.append(
                        {"model": name, "side": side, "images": count, "method": method}
                        | {"taken": found["taken"], "ratio": found["taken"] / found["other"]}
                    )
                    typer.echo(json.dumps(rows[-1]))
    return rows


def _growth(rounds: int, most: int) -> list[dict[str, Any]]:
    model = _model("convolutional")
    calls = {
        str(count): partial(_explained, model, _inputs(count, (3, 32, 32)), n_steps=8, rule="midpoint")
        for count in _EXAMPLES
        if count <= most
    }
    # The first calls search for the chunk size.
    rows = [
        {"examples": int(count), "seconds": seconds / int(count)}
        for count, seconds in _times(calls, rounds, 3).items()
    ]
    least = min(row["seconds"] for row in rows)
    rows = [row | {"ratio": row["seconds"] / least} for row in rows]
    typer.echo(json.dumps(rows))
    return rows


def _asked(command: str, *about: int | str) -> dict[str, Any]:
    """Ask a fresh process."""
    line = [sys.executable, "-m", "benchmarks.scaling", command, *map(str, about)]
    found: dict[str, Any] = json.loads(
        subprocess.run(line, check=True, capture_output=True, text=True).stdout
    )
    return found


def _memory(examples: int, points: int, large: str = "") -> dict[str, Any]:
    """Give the growth during a call, and that of a pass over the largest chunk that the call tried."""
    found = _asked("call", examples, points, large)
    return found | _asked("single-pass", found["chunk"], large)


def _loaded(large: str) -> tuple[nn.Module, tuple[int, ...]]:
    """Give a model that has run on a small input, which loads the libraries' kernels, and the shape of its examples."""
    name, shape = _LARGE[large] if large else (_PICTURES.model, _PICTURES.shape)
    _explained(_model(name), _inputs(2, (50, 4) if name == _SERIES else (3, 32, 32)), n_steps=2)
    return copy.deepcopy(_model(name)), shape


@_app.command()
def call(examples: int, points: int, large: str) -> None:
    """Print the growth of this process during a call, and the largest chunk that it tried."""
    model, shape = _loaded(large)
    x = _inputs(examples, shape)
    options = {"memory_budget": _BUDGET} if large else {}
    grown, _ = growth_during(lambda: _explained(model, x, n_steps=points, rule="midpoint", **options))
    chunk = largest_chunk_of(model) or 1
    typer.echo(json.dumps({"examples": examples, "points": points, "grown": grown, "chunk": chunk}))


@_app.command()
def single_pass(chunk: int, large: str) -> None:
    """Print the growth of this process during a forward and a backward pass over a chunk."""
    model, shape = _loaded(large)
    given = torch.zeros(chunk, *shape)
    given = given.contiguous(memory_format=torch.channels_last) if given.ndim == 4 else given
    given.requires_grad_()
    need, _ = growth_during(lambda: torch.autograd.grad(model(given).sum(), given))
    typer.echo(json.dumps({"need": need}))


@_app.command()
def measure(
    rounds: Annotated[int, typer.Option(help="The number of rounds.")] = _ROUNDS,
    most: Annotated[int, typer.Option(help="The largest number of examples.")] = _EXAMPLES[-1],
    model: Annotated[
        list[str] | None, typer.Option(help="Measure the memory order of these models only.")
    ] = None,
) -> None:
    """Measure everything, and write the page."""
    found = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "budget": _BUDGET,
        "orders": _orders(rounds, tuple(model or ("resnet18", "efficientnet_lite0"))),
        "growth": _growth(rounds, most),
        "memory": [_memory(*load) for load in _LOADS if load[0] <= most],
        "large": {name: _memory(1, 20, name) for name in _LARGE},
    }
    (_HERE / "scaling.json").write_text(json.dumps(found, indent=1) + "\n")
    write()


@_app.command()
def write() -> None:
    """Write the page anew from the JSON."""
    found = json.loads((_HERE / "scaling.json").read_text())
    (_HERE / "scaling.md").write_text(report.page("scaling.md.jinja", **found))


if __name__ == "__main__":
    _app()
