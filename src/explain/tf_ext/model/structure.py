"""The properties of a TensorFlow model that a trace is specialised to."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from explain.inputs.examples import Array
from explain.keras import structure
from explain.keras.layers import is_keras_model
from explain.keras.structure import Structure


def structure_of(model: Any) -> Structure:
    """Give the structure of a built Keras model; of another model only the precision of its variables."""
    if is_keras_model(model):
        return structure.structure_of(model, _array, _dtype_name)
    names = map(_dtype_name, getattr(model, "variables", ()))
    return Structure(precision=structure.points_precision(names))


def _dtype_name(variable: Any) -> str:
    return str(tf.as_dtype(variable.dtype).name)


def _array(value: Any) -> Array | None:
    """Give the values of a tensor that has some: a symbolic one has none."""
    return value.numpy() if isinstance(value, tf.Tensor) and hasattr(value, "numpy") else None
