"""`explain` as a contender, the same in both frameworks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

import explain
from explain.running.tuning import largest_chunk_of

Array = npt.NDArray[Any]


def explained(
    model: Any, x: Array, targets: Array, settings: Mapping[str, Any]
) -> Callable[[], tuple[Array, dict[str, Any]]]:
    """Give a function that calls `explain.attribute`; it gives the map and facts about it.

    Parameters
    ----------
    model : torch.nn.Module or keras.Model
        The model.
    x, targets : numpy.ndarray
        The examples and the class to explain for each.
    settings : Mapping
        Options of `explain.attribute`; the method is integrated gradients unless they name another.
    """
    options = {"method": "integrated_gradients", "target": targets.tolist(), **settings}

    def run() -> tuple[Array, dict[str, Any]]:
        with warnings.catch_warnings():
            # The benchmark measures convergence itself, so it ignores warnings about it.
            warnings.simplefilter("ignore", explain.errors.ExplainWarning)
            found = explain.attribute(model, x, **options)
        facts: dict[str, Any] = {
            "rule": found.rule,
            "batch_size": found.batch_size,
            "largest chunk": largest_chunk_of(model),
        }
        if found.steps is not None:
            facts["steps"] = np.asarray(found.steps).tolist()
        if found.map_error is not None:
            facts["map_error"] = np.asarray(found.map_error).tolist()
        return found.values, facts

    return run
