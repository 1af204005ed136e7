"""The properties of a Keras model that are known without running it, whichever framework Keras runs on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explain.backends.inspection import Complaint, model_call_error
from explain.backends.stepwise import RUN_STEPWISE
from explain.errors import ExplainError
from explain.inputs import layout
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring
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


def shape_complaint(wanted: tuple[int | None, ...] | None, shape: tuple[int, ...]) -> Complaint | None:
    """Describe why an input's shape does not fit the shape that a model states; None if it fits or none is stated.

    Both have the batch axis first.
    """
    if wanted is None or (_fits(shape[1:], wanted[1:]) and len(shape) == len(wanted)):
        return None
    expected = "(" + ", ".join("N" if size is None else str(size) for size in (None, *wanted[1:])) + ")"
    if len(shape) == len(wanted) - 1 and _fits(shape, wanted[1:]):
        return Complaint(
            f"x has shape {shape}, a single example: add the batch axis, x[None], to make it {expected}"
        )
    if len(shape) == len(wanted) > 2 and _fits((*shape[2:], shape[1]), wanted[1:]):
        return Complaint(
            f"x has shape {shape} with its channels first, but the model wants channels last, {expected}: give "
            "np.moveaxis(x, 1, -1)",
            is_order=True,
        )
    return Complaint(f"the model wants x of shape {expected}, x has shape {shape}")


def call_error(
    cause: Exception, inputs: Sequence[Any], wiring: Wiring | None, *, stepwise: bool = False
) -> ExplainError:
    """Give the error for a model that raised; an earlier check rejects inputs that do not fit the stated shape."""
    passed = "A Keras model gets a tuple as a list, a dict by the names of its inputs." if wiring else None
    names = (wiring.names if wiring else None) or ("",) * len(inputs)
    given = [
        (name, tuple(one.shape), one.dtype.name)
        for name, one in zip(names, inputs, strict=True)
        if one is not None
    ]
    return model_call_error(cause, given, passed, RUN_STEPWISE if stepwise else "")


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size is None or size == given for given, size in zip(shape, wanted, strict=True)
    )
