"""Every kind of input and of model, evaluated and worked out by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from models.evaluated import NETWORK, OF_NETWORK, PICTURES, WEIGHT, X, linear, of_linear, values_of
from models.texts import WordTokenizer, classifier
from torch import nn

import explain
from explain.errors import (
    InputError,
)

MAP_ONLY = ["sparseness", "complexity"]


# Kinds of inputs and of models.


def scores_by_hand(score, inputs, values, axis):
    """Remove the places of one example one by one, those with the largest values first, and give the area."""
    maps = values.sum(axis=axis)
    order = np.argsort(-maps.reshape(-1), kind="stable")
    removed, curve = np.zeros(maps.size, bool), [score(inputs)]
    for place in order:
        removed[place] = True
        kept = np.where(np.expand_dims(removed.reshape(maps.shape), axis), 0, inputs)
        curve.append(score(kept.astype(np.float32)))
    return np.mean([(one + other) / 2 for one, other in pairwise(curve)])


@pytest.mark.parametrize("shape", [(2, 5, 6), (1, 3, 4, 2), (5, 2)], ids=["picture", "volume", "sequence"])
def test_every_kind_by_hand_in_both_orders_of_axes_and_both_frameworks(kit, shape):
    x = np.random.default_rng(5).normal(size=(2, *shape)).astype(np.float32)
    layout = {3: "NCHW", 4: "NCDHW", 2: "NTC"}[len(shape)]
    if kit.name == "tensorflow" and layout != "NTC":
        x, layout = np.moveaxis(x, 1, -1), layout.replace("C", "") + "C"
    weight = np.random.default_rng(6).normal(size=(x[0].size, 3)).astype(np.float32)
    model = kit.function(
        lambda x: kit.tanh(
            kit.matmul(
                x.reshape(len(x), -1) if kit.name == "torch" else kit.tf.reshape(x, (len(x), -1)),
                kit.tensor(weight),
            )
        )
    )
    one = explain.attribute(
        model, x, "feature_ablation", target=1, score="output", layout=layout, baseline=0.0
    )
    n_steps = int(np.prod([x.shape[layout.index(letter)] for letter in layout if letter in "DHWT"]))
    found = explain.evaluate(model, one, ("deletion", {"n_steps": n_steps, "score": "explained"}))["deletion"]

    def score(example):
        return np.tanh(np.float64(example).reshape(-1) @ np.float64(weight))[1]

    for row in range(2):
        axis = layout.index("C") - 1
        channels = np.float64(one.values[row]) / x.shape[layout.index("C")]
        area = scores_by_hand(score, x[row], channels, axis)
        whole, empty = score(x[row]), score(np.zeros_like(x[row]))
        assert found.values[row] == pytest.approx((area - empty) / abs(whole - empty), rel=1e-4)


def test_sequences_of_time_first(torch_kit):
    weight = torch.tensor(np.random.default_rng(6).normal(size=(5 * 2, 3)).astype(np.float32))
    x = np.random.default_rng(5).normal(size=(5, 4, 2)).astype(np.float32)
    first = torch_kit.function(lambda x: torch.tanh(x.permute(1, 0, 2).reshape(x.shape[1], -1) @ weight))
    second = torch_kit.function(lambda x: torch.tanh(x.reshape(len(x), -1) @ weight))
    before = explain.attribute(first, x, "saliency", layout="TNC", target=1)
    after = explain.attribute(second, x.transpose(1, 0, 2), "saliency", layout="NTC", target=1)
    names = ["deletion", "insertion", *MAP_ONLY]
    one, other = explain.evaluate(first, before, names), explain.evaluate(second, after, names)
    for name in names:
        np.testing.assert_allclose(one[name].values, other[name].values, rtol=1e-5)


def test_padding_changes_nothing():
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential([keras.Input((None, 2)), layers.Masking(), layers.GRU(4), layers.Dense(3)])
    x = np.random.default_rng(3).normal(size=(2, 6, 2)).astype(np.float32)
    x[1, 3:] = 0
    padded = explain.attribute(model, x, "saliency", target=1)
    assert padded.mask.sum(axis=1).tolist() == [6, 3]
    alone = explain.attribute(model, x[1:, :3], "saliency", target=1)
    options = {"n_steps": 3, "reference": 0.5}
    names = [("deletion", options), *MAP_ONLY]
    one, other = explain.evaluate(model, padded, names), explain.evaluate(model, alone, names)
    for name in one:
        np.testing.assert_allclose(one[name].values[1], other[name].values[0], rtol=1e-5)


def test_token_ids_of_a_transformer(tmp_path):
    model = explain.zoo.load("names_transformer")
    # Four letters of each name, without padding.
    ids = explain.zoo.samples("names_transformer").x[:3, :4]
    assert ids.all()
    one = explain.attribute(model, ids, "input_x_gradient")
    found = explain.evaluate(model, one, ("deletion", {"n_steps": ids.shape[1], "reference": 5}))["deletion"]
    order = np.argsort(-np.float64(one.values), axis=1, kind="stable")
    with torch.no_grad():
        curve = []
        for removed in range(ids.shape[1] + 1):
            left = ids.copy()
            np.put_along_axis(left, order[:, :removed], 5, axis=1)
            shares = torch.softmax(model(torch.tensor(left)), dim=1)
            curve.append(shares[range(3), list(one.target)].numpy())
    np.testing.assert_allclose(found.curve, np.transpose(curve), atol=1e-5)
    loaded = explain.load(one.save(tmp_path / "a.npz"))
    again = explain.evaluate(model, loaded, ("deletion", {"n_steps": ids.shape[1], "reference": 5}))[
        "deletion"
    ]
    assert again.values.tolist() == found.values.tolist()


def test_strings_with_their_tokenizer(kit, tmp_path):
    model, tokenizer = classifier(kit), WordTokenizer()
    texts = ["the film was good", "a very very bad film"]
    one = explain.attribute(model, texts, "saliency", tokenizer=tokenizer)
    with pytest.raises(InputError, match="tokenizer is not given: give tokenizer="):
        explain.evaluate(model, one)
    found = explain.evaluate(model, one, tokenizer=tokenizer)
    assert all(np.isfinite(found[name].values).all() for name in found)
    # With all tokens removed both examples are [PAD], in which the texts are alike but for their length.
    assert found["deletion"].curve[0, -1] != found["deletion"].curve[0, 0]
    assert (
        explain.evaluate(None, one, MAP_ONLY)["sparseness"].values.tolist()
        == found["sparseness"].values.tolist()
    )
    loaded = explain.load(one.save(tmp_path / "a.npz"))
    assert values_of(explain.evaluate(model, loaded, tokenizer=tokenizer)) == values_of(found)
    masks = np.zeros(one.values.shape, bool)
    masks[:, 3] = True
    located = explain.evaluate(None, one, "pointing_game", masks=masks)["pointing_game"].values
    real = np.where(one.mask, one.values, -np.inf)
    assert located.tolist() == (real.argmax(axis=1) == 3).astype(float).tolist()


def test_an_estimator_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(np.random.default_rng(3).normal(size=(40, 4)), np.arange(40) % 3)
    one = explain.attribute(model, X, "feature_ablation", baseline=0.0, score="probability")
    found = explain.evaluate(model, one, ("deletion", {"n_steps": 4}))["deletion"]
    order = np.argsort(-np.float64(one.values), axis=1, kind="stable")
    for row in range(3):
        left, curve = X[row].copy(), []
        for place in [None, *order[row]]:
            if place is not None:
                left[place] = 0
            curve.append(model.predict_proba(left[np.newaxis])[0, one.target[row]])
        np.testing.assert_allclose(found.curve[row], curve, atol=1e-6)


def test_a_function_needs_no_framework_again():
    one = of_linear()
    found = explain.evaluate(linear, one, ("deletion", {"n_steps": 4}))["deletion"]
    # Of a linear score the curve falls by the shares of the map, the largest first.
    whole = one.values.sum(axis=1, keepdims=True)
    left = whole - np.sort(one.values, axis=1)[:, ::-1].cumsum(axis=1)
    np.testing.assert_allclose(found.curve[:, 1:], left / np.abs(whole), atol=1e-5)
    assert explain.evaluate(linear, one, framework="numpy")["deletion"].values.shape == (3,)


def test_a_function_on_jax():
    import jax.numpy as jnp

    def function(x):
        return jnp.tanh(x @ WEIGHT)

    one = explain.attribute(function, X, "ig", target=1, framework="jax", score="output", n_steps=40)
    found = explain.evaluate(function, one)
    twin = explain.evaluate(lambda x: np.tanh(x @ WEIGHT), one, framework="numpy")
    for name in found:
        np.testing.assert_allclose(found[name].values, twin[name].values, rtol=1e-4)


def test_the_same_attribution_of_both_frameworks_has_the_same_values(torch_kit, tensorflow_kit):
    layers = [(WEIGHT, np.zeros(2, np.float32)), (WEIGHT[:2], np.zeros(2, np.float32))]
    models = [kit.dense(layers, "tanh") for kit in (torch_kit, tensorflow_kit)]
    one = explain.attribute(models[0], X, "ig", target=1)
    # An explanation may be evaluated on the model's port.
    found = [explain.evaluate(model, one) for model in models]
    for name in found[0]:
        np.testing.assert_allclose(found[0][name].values, found[1][name].values, rtol=1e-5)


def test_of_a_file(tmp_path):
    loaded = explain.load(OF_NETWORK.save(tmp_path / "a.npz"))
    assert values_of(explain.evaluate(NETWORK, loaded)) == values_of(explain.evaluate(NETWORK, OF_NETWORK))


# Which score is followed.


def test_probabilities_where_there_are_classes_and_the_score_where_there_are_none():
    steps = {"n_steps": 4}
    classes = explain.evaluate(NETWORK, OF_NETWORK, {"deletion": steps})["deletion"]
    with torch.no_grad():
        shares = torch.softmax(NETWORK(torch.tensor(PICTURES)), 1).numpy()
    np.testing.assert_allclose(classes.curve[:, 0], shares[range(3), range(3)], rtol=1e-5)
    # Neither an output of unknown kind nor a function of the outputs has a probability.
    assert explain.evaluate(linear, of_linear(), {"deletion": steps})["deletion"].curve[:, 0].tolist() == (
        np.sign(of_linear().scores).tolist()
    )

    def margin(outputs):
        return outputs[:, 0] - outputs[:, 1]

    one = explain.attribute(NETWORK, PICTURES, "saliency", target=margin)
    found = explain.evaluate(NETWORK, one, {"deletion": steps}, target=margin)["deletion"]
    with torch.no_grad():
        empty = float(margin(NETWORK(torch.zeros_like(torch.tensor(PICTURES[:1])))))
    assert found.curve[:, 0].tolist() == np.sign(one.scores - empty).tolist()
    assert found.curve[:, -1].tolist() == [0, 0, 0]


def test_ids_that_a_model_sums_by_itself():
    """At an `EmbeddingBag` no method starts: the ids themselves are put in the place of each other."""

    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.embedding, self.head = nn.EmbeddingBag(20, 8), nn.Linear(8, 3)

        def forward(self, ids):
            return self.head(self.embedding(ids))

    model, ids = Bag().eval(), np.random.default_rng(0).integers(0, 20, (4, 6))
    a = explain.attribute(model, ids, "feature_ablation", target=1)
    e = explain.evaluate(model, a, ("deletion", {"n_steps": 6, "score": "probability"}))
    order = np.argsort(-a.values[0], kind="stable")
    expected = []
    for count in range(7):
        moved = ids[:1].copy()
        moved[0, order[:count]] = 0
        with torch.no_grad():
            expected.append(float(torch.softmax(model(torch.from_numpy(moved)), 1)[0, 1]))
    np.testing.assert_allclose(e["deletion"].curve[0], expected, atol=1e-6)
    with pytest.raises(explain.errors.EvaluationError, match="token ids cannot change gradually"):
        explain.evaluate(model, a, "max_sensitivity")
