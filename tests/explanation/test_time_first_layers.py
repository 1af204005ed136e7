"""Layers of models that take time first: with ``layout="TNC"`` they have the values of the batch-first twin."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import ExplainWarning

RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(5, 7, 4)).astype("float32")
# As many examples as steps: no size tells the two apart.
SQUARE = SERIES[:, :5]
IDS = RNG.integers(1, 20, (5, 7))
METHODS = ["activation", "saliency", "ig", "conductance", "grad_cam", "layer_cam", "deep_lift"]


class Recurrent(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.LSTM(4, 6, batch_first=batch_first, bidirectional=True)
        self.second = nn.GRU(12, 5, batch_first=batch_first)
        self.middle, self.norm, self.head = nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 3)
        self.axis = 1 if batch_first else 0

    def forward(self, x):
        steps = self.norm(torch.tanh(self.middle(self.second(self.first(x)[0])[0])))
        return self.head(steps.select(self.axis, -1))


class Transformer(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(4, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first, dropout=0)
        self.second = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head, self.axis = nn.Linear(8, 3), 1 if batch_first else 0

    def forward(self, x):
        return self.head(self.second(self.first(x)).mean(self.axis))


class Convolutional(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv1d(4, 6, 3, padding=1), nn.Conv1d(6, 5, 3)
        self.head, self.order = nn.Linear(5, 3), (0, 2, 1) if batch_first else (1, 2, 0)

    def forward(self, x):
        return self.head(torch.relu(self.second(torch.relu(self.first(x.permute(self.order))))).mean(-1))


class Reader(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Embedding(20, 4)
        self.second = nn.LSTM(4, 6, batch_first=batch_first)
        self.head, self.axis = nn.Linear(6, 3), 1 if batch_first else 0

    def forward(self, x):
        return self.head(self.second(self.first(x))[0].mean(self.axis))


@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("kind", "x"),
    [
        (Recurrent, SERIES),
        (Recurrent, SQUARE),
        (Recurrent, SERIES[:1]),
        (Transformer, SERIES),
        (Convolutional, SERIES),
        (Reader, IDS),
    ],
)
@pytest.mark.parametrize("layer", ["first", "second"])
def test_a_layer_has_the_values_of_the_batch_first_twin(kind, x, layer, method):
    own, twin = kind(False).eval(), kind(True).eval()
    layout = "TNC"[: x.ndim]
    a = explain.attribute(own, x.swapaxes(0, 1), method, target=1, layer=layer, layout=layout)
    b = explain.attribute(twin, x, method, target=1, layer=layer, layout="NTC"[: x.ndim])
    values = a.values.swapaxes(0, 1) if a.layout[0] == "T" else a.values
    np.testing.assert_allclose(values, b.values, rtol=1e-5, atol=1e-6)


class KerasRecurrent(keras.Model):
    def __init__(self, batch_first):
        super().__init__()
        keras.utils.set_random_seed(0)
        self.first = keras.layers.GRU(5, return_sequences=True, name="first")
        self.second = keras.layers.Dense(6, activation="tanh", name="second")
        self.head, self.batch_first = keras.layers.Dense(3), batch_first

    def call(self, x):
        def turned(steps):
            return steps if self.batch_first else keras.ops.transpose(steps, (1, 0, 2))

        steps = self.second(turned(self.first(turned(x))))
        return self.head(steps[:, -1] if self.batch_first else steps[-1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", ["first", "second"])
def test_a_layer_of_a_keras_model_too(layer, method):
    own, twin = KerasRecurrent(False), KerasRecurrent(True)
    own(SERIES.swapaxes(0, 1))
    twin(SERIES)
    own.set_weights(twin.get_weights())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        a = explain.attribute(own, SERIES.swapaxes(0, 1), method, target=1, layer=layer, layout="TNC")
        b = explain.attribute(twin, SERIES, method, target=1, layer=layer)
    values = a.values.swapaxes(0, 1) if a.layout[0] == "T" else a.values
    np.testing.assert_allclose(values, b.values, rtol=1e-5, atol=1e-6)
