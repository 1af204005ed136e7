"""The parameters of a TensorFlow model's layers, read in canonical axes and written back from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explain.keras.layers import is_keras_model
from explain.keras.parameters import read_and_write as keras_parameters
from explain.parameters.canonical import ParameterLayer


def read_parameters(model: Any) -> tuple[ParameterLayer, ...]:
    """Give the layers of a model that hold parameters, in the order of the model's layers.

    Raises
    ------
    ModelNotBuiltError
        If the model has no weights yet.
    PortError
        If the model has no accessible layers, or a layer whose parameters are not plain tensors.

    Examples
    --------
    >>> import keras
    >>> layers = [keras.Input((3,)), keras.layers.Dense(2, name="fc")]
    >>> (layer,) = read_parameters(keras.Sequential(layers))
    >>> layer.name, layer.kind, layer.shapes
    ('fc', 'dense', {'kernel': (3, 2), 'bias': (2,)})
    """
    return keras_parameters.read_parameters(model, keras_parameters.names_of(model))


def write_parameters(model: Any, layers: Sequence[ParameterLayer]) -> None:
    """Assign tensors to a model's variables, see `explain.parameters.read_and_write.write_layers`.

    The variable objects and their dtype stay the same, so that an optimiser still refers to them.

    Examples
    --------
    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="fc")])
    >>> write_parameters(model, [ParameterLayer("fc", "dense", {"kernel": np.ones((3, 2)), "bias": np.ones(2)})])
    >>> float(np.sum(model.layers[0].kernel))
    6.0
    """
    keras_parameters.write_parameters(model, layers, keras_parameters.names_of(model))


def read_raw_parameters(model: Any) -> tuple[ParameterLayer, ...]:
    """Give the trainable variables of a model as they are stored, those of one layer together, in their order.

    A `tf.Module` that is no Keras model counts as one layer.

    Raises
    ------
    PortError
        If the model has no trainable variables of floating-point numbers.

    Examples
    --------
    >>> import keras
    >>> (layer,) = read_raw_parameters(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="fc")]))
    >>> layer.name, layer.kind, layer.shapes
    ('fc', 'weights', {'kernel': (3, 2), 'bias': (2,)})
    """
    return keras_parameters.read_raw_parameters(model, _names_of(model))


def write_raw_parameters(model: Any, layers: Sequence[ParameterLayer]) -> None:
    """Assign tensors to a model's variables, as `read_raw_parameters` gives them."""
    keras_parameters.write_raw_parameters(model, layers, _names_of(model))


def _names_of(model: Any) -> dict[int, str]:
    return keras_parameters.names_of(model) if is_keras_model(model) else {}
