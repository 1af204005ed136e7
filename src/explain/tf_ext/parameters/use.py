"""A Keras model run on an example by TensorFlow, to see how its layers with parameters are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from explain.errors import ModelCallError
from explain.inputs.wiring import inputs_and_wiring
from explain.keras import parameter_use as keras_parameter_use
from explain.keras.layers import kept_losses, layers_of, wired
from explain.parameters.canonical import ParameterLayer
from explain.parameters.use import Use, as_used
from explain.tf_ext.model.layers import named_layers
from explain.tf_ext.model.state import inference_mode, preserved_variables
from explain.tf_ext.model.transfer import to_host


def as_used_on(model: Any, layers: Sequence[ParameterLayer], x: Any) -> tuple[ParameterLayer, ...]:
    """Give layers in the order in which a model uses them, with what was put in a row before each, as seen.

    Parameters
    ----------
    model : keras.Model
        It is run in inference mode, several times.
    layers : sequence of ParameterLayer
        Its own.
    x : array_like, or tuple or dict of array_like
        A batch, as the model takes it; of several inputs a tuple, or a dict by their names.

    Raises
    ------
    ModelCallError
        If the model fails.

    Examples
    --------
    >>> import keras
    >>> from explain.tf_ext.parameters.access import read_parameters
    >>> first = [keras.Input((3, 3, 1)), keras.layers.Conv2D(2, 2)]
    >>> model = keras.Sequential([*first, keras.layers.Flatten(), keras.layers.Dense(3)])
    >>> as_used_on(model, read_parameters(model), np.ones((1, 3, 3, 1)))[1].settings["flattened"]
    (Block(positions=4, channels=2, channels_last=True, spatial=True),)
    """
    names = {
        id(layer): name for name, layer in named_layers(model).items() if name in {one.name for one in layers}
    }
    inputs, wiring = inputs_and_wiring(x)
    given, keywords = wired(model, wiring, list(map(tf.convert_to_tensor, inputs)), {}, keras=True)

    def call() -> None:
        model(*given, **keywords)

    def run(spoiled: int | None = None, axis: int = -1, channel: int = 0) -> list[Use]:
        uses: list[Use] = []
        try:
            with preserved_variables(model), kept_losses(layers_of(model)):
                keras_parameter_use.noted(
                    model, names, uses, call, _spoiled, to_host, (spoiled, axis, channel)
                )
        except Exception as error:
            raise ModelCallError(f"The model failed on x, given to see its layers called: {error}") from error
        return uses

    with inference_mode():
        return as_used(layers, run)


def _spoiled(tensor: Any, axis: int, channel: int) -> Any:
    shape = np.ones(len(tensor.shape), int)
    shape[axis] = -1
    factor = np.ones(int(tensor.shape[axis]))
    factor[channel] = np.nan
    return tensor * tf.cast(factor.reshape(shape), tensor.dtype)
