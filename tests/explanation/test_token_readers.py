"""Token ids: which embeddings read them, all of which move together, and a token or an id goes as a whole."""

from __future__ import annotations

import warnings
from itertools import pairwise

import captum.attr
import keras
import numpy as np
import pytest
import torch
from models.recurrent import PlacedTokenReader
from models.tokens import (
    FactorisationMachine,
    MatrixFactorisation,
    TiedReader,
    keras_factorisation_machine,
    keras_matrix_factorisation,
    keras_tied_reader,
)
from torch import nn

import explain
from explain.errors import (
    BaselineError,
    ConvergenceWarning,
    InputError,
    OptionError,
    UnexplainedTokensWarning,
)

FIELDS = np.array([[1, 2, 3], [3, 1, 2]])
RNG = np.random.default_rng(0)


def outputs(model, *x):
    """What a model gives, in NumPy."""
    if isinstance(model, nn.Module):
        with torch.no_grad():
            return model(*map(torch.tensor, x)).numpy()
    return np.asarray(model(x[0] if len(x) == 1 else list(x)))


@pytest.fixture(scope="module")
def machines():
    machine = FactorisationMachine((0, 4, 8)).double().eval()
    return machine, keras_factorisation_machine(machine)


@pytest.fixture(params=["torch", "tensorflow"])
def machine(request, machines):
    return machines[request.param == "tensorflow"]


def without(ids, place):
    other = ids.copy()
    other[:, place] = 0
    return other


def test_embeddings_that_read_the_same_ids_move_together(machines, machine):
    own = machines[0]
    a = explain.attribute(machine, FIELDS, "ig", n_steps=40)
    # Captum at both layers, and the score itself with every id the padding.
    theirs = captum.attr.LayerIntegratedGradients(own, [own.biases, own.factors])
    zeros = torch.zeros(FIELDS.shape, dtype=torch.int64)
    parts = theirs.attribute(torch.tensor(FIELDS), baselines=zeros, n_steps=40)
    expected = sum(part.detach().numpy().sum(-1) for part in parts)
    np.testing.assert_allclose(a.values, expected, rtol=1e-5, atol=1e-6)
    change = (outputs(machine, FIELDS) - outputs(machine, 0 * FIELDS))[:, 0]
    np.testing.assert_allclose(a.values.sum(1), change, rtol=1e-4)
    np.testing.assert_allclose(a.delta, a.values.sum(1) - change, atol=1e-5)


@pytest.mark.parametrize("method", ["feature_ablation", "occlusion", "shapley_value_sampling"])
def test_a_field_goes_with_all_its_numbers(machine, method):
    a = explain.attribute(machine, FIELDS, method, **({"n_samples": 60} if "shapley" in method else {}))
    if "shapley" in method:
        change = (outputs(machine, FIELDS) - outputs(machine, 0 * FIELDS))[:, 0]
        np.testing.assert_allclose(a.values.sum(1), change, rtol=1e-5)
        return
    for place in range(3):
        effect = (outputs(machine, FIELDS) - outputs(machine, without(FIELDS, place)))[:, 0]
        np.testing.assert_allclose(a.values[:, place], effect, rtol=1e-5)


def test_the_norm_is_over_the_numbers_of_both(machines, machine):
    own = machines[0]
    ids = torch.tensor(FIELDS) + own.offsets
    biases, vectors = (table(ids).detach().requires_grad_() for table in (own.biases, own.factors))
    products = (vectors.sum(1) ** 2 - (vectors**2).sum(1)).sum(-1, keepdim=True) / 2
    score = (biases.sum(1) + torch.tanh(products)).sum()
    slopes = torch.cat(torch.autograd.grad(score, (biases, vectors)), -1)
    a = explain.attribute(machine, FIELDS, "saliency")
    np.testing.assert_allclose(a.values, slopes.norm(dim=-1).numpy(), rtol=1e-6)


