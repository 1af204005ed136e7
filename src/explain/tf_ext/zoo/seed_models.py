"""The seed models in TensorFlow (Keras). `explain.torch_ext.zoo.seed_models` holds their twins."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from explain.zoo.seed_models import CHARACTERS, HIDDEN_SIZE, seed_model

Array = npt.NDArray[Any]


def cifar_net(dtype: str = "float32") -> keras.Model:
    """Build the untrained `cifar_net`: (N, 32, 32, 3) in [-1, 1] to (N, 10) logits.

    Examples
    --------
    >>> cifar_net().output_shape
    (None, 10)
    """
    layers = keras.layers
    return _sequential(
        [
            keras.Input((32, 32, 3), dtype=dtype),
            layers.Conv2D(6, 5, dtype=dtype, name="conv1"),
            layers.ReLU(dtype=dtype, name="relu1"),
            layers.MaxPooling2D(2, dtype=dtype, name="pool1"),
            layers.Conv2D(16, 5, dtype=dtype, name="conv2"),
            layers.ReLU(dtype=dtype, name="relu2"),
            layers.MaxPooling2D(2, dtype=dtype, name="pool2"),
            layers.Flatten(dtype=dtype, name="flatten"),
            layers.Dense(120, dtype=dtype, name="fc1"),
            layers.ReLU(dtype=dtype, name="relu3"),
            layers.Dense(84, dtype=dtype, name="fc2"),
            layers.ReLU(dtype=dtype, name="relu4"),
            layers.Dense(10, dtype=dtype, name="fc3"),
        ],
        "cifar_net",
        dtype,
    )


def cifar_keras(dtype: str = "float32") -> keras.Model:
    """Build the untrained `cifar_keras`: (N, 32, 32, 3) in [0, 1] to (N, 10) logits.

    Examples
    --------
    >>> cifar_keras().output_shape
    (None, 10)
    """
    layers = keras.layers
    return _sequential(
        [
            keras.Input((32, 32, 3), dtype=dtype),
            layers.Conv2D(32, 3, dtype=dtype, name="conv1"),
            layers.ReLU(dtype=dtype, name="relu1"),
            layers.MaxPooling2D(2, dtype=dtype, name="pool1"),
            layers.Conv2D(64, 3, dtype=dtype, name="conv2"),
            layers.ReLU(dtype=dtype, name="relu2"),
            layers.MaxPooling2D(2, dtype=dtype, name="pool2"),
            layers.Conv2D(64, 3, dtype=dtype, name="conv3"),
            layers.ReLU(dtype=dtype, name="relu3"),
            layers.Flatten(dtype=dtype, name="flatten"),
            layers.Dense(64, dtype=dtype, name="fc1"),
            layers.ReLU(dtype=dtype, name="relu4"),
            layers.Dense(10, dtype=dtype, name="fc2"),
        ],
        "cifar_keras",
        dtype,
    )


class NamesRNN(keras.Model):
    """A character-level recurrent network that takes one character a step, with nothing non-linear between.

    Attributes
    ----------
    hidden_size : int
        Number of hidden features.
    i2h, i2o : keras.layers.Dense
        From input and hidden state together to the next hidden state and to the output.
    softmax : keras.layers.Activation
        From the output to log-probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> model = NamesRNN()
    >>> output, hidden = model(np.zeros((2, 57), "float32"), model.init_hidden(2))
    >>> tuple(output.shape), tuple(hidden.shape)
    ((2, 18), (2, 128))
    """

    def __init__(self, dtype: str = "float32") -> None:
        """Build the layers and, by a first call, their untrained weights."""
        super().__init__(name="names_rnn", dtype=dtype)
        languages = len(seed_model("names_rnn").classes)
        self.hidden_size = HIDDEN_SIZE
        self.i2h = keras.layers.Dense(HIDDEN_SIZE, dtype=dtype, name="i2h")
        self.i2o = keras.layers.Dense(languages, dtype=dtype, name="i2o")
        self.softmax = keras.layers.Activation("log_softmax", dtype=dtype, name="softmax")
        self(np.zeros((1, CHARACTERS), dtype), self.init_hidden(1))

    def call(self, input: Any, hidden: Any) -> tuple[Any, Any]:
        """Take one step.

        Parameters
        ----------
        input : tf.Tensor, shape (N, 57)
            One character of each name, one-hot.
        hidden : tf.Tensor, shape (N, 128)
            The hidden state after the characters before.

        Returns
        -------
        output : tf.Tensor, shape (N, 18)
            Log-probabilities of the languages, given the characters so far.
        hidden : tf.Tensor, shape (N, 128)
            The next hidden state.
        """
        combined = keras.ops.concatenate((input, hidden), axis=1)
        return self.softmax(self.i2o(combined)), self.i2h(combined)

    def init_hidden(self, batch_size: int = 1) -> Any:
        """Give the hidden state before the first character: zeros, shape (N, 128)."""
        return keras.ops.zeros((batch_size, self.hidden_size), dtype=self.compute_dtype)


def names_rnn(dtype: str = "float32") -> keras.Model:
    """Build the untrained `names_rnn`, see `NamesRNN`."""
    return NamesRNN(dtype)


def fashion_rnn(dtype: str = "float32") -> keras.Model:
    """Build the untrained `fashion_rnn`: (N, 28, 28) in [0, 1], rows as time, to (N, 10) probabilities.

    Examples
    --------
    >>> fashion_rnn().output_shape
    (None, 10)
    """
    layers = keras.layers
    return _sequential(
        [
            keras.Input((28, 28), dtype=dtype),
            layers.SimpleRNN(HIDDEN_SIZE, return_sequences=True, dtype=dtype, name="rnn1"),
            layers.SimpleRNN(HIDDEN_SIZE, dtype=dtype, name="rnn2"),
            layers.Dense(10, dtype=dtype, name="fc"),
            layers.Softmax(dtype=dtype, name="softmax"),
        ],
        "fashion_rnn",
        dtype,
    )


def _sequential(layers: list[Any], name: str, dtype: str) -> keras.Model:
    """Stack layers; the model states their precision as its own, which Keras leaves at its default."""
    model = keras.Sequential(layers, name=name)
    model.dtype_policy = dtype
    return model


ARCHITECTURES: Mapping[str, Callable[[str], keras.Model]] = {
    "cifar_net": cifar_net,
    "cifar_keras": cifar_keras,
    "names_rnn": names_rnn,
    "fashion_rnn": fashion_rnn,
}


def parameters(model: keras.Model) -> dict[str, Array]:
    """Give every tensor of a seed model as a NumPy copy, named ``LAYER/WEIGHT``.

    Examples
    --------
    >>> parameters(cifar_net())["conv1/kernel"].shape
    (5, 5, 3, 6)
    """
    return {
        f"{layer.name}/{weight.name}": np.array(keras.ops.convert_to_numpy(weight))
        for layer in model.layers
        for weight in layer.weights
    }


def load(name: str, tensors: Mapping[str, Array], dtype: str = "float32") -> keras.Model:
    """Build a seed model with given parameters.

    Parameters
    ----------
    name : str
        One of `explain.zoo.names()`.
    tensors : Mapping of str to numpy.ndarray
        Every parameter, named ``LAYER/WEIGHT``.
    dtype : {"float32", "float64"}
        Precision of the model; the parameters are cast to it.

    Returns
    -------
    keras.Model
        Built.

    Examples
    --------
    >>> load("cifar_net", parameters(cifar_net())).built
    True
    """
    # Keras draws the seeds of its initialisers from Python's `random`; the user's state is put back.
    random_state = random.getstate()
    try:
        model = ARCHITECTURES[name](dtype)
    finally:
        random.setstate(random_state)
    for layer in model.layers:
        for weight in layer.weights:
            weight.assign(tensors[f"{layer.name}/{weight.name}"].astype(dtype))
    return model
