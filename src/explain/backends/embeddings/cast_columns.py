"""Columns of a table of floats that the model casts to whole numbers, of which an embedding gives vectors."""

from __future__ import annotations

import numpy as np

from explain.backends.embeddings.readers import is_embedding
from explain.backends.protocol import LayeredBackend
from explain.errors import ExplainError, ExplainWarning, ZeroGradientWarning
from explain.inputs.examples import Array, Examples

# What two examples have by chance, more are unlikely to.
_MOST_EXAMPLES = 16


def notes_on_cast_columns(
    backend: LayeredBackend, examples: Examples, method: str
) -> list[tuple[str, type[ExplainWarning]]]:
    """Warn of columns that embeddings read, for a method that changes them gradually.

    Parameters
    ----------
    backend : LayeredBackend
        The model.
    examples : Examples
        The examples; only a single input of shape (N, C) in floating point is a table.
    method : str
        The name of the method.
    """
    read = _cast_columns(backend, examples.rows(slice(0, _MOST_EXAMPLES)))
    if not read:
        return []
    places, labels = ", ".join(map(str, sorted(read))), ", ".join(dict.fromkeys(read.values()))
    text = (
        f"The model casts columns of x to whole numbers, of which {labels} give vectors: column {places} (from 0 on). "
        f"Nothing lies between two such numbers, so that method={method!r} finds no gradient there: their values are "
        "zero, or miss the change of the score. Take method='feature_ablation', 'shapley_value_sampling' or "
        "'kernel_shap'; or explain a model that takes these columns as whole numbers, an input of their own: they are "
        "then explained at their vectors."
    )
    return [(text, ZeroGradientWarning)]


def _cast_columns(backend: LayeredBackend, examples: Examples) -> dict[int, str]:
    """Give the columns that embeddings read, with the layer that reads each."""
    (x,) = examples.inputs
    names = {name for name, layer in backend.named_layers.items() if is_embedding(layer)}
    whole = np.flatnonzero((x == np.rint(x)).all(axis=0) & (x >= 0).all(axis=0))
    if not names or not whole.size:
        return {}
    found: dict[int, str] = {}
    try:
        calls = [call for call in backend.layer_calls(examples) if call.name in names]
        before = backend.received(calls, examples)
        for column in map(int, whole):
            other = x.copy()
            other[:, column] = np.where(x[:, column] > 0, x[:, column] - 1, 1)
            after = backend.received(calls, examples.with_inputs((other,)))
            for call, one, changed in zip(calls, before, after, strict=True):
                if _reads(one, changed, x[:, column]):
                    found[column] = call.label
    except ExplainError:
        # The model's outputs are asked for next: they show why.
        return {}
    return found


def _reads(before: Array, after: Array, column: Array) -> bool:
    """Tell whether a call receives a column, and another number where the column has one."""
    rows = before.reshape(len(before), -1)
    if after.shape != before.shape or len(rows) != len(column):
        return False
    moved = (rows != after.reshape(rows.shape)).all(axis=0)
    return bool((moved & (rows == column[:, None]).all(axis=0)).any())
