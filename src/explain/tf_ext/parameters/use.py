"""Runs a Keras model on an example with TensorFlow, to record how it uses its layers with parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from explain.inputs.wiring import inputs_and_wiring
from explain.keras.calls import kept_losses, wired
from explain.keras.layers import layers_of, named_layers
from explain.keras.parameters.use import recorded_uses
from explain.parameters.canonical import ParameterLayer
from explain.parameters.recorded_use import UseRecorder, recorded_run
from explain.parameters.use import as_used
from explain.tf_ext.model.state import inference_mode, preserved_variables
from explain.tf_ext.model.transfer import to_host


def as_used_on(model: Any, layers: Sequence[ParameterLayer], x: Any) -> tuple[ParameterLayer, ...]:
    """Run a Keras model in inference mode, several times, see `explain.parameters.use.as_used`.

    Examples
    --------
    >>> import keras
    >>> from explain.tf_ext.parameters.read_and_write import read_parameters
    >>> first = [keras.Input((3, 3, 1)), keras.layers.Conv2D(2, 2)]
    >>> model = keras.Sequential([*first, keras.layers.Flatten(), keras.layers.Dense(3)])
    >>> as_used_on(model, read_parameters(model), np.ones((1, 3, 3, 1)))[1].settings["flattened"]
    (Block(positions=4, channels=2, channels_last=True, spatial=True),)
    """
    wanted = {one.name for one in layers}
    names = {id(layer): name for name, layer in named_layers(model).items() if name in wanted}
    inputs, wiring = inputs_and_wiring(x)
    given, keywords = wired(model, wiring, list(map(tf.convert_to_tensor, inputs)), {}, keras=True)

    def call(recorder: UseRecorder) -> None:
        with (
            preserved_variables(model),
            kept_losses(layers_of(model)),
            recorded_uses(model, names, recorder),
        ):
            model(*given, **keywords)

    with inference_mode():
        return as_used(layers, recorded_run(call, to_host, _with_nan))


def _with_nan(tensor: Any, axis: int, channel: int) -> Any:
    shape = np.ones(len(tensor.shape), int)
    shape[axis] = -1
    factor = np.ones(int(tensor.shape[axis]))
    factor[channel] = np.nan
    return tensor * tf.cast(factor.reshape(shape), tensor.dtype)