def test_a_table_of_zeros_reads_the_ids_all_the_same(machines):
    for index, make in enumerate((lambda own: own, keras_factorisation_machine)):
        own = FactorisationMachine().double()
        nn.init.zeros_(own.biases.weight)
        a = explain.attribute(make(own), FIELDS, "saliency")
        vectors = own.factors(torch.tensor(FIELDS)).detach().requires_grad_()
        products = (vectors.sum(1) ** 2 - (vectors**2).sum(1)).sum(-1) / 2
        (slopes,) = torch.autograd.grad(torch.tanh(products).sum(), vectors)
        # The slope of each bias is 1.
        np.testing.assert_allclose(a.values, np.sqrt((slopes**2).sum(-1).numpy() + 1), rtol=1e-6), index


def test_a_layer_named_among_them_is_explained_alone(machine):
    a = explain.attribute(machine, FIELDS, "ig", layer="factors", n_steps=40)
    assert a.values.shape == (2, 3, 4)
    biases = explain.attribute(machine, FIELDS, "ig", layer="biases", n_steps=4)
    assert biases.values.shape == (2, 3, 1)
    both = explain.attribute(machine, FIELDS, "ig", n_steps=40)
    total = biases.values.sum((1, 2)) + a.values.sum((1, 2))
    # The two meet in a sum.
    np.testing.assert_allclose(both.values.sum(1), total, rtol=1e-4)


