"""Whether a model is deterministic: checked once per model."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import Any

import numpy as np

from explain.backends.protocol import Backend
from explain.errors import ExplainWarning, NonDeterministicWarning
from explain.inputs.examples import Array, Examples
from explain.public_calls.passes import uncounted
from explain.running.execution import Executor

# Far above the differences of sums in another order, far below the effect of a dropped unit.
UNSTEADY = 1e-4
"""The noise, as a share of the largest output, above which a model is not deterministic."""

UNSTEADY_NOTE: tuple[str, type[ExplainWarning]] = (
    "The model gives different outputs for the same input, though it is in inference mode: dropout is active, or "
    "another part is random. The map is of one draw, and another call may give another map. Turn the randomness off, "
    "or average the maps of many calls.",
    NonDeterministicWarning,
)

_known: weakref.WeakKeyDictionary[Any, tuple[object, float]] = weakref.WeakKeyDictionary()


def noise_of(backend: Backend, model: Any, examples: Examples, executor: Executor) -> float:
    """Give the difference of two forward passes over the same examples; measured once per structure of a model.

    Parameters
    ----------
    backend : Backend
        The opened model, inside its session.
    model : object
        The model itself, the key of the cached result; a model without weak references is checked every time.
    examples : Examples
        The examples to explain; the check uses the first chunk.
    executor : Executor
        Determines the size of the chunk.

    Returns
    -------
    float
        The largest difference, as a share of the largest output.
    """
    token = getattr(backend, "structure_token", None)
    try:
        known = _known.get(model)
    except TypeError:
        known = None
    if known is not None and known[0] == token:
        return known[1]

    def twice(rows: slice) -> tuple[Array, Array]:
        first, _ = backend.outputs(examples.rows(rows))
        with backend.reseeded():
            second, _ = backend.outputs(examples.rows(rows))
        return first, second

    with uncounted():
        _, (first, second) = next(executor.over_rows(len(examples), twice))
    found = largest_difference(first, second, largest_value(first))
    with suppress(TypeError):
        _known[model] = token, found
    return found


def largest_value(outputs: Array) -> float:
    """Give the largest absolute value of outputs; values that are not finite raise their own error later."""
    return float(np.abs(outputs, where=np.isfinite(outputs), out=np.zeros(outputs.shape)).max(initial=0))


def largest_difference(first: Array, second: Array, scale: float) -> float:
    """Give the largest difference of outputs of the same shape, as a share of `scale`; infinite if one is NaN.

    Examples
    --------
    >>> largest_difference(np.array([4.0, np.nan]), np.array([3.0, np.nan]), 2.0)
    0.5
    """
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.where(same, 0, np.abs(first.astype(np.float64) - second))
    largest = float(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max(initial=0))
    return largest / scale if largest and scale else np.inf if largest else 0.0
