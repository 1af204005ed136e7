"""The seed models in TensorFlow (Keras). `explain.torch_ext.zoo.seed_models` contains their twins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np

from explain.tf_ext.zoo.names_transformer import NamesTransformer
from explain.zoo.layers import (
    Convolution,
    Dense,
    Embedding,
    Normalization,
    ParameterLayer,
    PlainLayer,
    Recurrent,
)
from explain.zoo.seed_models import CHARACTERS, HIDDEN_SIZE, seed_model


def build(name: str, dtype: str = "float32") -> keras.Model:
    """Build an untrained seed model with parameters of dtype `dtype`.

    Examples
    --------
    >>> build("cifar_net").output_shape
    (None, 10)
    """
    if name == "names_rnn":
        return NamesRNN(dtype)
    if name == "names_transformer":
        return NamesTransformer(_layers(name, dtype), dtype)
    row = seed_model(name)
    given = keras.Input(
        row.example_shape["tensorflow"], dtype="int64" if row.layout["tensorflow"] == "NT" else dtype
    )
    model = keras.Sequential([given, *_layers(name, dtype)], name=name)
    # Keras leaves the model's own dtype policy at the default; set it to that of the layers.
    model.dtype_policy = dtype
    return model


class NamesRNN(keras.Model):
    """`names_rnn` as a Keras model; it implements `explain.zoo.training.steps.StepwiseModel`.

    Examples
    --------
    >>> model = NamesRNN()
    >>> output, hidden = model(np.zeros((2, 57), "float32"), model.init_hidden(2))
    >>> tuple(output.shape), tuple(hidden.shape)
    ((2, 18), (2, 128))
    """

    def __init__(self, dtype: str = "float32") -> None:
        """Build the layers and, by a first call, their untrained weights."""
        super().__init__(name="names_rnn", dtype=dtype)
        self.hidden_size = HIDDEN_SIZE
        self.i2h, self.i2o, self.softmax = _layers("names_rnn", dtype)
        self(np.zeros((1, CHARACTERS), dtype), self.init_hidden(1))

    def call(self, input: Any, hidden: Any) -> tuple[Any, Any]:
        """Take one step, see `explain.zoo.training.steps.StepwiseModel`."""
        combined = keras.ops.concatenate((input, hidden), axis=1)
        return self.softmax(self.i2o(combined)), self.i2h(combined)

    def init_hidden(self, batch_size: int = 1) -> Any:
        """Give the hidden state before the first character: zeros, shape (N, 128)."""
        return keras.ops.zeros((batch_size, self.hidden_size), dtype=self.compute_dtype)


_PLAIN: Mapping[str, Callable[..., Any]] = {
    "relu": keras.layers.ReLU,
    "max_pooling": partial(keras.layers.MaxPooling2D, 2),
    "flatten": keras.layers.Flatten,
    "softmax": keras.layers.Softmax,
    "log_softmax": partial(keras.layers.Activation, "log_softmax"),
}


def _layers(name: str, dtype: str) -> list[Any]:
    """Build the layers of a seed model, in order."""
    return [_constructor(layer)(dtype=dtype, name=layer.name) for layer in seed_model(name).architecture]


def _constructor(layer: ParameterLayer | PlainLayer) -> Callable[..., Any]:
    match layer:
        case Convolution():
            convolution = keras.layers.Conv1D if layer.axes == 1 else keras.layers.Conv2D
            return partial(convolution, layer.out_channels, layer.kernel_size)
        case Dense():
            return partial(keras.layers.Dense, layer.out_features)
        case Recurrent():
            return partial(
                keras.layers.SimpleRNN, layer.hidden_features, return_sequences=layer.returns_sequence
            )
        case Embedding():
            return partial(keras.layers.Embedding, layer.count, layer.width)
        case Normalization():
            return partial(keras.layers.LayerNormalization, epsilon=layer.epsilon)
        case PlainLayer():
            return _PLAIN[layer.operation]
    raise TypeError(f"Keras has no layer for {layer!r}.")
