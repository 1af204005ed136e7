"""How a metric of Quantus is called on the fixed examples, with the draws of `explain`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from metrics.quantus.stored import Fixture, Floats, N

Maker = Callable[[Fixture], Any]
"""From the model with its examples to what Quantus gives."""

ROWS = np.arange(N)[:, np.newaxis]


def measured(name: str, one: Fixture, maps: Any, *, call: Any = None, **options: Any) -> Any:
    """Call a metric of Quantus on maps, not normalised, since that is by the largest value of all examples."""
    # Imported here, since pytest looks into every module for doctests.
    kind = getattr(import_module("quantus"), name)
    metric = kind(**{"normalise": False, "abs": False, **options}, disable_warnings=True)
    given = {"x_batch": one.x.astype(np.float64), "y_batch": one.target.copy(), "a_batch": maps.copy()}
    return metric(model=one.model, channel_first=True, batch_size=N, **given, **(call or {}))


def of_places(maps: Any) -> Floats:
    """Give the value of each place, (N, 1, 8, 8): Quantus counts every channel as a feature of its own."""
    found: Floats = np.asarray(maps, np.float64).sum(axis=1, keepdims=True)
    return found


def as_double(maps: Any) -> Floats:
    """Give maps in double precision."""
    return np.asarray(maps, np.float64)


def in_turn(points: Any) -> Any:
    """Give the perturbation of Quantus that gives these inputs, shape (K, N, ...), one after the other."""
    following = iter(points)
    return lambda arr, indices, **_: np.asarray(next(following), np.float64).reshape(arr.shape)


def putting_in(one: Fixture) -> Any:
    """Give the perturbation of Quantus that puts values of the examples into zeros, each time more."""
    whole = one.x.reshape(N, -1)
    seen = np.zeros_like(whole)

    def put_in(arr: Any, indices: Any, **_: Any) -> Any:
        seen[ROWS, indices] = whole[ROWS, indices]
        return seen.copy()

    return put_in
