"""A state that a model keeps in itself from one call to the next: of one example it is held, of several refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import DependentExamplesError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

rng = np.random.default_rng(0)
X, PAST = rng.normal(size=(2, 3, 5, 4)).astype(np.float32)


class Keeping(nn.Module):
    """An LSTM that goes on where the last call ended; it may start again for another number of rows."""

    def __init__(self, starts_again):
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.head = nn.LSTM(4, 3, batch_first=True), nn.Linear(3, 2)
        self.h, self.starts_again = None, starts_again

    def forward(self, x):
        if self.starts_again and self.h is not None and self.h[0].shape[1] != len(x):
            self.h = None
        states, last = self.lstm(x, self.h)
        self.h = tuple(one.detach() for one in last)
        return self.head(states[:, -1])


def integrated(model, x, state):
    """Integrated gradients by the midpoint rule, every point run by itself from the same state."""
    total = torch.zeros_like(x)
    for node in (torch.arange(8) + 0.5) / 8:
        model.h = state
        point = (node * x).requires_grad_()
        total += torch.autograd.grad(model(point)[:, 1].sum(), point)[0] / 8
    model.h = state
    return (x * total).numpy()


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("starts_again", [False, True])
def test_the_state_of_an_lstm_that_was_used_before(starts_again):
    model = Keeping(starts_again)
    model(torch.tensor(PAST))
    state, steps = model.h, {"n_steps": 8, "rule": "midpoint"}
    for _ in range(2):
        with pytest.raises(DependentExamplesError, match="'h' of the Keeping, so a row reads") as raised:
            explain.attribute(model, X, "ig", target=1, **steps)
        assert "x[:1], after the model has run on the past of that example alone" in str(raised.value)
        assert model.h is state
    # What the message says first: reset.
    model.h = None
    found = explain.attribute(model, X, "ig", target=1, **steps)
    np.testing.assert_allclose(found.values, integrated(model, torch.tensor(X), None), atol=1e-6)
    assert model.h is None
    # And then: one example, with its own past.
    model(torch.tensor(PAST[:1]))
    state = model.h
    found = explain.attribute(model, X[:1], "ig", target=1, **steps)
    np.testing.assert_allclose(found.values, integrated(model, torch.tensor(X[:1]), state), atol=1e-6)
    found = explain.attribute(model, X[:1], "feature_ablation", target=1)
    for step in range(5):
        without = torch.tensor(X[:1])
        without[:, step] = 0
        model.h = state
        before = model(torch.tensor(X[:1]))[0, 1]
        model.h = state
        np.testing.assert_allclose(found.values[0, step], (before - model(without)[0, 1]).item(), atol=1e-6)
    model.h = state
    explain.attribute(model, X[:1], "saliency", target=1)
    assert model.h is state


class KeepingInKeras(keras.Model):
    """Adds the mean of what the last call gave."""

    def __init__(self):
        super().__init__()
        self.dense, self.h = keras.layers.Dense(3, activation="tanh"), None
        self.dense.build((None, 4))
        self.built = True

    def call(self, x):
        before = 0.0 if self.h is None else keras.ops.mean(self.h, axis=-1, keepdims=True)
        self.h = self.dense(x) + before
        return self.h


@pytest.mark.parametrize("eagerly", [False, True])
def test_a_state_in_an_attribute_of_a_keras_model(eagerly):
    import tensorflow as tf

    model, x = KeepingInKeras(), X[:, 0]
    model.run_eagerly = eagerly
    plain = explain.attribute(model, x, "saliency", target=1)
    # A trace leaves no tensor of its own in the attribute.
    assert model.h is None
    for past in (PAST[:, 0], PAST[:, 1]):
        model.h = None
        model(past)
        state = model.h
        with pytest.raises(DependentExamplesError, match="'h' of the KeepingInKeras"):
            explain.attribute(model, x, "saliency", target=1)
        assert model.h is state
        # The state of one example is held, and another one is not taken for it.
        model.h = state[:1]
        alone = explain.attribute(model, x[:1], "ig", target=1)
        expected = np.tanh(x[0] @ model.dense.get_weights()[0][:, 1]) + float(tf.reduce_mean(state[0]))
        np.testing.assert_allclose(alone.scores, [expected], atol=1e-6)
        np.testing.assert_allclose(alone.delta, 0, atol=1e-2)
    model.h = None
    np.testing.assert_array_equal(explain.attribute(model, x, "saliency", target=1).values, plain.values)


def test_a_state_in_a_variable_of_a_keras_model():
    class Remembering(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3, activation="tanh")
            self.seen = self.add_weight(shape=(3, 4), initializer="ones", trainable=False, name="seen")

        def call(self, x):
            self.seen.assign(self.seen * 0.5)
            return self.dense(x + self.seen)

    model = Remembering()
    model(X[:, 0])
    before = model.seen.numpy()
    with pytest.raises(DependentExamplesError, match="the variable 'remembering/seen"):
        explain.attribute(model, X[:, 0], "saliency", target=1)
    np.testing.assert_array_equal(model.seen.numpy(), before)
