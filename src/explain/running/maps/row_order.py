"""Whether the rows of a layer's output are in the order of the examples."""

from __future__ import annotations

import numpy as np

from explain.backends.protocol import LayeredBackend
from explain.errors import LayerError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall
from explain.running.execution import Executor

# A model that reorders its examples reorders so many already.
_MOST_EXAMPLES = 64
# The share of the largest value by which an output differs that is another example's.
_DIFFERENCE = 1e-3


def _are_in_order(backend: LayeredBackend, executor: Executor, call: LayerCall, examples: Examples) -> bool:
    """Tell whether the rows of a layer's output are reversed when the examples are.

    They are not where a model sorts its examples, as by the length of their sequences, and puts them back behind the
    layer.
    """
    count = min(len(examples), _MOST_EXAMPLES)

    def outputs(rows: Array) -> Array:
        few = examples.rows(rows)
        parts = executor.over_rows(count, lambda part: backend.recorded([call], few.rows(part))[0])
        return np.concatenate([found for _, found in parts])

    if executor.size == 1:
        return True
    first = outputs(np.arange(count))
    back = outputs(np.arange(count)[::-1])[::-1]
    # There may be several rows an example.
    if len(first) != count or first.shape != back.shape:
        return True
    least = _DIFFERENCE * np.abs(first).max(initial=0)

    def apart(row: Array) -> Array:
        distance: Array = np.abs(first - row).reshape(count, -1).max(axis=1, initial=0)
        return distance

    distances = [apart(row) for row in back]
    if not any(own[index] > least for index, own in enumerate(distances)):
        return True
    # Rows that are those of no example have a state of their own, or are never the same.
    return any(own.min() > least for own in distances)


def check_order(backend: LayeredBackend, executor: Executor, call: LayerCall, examples: Examples) -> None:
    """Refuse a layer at which the model has its examples in another order.

    Raises
    ------
    LayerError
        If the rows of its output are in another order than the examples.
    """
    if len(examples) == 1:
        return
    if not (backend.keeps_order(call, examples) or _are_in_order(backend, executor, call, examples)):
        raise LayerError(
            f"The rows of layer={call.label!r} are in another order than the examples: the model reorders them, as by "
            "the length of their sequences. The values of one example would be shown as those of another. Give "
            "batch_size=1, so that there is nothing to reorder, or name a layer before or behind the reordering."
        )
