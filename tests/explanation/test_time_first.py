"""Sequences with their time steps first: `layout="TN"` and `"TNC"` are honoured, and asked for where needed."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import InputError, LayoutError, ModelCallError, ZeroGradientWarning

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")

STEPS, COUNT = 7, 3
IDS = np.random.default_rng(0).integers(1, 20, (STEPS, COUNT))
SERIES = np.random.default_rng(1).normal(size=(STEPS, COUNT, 4))


class WordModel(nn.Module):
    """Predicts from the last step; as in tutorials, its recurrent layer takes time first."""

    def __init__(self, *, batch_first: bool = False, swaps: bool = False) -> None:
        super().__init__()
        self.words, self.rnn, self.head = (
            nn.Embedding(20, 6),
            nn.GRU(6, 5, batch_first=batch_first),
            nn.Linear(5, 3),
        )
        self.swaps = swaps

    def forward(self, ids):
        vectors = self.words(ids)
        states, _ = self.rnn(vectors.transpose(0, 1) if self.swaps else vectors)
        return self.head(states[:, -1] if self.rnn.batch_first else states[-1])


class CellModel(WordModel):
    """The same with a loop over a cell, which goes along the first axis."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(6, 5)

    def forward(self, ids):
        state = None
        for vector in self.words(ids):
            state = self.cell(vector, state)
        return self.head(state)


