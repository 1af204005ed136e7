"""The properties of a Keras model that are known without running it, whichever framework Keras runs on."""

from __future__ import annotations

from typing import Any

from explain.inputs import layout
from explain.inputs.layout import Layout
from explain.keras.layers import layers_of


def default_layout(model: Any, ndim: int) -> Layout:
    """Give the layout of a first input of rank `ndim`: channels last, unless a layer has ``channels_first``."""
    first = any(getattr(layer, "data_format", None) == "channels_first" for layer in layers_of(model))
    return layout.default_layout(ndim, "first" if first else "last")


def input_shape_of(model: Any) -> tuple[int | None, ...] | None:
    """Give the shape of a Keras model's only input, batch axis included; None if the model does not state it."""
    try:
        shape = model.input_shape
    # A subclassed model raises either error, depending on the version of Keras.
    except (AttributeError, ValueError):
        return None
    if isinstance(shape, list) and len(shape) == 1:
        shape = shape[0]
    if isinstance(shape, tuple) and all(size is None or isinstance(size, int) for size in shape):
        return shape
    return None


def output_names(model: Any) -> tuple[str, ...]:
    """Give the names of a Keras model's outputs; none for a model that does not state them."""
    names = getattr(model, "output_names", None) or ()
    return tuple(names) if all(isinstance(name, str) for name in names) else ()


def stated_input_shape(model: Any) -> tuple[int | None, ...] | None:
    """Give the shape of one example, without the batch axis, if the model states it."""
    shape = input_shape_of(model)
    return shape[1:] if shape else None
