"""The properties of a TensorFlow model that are known without running it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from explain.errors import UnsupportedModelError
from explain.inputs.wiring import Wiring
from explain.keras.layers import is_keras_model
from explain.keras.model.inspection import KerasInspection
from explain.tf_ext.model.structure import structure_of


def inspect_model(
    model: Any, given: Any = (), wiring: Wiring | None = None, shape: Sequence[int] | None = None
) -> KerasInspection:
    """Determine the kind of a model, see `explain.keras.model.inspection.KerasInspection.of`.

    Raises
    ------
    ModelNotBuiltError
        If a Keras model has no weights yet.
    UnsupportedModelError
        If a SavedModel has no callable signature, or a Keras model no `call`.
    """
    if not is_keras_model(model):
        function, size = _callable_of(model, wiring)
        # The model is traced already, or it is a function that may do something that a trace cannot record.
        return KerasInspection(
            model=function, opaque=True, eager=True, fixed_batch_size=size, structure=structure_of(model)
        )
    return KerasInspection.of(model, given, wiring, shape, structure_of)


def device_and_dtype(inspection: KerasInspection, like: Any) -> tuple[str, Any]:
    """Give the device, and the precision of points: that of the model's weights, or of its input without weights."""
    device = "GPU:0" if tf.config.list_physical_devices("GPU") else "cpu"
    if inspection.structure.precision is not None:
        return device, tf.as_dtype(inspection.structure.precision)
    name = getattr(getattr(like, "dtype", None), "name", None)
    return device, tf.float64 if name == "float64" else tf.float32


def _callable_of(model: Any, wiring: Wiring | None) -> tuple[Any, int | None]:
    """Give the callable of a tf.Module, tf.function, SavedModel or function, and its fixed batch size."""
    signatures = getattr(model, "signatures", None)
    if not callable(model):
        if not signatures:
            raise UnsupportedModelError(
                f"model of type {type(model).__name__} cannot be called and has no signatures: give a function "
                "that calls it."
            )
        model = signatures.get("serving_default") or next(iter(signatures.values()))
    return model if wiring is not None else _positional(model), _fixed_batch_size(model)


def _positional(function: Any) -> Any:
    """Make a SavedModel's signature, which takes its inputs by name, callable by position."""
    structured = getattr(function, "structured_input_signature", None)
    if not structured or structured[0] or len(structured[1]) != 1:
        return function
    (name,) = structured[1]
    return lambda inputs: function(**{name: inputs})


def _fixed_batch_size(function: Any) -> int | None:
    structured = getattr(function, "structured_input_signature", None)
    specs = (
        (*structured[0], *structured[1].values())
        if structured
        else getattr(function, "input_signature", None) or ()
    )
    for spec in specs:
        shape = getattr(spec, "shape", None)
        if shape is not None and shape.rank:
            return int(shape[0]) if shape[0] is not None else None
    return None