class Translator(nn.Module):
    """Two sequences of ids, both time first, as in sequence-to-sequence tutorials."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Embedding(20, 6), nn.Embedding(20, 6)
        self.encoder, self.decoder, self.head = nn.LSTM(6, 5), nn.LSTM(6, 5), nn.Linear(5, 3)

    def forward(self, source, shifted):
        _, state = self.encoder(self.first(source))
        return self.head(self.decoder(self.second(shifted), state)[0][-1])


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def gradients(model, ids, target, *, axis=0):
    """Give the gradient at the vectors of time-first ids, one example at a time by plain autograd, (T, N, C)."""
    found = []
    for number in range(ids.shape[1 - axis]):
        one = torch.tensor(np.take(ids, [number], axis=1 - axis))
        kept = []
        handle = model.words.register_forward_hook(lambda module, given, out, kept=kept: kept.append(out))
        score = model(one)[0, target]
        handle.remove()
        found.append(torch.autograd.grad(score, kept[0])[0].numpy())
    return np.concatenate(found, axis=1 - axis)


@pytest.mark.parametrize("kind", [WordModel, CellModel])
def test_ids_with_time_first_are_explained_in_their_own_order(kind):
    model = kind().double().eval()
    a = explain.attribute(model, IDS, "saliency", target=1, layout="TN", reduce="sum")
    np.testing.assert_allclose(a.values, gradients(model, IDS, 1).sum(-1), rtol=1e-5, atol=1e-9)
    assert (a.layout, a.inputs.tolist(), len(a)) == ("TN", IDS.tolist(), COUNT)
    with torch.no_grad():
        scores = model(torch.tensor(IDS))[:, 1].numpy()
    np.testing.assert_allclose(a.scores, scores, rtol=1e-6)


@pytest.mark.parametrize("method", ["ig", "feature_ablation", "occlusion", "kernel_shap"])
def test_a_model_that_takes_the_other_order_gives_the_same_values(method):
    model = WordModel().double().eval()
    other = WordModel(batch_first=True).double().eval()
    other.load_state_dict(model.state_dict())
    given = {"target": [0, 1, 2], "seed": 3}
    a = explain.attribute(model, IDS, method, layout="TN", **given)
    b = explain.attribute(other, IDS.T, method, **given)
    assert b.values.any()
    np.testing.assert_allclose(a.values, b.values.T, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", [WordModel, CellModel])
@pytest.mark.parametrize("ids", [IDS, IDS.T, IDS[:, :1], IDS[:1], IDS[:2, :2]])
def test_the_layout_is_asked_for_where_the_model_reads_time_first(kind, ids):
    model = kind().eval()
    for given in ({}, {"layout": "NT"}):
        with pytest.raises(LayoutError, match="layout='TN'"):
            explain.attribute(model, ids, "saliency", target=1, **given)
    # The advice is followed.
    assert explain.attribute(model, ids, "saliency", target=1, layout="TN").values.shape == ids.shape


def test_a_model_that_reads_examples_first_is_not_asked_and_refuses_the_other_layout():
    for model in (WordModel(batch_first=True).eval(), WordModel(swaps=True).eval()):
        for ids in (IDS.T, IDS.T[:, :1], IDS.T[:1], IDS.T[:2, :2]):
            assert explain.attribute(model, ids, "saliency", target=1).layout == "NT"
    with pytest.raises(LayoutError, match="layout='NT'"):
        explain.attribute(WordModel(batch_first=True).eval(), IDS, "saliency", target=1, layout="TN")


def test_an_encoder_that_takes_time_first_asks_too():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(20, 8)
            self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
            self.head = nn.Linear(8, 3)

        def forward(self, ids):
            return self.head(self.encoder(self.words(ids)).mean(0))

    model = Encoder().double().eval()
    with pytest.raises(LayoutError, match="layout='TN'"):
        explain.attribute(model, IDS.T, "saliency", target=0)
    a = explain.attribute(model, IDS, "saliency", target=0, layout="TN", reduce="sum")
    # In float64 and without dropout the layer is exact, and the sum under its normalisation is not zero.
    np.testing.assert_allclose(a.values, gradients(model, IDS, 0).sum(-1), rtol=1e-5, atol=1e-9)


def test_several_sequences_with_time_first():
    model = Translator().double().eval()
    pair = (IDS, IDS[:4, ::-1].copy())
    with pytest.raises(LayoutError, match="in a tuple"):
        explain.attribute(model, tuple(one.T.copy() for one in pair), "ig", target=1)
    a, b = explain.attribute(model, pair, "ig", target=1, layout=("TN", "TN"), n_steps=200)
    assert (a.layout, a.values.shape, b.layout, b.values.shape) == ("TN", (7, 3), "TN", (4, 3))
    with torch.no_grad():
        change = (
            model(*map(torch.tensor, pair)) - model(*(torch.zeros_like(torch.tensor(one)) for one in pair))
        )[:, 1]
    np.testing.assert_allclose(a.values.sum(0) + b.values.sum(0), change.numpy(), rtol=1e-3)


def test_a_keras_model_may_take_ids_with_time_first():
    words, head = keras.layers.Embedding(20, 6), keras.layers.Dense(3)
    model = keras.Sequential([words, keras.layers.GRU(5), head])
    plain = model(IDS.T)

    class TimeFirst(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = model.layers

        def call(self, ids):
            found = keras.ops.swapaxes(self.inner[0](ids), 0, 1)
            return self.inner[2](self.inner[1](found))

    turned = TimeFirst()
    np.testing.assert_allclose(turned(IDS), plain, rtol=1e-6)
    for method in ("saliency", "feature_ablation"):
        a = explain.attribute(turned, IDS, method, target=1, layout="TN")
        b = explain.attribute(model, IDS.T, method, target=1)
        assert a.layout == "TN"
        np.testing.assert_allclose(a.values, b.values.T, rtol=1e-5, atol=1e-7)


class SeriesModel(nn.Module):
    """A recurrent layer and a linear one on every step, time first."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(4, 5), nn.Linear(5, 3)

    def forward(self, series):
        return self.head(self.rnn(series)[0])[-1]


def test_a_layer_of_a_time_first_model_is_explained_batch_first():
    model = SeriesModel().double().eval()
    states = model.rnn(torch.tensor(SERIES))[0].detach().requires_grad_()
    (slopes,) = torch.autograd.grad(model.head(states)[-1, :, 1].sum(), states)
    given = {"target": 1, "layout": "TNC", "layer": "rnn"}
    a = explain.attribute(model, SERIES, "saliency", **given)
    assert a.layout == "NTC"
    np.testing.assert_allclose(a.values, slopes.numpy().swapaxes(0, 1), rtol=1e-6, atol=1e-9)
    b = explain.attribute(model, SERIES, "activation", **given)
    np.testing.assert_allclose(b.values, states.detach().numpy().swapaxes(0, 1), rtol=1e-6)


