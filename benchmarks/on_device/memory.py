"""Memory that runs out on purpose, and the size of a chunk that is found by timing."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import explain
from benchmarks.models_torch import Convolutional
from benchmarks.on_device.agreement import distances_of
from benchmarks.on_device.state import changes, planted, state_of
from explain.running.tuning import largest_chunk_of

_SEED = 0
# In double precision sums of other chunks differ by rounding alone.
_NEAR = 1e-9
# What a process may take of the device beside what it has, and points that need several times as much.
_GIBIBYTE = 2**30
_LEFT = 4 * _GIBIBYTE
_SIDE, _WIDTH, _POINTS = 128, 64, 512


class Narrow(nn.Module):
    """A model that runs out of memory for more rows than it can take, as a small device would."""

    def __init__(self, model: nn.Module, most: int) -> None:
        super().__init__()
        self.model, self.most = model, most
        self.refused = 0

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of at most so many rows."""
        if len(x) > self.most:
            self.refused += 1
            raise torch.OutOfMemoryError(f"CUDA out of memory: planted, at {len(x)} rows")
        logits: Tensor = self.model(x)
        return logits


def planted_error(device: torch.device, *, small: bool) -> dict[str, Any]:
    """Explain a model that raises PyTorch's error above 32 rows: a warning, the same numbers, the state as found."""
    model, x = _model(8, device), _pictures(2 if small else 8, 32)
    expected = _explained(model, x, 64, batch_size=16)[0]
    found = _recovered(Narrow(model, 32).to(device), x, device, n_points=64, batch_size=128)
    return _verdict(found, expected)


def exhausted_device(device: torch.device) -> dict[str, Any]:
    """Let the process take four gibibytes more of the device, and explain in chunks that need more."""
    model, x = _model(_WIDTH, device), _pictures(1, _SIDE)
    expected = _explained(model, x, _POINTS, batch_size=16)[0]
    torch.cuda.empty_cache()
    with _at_most(torch.cuda.memory_reserved(device) + _LEFT, device):
        found = _recovered(model, x, device, n_points=_POINTS, batch_size=_POINTS)
    return _verdict(found, expected)


def chunk_size(device: torch.device, *, small: bool) -> dict[str, Any]:
    """Time the chunk size that is found by itself beside given ones.

    The ratio is that of its time to the best of the given ones; it is measured, and no check.
    """
    sizes = (8, 16) if small else (32, 64, 128, 256, 512, 1024, 2048, 4096)
    model = _model(_WIDTH if device.type == "cuda" else 8, device, torch.float32)
    x = _pictures(4 if small else 64, 32, np.float32)
    points, repeats = (8, 2) if small else (64, 5)
    for _ in range(2 if small else 6):
        # The search for the fastest size times the blocks of the calls.
        found = _explained(model, x, points)[1]
    size, largest = found.batch_size, largest_chunk_of(model)
    given: dict[int | None, list[float]] = {size: [] for size in (None, *sizes)}
    for _ in range(repeats):
        for one, seconds in given.items():
            began = time.perf_counter()
            values = _explained(model, x, points, batch_size=one)[0]
            seconds.append(time.perf_counter() - began)
    seconds_of = {one: float(np.median(seconds)) for one, seconds in given.items()}
    own = seconds_of.pop(None)
    # Points on kinks may fall to either side in chunks of another size.
    distance = float(np.median(distances_of(found.values, values)))
    return {
        "found": size,
        "largest": largest,
        "seconds of the found size": own,
        "seconds of given sizes": {str(one): seconds for one, seconds in seconds_of.items()},
        "ratio": own / min(seconds_of.values()),
        "distance": distance,
        "passed": size is not None and size >= 1 and distance <= 1e-4,
    }


def _model(width: int, device: torch.device, dtype: torch.dtype = torch.float64) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        return Convolutional(width, 10).to(dtype).eval().to(device)


def _pictures(count: int, side: int, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(_SEED).random((count, 3, side, side)).astype(dtype)


def _explained(model: nn.Module, x: Any, n_points: int, **arguments: Any) -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", explain.errors.ConvergenceWarning)
        found = explain.attribute(model, x, target=0, n_steps=n_points, rule="midpoint", **arguments)
    return found.values, found


def _recovered(
    model: nn.Module, x: Any, device: torch.device, n_points: int, batch_size: int
) -> dict[str, Any]:
    """Explain with a chunk that does not fit; note the warnings and what has changed."""
    before = state_of(planted(model), device)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        values = _explained(model, x, n_points, batch_size=batch_size)[0]
    named = [str(one.message) for one in caught if one.category is explain.errors.OutOfMemoryWarning]
    return {"values": values, "warnings": named, "changed": changes(before, state_of(model, device))}


def _verdict(found: dict[str, Any], expected: Any) -> dict[str, Any]:
    distance = float(distances_of(found.pop("values"), expected).max())
    passed = distance <= _NEAR and len(found["warnings"]) == 1 and not found["changed"]
    return {**found, "distance": distance, "passed": passed}


@contextmanager
def _at_most(count: int, device: torch.device) -> Iterator[None]:
    """Let this process take at most so many bytes of the device."""
    _, total = torch.cuda.mem_get_info(device)
    torch.cuda.set_per_process_memory_fraction(min(1.0, count / total), device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()
