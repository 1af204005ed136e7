"""A model that gives different outputs for the same input is told of, and asked once."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import NonDeterministicWarning

X = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)
        self.calls = []

    def forward(self, x):
        return nn.functional.dropout(self.linear(x), 0.5, training=True)


class NoisyInKeras(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense, self.dropout = keras.layers.Dense(4), keras.layers.Dropout(0.5)

    def call(self, x):
        return self.dropout(self.dense(x), training=True)


class Counted(nn.Module):
    """Counts its calls outside itself: what it keeps is put back."""

    def __init__(self, calls):
        super().__init__()
        self.linear = nn.Linear(6, 4)
        self.count = calls.append

    def forward(self, x):
        self.count(len(x))
        return torch.tanh(self.linear(x))


def test_dropout_left_on_in_torch():
    model = Noisy()
    for _ in range(2):
        before = torch.get_rng_state()
        with pytest.warns(NonDeterministicWarning, match="dropout"):
            explain.attribute(model, X, "saliency", target=1, score="output")
        assert torch.equal(before, torch.get_rng_state())


def test_dropout_left_on_in_keras():
    model = NoisyInKeras()
    model(X)
    for _ in range(2):
        with pytest.warns(NonDeterministicWarning):
            explain.attribute(model, X, "saliency", target=1)


def test_ordinary_models_are_not_suspected():
    models = [
        nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5)),
        keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.Dropout(0.5)]),
    ]
    for model in models:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            explain.attribute(model, X, "saliency", target=1)


def test_a_model_is_asked_once_and_the_prediction_shares_the_gradients_forward_pass():
    calls = []
    model = Counted(calls)
    explain.attribute(model, X, "saliency", target=1)
    calls.clear()
    for target in (2, None, [0, 1, 2]):
        explain.attribute(model, X, "saliency", target=target)
    # Beside it one example alone, at every call.
    assert calls == [1, 3] * 3


def test_a_flag_that_makes_a_model_random_is_seen_at_the_next_call():
    class Switched(nn.Module):
        noisy = False

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 4)

        def forward(self, x):
            return self.linear(nn.functional.dropout(x, 0.5, training=self.noisy))

    model = Switched()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explain.attribute(model, X, "saliency", target=1)
    model.noisy = True
    with pytest.warns(NonDeterministicWarning):
        explain.attribute(model, X, "saliency", target=1)
