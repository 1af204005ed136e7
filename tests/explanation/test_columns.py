"""One embedding a column: all of them together, one value a column, by every kind of method."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest
import torch
from models.columns import SIZES, Apart, EntityNet, Mixed, OneTable, WideAndDeep, keras_entity_net

import explain
from explain.errors import BaselineError, InputError, UnexplainedTokensWarning, ZeroGradientWarning

RNG = np.random.default_rng(0)
IDS = np.stack([RNG.integers(0, count, 6) for count, _ in SIZES], 1)
NUMBERS = RNG.normal(size=(6, 2)).astype("float32")


@pytest.fixture(scope="module")
def twin():
    return EntityNet().eval()


def by_slice(ids, place):
    return ids[:, place : place + 1]


@pytest.fixture(scope="module", params=["torch", "index", "slice"])
def model(request, twin):
    if request.param == "torch":
        return twin
    return keras_entity_net(twin, by_slice if request.param == "slice" else None)


def vectors_of(net, ids):
    return [column(torch.tensor(ids[:, place])) for place, column in enumerate(net.columns)]


def slopes_at(net, vectors, target=1):
    """The gradient of a class to the vector of each column, by autograd."""
    starts = [one.detach().requires_grad_() for one in vectors]
    return torch.autograd.grad(net.of_vectors(starts)[:, target].sum(), starts)


def test_gradients_are_those_to_the_vector_of_each_column(twin, model):
    vectors = vectors_of(twin, IDS)
    slopes = slopes_at(twin, vectors)
    expected = {
        ("saliency", None): [one.norm(dim=1) for one in slopes],
        ("saliency", "mean"): [one.mean(1) for one in slopes],
        ("saliency", "max"): [one.abs().amax(1) for one in slopes],
        ("input_x_gradient", None): [(one * own).sum(1) for one, own in zip(slopes, vectors, strict=True)],
        ("input_x_gradient", "mean"): [(one * own).mean(1) for one, own in zip(slopes, vectors, strict=True)],
    }
    for (method, reduce), columns in expected.items():
        a = explain.attribute(model, IDS, method, target=1, reduce=reduce)
        assert a.values.shape == IDS.shape
        np.testing.assert_allclose(
            a.values, torch.stack(columns, 1).detach().numpy(), rtol=1e-5, atol=1e-6, err_msg=method
        )


def test_integrated_gradients_go_from_the_vectors_of_other_categories(twin, model):
    start = np.array([1, 0, 2])
    a = explain.attribute(model, IDS, "ig", target=1, baseline=start, n_steps=32, rule="midpoint")
    ends, starts = vectors_of(twin, IDS), vectors_of(twin, np.broadcast_to(start, IDS.shape))
    total = [torch.zeros_like(one) for one in ends]
    for step in range(32):
        share = (step + 0.5) / 32
        between = [low + share * (high - low) for low, high in zip(starts, ends, strict=True)]
        total = [sofar + one / 32 for sofar, one in zip(total, slopes_at(twin, between), strict=True)]
    expected = [(one * (high - low)).sum(1) for one, low, high in zip(total, starts, ends, strict=True)]
    np.testing.assert_allclose(a.values, torch.stack(expected, 1).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["deep_lift", "expected_gradients"])
def test_what_is_complete_sums_to_the_change_of_the_score(twin, model, method):
    start = np.array([[1, 0, 2]])
    given = start if method == "expected_gradients" else start[0]
    a = explain.attribute(model, IDS, method, target=1, baseline=given)
    with torch.no_grad():
        score, low = (twin(torch.tensor(ids))[:, 1] for ids in (IDS, np.repeat(start, 6, 0)))
    # The integral at drawn points of the path has an error of its own, which delta states.
    np.testing.assert_allclose(a.values.sum(1) - a.delta, (score - low).numpy(), atol=1e-5)
    if method == "deep_lift":
        assert np.abs(a.delta).max() < 1e-5


def test_relevance_is_shared_out_over_the_columns(twin, model):
    a = explain.attribute(model, IDS, "lrp", target=1, epsilon=0.25)
    with torch.no_grad():
        given = torch.cat(vectors_of(twin, IDS), 1)
        sums = twin.hidden(given)
        score = twin.head(torch.tanh(sums))[:, 1:2]
        share = score / (score + 0.25 * score.sign())
        above = torch.tanh(sums) * twin.head.weight[1] * share / (sums + 0.25 * sums.sign())
        numbers = given * (above @ twin.hidden.weight)
        stops = np.cumsum([0, *(width for _, width in SIZES)])
        expected = [numbers[:, start:stop].sum(1) for start, stop in pairwise(stops)]
    np.testing.assert_allclose(a.values, torch.stack(expected, 1).numpy(), rtol=1e-5, atol=1e-6)


def test_columns_are_exchanged_as_wholes(twin, model):
    a = explain.attribute(model, IDS, "feature_ablation", target=1, baseline=np.array([1, 0, 2]))
    with torch.no_grad():
        for place, category in enumerate((1, 0, 2)):
            other = IDS.copy()
            other[:, place] = category
            change = (twin(torch.tensor(IDS)) - twin(torch.tensor(other)))[:, 1]
            np.testing.assert_allclose(a.values[:, place], change.numpy(), atol=1e-6)


def test_the_noise_of_smoothgrad_does_not_see_that_vectors_differ_in_length(twin, model):
    found = explain.attribute(twin, IDS, "smoothgrad", target=1, stdevs=0.2, n_samples=4, seed=3)
    other = explain.attribute(model, IDS, "smoothgrad", target=1, stdevs=0.2, n_samples=4, seed=3)
    np.testing.assert_allclose(found.values, other.values, rtol=1e-5, atol=1e-6)


def test_categories_move_beside_numbers():
    net = EntityNet(2).eval()
    ids, numbers = explain.attribute(net, (IDS, NUMBERS), "saliency", target=1)
    starts = [one.detach().requires_grad_() for one in vectors_of(net, IDS)]
    beside = torch.tensor(NUMBERS, requires_grad=True)
    *slopes, own = torch.autograd.grad(net.of_vectors(starts, beside)[:, 1].sum(), [*starts, beside])
    np.testing.assert_allclose(ids.values, torch.stack([one.norm(dim=1) for one in slopes], 1), rtol=1e-5)
    np.testing.assert_allclose(numbers.values, own.numpy(), rtol=1e-5)
    for method in ("feature_ablation", "occlusion"):
        ids, _ = explain.attribute(net, (IDS, NUMBERS), method, target=1)
        other = IDS.copy()
        other[:, 2] = 0
        with torch.no_grad():
            change = (net(torch.tensor(IDS), beside) - net(torch.tensor(other), beside))[:, 1]
        np.testing.assert_allclose(ids.values[:, 2], change.numpy(), atol=1e-6)


def test_a_column_that_two_embeddings_read_has_the_vectors_of_both():
    net = WideAndDeep().eval()
    slopes = slopes_at(net, vectors_of(net, IDS))
    expected = torch.stack([one.norm(dim=1) for one in slopes], 1).double().numpy()
    # The weights of the wide part go to the class unchanged.
    expected[:, 1] = np.sqrt(expected[:, 1] ** 2 + 1)
    a = explain.attribute(net, IDS, "saliency", target=1)
    np.testing.assert_allclose(a.values, expected, rtol=1e-5)


def test_a_layer_named_among_them_is_explained_alone(twin):
    a = explain.attribute(twin, IDS, "saliency", target=1, layer="columns.1")
    np.testing.assert_allclose(a.values, slopes_at(twin, vectors_of(twin, IDS))[1].numpy(), rtol=1e-5)


def test_one_example_and_examples_all_alike_are_read_too(twin):
    whole = explain.attribute(twin, IDS, "saliency", target=1)
    for row in range(6):
        alone = explain.attribute(EntityNet().eval(), IDS[row : row + 1], "saliency", target=1)
        np.testing.assert_allclose(alone.values, whole.values[row : row + 1], rtol=1e-5)


def test_a_number_among_the_categories_is_refused_and_the_advice_works():
    net = Mixed().eval()
    x = np.concatenate([IDS, RNG.integers(0, 9, (6, 1))], 1)
    with pytest.raises(InputError, match=r"position 3, .*feature_ablation"):
        explain.attribute(net, x, "ig", target=1)
    a = explain.attribute(net, x, "feature_ablation", target=1)
    with torch.no_grad():
        for place in range(4):
            other = x.copy()
            other[:, place] = 0
            change = (net(torch.tensor(x)) - net(torch.tensor(other)))[:, 1]
            np.testing.assert_allclose(a.values[:, place], change.numpy(), atol=1e-6)


def test_columns_of_floats_that_are_cast_are_named_and_the_advice_works():
    model = OneTable().eval()
    x = np.concatenate([IDS, NUMBERS], 1).astype("float32")
    with pytest.warns(ZeroGradientWarning, match=r"column 0, 1, 2 .*feature_ablation") as seen:
        a = explain.attribute(model, x, "saliency", target=1)
    assert len(seen) == 1
    assert not a.values[:, :3].any()
    assert a.values[:, 3:].any()
    found = explain.attribute(model, x, "feature_ablation", target=1)
    ids, numbers = explain.attribute(Apart(model), (IDS, NUMBERS), "feature_ablation", target=1)
    np.testing.assert_allclose(found.values, np.concatenate([ids.values, numbers.values], 1), atol=1e-6)
    ids, numbers = explain.attribute(Apart(model), (IDS, NUMBERS), "saliency", target=1)
    np.testing.assert_allclose(numbers.values, a.values[:, 3:], rtol=1e-5)
    assert ids.values.all()


def test_a_column_that_reaches_the_score_past_its_embedding_is_warned_of():
    class Past(EntityNet):
        def forward(self, ids, numbers=None):
            return super().forward(ids) * (1 + ids[:, :1])

    with pytest.warns(UnexplainedTokensWarning, match="another way"):
        explain.attribute(Past().eval(), IDS, "saliency", target=1)


def test_two_columns_in_one_number_are_not_taken_for_a_column():
    class Crossed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cross, self.head = torch.nn.Embedding(20, 3), torch.nn.Linear(3, 3)

        def forward(self, ids):
            return self.head(self.cross(ids[:, 0] * 4 + ids[:, 1]))

    with pytest.raises(InputError, match="no embedding"):
        explain.attribute(Crossed(), IDS[:, :2], "saliency", target=1)


def test_a_baseline_that_is_no_category_is_named(twin):
    with pytest.raises(BaselineError, match="baseline"):
        explain.attribute(twin, IDS, "ig", target=1, baseline=np.array([1, 0, 20]))


def test_columns_in_a_dict_of_inputs_of_their_own(twin):
    ids = {f"column_{place}": keras.Input((1,), dtype="int64", name=f"column_{place}") for place in range(3)}
    net = keras_entity_net(twin)
    model = keras.Model(ids, net(keras.layers.Concatenate()(list(ids.values()))))
    x = {f"column_{place}": IDS[:, place : place + 1] for place in range(3)}
    found = explain.attribute(model, x, "saliency", target=1)
    assert all(one.values.shape == (6, 1) for one in found.values())
