"""Token ids: attribution at the embedding's output, one number per token, without being told."""

from __future__ import annotations

import captum.attr
import keras
import numpy as np
import pytest
import torch
from models.recurrent import PlacedTokenReader, TokenReader
from torch import nn

import explain
from explain.errors import BaselineError, ExplainError, InputError, LayoutError, UnsupportedInputError
from explain.running.paths.quadrature import nodes_and_weights

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")

IDS = np.array([[3, 5, 2, 7, 0, 0], [1, 1, 4, 6, 8, 9]])


@pytest.fixture
def reader():
    torch.manual_seed(0)
    return PlacedTokenReader().double().eval()


def at_embedding(reader, method, **settings):
    layer = getattr(captum.attr, method)(reader, reader.words)
    found = layer.attribute(torch.tensor(IDS), target=1, **settings).detach().numpy()
    return found.sum(axis=2)


def test_integrated_gradients_are_captums_at_the_embedding(reader):
    expected = at_embedding(
        reader, "LayerIntegratedGradients", baselines=torch.zeros_like(torch.tensor(IDS)), n_steps=30
    )
    for ids in (IDS, IDS.astype(np.int32), torch.tensor(IDS)):
        a = explain.attribute(reader, ids, "ig", target=1, n_steps=30)
        np.testing.assert_allclose(a.values, expected, rtol=1e-5, atol=1e-7)
    assert a.layout == "NT"
    assert a.inputs.tolist() == IDS.tolist()
    assert a.baseline_rule == {"rule": "token", "id": 0}
    # Padding is its own baseline.
    assert not a.values[0, 4:].any()
    with torch.no_grad():
        difference = (reader(torch.tensor(IDS)) - reader(torch.zeros_like(torch.tensor(IDS))))[:, 1].numpy()
    np.testing.assert_allclose(a.values.sum(axis=1), difference, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_captums(reader):
    plain = captum.attr.LayerGradientXActivation(reader, reader.words, multiply_by_inputs=False)
    whole = plain.attribute(torch.tensor(IDS), target=1).detach().numpy()
    expected = np.linalg.norm(whole, axis=2)
    a = explain.attribute(reader, IDS, "saliency", target=1)
    np.testing.assert_allclose(a.values, expected, rtol=1e-5, atol=1e-7)


def test_baselines_are_tokens_or_vectors(reader):
    def found(baseline, **more):
        a = explain.attribute(reader, IDS, "ig", target=1, n_steps=30, baseline=baseline, **more)
        return a.values, dict(a.baseline_rule)

    expected = at_embedding(reader, "LayerIntegratedGradients", baselines=torch.full((2, 6), 8), n_steps=30)
    np.testing.assert_allclose(found(8)[0], expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found(np.full(6, 8))[0], expected, rtol=1e-5, atol=1e-7)
    assert found(8)[1] == {"rule": "token", "id": 8}
    assert found("zeros")[1] == {"rule": "zeros"}
    # The vector of the padding token is zero, but for that of its place, which is added after the embedding.
    np.testing.assert_allclose(found("zeros")[0], found(None)[0], rtol=1e-5, atol=1e-7)
    with pytest.raises(BaselineError, match="does not broadcast"):
        found(np.arange(4))


def test_the_padding_token_is_the_embeddings_own():
    torch.manual_seed(0)
    model = PlacedTokenReader(padding=9).double()
    assert explain.attribute(model, IDS, "ig", target=1, n_steps=2).baseline_rule == {
        "rule": "token",
        "id": 9,
    }


def test_lengths_hold_what_is_padding(reader):
    a = explain.attribute(reader, IDS, "ig", target=1, n_steps=10, baseline=7, lengths=[4, 6])
    assert not a.values[0, 4:].any()
    assert a.values[1].all()


def test_layers_and_neurons_of_a_reader(reader):
    # By hand, since Captum fails on a layer that gives a state besides.
    def states(ids):
        return reader.rnn(reader.words(ids) + reader.places(torch.arange(6)))[0].detach()

    ends, starts = states(torch.tensor(IDS)), states(torch.zeros(2, 6, dtype=torch.int64))
    inner = torch.zeros_like(ends)
    for node, weight in zip(*nodes_and_weights("gauss_legendre", 30), strict=True):
        point = (starts + node * (ends - starts)).requires_grad_()
        score = reader.head(torch.tanh(point).mean(1))[:, 1].sum()
        inner += weight * torch.autograd.grad(score, point)[0] * (ends - starts)
    a = explain.attribute(reader, IDS, "ig", target=1, layer="rnn", n_steps=30)
    assert a.layout == "NTC"
    np.testing.assert_allclose(a.values, inner.numpy(), rtol=1e-5, atol=1e-7)
    unit = explain.attribute(reader, IDS, "saliency", layer="head", neuron=1)
    whole = explain.attribute(reader, IDS, "saliency", target=1)
    np.testing.assert_allclose(unit.values, whole.values, rtol=1e-6)
    assert explain.attribute(reader, IDS, "gradcam", target=1).values.shape == IDS.shape


def test_a_keras_reader_is_its_twin():
    torch.manual_seed(0)
    in_torch = TokenReader(nn.Embedding(10, 4), nn.RNN(4, 5, batch_first=True), 5, 3).double()
    in_keras = keras.Sequential(
        [
            keras.Input((6,), dtype="int64"),
            keras.layers.Embedding(10, 4, dtype="float64"),
            keras.layers.SimpleRNN(5, dtype="float64"),
            keras.layers.Dense(3, activation="softmax", dtype="float64"),
        ]
    )
    own = {name: value.detach().numpy() for name, value in in_torch.state_dict().items()}
    in_keras.set_weights(
        [
            own["words.weight"],
            own["rnn.weight_ih_l0"].T,
            own["rnn.weight_hh_l0"].T,
            own["rnn.bias_ih_l0"] + own["rnn.bias_hh_l0"],
            own["head.weight"].T,
            own["head.bias"],
        ]
    )
    methods = (
        ("ig", {"n_steps": 20}),
        ("ig", {}),
        ("saliency", {}),
        ("deep_lift", {}),
        ("lrp", {"epsilon": 0.01}),
    )
    for method, options in methods:
        a, b = (explain.attribute(model, IDS, method, target=2, **options) for model in (in_torch, in_keras))
        np.testing.assert_allclose(a.values, b.values, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(a.scores, b.scores, rtol=1e-6)
        assert a.values.any()


def test_a_mask_that_an_embedding_works_out_is_kept():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int64"),
            keras.layers.Embedding(10, 4, mask_zero=True),
            keras.layers.LSTM(5),
            keras.layers.Dense(2),
        ]
    )
    a = explain.attribute(model, IDS, "ig", target=1, baseline="zeros", n_steps=50)
    short = IDS[:1, :4]
    alone = explain.attribute(model, IDS[:1], "saliency", target=1)
    # What is masked is not read.
    assert not alone.values[0, 4:].any()
    assert a.values[0, :4].all()
    assert short.shape == (1, 4)
    np.testing.assert_allclose(a.relative_delta, 0, atol=0.05)


def test_a_picture_of_tokens_is_drawn(reader):
    names = tuple(tuple(f"w{one}" for one in row) for row in IDS)
    a = explain.attribute(reader, IDS, "ig", target=1, display={"step_names": names})
    assert a.plot().axes


@pytest.mark.parametrize(
    ("ids", "arguments", "error", "words"),
    [
        (IDS - 1, {}, InputError, "0 or more"),
        (IDS[0], {}, InputError, r"give x\[None\]"),
        (IDS, {"layout": "NH"}, LayoutError, "token ids"),
        (IDS, {"layout": "TN"}, LayoutError, "layout='NT'"),
        (IDS, {"method": "activation_maximization", "bounds": (0, 1)}, UnsupportedInputError, "token ids"),
        (IDS + 90, {}, ExplainError, "index out of range"),
    ],
)
def test_ids_that_cannot_be(reader, ids, arguments, error, words):
    with pytest.raises(error, match=words):
        explain.attribute(reader, ids, **{"method": "saliency", "target": 1, **arguments})


def test_whole_numbers_for_a_model_without_an_embedding():
    with pytest.raises(InputError, match="dtype int64"):
        explain.attribute(nn.Linear(6, 2), IDS, "saliency", target=1)
