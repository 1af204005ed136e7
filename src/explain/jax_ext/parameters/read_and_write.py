"""The parameters of a Keras model on JAX, read in canonical axes and written back from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explain.keras.parameters import read_and_write as keras_parameters
from explain.parameters.canonical import ParameterLayer


def read_parameters(model: Any) -> tuple[ParameterLayer, ...]:
    """Give the layers of a model that hold parameters, in the order of the model's layers.

    Raises
    ------
    ModelNotBuiltError
        If the model has no weights yet.
    PortError
        If it is a function, or has a layer whose parameters are not plain tensors.
    """
    return keras_parameters.read_parameters(model, keras_parameters.names_of(model))


def write_parameters(model: Any, layers: Sequence[ParameterLayer]) -> None:
    """Assign tensors to a model's variables, see `explain.parameters.read_and_write.write_layers`.

    The variable objects and their dtype stay the same, so that an optimiser still refers to them.
    """
    keras_parameters.write_parameters(model, layers, keras_parameters.names_of(model))


def read_raw_parameters(model: Any) -> tuple[ParameterLayer, ...]:
    """Give the trainable variables of a Keras model as they are stored, those of one layer together, in their order.

    Raises
    ------
    PortError
        If it is a function, or has no trainable variables of floating-point numbers.
    """
    return keras_parameters.read_raw_parameters(model, keras_parameters.names_of(model))


def write_raw_parameters(model: Any, layers: Sequence[ParameterLayer]) -> None:
    """Assign tensors to a model's variables, as `read_raw_parameters` gives them."""
    keras_parameters.write_raw_parameters(model, layers, keras_parameters.names_of(model))
