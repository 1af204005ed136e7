"""Recurrent networks that several tests explain.

What builds a Keras model is given the framework, so that this file needs PyTorch alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn


class LastStep(nn.Module):
    """The last step of what a layer gives for a sequence (N, T, F), classified."""

    def __init__(self, rnn: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.rnn = rnn
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.steps(x)[:, -1])

    def steps(self, x: torch.Tensor) -> torch.Tensor:
        """What the layer gives at each step (N, T, width); a recurrent one gives its state besides."""
        found = self.rnn(x)
        return found[0] if isinstance(found, tuple) else found


class MeanOfSteps(LastStep):
    """The mean over the steps of what a layer gives for a sequence, classified."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.steps(x).mean(dim=1))


class TokenReader(LastStep):
    """The last step of what a recurrent layer gives for the vectors of token ids (N, T), classified."""

    def __init__(self, words: nn.Embedding, rnn: nn.Module, width: int, classes: int) -> None:
        super().__init__(rnn, width, classes)
        self.words = words

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return super().forward(self.words(ids))


class PlacedTokenReader(nn.Module):
    """Words with their places, through a recurrent layer, to three classes; id 0 is padding by default."""

    def __init__(self, padding: int = 0) -> None:
        super().__init__()
        self.places = nn.Embedding(6, 4)
        self.words = nn.Embedding(10, 4, padding_idx=padding)
        self.rnn = nn.GRU(4, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        vectors = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        return self.head(torch.tanh(self.rnn(vectors)[0]).mean(1))


def time_first_lstm(kit: Any, *, batch_first: bool = False) -> Any:
    """The last step of an LSTM that takes the time before the batch, classified; it may turn a batch by itself."""

    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(4, 5)
            self.classify = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classify(self.lstm(x.transpose(0, 1) if batch_first else x)[0][-1])

    return kit.randomised(TimeFirst().double())


def keras_last_step(keras: Any, layer: Any, shape: tuple[int, int], dtype: str = "float64") -> Any:
    """The last step of what a recurrent Keras layer gives for sequences of a shape (T, F), to two classes."""
    return keras.Sequential([keras.Input(shape, dtype=dtype), layer, keras.layers.Dense(2, dtype=dtype)])


def keras_stateful(keras: Any, layer: Any, shape: tuple[int, int], dtype: str = "float32") -> Any:
    """The same of a batch of two, each row with a state that the layer keeps from call to call."""
    return keras.Sequential(
        [keras.Input(batch_shape=(2, *shape), dtype=dtype), layer, keras.layers.Dense(2, dtype=dtype)]
    )


def give_weights(twin: LastStep, weights: list[np.ndarray]) -> LastStep:
    """Give a twin in PyTorch, parameter by parameter, arrays that lie as in Keras: kernels (in, out)."""
    for parameter, values in zip(twin.parameters(), weights, strict=True):
        parameter.data = torch.tensor(values.T.copy(), dtype=parameter.dtype)
    return twin


def character_rnn(kit: Any, weights: dict[str, tuple[np.ndarray, np.ndarray]]) -> Any:
    """``forward(input, hidden) -> (output, hidden)``, as in the PyTorch tutorial, in each framework.

    `weights` gives those of its two layers, "hidden" and "output", each a weight (features + hidden, units) and a bias.
    """
    joined, hidden_size = weights["hidden"][0].shape
    classes = len(weights["output"][1])
    if kit.name == "torch":

        class CharacterRNN(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.hidden_size = hidden_size
                self.i2h = nn.Linear(joined, hidden_size)
                self.i2o = nn.Linear(joined, classes)
                self.softmax = nn.LogSoftmax(dim=1)

            def forward(self, input: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                combined = torch.cat((input, hidden), 1)
                return self.softmax(self.i2o(combined)), self.i2h(combined)

        model = CharacterRNN()
        for layer, (weight, bias) in ((model.i2h, weights["hidden"]), (model.i2o, weights["output"])):
            with torch.no_grad():
                layer.weight.copy_(torch.tensor(weight.T))
                layer.bias.copy_(torch.tensor(bias))
        return model
    keras, tf = kit.keras, kit.tf

    class CharacterRNN(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.hidden_size = hidden_size
            self.i2h = keras.layers.Dense(hidden_size)
            self.i2o = keras.layers.Dense(classes, activation="log_softmax")

        def call(self, inputs: Any, hidden: Any) -> Any:
            combined = tf.concat([inputs, hidden], axis=1)
            return self.i2o(combined), self.i2h(combined)

    model = CharacterRNN()
    model(tf.zeros((1, joined - hidden_size)), tf.zeros((1, hidden_size)))
    model.i2h.set_weights(list(weights["hidden"]))
    model.i2o.set_weights(list(weights["output"]))
    return model
