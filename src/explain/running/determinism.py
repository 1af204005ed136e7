"""Whether a model is deterministic: checked once per model."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import Any

import numpy as np

from explain.backends.protocol import Backend
from explain.errors import ExplainWarning, NonDeterministicWarning
from explain.inputs.examples import Array, Examples
from explain.running.execution import Executor

# Far above the differences of sums in another order, far below the effect of a dropped unit.
_TOLERANCE = 1e-4

UNSTEADY_NOTE: tuple[str, type[ExplainWarning]] = (
    "The model gives different outputs for the same input, though it is in inference mode: dropout is active, or "
    "another part is random. The map is of one draw, and another call may give another map. Turn the randomness off, "
    "or average the maps of many calls.",
    NonDeterministicWarning,
)

_known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()


def is_unsteady(backend: Backend, model: Any, examples: Examples, executor: Executor) -> bool:
    """Tell whether two forward passes over the same examples differ; checked once per model.

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
    """
    try:
        known = _known.get(model)
    except TypeError:
        known = None
    if known is not None:
        return known

    def twice(rows: slice) -> tuple[Array, Array]:
        first, _ = backend.outputs(examples.rows(rows))
        with backend.reseeded():
            second, _ = backend.outputs(examples.rows(rows))
        return first, second

    _, (first, second) = next(executor.over_rows(len(examples), twice))
    # Outputs that are not finite raise their own error later.
    scale = np.abs(first, where=np.isfinite(first), out=np.zeros(first.shape)).max(initial=0)
    found = not np.allclose(first, second, rtol=0, atol=_TOLERANCE * scale, equal_nan=True)
    with suppress(TypeError):
        _known[model] = found
    return found
