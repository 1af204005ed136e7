"""Functions of arrays with maps made by hand, for the tests of metrics: what is measured is then known exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import explain
from explain.metrics.results.measurement import Measurement
from explain.metrics.subject import Subject
from explain.results.attribution import Attribution


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    """Random numbers that single precision holds exactly, as an attribution does."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def with_map(
    function: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    values: Any,
    layout: str = "NC",
    **fields: Any,
) -> Attribution:
    """Give an attribution of the first output of a function."""
    x = np.asarray(x, np.float32)
    defaults = {
        "method": "integrated_gradients",
        "scores": np.asarray(function(x), np.float64)[:, 0],
        "score": "output",
        "target": (0,) * x.shape[layout.index("N")],
        "framework": "numpy",
        "model": "function",
    }
    return Attribution(np.asarray(values, np.float32), x, layout, **{**defaults, **fields})


def measured(
    function: Any, attribution: Attribution, metric: str, *, seed: int = 0, given: Any = None, **options: Any
) -> Measurement:
    """Measure one metric of a function of arrays."""
    chosen = [(metric, options)]
    found = explain.evaluate(
        function, attribution, chosen, framework="numpy", seed=seed, progress=False, **(given or {})
    )
    return found[metric]


def subject_of(function: Any, attribution: Attribution, seed: int = 0) -> Subject:
    """What `measured` gives to a metric, for tests that draw the same random numbers."""
    return Subject(function, attribution, {"framework": "numpy"}, seed=seed)
