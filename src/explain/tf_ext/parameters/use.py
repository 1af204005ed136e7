"""Runs a Keras model on an example with TensorFlow, to record how it uses its layers with parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from explain.keras.parameters import use
from explain.parameters.canonical import ParameterLayer
from explain.tf_ext.model.state import inference_mode, preserved_variables
from explain.tf_ext.model.transfer import to_host


def as_used_on(model: Any, layers: Sequence[ParameterLayer], x: Any) -> tuple[ParameterLayer, ...]:
    """Run a Keras model in inference mode, several times, see `explain.parameters.use.as_used`.

    Examples
    --------
    >>> import keras, numpy as np
    >>> from explain.tf_ext.parameters.read_and_write import read_parameters
    >>> first = [keras.Input((3, 3, 1)), keras.layers.Conv2D(2, 2)]
    >>> model = keras.Sequential([*first, keras.layers.Flatten(), keras.layers.Dense(3)])
    >>> as_used_on(model, read_parameters(model), np.ones((1, 3, 3, 1)))[1].settings["flattened"]
    (Block(positions=4, channels=2, channels_last=True, spatial=True),)
    """
    with inference_mode():
        return use.as_used_on(
            model, layers, x, tf.convert_to_tensor, to_host, lambda: preserved_variables(model)
        )
