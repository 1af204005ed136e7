"""One number for a token: how the values at its embedding vector are reduced, by method and by `reduce=`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from models.several_inputs import MaskedReader, keras_masked_reader
from models.tokens import NormedReader, keras_normed_reader

import explain
from explain.errors import CancellationWarning, OptionError
from explain.inputs.reduction import REDUCTIONS
from explain.results.view import drawn_as

IDS = np.array([[3, 5, 2, 7, 1], [1, 1, 4, 6, 8]])
SLOPES = ("saliency", "smoothgrad", "guided_backprop", "deconvolution")


@pytest.fixture(scope="module")
def reader():
    return NormedReader().double().eval()


@pytest.fixture(scope="module")
def twin(reader):
    return keras_normed_reader(reader)


@pytest.fixture(params=["torch", "tensorflow"])
def model(request):
    return request.getfixturevalue({"torch": "reader", "tensorflow": "twin"}[request.param])


def vectors_and_slopes(reader, target=1):
    """The vectors of the ids and the gradients to them, by plain autograd, (N, T, C) each."""
    vectors = reader.words(torch.tensor(IDS)).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(reader.of_vectors(vectors)[:, target].sum(), vectors)
    return vectors.detach().numpy(), slopes.numpy()


def test_saliency_is_the_norm_of_the_gradient(reader, model):
    _, slopes = vectors_and_slopes(reader)
    # Under a normalisation the sum over the vector is zero, whatever the model reads.
    assert np.abs(slopes.sum(-1)).max() < 1e-15
    a = explain.attribute(model, IDS, "saliency", target=1)
    np.testing.assert_allclose(a.values, np.linalg.norm(slopes, axis=-1), rtol=1e-6)
    assert a.reduce == "norm"
    assert drawn_as(a) == "unsigned"
    assert a.values.shape == IDS.shape


@pytest.mark.parametrize("how", REDUCTIONS)
def test_each_reduction_by_hand(reader, model, how):
    vectors, slopes = vectors_and_slopes(reader)
    values = vectors * slopes
    expected = {
        "norm": np.sqrt((values**2).sum(-1)),
        "sum": values.sum(-1),
        "mean": values.mean(-1),
        "max": np.abs(values).max(-1),
    }[how]
    a = explain.attribute(model, IDS, "input_x_gradient", target=1, reduce=how)
    np.testing.assert_allclose(a.values, expected, rtol=1e-6)
    assert a.reduce == how
    assert drawn_as(a) == ("unsigned" if how in ("norm", "max") else "signed")


def test_noisy_gradients_are_averaged_before_their_norm(reader, model):
    options = {"target": 1, "n_samples": 6, "stdevs": 0.4}
    found = {
        name: explain.attribute(model, IDS, name, **options).values
        for name in ("smoothgrad", "smoothgrad_squared", "vargrad")
    }
    # The same reader of the vectors themselves, which gives every number of them.
    vectors, _ = vectors_and_slopes(reader)
    whole = {
        name: explain.attribute(reader.of_vectors, vectors, name, layout="NTC", **options).values
        for name in found
    }
    np.testing.assert_allclose(found["smoothgrad"], np.linalg.norm(whole["smoothgrad"], axis=-1), rtol=1e-5)
    # Squares and variances have no signs that cancel: their sum is that of the squared norm, and of the variances.
    for name in ("smoothgrad_squared", "vargrad"):
        np.testing.assert_allclose(found[name], whole[name].sum(-1), rtol=1e-5)
    squared_norm = found["smoothgrad_squared"] - found["vargrad"]
    np.testing.assert_allclose(found["smoothgrad"] ** 2, squared_norm, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", ["guided_backprop", "deconvolution"])
def test_rectified_gradients_by_hand(reader, model, method):
    class Rectified(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            context.save_for_backward(x)
            return torch.relu(x)

        @staticmethod
        def backward(context, slopes):
            (x,) = context.saved_tensors
            active = x > 0 if method == "guided_backprop" else torch.ones_like(x, dtype=torch.bool)
            return slopes.clamp(min=0) * active

    own = reader.of_vectors
    vectors = reader.words(torch.tensor(IDS)).detach().requires_grad_()
    hidden = Rectified.apply(own.dense(own.norm(vectors + own.places)))
    score = own.head(torch.tanh(hidden.mean(1)))[:, 1].sum()
    (slopes,) = torch.autograd.grad(score, vectors)
    a = explain.attribute(model, IDS, method, target=1)
    np.testing.assert_allclose(a.values, slopes.norm(dim=-1).numpy(), rtol=1e-6)


def test_neurons_and_engines_are_reduced_alike(reader, model):
    vectors = reader.words(torch.tensor(IDS)).detach().requires_grad_()
    own = reader.of_vectors
    unit = own.dense(own.norm(vectors + own.places))[:, 2, 3].sum()
    expected = torch.autograd.grad(unit, vectors)[0].norm(dim=-1).numpy()
    layer = "of_vectors.dense" if model is reader else "dense"
    a = explain.attribute(model, IDS, "saliency", layer=layer, neuron=(2, 3))
    np.testing.assert_allclose(a.values, expected, rtol=1e-6)
    assert a.reduce == "norm"
    if model is reader:
        b = explain.attribute(model, IDS, "saliency", target=1, engine="captum")
        _, slopes = vectors_and_slopes(reader)
        np.testing.assert_allclose(b.values, np.linalg.norm(slopes, axis=-1), rtol=1e-6)
        assert (b.reduce, b.engine) == ("norm", "captum")


def test_other_methods_keep_sums_and_means(model):
    expected = {row.name: "norm" if row.name in SLOPES else None for row in explain.methods()}
    for row in explain.methods():
        how = expected[row.name] or ("mean" if row.of_whole_places else "sum")
        assert row.token_reduction == how
    a = explain.attribute(model, IDS, "ig", target=1, n_steps=200)
    assert a.reduce == "sum"
    np.testing.assert_allclose(a.values.sum(1), [complete(model, one) for one in IDS], atol=1e-3)
    hidden = explain.attribute(model, IDS, "feature_ablation", target=1)
    assert hidden.reduce == "mean"
    # Ablation gives the effect of a token itself: with and without it.
    without = IDS.copy()
    without[:, 2] = 0
    effect = scores(model, IDS) - scores(model, without)
    np.testing.assert_allclose(hidden.values[:, 2], effect, rtol=1e-5)


def scores(model, ids):
    with torch.no_grad():
        found = model(torch.tensor(ids)) if isinstance(model, torch.nn.Module) else model(ids)
    return np.asarray(found)[:, 1]


def complete(model, ids):
    return (scores(model, ids[None]) - scores(model, np.zeros_like(ids[None])))[0]


def test_a_layer_given_by_hand_reduces_nothing(reader, model):
    _, slopes = vectors_and_slopes(reader)
    a = explain.attribute(model, IDS, "saliency", target=1, layer="words")
    np.testing.assert_allclose(a.values, slopes, rtol=1e-5, atol=1e-8)
    assert a.reduce == ""
    with pytest.raises(OptionError, match="leave out one of the two"):
        explain.attribute(model, IDS, "saliency", target=1, layer="words", reduce="norm")


def test_a_sum_that_cancels_warns_and_its_advice_works(model):
    with pytest.warns(CancellationWarning, match=r"examples \[0, 1\].*reduce='norm'"):
        empty = explain.attribute(model, IDS, "saliency", target=1, reduce="sum")
    assert any("rounding noise" in note for note in empty.notes)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CancellationWarning)
        assert explain.attribute(model, IDS, "saliency", target=1, reduce="norm").values.all()
        found = explain.attribute(model, IDS, "integrated_gradients", target=1, n_steps=200)
    np.testing.assert_allclose(found.values.sum(1), [complete(model, one) for one in IDS], atol=1e-3)


def test_rounding_in_single_precision_is_noticed():
    model = NormedReader().eval()
    with pytest.warns(CancellationWarning):
        explain.attribute(model, IDS, "saliency", target=1, reduce="mean")


def test_results_say_how_and_are_saved_drawn_and_compared_so(reader, tmp_path):
    norms = explain.attribute(reader, IDS, "saliency", target=1)
    signed = explain.attribute(reader, IDS, "input_x_gradient", target=1)
    again = explain.load(norms.save(tmp_path / "a"))
    assert again.reduce == "norm"
    assert "reduce: norm | sum" in explain.compare(norms, signed).differences
    named = norms.with_display(step_names=tuple(tuple(map(str, row)) for row in IDS))
    figure = named.plot()
    # Bars of values without sign stand on the lower edge of their space, those of signed values on its middle.
    assert figure.axes[0].lines[0].get_ydata()[0] == figure.axes[0].get_ylim()[0]
    assert explain.render.plot_scatter(norms, norms).axes


@pytest.mark.parametrize("reduce", ["l2", 2, True, ["norm"]])
def test_a_wrong_reduction(reader, reduce):
    with pytest.raises(OptionError, match=r"reduce=.*'norm', 'sum', 'mean', 'max'"):
        explain.attribute(reader, IDS, "saliency", target=1, reduce=reduce)


def test_a_reduction_without_tokens(reader):
    vectors, _ = vectors_and_slopes(reader)
    with pytest.raises(OptionError, match="no token ids"):
        explain.attribute(reader.of_vectors, vectors, "saliency", target=1, layout="NTC", reduce="norm")
    explain.attribute(reader.of_vectors, vectors, "saliency", target=1, layout="NTC")
    with pytest.raises(OptionError, match="no token ids"):
        explain.attribute(reader.of_vectors, (vectors,), "saliency", target=1, layout="NTC", reduce="norm")


def test_only_the_ids_among_several_inputs_are_reduced():
    reader = MaskedReader().double().eval()
    extra = np.random.default_rng(0).normal(size=(2, 3))
    ids = np.concatenate([IDS, [[0], [9]]], axis=1)
    vectors = reader.words(torch.tensor(ids)).detach().requires_grad_()
    numbers = torch.tensor(extra, requires_grad=True)
    likeness = reader.q(vectors) @ reader.k(vectors).transpose(1, 2) / 2
    hidden = (torch.softmax(likeness, -1) @ reader.v(vectors)).mean(1) + reader.dense(numbers)
    score = reader.head(torch.tanh(hidden))[:, 1].sum()
    of_ids, of_numbers = torch.autograd.grad(score, (vectors, numbers))
    mask = np.ones_like(ids, bool)
    for model in (reader, keras_masked_reader(reader)):
        x = {"ids": ids, "mask": mask, "extra": extra}
        found = explain.attribute(model, x, "saliency", target=1)
        np.testing.assert_allclose(found["ids"].values, of_ids.norm(dim=-1).numpy(), rtol=1e-5)
        np.testing.assert_allclose(found["extra"].values, of_numbers.numpy(), rtol=1e-5)
        assert (found["ids"].reduce, found["extra"].reduce) == ("norm", "")
        summed = explain.attribute(model, x, "saliency", target=1, reduce="sum")
        np.testing.assert_allclose(summed["ids"].values, of_ids.sum(-1).numpy(), rtol=1e-5)
