"""The layers of a Keras model that first read its input, whichever framework Keras runs on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

from explain.backends.operations.first_reads import EnoughRead, Read, Role, repeated
from explain.inputs.examples import Array
from explain.keras.calls import replaced

Given = tuple[tuple[int | None, ...], Array | None]
"""The shape of a tensor and its values in double precision, None where it has no values, as in a traced loop."""


def reads_in(
    run: Callable[[], Any], layers: Mapping[str, Any], most: int, values_of: Callable[[Any], Given | None]
) -> list[Read]:
    """Run a model; give the inputs of the first layers that tell axes apart, at most as many.

    Parameters
    ----------
    run : callable
        Runs the model.
    layers : Mapping of str to keras.Layer
        Its layers by name.
    most : int
        The number of reads after which the run ends.
    values_of : callable
        Gives the shape and the values of what a layer receives, None for anything but a floating-point tensor.
    """
    found: list[Read] = []

    def noted(layer: Any) -> Callable[..., Any]:
        own = layer.call

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            given = values_of(next(iter([*arguments, *keywords.values()]), None))
            read = None if given is None else _read_by(layer, given)
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


def _read_by(layer: Any, given: Given) -> Read | None:
    shape, array = given
    roles = _roles_for(layer, len(shape))
    if roles is None or len(roles) != len(shape):
        return None
    return Read(roles, shape, array, id(layer) if layer.weights else None)


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
