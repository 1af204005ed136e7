"""The layers of a Keras model that read its input first: convolutions, recurrent layers, dense layers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.operations.first_reads import EnoughRead, Read, Role, repeated
from explain.keras.calls import replaced


def reads_in(run: Callable[[], Any], layers: Mapping[str, Any], most: int) -> list[Read]:
    """Run a model; give the inputs of the first layers that tell axes apart, at most as many."""
    found: list[Read] = []

    def noted(layer: Any) -> Callable[..., Any]:
        own = layer.call

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            tensor = next(iter([*arguments, *keywords.values()]), None)
            read = _read_by(layer, tensor) if tf.is_tensor(tensor) else None
            if read is not None:
                found.append(read)
                if len(found) == most:
                    raise EnoughRead
            return own(*arguments, **keywords)

        return call

    with ExitStack() as stack:
        for layer in layers.values():
            stack.enter_context(replaced(layer, "call", noted(layer)))
        with suppress(EnoughRead):
            run()
    return found


def _read_by(layer: Any, tensor: Any) -> Read | None:
    roles = _roles_for(layer, len(tensor.shape))
    if roles is None or len(roles) != len(tensor.shape) or not tensor.dtype.is_floating:
        return None
    # Inside a traced loop a tensor has no values.
    is_known = not tf.is_symbolic_tensor(tensor)
    array = np.asarray(tf.cast(tensor, tf.float64)) if is_known else None
    return Read(roles, tuple(tensor.shape), array)


def _roles_for(layer: Any, rank: int) -> tuple[Role, ...] | None:
    """Give the roles of the axes of a layer's input; None for a layer that does not tell them apart."""
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    count = len(window) if isinstance(window, (tuple, list)) else 0
    cell = getattr(layer, "cell", None)
    # A convolution inside a recurrent layer has its window in the cell.
    steps: tuple[Role, ...] = () if cell is None else ("T",)
    if count:
        extents = repeated("S", count)
        first = getattr(layer, "data_format", None) == "channels_first"
        return ("N", *steps, "C", *extents) if first else ("N", *steps, *extents, "C")
    if cell is not None or hasattr(layer, "backward_layer") or hasattr(layer, "num_heads"):
        return ("N", "T", "C")
    if hasattr(layer, "units") and hasattr(layer, "kernel"):
        return (*repeated("*", rank - 1), "F")
    return None