def test_conductance_of_a_time_first_model_is_complete():
    model = SeriesModel().double().eval()
    with torch.no_grad():
        change = (
            model(torch.tensor(SERIES))[:, 2] - model(torch.zeros(SERIES.shape, dtype=torch.float64))[:, 2]
        )
    a = explain.attribute(model, SERIES, "conductance", target=2, layout="TNC", layer="rnn", n_steps=300)
    np.testing.assert_allclose(a.values.sum((1, 2)), change.numpy(), rtol=1e-3)
    assert a.values.shape == (COUNT, STEPS, 5)


def test_one_sequence_of_single_steps_is_asked_for():
    class Stepwise(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden_size, self.to_hidden, self.to_output = 5, nn.Linear(9, 5), nn.Linear(9, 3)

        def forward(self, step, hidden):
            both = torch.cat([step, hidden], 1)
            return self.to_output(both), torch.tanh(self.to_hidden(both))

    model = Stepwise().double()
    line = SERIES[:, :1]
    with pytest.raises(LayoutError, match="layout='TNC' for one sequence of 7 steps"):
        explain.attribute(model, line, "saliency", target=1)
    steps = torch.tensor(line).requires_grad_()
    hidden = torch.zeros(1, 5, dtype=torch.float64)
    for step in steps:
        output, hidden = model(step, hidden)
    (slope,) = torch.autograd.grad(output[0, 1], steps)
    a = explain.attribute(model, line, "saliency", target=1, layout="TNC")
    np.testing.assert_allclose(a.values, slope.numpy(), rtol=1e-6, atol=1e-9)
    assert len(explain.attribute(model, line, "saliency", target=1, layout="NTC")) == STEPS


class AnyIds(nn.Module):
    """Reads one id an example, or the mean of several."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(20, 6), nn.Linear(6, 3)

    def forward(self, ids):
        vectors = self.words(ids.long())
        return self.head(vectors if vectors.ndim == 2 else vectors.mean(1))


def test_ids_without_a_batch_axis_are_told_to_add_it():
    model, ids = AnyIds().eval(), IDS[:, 0]
    with pytest.raises(InputError, match=r"give x\[None\]") as caught:
        explain.attribute(model, ids, "saliency", target=0)
    assert not isinstance(caught.value, LayoutError)
    assert explain.attribute(model, ids[None], "saliency", target=0).values.shape == (1, STEPS)
    a = explain.attribute(model, ids, "saliency", target=0, layout="N", reduce="sum")
    np.testing.assert_allclose(a.values, [model.head.weight[0].sum().item()] * STEPS, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 3])
def test_a_squeeze_of_a_single_example_is_named(size):
    class Squeezed(nn.Module):
        def __init__(self, *axis):
            super().__init__()
            self.inner, self.axis = nn.Linear(4, size), axis

        def forward(self, x):
            return self.inner(x).squeeze(*self.axis)

    with pytest.raises(InputError, match=r"squeeze\(-1\)") as caught:
        explain.attribute(Squeezed(), np.ones((1, 4)), "saliency")
    assert "layout" not in str(caught.value)
    assert explain.attribute(Squeezed(-1), np.ones((1, 4)), "saliency").values.shape == (1, 4)


class IdsAndNumbers(AnyIds):
    """Looks ids up that come in floating point, and adds numbers."""

    def forward(self, ids, numbers):
        return super().forward(ids) + numbers


def test_ids_in_floating_point_are_named_and_not_the_order_of_the_inputs():
    model, numbers = IdsAndNumbers().double().eval(), SERIES[0, :, :3]
    ids = IDS.T.copy()
    with pytest.warns(ZeroGradientWarning, match=r"astype\(int\)"):
        a, b = explain.attribute(model, (ids.astype(float), numbers), "saliency", target=1)
    assert not a.values.any()
    assert b.values.any()
    with pytest.raises(ModelCallError, match="takes x, but raised IndexError") as caught:
        explain.attribute(model, (ids.astype(float), numbers), "smoothgrad", target=1)
    assert "order" not in str(caught.value)
    # The advice is followed: whole numbers are explained at the embedding, and the named method at the numbers.
    a, _ = explain.attribute(model, (ids, numbers), "saliency", target=1, reduce="sum")
    np.testing.assert_allclose(
        a.values, np.full(ids.shape, model.head.weight[1].sum().item() / STEPS), rtol=1e-6
    )
    a, _ = explain.attribute(model, (ids.astype(float), numbers), "feature_ablation", target=1)
    assert a.values.any()
