"""Models of whole sequences that take a first state: the caller gives it, and its rows stay with the examples."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import explain
from explain.errors import InputError, ModelCallError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 6, 4)).astype("float32")
IDS = RNG.integers(0, 20, (3, 6))
CELLS = ("RNN", "GRU", "LSTM")


class Reader(nn.Module):
    """``forward(x, hidden)`` over whole sequences, which gives an output of each step and the last state."""

    def __init__(self, cell, layers=2, *, ids=False, batch_first=True):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(20, 4) if ids else None
        self.recurrent = getattr(nn, cell)(4, 5, layers, batch_first=batch_first)
        self.head = nn.Linear(5, 7)

    def forward(self, x, hidden):
        return self.of_vectors(x if self.table is None else self.table(x), hidden)

    def of_vectors(self, vectors, hidden):
        steps, hidden = self.recurrent(vectors, hidden)
        return self.head(steps), hidden


class Lenient(Reader):
    def forward(self, x, hidden=None):
        return super().forward(x, hidden)


def state_of(cell, layers, count=3):
    states = [torch.tensor(RNG.normal(size=(layers, count, 5)).astype("float32")) for _ in range(2)]
    return tuple(states) if cell == "LSTM" else states[0]


def slopes_of(model, vectors, hidden, step=5, target=3):
    start = torch.as_tensor(vectors).detach().requires_grad_()
    output, _ = model.of_vectors(start, hidden)
    rows = output if model.recurrent.batch_first else output.movedim(0, 1)
    return torch.autograd.grad(rows[:, step, target].sum(), start)[0].numpy()


@pytest.mark.parametrize("cell", CELLS)
# As many layers as examples, and as many as features of a step: only the axis tells.
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_state_goes_with_its_example(cell, layers):
    model, hidden = Reader(cell, layers).eval(), state_of(cell, layers)
    a = explain.attribute(model, X, "saliency", target=(5, 3), forward_kwargs={"hidden": hidden})
    np.testing.assert_allclose(a.values, slopes_of(model, X, hidden), rtol=1e-5, atol=1e-7)
    one_by_one = explain.attribute(
        model, X, "ig", target=(5, 3), forward_kwargs={"hidden": hidden}, batch_size=1, n_steps=64
    )
    together = explain.attribute(model, X, "ig", target=(5, 3), forward_kwargs={"hidden": hidden}, n_steps=64)
    np.testing.assert_allclose(one_by_one.values, together.values, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        change = (model(torch.tensor(X), hidden)[0] - model(torch.zeros(3, 6, 4), hidden)[0])[:, 5, 3]
    np.testing.assert_allclose(together.values.sum((1, 2)), change.numpy(), rtol=1e-4, atol=1e-5)
    for row in range(3):
        own = [one[:, row : row + 1] for one in (hidden if cell == "LSTM" else [hidden])]
        given = {"hidden": tuple(own) if cell == "LSTM" else own[0]}
        alone = explain.attribute(model, X[row : row + 1], "saliency", target=(5, 3), forward_kwargs=given)
        np.testing.assert_allclose(alone.values[0], a.values[row], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("cell", CELLS)
def test_no_state_is_zeros(cell):
    model = Reader(cell).eval()
    zeros = torch.zeros(2, 3, 5)
    expected = slopes_of(model, X, (zeros, zeros) if cell == "LSTM" else zeros)
    for given in ({"forward_kwargs": {"hidden": None}}, {}):
        own = model if given else Lenient(cell).eval()
        a = explain.attribute(own, X, "saliency", target=(5, 3), **given)
        np.testing.assert_allclose(a.values, expected, rtol=1e-5, atol=1e-7)
    (a, none) = explain.attribute(model, (X, None), "saliency", target=(5, 3))
    np.testing.assert_allclose(a.values, expected, rtol=1e-5, atol=1e-7)
    assert none is None


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_token_ids_with_a_state(cell, batch_first):
    model, hidden = Reader(cell, ids=True, batch_first=batch_first).eval(), state_of(cell, 2)
    ids = IDS if batch_first else IDS.T
    slopes = slopes_of(model, model.table(torch.tensor(ids)), hidden)
    a = explain.attribute(
        model,
        ids,
        "saliency",
        target=(5, 3),
        layout="NT" if batch_first else "TN",
        forward_kwargs={"hidden": hidden},
    )
    np.testing.assert_allclose(a.values, np.linalg.norm(slopes, axis=-1), rtol=1e-5)


@pytest.mark.parametrize("cell", ["RNN", "GRU"])
def test_a_state_is_an_input_too(cell):
    model, hidden = Reader(cell).eval(), state_of(cell, 2)
    x, state = explain.attribute(model, (X, hidden), "saliency", target=(5, 3), layout=("NTC", "TNC"))
    np.testing.assert_allclose(x.values, slopes_of(model, X, hidden), rtol=1e-5, atol=1e-7)
    start = hidden.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(torch.tensor(X), start)[0][:, 5, 3].sum(), start)
    np.testing.assert_allclose(state.values, expected.numpy(), rtol=1e-5, atol=1e-7)


def test_without_the_state_it_is_said_how_and_the_advice_works():
    model = Reader("GRU", 1)
    model.hidden_size = 5
    with pytest.raises(ModelCallError, match=r"one step at a time.*forward_kwargs=\{'hidden': None\}"):
        explain.attribute(model, X, "saliency", target=(5, 3))
    with pytest.raises(InputError, match=r"token ids.*forward_kwargs=\{'hidden': None\}"):
        explain.attribute(Reader("GRU", ids=True), IDS, "saliency", target=(5, 3))
    a = explain.attribute(
        Reader("GRU", ids=True), IDS, "saliency", target=(5, 3), forward_kwargs={"hidden": None}
    )
    assert a.values.shape == IDS.shape


def test_steps_of_all_examples_on_one_axis_are_named_and_the_advice_works():
    class Flat(Reader):
        def forward(self, x, hidden):
            output, hidden = super().forward(x, hidden)
            return output.reshape(-1, 7), hidden

    class Unfolded(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Flat("GRU").eval()

        def forward(self, x):
            return self.inner(x, None)[0].reshape(len(x), -1, 7)

    with pytest.raises(InputError, match=r"reshape\(len\(x\), -1, 7\)"):
        explain.attribute(Flat("GRU"), X, "saliency", target=3, forward_kwargs={"hidden": None})
    a = explain.attribute(Unfolded(), X, "saliency", target=(5, 3))
    zeros = torch.zeros(2, 3, 5)
    np.testing.assert_allclose(a.values, slopes_of(Reader("GRU").eval(), X, zeros), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_a_keras_model_of_a_state(cell):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.recurrent = getattr(keras.layers, cell)(5, return_sequences=True, return_state=True)
            self.head = keras.layers.Dense(7)

        def call(self, x, states=None):
            steps, *states = self.recurrent(x, initial_state=states)
            return self.head(steps), states

    keras.utils.set_random_seed(0)
    model = Own()
    given = [RNG.normal(size=(3, 5)).astype("float32") for _ in range(2 if cell == "LSTM" else 1)]
    model(tf.constant(X), states=[tf.constant(one) for one in given])
    a = explain.attribute(model, X, "saliency", target=(5, 3), forward_kwargs={"states": given})
    start = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(start)
        score = tf.reduce_sum(model(start, states=[tf.constant(one) for one in given])[0][:, 5, 3])
    np.testing.assert_allclose(a.values, tape.gradient(score, start).numpy(), rtol=1e-5, atol=1e-7)
    for row in range(3):
        own = [one[row : row + 1] for one in given]
        alone = explain.attribute(
            model, X[row : row + 1], "saliency", target=(5, 3), forward_kwargs={"states": own}
        )
        np.testing.assert_allclose(alone.values[0], a.values[row], rtol=1e-5, atol=1e-7)