class Deep(nn.Module):
    """Wide and deep: a bias of each token beside a network of their vectors."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.wide, self.words = nn.Embedding(10, 2), nn.Embedding(10, 3)
        self.dense, self.head = nn.Linear(15, 6), nn.Linear(6, 2)

    def forward(self, ids):
        hidden = torch.relu(self.dense(self.words(ids).flatten(1)))
        return self.wide(ids).sum(1) + self.head(hidden)


def keras_deep(twin):
    layers, ops, kind = keras.layers, keras.ops, {"dtype": "float64"}
    ids = keras.Input((5,), dtype="int64")
    wide, words = layers.Embedding(10, 2, **kind), layers.Embedding(10, 3, **kind)
    dense, head = layers.Dense(6, activation="relu", **kind), layers.Dense(2, **kind)
    hidden = head(dense(layers.Flatten()(words(ids))))
    model = keras.Model(ids, ops.sum(wide(ids), 1) + hidden)
    own = {name: value.detach().numpy() for name, value in twin.named_parameters()}
    for name, layer in (("wide", wide), ("words", words)):
        layer.set_weights([own[f"{name}.weight"]])
    for name, layer in (("dense", dense), ("head", head)):
        layer.set_weights([own[f"{name}.weight"].T, own[f"{name}.bias"]])
    return model


def test_every_method_takes_two_embeddings_in_both_frameworks():
    twin = Deep().double()
    ids = np.array([[3, 5, 2, 7, 1], [1, 1, 4, 6, 8]])
    models = twin, keras_deep(twin)
    settings = {"smoothgrad": {"n_samples": 4}, "ig": {"n_steps": 20}, "lime": {"n_samples": 60}}
    change = (outputs(twin, ids) - outputs(twin, 0 * ids))[:, 1]
    for method in (
        "ig",
        "saliency",
        "smoothgrad",
        "guided_backprop",
        "deep_lift",
        "lrp",
        "lime",
        "input_x_gradient",
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            a, b = (
                explain.attribute(model, ids, method, target=1, **settings.get(method, {}))
                for model in models
            )
        np.testing.assert_allclose(a.values, b.values, rtol=1e-5, atol=1e-7, err_msg=method)
        assert a.values.shape == ids.shape
        if method in ("ig", "deep_lift"):
            np.testing.assert_allclose(a.values.sum(1), change, rtol=2e-2 if method == "ig" else 1e-5)


USERS, ITEMS, EXTRA = np.array([3, 5]), np.array([8, 2]), RNG.normal(size=(2, 2))
RATING = {"user": USERS, "item": ITEMS, "extra": EXTRA}


@pytest.fixture(scope="module")
def factorisations():
    model = MatrixFactorisation().double().eval()
    return model, keras_matrix_factorisation(model)


@pytest.fixture(params=["torch", "tensorflow"])
def factorisation(request, factorisations):
    return factorisations[request.param == "tensorflow"]


def rating(model, user, item, extra=EXTRA):
    return outputs(model, user, item, extra)[:, 0]


@pytest.mark.parametrize("method", ["feature_ablation", "occlusion", "shapley_value_sampling", "kernel_shap"])
def test_an_id_goes_as_a_whole(factorisation, method):
    whole = rating(factorisation, USERS, ITEMS)
    no_user, no_item = (rating(factorisation, *ids) for ids in ((0 * USERS, ITEMS), (USERS, 0 * ITEMS)))
    if method in ("feature_ablation", "occlusion"):
        found = explain.attribute(factorisation, RATING, method)
        np.testing.assert_allclose(found["user"].values, whole - no_user, rtol=1e-5)
        np.testing.assert_allclose(found["item"].values, whole - no_item, rtol=1e-5)
        assert found["user"].layout == "N"
        return
    # Shapley's values of three players, the numbers beside as one, by their definition.
    options = {"n_samples": 4000 if method == "shapley_value_sampling" else 30}
    masks = {"user": None, "item": None, "extra": np.zeros((1, 2), int)}
    found = explain.attribute(factorisation, RATING, method, feature_mask=masks, **options)
    ends = {"user": USERS, "item": ITEMS, "extra": EXTRA}

    def of(kept):
        return rating(factorisation, *(value if name in kept else 0 * value for name, value in ends.items()))

    orders = [("user", "item", "extra"), ("user", "extra", "item"), ("item", "user", "extra")]
    orders += [("item", "extra", "user"), ("extra", "user", "item"), ("extra", "item", "user")]
    expected = {name: np.zeros(2) for name in ends}
    for order in orders:
        for before, after in pairwise([(), order[:1], order[:2], order]):
            expected[(set(after) - set(before)).pop()] += (of(after) - of(before)) / 6
    tolerance = {"atol": 0.1} if method == "shapley_value_sampling" else {"rtol": 1e-4, "atol": 1e-5}
    for name in ("user", "item"):
        np.testing.assert_allclose(found[name].values, expected[name], **tolerance)


def test_a_single_id_by_itself_with_the_rest_in_keywords(factorisations):
    model = factorisations[0]
    beside = {"item": torch.tensor(ITEMS), "extra": torch.tensor(EXTRA)}
    settings = {"layout": "N", "forward_kwargs": beside}
    whole = rating(model, USERS, ITEMS) - rating(model, 0 * USERS, ITEMS)
    for method in ("feature_ablation", "occlusion", "ig", "deep_lift"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            a = explain.attribute(
                model, USERS, method, **settings, **({"n_steps": 200} if method == "ig" else {})
            )
        np.testing.assert_allclose(a.values, whole, rtol=1e-3)
        assert (a.layout, a.values.shape) == ("N", (2,))
    # RISE keeps or dims the id as a whole: with one place, the score where it is kept minus the mean.
    assert explain.attribute(model, USERS, "rise", n_masks=100, **settings).values.shape == (2,)
    a = explain.attribute(model, USERS, "saliency", **settings)
    vectors, bias = (
        table(torch.tensor(USERS)).detach().requires_grad_() for table in (model.users, model.user_bias)
    )
    product = (vectors * model.items(beside["item"])).sum(-1, keepdim=True)
    rest = bias + model.item_bias(beside["item"]) + model.beside(beside["extra"])
    slopes = torch.cat(torch.autograd.grad((3 * torch.tanh(product + rest)).sum(), (vectors, bias)), -1)
    np.testing.assert_allclose(a.values, slopes.norm(dim=-1).numpy(), rtol=1e-6)


def test_ids_beside_numbers_are_complete_against_the_score(factorisation):
    found = explain.attribute(factorisation, RATING, "ig", n_steps=200)
    change = rating(factorisation, USERS, ITEMS) - rating(factorisation, 0 * USERS, 0 * ITEMS, 0 * EXTRA)
    total = found["user"].values + found["item"].values + found["extra"].values.sum(1)
    np.testing.assert_allclose(total, change, rtol=1e-3, atol=1e-4)


IDS = np.array([[3, 5, 2, 7, 0, 0], [1, 1, 4, 6, 8, 9]])
MASK = (IDS != 0).astype(np.int64)


def test_ids_go_with_the_call_that_reads_them():
    twin = TiedReader().double()
    vectors = twin.words(torch.tensor(IDS)).detach().requires_grad_()
    mask = torch.tensor(MASK)
    hidden = torch.tanh(vectors + twin.places(torch.cumsum(mask, 1) * mask)) * mask[..., None]
    score = (torch.tanh(twin.dense(hidden.sum(1))) @ twin.words.weight.T)[:, 4].sum()
    (slopes,) = torch.autograd.grad(score, vectors)
    for model in (twin, keras_tied_reader(twin)):
        for order in (("ids", "mask"), ("mask", "ids")):
            given = {"ids": IDS, "mask": MASK}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = explain.attribute(model, {name: given[name] for name in order}, "saliency", target=4)
            np.testing.assert_allclose(
                found["ids"].values, slopes.norm(dim=-1).numpy(), rtol=1e-6, atol=1e-12
            )
            assert not found["mask"].values.any()
            assert found["mask"].reduce == ""


def test_feature_masks_number_tokens_whatever_the_width():
    # As many tokens as the vectors have numbers.
    reader = PlacedTokenReader().double().eval()
    ids = IDS[:, :4]
    pairs = np.array([0, 0, 1, 1])
    a = explain.attribute(reader, ids, "feature_ablation", target=1, feature_mask=pairs)
    for group in (0, 1):
        other = np.where(pairs == group, 0, ids)
        effect = (outputs(reader, ids) - outputs(reader, other))[:, 1]
        for place in np.flatnonzero(pairs == group):
            np.testing.assert_allclose(a.values[:, place], effect, rtol=1e-5)
    single = explain.attribute(reader, ids, "feature_ablation", target=1)
    same = explain.attribute(reader, ids, "feature_ablation", target=1, feature_mask="elements")
    np.testing.assert_array_equal(single.values, same.values)
    each = np.array([[0, 1, 2, 3], [0, 0, 0, 0]])
    b = explain.attribute(reader, ids, "feature_ablation", target=1, feature_mask=each)
    np.testing.assert_allclose(b.values[0], single.values[0], rtol=1e-6)
    np.testing.assert_allclose(
        b.values[1], (outputs(reader, ids) - outputs(reader, 0 * ids))[1, 1], rtol=1e-5
    )
    with pytest.raises(OptionError, match=r"\(3,\).*token ids' \(2, 4\)"):
        explain.attribute(reader, ids, "feature_ablation", target=1, feature_mask=np.zeros(3, int))


def test_windows_slide_over_tokens():
    reader = PlacedTokenReader().double().eval()
    a = explain.attribute(reader, IDS, "occlusion", target=1, sliding_window_shapes=(2,), strides=(2,))
    for place in (0, 2, 4):
        other = IDS.copy()
        other[:, place : place + 2] = 0
        effect = (outputs(reader, IDS) - outputs(reader, other))[:, 1]
        np.testing.assert_allclose(a.values[:, place], effect, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(a.values[:, place + 1], effect, rtol=1e-5, atol=1e-9)


class Loose(nn.Module):
    """A reader whose biases are read in different ways."""

    def __init__(self, how):
        super().__init__()
        torch.manual_seed(0)
        self.words, self.head, self.how = nn.Embedding(10, 4), nn.Linear(4, 2), how
        if how == "positions":
            self.words.padding_idx = 4
        self.biases = nn.Parameter(torch.randn(10, 2))
        self.table = nn.Embedding(10, 2, _weight=self.biases.detach().clone())

    def forward(self, ids):
        if self.how == "checked" and (ids == 9).sum(1).min() != 1:
            raise ValueError("every example must end with token 9")
        score = self.head(torch.tanh(self.words(ids)).mean(1))
        if self.how == "parameter":
            return score + self.biases[ids].sum(1)
        if self.how == "embedding":
            return score + self.table(ids).sum(1)
        if self.how == "shifted":
            return score + self.table(torch.roll(ids, 1, 1)).sum(1)
        if self.how == "sometimes":
            return score + self.table(ids).sum(1) if ids.min() > 1 else score
        if self.how == "last word":
            # What looks for a word by its id, as CLIP does.
            return (
                score
                + torch.tanh(self.words(ids))[torch.arange(len(ids)), (ids == 9).int().argmax(1)]
                @ self.head.weight.T
            )
        if self.how == "mask":
            return score * (ids != 0).sum(1, keepdim=True)
        if self.how == "positions":
            # Counted over what is no padding, as in RoBERTa: whole numbers of the shape of the ids.
            there = (ids != self.words.padding_idx).long()
            return score + self.table(torch.cumsum(there, 1) * there).sum(1)
        return score


@pytest.mark.parametrize("how", ["parameter", "shifted", "sometimes"])
def test_what_reads_ids_past_the_embeddings_is_named_and_the_advice_works(how):
    ids = np.array([[3, 5, 2, 7, 2], [2, 2, 4, 6, 8]])
    with pytest.warns(UnexplainedTokensWarning, match="words"):
        a = explain.attribute(Loose(how).double(), ids, "ig", target=1, n_steps=20)
    assert any("past" in note or "another way" in note for note in a.notes)
    follows = Loose("embedding").double()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnexplainedTokensWarning)
        b = explain.attribute(follows, ids, "ig", target=1, n_steps=40)
    change = (outputs(follows, ids) - outputs(follows, 0 * ids))[:, 1]
    np.testing.assert_allclose(b.values.sum(1), change, rtol=1e-4)


@pytest.mark.parametrize("how", ["last word", "mask", "positions", "checked"])
def test_masks_and_special_words_are_no_reason_to_warn(how):
    ids = np.array([[3, 5, 2, 7, 9, 0], [1, 3, 2, 9, 0, 0]])
    if how == "positions":
        ids = np.where(ids == 0, 4, ids)
        ids[:, -3:] = 4
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnexplainedTokensWarning)
        a = explain.attribute(Loose(how).double(), ids, "saliency", target=1)
    assert a.values.all()


def test_a_baseline_that_the_model_refuses_and_what_it_takes_instead():
    ids, model = np.array([[3, 5, 2, 7, 9], [1, 3, 4, 6, 9]]), Loose("checked").double()
    with pytest.raises(BaselineError, match=r"padding token.*must end with token 9.*baseline='zeros'"):
        explain.attribute(model, ids, "ig", target=1, n_steps=40)
    a = explain.attribute(model, ids, "ig", target=1, n_steps=40, baseline="zeros")
    with torch.no_grad():
        nothing = model.head(torch.zeros(2, 4, dtype=torch.float64))[:, 1].numpy()
    np.testing.assert_allclose(a.values.sum(1), outputs(model, ids)[:, 1] - nothing, rtol=1e-4, atol=1e-6)
    b = explain.attribute(model, ids, "ig", target=1, n_steps=40, baseline=np.array([0, 0, 0, 0, 9]))
    change = outputs(model, ids) - outputs(model, np.where(np.arange(5) < 4, 0, ids))
    np.testing.assert_allclose(b.values.sum(1), change[:, 1], rtol=1e-4, atol=1e-6)


def test_an_embedding_that_reads_in_another_order():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(10, 4), nn.Linear(20, 2)

        def forward(self, ids):
            return self.head(self.words(ids.flip(1)).flatten(1))

    ids = np.array([[3, 5, 2, 7, 1]])
    with pytest.raises(InputError, match="one vector for each"):
        explain.attribute(Backwards(), ids, "saliency", target=1)


@pytest.mark.parametrize("score", ["logit", "probability", "output"])
def test_a_first_call_of_any_score_finds_the_readers(score):
    # The first pass of a model in whose end an activation is found may be two runs: a layer's calls count once.
    torch.manual_seed(0)
    parts = nn.Embedding(7, 4), nn.Flatten(), nn.Linear(16, 3), nn.Sigmoid()
    ids = RNG.integers(1, 7, (3, 4))
    found = explain.attribute(nn.Sequential(*parts).double(), ids, "input_x_gradient", score=score, target=1)
    vectors = parts[0](torch.tensor(ids)).detach().requires_grad_()
    logits = parts[2](vectors.flatten(1))
    explained = (logits if score == "logit" else torch.sigmoid(logits))[:, 1]
    slope = torch.autograd.grad(explained.sum(), vectors)[0]
    np.testing.assert_allclose(found.values, (vectors * slope).sum(-1).detach(), rtol=1e-5, atol=1e-7)


def test_what_is_known_of_a_model_is_not_asked_again():
    rows = []

    class Counted(PlacedTokenReader):
        def forward(self, ids):
            rows.append(len(ids))
            return super().forward(ids)

    model = Counted().double().eval()
    first = explain.attribute(model, IDS, "saliency", target=1)
    asked = len(rows)
    rows.clear()
    again = explain.attribute(model, IDS, "saliency", target=1)
    np.testing.assert_array_equal(first.values, again.values)
    assert len(rows) < asked
    # The vectors, the order in which they are read, and the gradient; beside them no more than one example.
    assert sum(rows) <= 3 * len(IDS) + 1
    # Another layer is another model.
    model.words = nn.Embedding(10, 4, padding_idx=0).double()
    rows.clear()
    explain.attribute(model, IDS, "saliency", target=1)
    assert sum(rows) > 3 * len(IDS) + 1


def test_keras_readers_past_the_embeddings_and_features_of_tokens():
    class Loose(keras.Model):
        def __init__(self, as_layer):
            super().__init__()
            keras.utils.set_random_seed(0)
            self.words = keras.layers.Embedding(10, 4)
            self.biases = keras.layers.Embedding(10, 2)
            self.head = keras.layers.Dense(2)
            self.as_layer = as_layer

        def call(self, ids):
            own = self.biases(ids) if self.as_layer else keras.ops.take(self.biases.embeddings, ids, axis=0)
            hidden = keras.ops.tanh(keras.ops.mean(self.words(ids), 1))
            return self.head(hidden) + keras.ops.tanh(keras.ops.sum(own, 1))

    ids = np.array([[3, 5, 2, 7], [1, 2, 4, 6]])
    model, layered = Loose(False), Loose(True)
    layered(ids)
    model.biases.build((None, 4))
    model(ids)
    with pytest.warns(UnexplainedTokensWarning, match="another way too"):
        explain.attribute(model, ids, "feature_ablation", target=1)
    # The advice: the same table as a layer that is called with the ids.
    pairs = np.array([0, 0, 1, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnexplainedTokensWarning)
        a = explain.attribute(layered, ids, "feature_ablation", target=1, feature_mask=pairs)
        b = explain.attribute(layered, ids, "occlusion", target=1, sliding_window_shapes=(2,), strides=2)
    for group in (0, 1):
        other = np.where(pairs == group, 0, ids)
        effect = (outputs(layered, ids) - outputs(layered, other))[:, 1]
        for found in (a, b):
            np.testing.assert_allclose(found.values[:, 2 * group : 2 * group + 2].T, [effect] * 2, rtol=1e-4)
