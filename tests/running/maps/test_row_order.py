"""A model that sorts its examples inside: at a layer between, no example is shown for another."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from models.maps import Sorting, SortingIds, SortingToTheEnd, keras_sorting, keras_sorting_ids

import explain
from explain.errors import LayerError

X = np.random.default_rng(0).normal(size=(4, 6, 3)).astype(np.float32)
X[[0, 2], 4:] = 0


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)
    torch.manual_seed(0)


@pytest.mark.parametrize(
    "method", ["saliency", "activation", "conductance", "grad_cam", "integrated_gradients"]
)
@pytest.mark.parametrize("kind", [Sorting, keras_sorting])
def test_a_layer_between_is_refused_and_one_example_at_a_time_is_right(kind, method):
    model = kind()
    options = {} if method == "activation" else {"target": 1}
    with pytest.raises(LayerError, match=r"in another order than the examples.*batch_size=1"):
        explain.attribute(model, X, method, layer="encoder", **options)
    # The advice: the result of each example is that of the example alone.
    found = explain.attribute(model, X, method, layer="encoder", batch_size=1, **options)
    for row in range(len(X)):
        alone = explain.attribute(model, X[row : row + 1], method, layer="encoder", **options)
        np.testing.assert_allclose(found.values[row], alone.values[0], rtol=1e-5, atol=1e-7)
    # A layer behind it has its examples in their order, and one example cannot be reordered.
    explain.attribute(model, X, method, layer="after", **options)


@pytest.mark.parametrize("kind", [Sorting, keras_sorting])
def test_a_unit_of_a_layer_between_is_refused(kind):
    with pytest.raises(LayerError, match="in another order than the examples"):
        explain.attribute(kind(), X, "saliency", layer="encoder", neuron=(1, 2))


def test_the_values_one_at_a_time_are_the_gradients():
    model = Sorting()
    found = explain.attribute(model, X, "saliency", layer="encoder", batch_size=1, target=1)
    for row in range(len(X)):
        score = model(torch.tensor(X[row : row + 1]))[0, 1]
        (slopes,) = torch.autograd.grad(score, model.encoded)
        np.testing.assert_allclose(found.values[row], slopes[0].numpy(), rtol=1e-5, atol=1e-7)


def test_the_default_layer_is_checked_at_every_call():
    assert explain.attribute(Sorting(), X, "grad_cam", target=1).layer == "after"
    model = SortingToTheEnd()
    # The layer is found for one example, which nothing reorders, and known from then on.
    alone = [explain.attribute(model, X[row : row + 1], "grad_cam", target=1) for row in range(len(X))]
    assert {one.layer for one in alone} == {"after"}
    with pytest.raises(LayerError, match="in another order than the examples"):
        explain.attribute(model, X, "grad_cam", target=1)
    found = explain.attribute(model, X, "grad_cam", target=1, batch_size=1)
    np.testing.assert_allclose(found.values, np.concatenate([one.values for one in alone]), atol=1e-7)
    assert found.values.any()


IDS = np.random.default_rng(0).integers(1, 20, (4, 6))
IDS[0, 3:] = IDS[2, 4:] = 0


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "feature_ablation", "grad_cam"])
@pytest.mark.parametrize("kind", [SortingIds, keras_sorting_ids])
def test_token_ids_that_are_sorted_are_explained_one_example_at_a_time(kind, method):
    model = kind()
    # Of no tokens at all, PyTorch packs nothing.
    options = {"baseline": 1} if method in ("integrated_gradients", "feature_ablation") else {}
    found = explain.attribute(model, IDS, method, target=1, **options)
    for row in range(len(IDS)):
        alone = explain.attribute(model, IDS[row : row + 1], method, target=1, **options)
        np.testing.assert_allclose(found.values[row], alone.values[0], rtol=1e-5, atol=1e-7)


def test_the_gradients_of_sorted_ids_are_those_of_their_vectors():
    model = SortingIds()
    found = explain.attribute(model, IDS, "saliency", target=1)
    for row in range(len(IDS)):
        kept = []
        with model.words.register_forward_hook(lambda *call, kept=kept: kept.append(call[-1])):
            score = model(torch.tensor(IDS[row : row + 1]))[0, 1]
        (slopes,) = torch.autograd.grad(score, kept[0])
        np.testing.assert_allclose(found.values[row], slopes[0].norm(dim=-1).numpy(), rtol=1e-5, atol=1e-7)


def test_a_baseline_of_no_tokens_keeps_the_lengths_of_the_ids():
    """The model refuses the ids of padding alone; their vectors stand in the place of those of x."""
    model = SortingIds()
    with pytest.raises(RuntimeError, match="Length of all samples has to be greater than 0"):
        model(torch.zeros(IDS.shape, dtype=torch.int64))
    found = explain.attribute(model, IDS, "deep_lift", target=1)
    assert found.relative_delta.max() < 1e-4
    for row in range(len(IDS)):
        alone = explain.attribute(model, IDS[row : row + 1], "deep_lift", target=1)
        np.testing.assert_allclose(found.values[row], alone.values[0], rtol=1e-5, atol=1e-7)
