"""The default layer of class activation maps, and the axes of layers: held to Grad-CAM written out here."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from models.joins import Turns
from models.maps import (
    SIZE,
    AttentionPooled,
    ConvNext,
    Inception,
    Mixed,
    Segmenting,
    TwoViews,
    TwoWays,
    VisionTransformer,
    WeightNormed,
    keras_attention_pooled,
    keras_channels_first,
    keras_inception,
    keras_mixed,
    keras_segmenting,
    keras_two_views,
    keras_two_ways,
    keras_vision_transformer,
)
from torch import nn

import explain
from explain.errors import CancellationWarning, LayerError, OptionError, SharedMapWarning

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ZeroMapWarning")
CLOSE = {"rtol": 1e-4, "atol": 1e-6}
X = np.random.default_rng(0).normal(size=(2, 3, *SIZE)).astype(np.float32)
LAST = np.moveaxis(X, 1, -1)


def torch_map(model, module, channels_axis=1, target=1, grid=None):
    """Grad-CAM at a module's output, by autograd alone, at the size of the picture."""
    kept = []
    handle = module.register_forward_hook(lambda *call: kept.append(call[-1]))
    scores = model(torch.tensor(X))
    handle.remove()
    index = target if isinstance(target, tuple) else (target,)
    (slopes,) = torch.autograd.grad(scores[(slice(None), *index)].sum(), kept[-1])
    units = kept[-1].detach()
    if grid is not None:
        first, sizes = grid
        stop = first + sizes[0] * sizes[1]
        units, slopes = (one[:, first:stop].unflatten(1, sizes) for one in (units, slopes))
        channels_axis = -1
    units, slopes = (one.movedim(channels_axis, 1) for one in (units, slopes))
    found = (slopes.mean((2, 3), keepdim=True) * units).sum(1, keepdim=True).relu()
    return nn.functional.interpolate(found, SIZE, mode="bilinear")[:, 0].numpy()


def keras_map(model, layer, channels_axis=-1, target=1, grid=None):
    """The same for a Keras layer, by a tape, of a functional model."""
    both = keras.Model(model.inputs, [model.get_layer(layer).output, model.output])
    with tf.GradientTape() as tape:
        units, scores = both(LAST)
        index = target if isinstance(target, tuple) else (target,)
        chosen = scores[(slice(None), *index)]
    slopes = tape.gradient(chosen, units).numpy()
    units = units.numpy()
    if grid is not None:
        first, sizes = grid
        units, slopes = (one[:, first:].reshape(len(one), *sizes, -1) for one in (units, slopes))
    units, slopes = (np.moveaxis(one, channels_axis, -1) for one in (units, slopes))
    found = np.maximum((slopes.mean((1, 2), keepdims=True) * units).sum(-1), 0)
    return tf.image.resize(found[..., None], SIZE).numpy()[..., 0]


def heatmap(model, x, axis, **options):
    a = explain.attribute(model, x, "grad_cam", target=options.pop("target", 1), **options)
    return a, a.values.sum(axis=axis)


def made(kind, *arguments, **options):
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    found = kind(*arguments, **options)
    return found.eval() if isinstance(found, nn.Module) else found


TORCH = [
    (lambda: ConvNext(), "block", {}),
    (lambda: VisionTransformer(n_before=3, reads_first=True), "blocks.1", {"grid": (3, (4, 6))}),
    (lambda: VisionTransformer(n_before=1, reads_first=True), "blocks.1", {"grid": (1, (4, 6))}),
    (lambda: VisionTransformer(n_before=1, n_behind=4, reads_first=True), "blocks.1", {"grid": (1, (4, 6))}),
    (lambda: VisionTransformer(n_before=0, reads_first=False), "norm", {"grid": (0, (4, 6))}),
    (lambda: Inception(), "mixed", {}),
    (lambda: Segmenting(), "decoder", {"target": (1, 3, 5)}),
    (lambda: Segmenting(context=50.0), "decoder", {"target": (1, 3, 5)}),
    (lambda: WeightNormed(), "conv", {}),
]
KERAS = [
    (lambda: keras_vision_transformer(n_before=3, reads_first=True), "block1", {"grid": (3, (4, 6))}),
    (lambda: keras_vision_transformer(n_before=0, reads_first=False), "norm", {"grid": (0, (4, 6))}),
    (lambda: keras_inception(), "mixed", {}),
    (lambda: keras_segmenting(), "decoder", {"target": (3, 5, 1)}),
    (lambda: keras_channels_first(), "active", {"channels_axis": 1}),
]


@pytest.mark.parametrize("number", range(len(TORCH)))
def test_the_last_map_that_carries_everything(number):
    model, layer, how = made(TORCH[number][0]), *TORCH[number][1:]
    a, found = heatmap(model, X, 1, target=how.get("target", 1))
    assert a.layer == layer
    expected = torch_map(model, model.get_submodule(layer), **how)
    assert expected.any()
    np.testing.assert_allclose(found, expected, **CLOSE)
    # Its name gives the same.
    np.testing.assert_array_equal(heatmap(model, X, 1, target=how.get("target", 1), layer=layer)[1], found)


@pytest.mark.parametrize("number", range(len(KERAS)))
def test_the_last_map_that_carries_everything_in_keras(number):
    model, layer, how = made(KERAS[number][0]), *KERAS[number][1:]
    a, found = heatmap(model, LAST, -1, target=how.get("target", 1))
    assert a.layer == layer
    expected = keras_map(model, layer, **how)
    assert expected.any()
    np.testing.assert_allclose(found, expected, **CLOSE)
    np.testing.assert_array_equal(
        heatmap(model, LAST, -1, target=how.get("target", 1), layer=layer)[1], found
    )


@pytest.mark.parametrize("kind", ["torch", "keras"])
def test_two_ways_have_no_map_of_both_and_each_has_its_own(kind):
    model, x, axis = (made(TwoWays), X, 1) if kind == "torch" else (made(keras_two_ways), LAST, -1)
    with pytest.raises(LayerError, match="Name the layer of one way with layer="):
        heatmap(model, x, axis)
    for layer in ("left", "right"):
        _, found = heatmap(model, x, axis, layer=layer)
        assert found.shape == (2, *SIZE)
    explain.attribute(model, x, "integrated_gradients", target=1, n_steps=4)


def layers_of(kind, models):
    return (made(models[0]), X, 1) if kind == "torch" else (made(models[1]), LAST, -1)


@pytest.mark.parametrize("kind", ["torch", "keras"])
def test_axes_that_cannot_be_told_are_to_be_stated(kind):
    model, x, _ = layers_of(kind, (Mixed, keras_mixed))
    with pytest.raises(LayerError, match="layer_layout='NCHW' or layer_layout='NHWC'"):
        explain.attribute(model, x, "saliency", target=1, layer="square")
    own = "NCHW" if kind == "torch" else "NHWC"
    a = explain.attribute(model, x, "saliency", target=1, layer="square", layer_layout=own)
    assert a.layout == own
    assert a.values.shape == ((2, 4, 3, 4) if kind == "torch" else (2, 3, 4, 4))
    with pytest.raises(LayerError, match="give 4 letters, N first and C among them"):
        explain.attribute(model, x, "saliency", target=1, layer="square", layer_layout="NTC")
    with pytest.raises(OptionError, match="say of which layer"):
        explain.attribute(model, x, "saliency", target=1, layer_layout="NCHW")
    # Without a name, no earlier layer takes its place: the layer is named, and what to state.
    with pytest.raises(LayerError, match="State them: layer='square', layer_layout='NCHW' or"):
        explain.attribute(model, x, "grad_cam", target=1)
    a = explain.attribute(model, x, "grad_cam", target=1, layer="square", layer_layout=own)
    assert a.layer == "square"
    assert a.values.shape == x.shape


@pytest.mark.parametrize(
    ("kind", "layer", "axes"),
    [
        ("torch", "block", "NCHW"),
        ("torch", "block.norm", "NHWC"),
        ("torch", "block.down", "NHWC"),
        ("keras", "moved", "NCHW"),
        ("keras", "active", "NCHW"),
    ],
)
def test_results_at_a_layer_have_its_axes(kind, layer, axes):
    model, x, _ = layers_of(kind, (ConvNext, keras_channels_first))
    a = explain.attribute(model, x, "saliency", target=1, layer=layer)
    assert a.layout == axes
    assert a.values.shape[axes.index("C")] == 5


def test_axes_are_told_by_another_size_where_everything_is_mixed():
    """A small map that all of the picture reaches: nothing follows the input; twice the input has twice the map."""

    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.pool, self.act = nn.Conv2d(3, 6, 3, padding=1), nn.AvgPool2d(4), Front()
            self.head = nn.LazyLinear(4)

        def forward(self, x):
            x = self.conv(x - 4 * x.mean((2, 3), keepdim=True))
            return self.head(self.act(self.pool(x).movedim(1, -1)).mean((1, 2)))

    class Front(nn.Module):
        def forward(self, x):
            return (x + 50 * x.mean((1, 2), keepdim=True)).tanh()

    model = made(Pooled)
    model(torch.tensor(X))
    a = explain.attribute(model, X, "saliency", target=1, layer="act")
    assert (a.layout, a.values.shape) == ("NHWC", (2, 2, 3, 6))


SERIES = np.random.default_rng(1).normal(size=(2, 9, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", ["torch", "keras"])
def test_a_layer_whose_mean_gradient_is_zero_by_construction_is_none(kind):
    model = made(AttentionPooled) if kind == "torch" else made(keras_attention_pooled)
    a = explain.attribute(model, SERIES, "grad_cam", target=1)
    assert a.layer == "query"
    for layer in ("scores", "tanh"):
        with pytest.warns(CancellationWarning, match="Use method='layer_cam'"):
            explain.attribute(model, SERIES, "grad_cam", target=1, layer=layer)
        assert explain.attribute(model, SERIES, "layer_cam", target=1, layer=layer).values.any()
    # The mean gradient, by the framework's own gradients.
    if kind == "torch":
        query = model.query(torch.tensor(SERIES)).detach().requires_grad_()
        weights = model.scores(query.tanh()).softmax(1)
        (slopes,) = torch.autograd.grad(model.head((weights * model.values).sum(1))[:, 1].sum(), query)
        units, slopes = query.detach().numpy(), slopes.numpy()
    else:
        both = keras.Model(model.inputs, [model.get_layer("query").output, model.output])
        with tf.GradientTape() as tape:
            units, scores = both(SERIES)
            chosen = scores[:, 1]
        units, slopes = units.numpy(), tape.gradient(chosen, units).numpy()
    expected = np.maximum((slopes.mean(1, keepdims=True) * units).sum(-1), 0)
    assert expected.any()
    np.testing.assert_allclose(a.values.sum(-1), expected, rtol=1e-3, atol=1e-6)


def views(kind, *, meets_at_once):
    model = made(TwoViews if kind == "torch" else keras_two_views, meets_at_once=meets_at_once)
    other = np.random.default_rng(2).normal(size=X.shape).astype(np.float32)
    return (model, (X, other), 1) if kind == "torch" else (model, [LAST, np.moveaxis(other, 1, -1)], -1)


def view_map(model, x, layer):
    """Grad-CAM at the activation behind a view's convolution, by the framework's own gradients."""
    if isinstance(model, nn.Module):
        kept = []
        with model.get_submodule(layer).register_forward_hook(lambda *call: kept.append(call[-1])):
            scores = model(*map(torch.tensor, x))
        (slopes,) = torch.autograd.grad(scores[:, 1].sum(), kept[-1])
        units, slopes = (one.detach().movedim(1, -1).numpy() for one in (kept[-1], slopes))
    else:
        both = keras.Model(model.inputs, [model.get_layer(layer).output, model.output])
        with tf.GradientTape() as tape:
            units, scores = both(x)
            chosen = scores[:, 1]
        units, slopes = units.numpy(), tape.gradient(chosen, units).numpy()
    return np.maximum((slopes.mean((1, 2), keepdims=True) * units).sum(-1), 0)


@pytest.mark.parametrize("kind", ["torch", "keras"])
def test_each_of_two_views_has_the_last_map_that_it_alone_reaches(kind):
    model, x, axis = views(kind, meets_at_once=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SharedMapWarning)
        found = explain.attribute(model, x, "grad_cam", target=1)
    for one, side in zip(found, ("left", "right"), strict=True):
        expected = view_map(model, x, side if kind == "torch" else one.layer)
        assert (one.layer == side) == (kind == "torch")
        assert expected.any()
        np.testing.assert_allclose(one.values.sum(axis), expected, rtol=1e-4, atol=1e-7)
    assert found[0].layer != found[1].layer


@pytest.mark.parametrize("kind", ["torch", "keras"])
def test_views_that_meet_at_once_share_a_map_with_a_warning(kind):
    model, x, axis = views(kind, meets_at_once=True)
    with pytest.warns(SharedMapWarning, match="or use method='integrated_gradients'"):
        found = explain.attribute(model, x, "grad_cam", target=1)
    assert [one.layer for one in found] == ["joint", "joint"]
    np.testing.assert_array_equal(found[0].values, found[1].values)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SharedMapWarning)
        apart = explain.attribute(model, x, "integrated_gradients", target=1, n_steps=4)
    assert not np.array_equal(apart[0].values, apart[1].values)
    assert axis in (1, -1)


@pytest.mark.parametrize("kind", ["torch", "keras"])
def test_the_map_of_a_bag_of_words_is_that_of_its_embedding(kind):
    ids = np.random.default_rng(3).integers(1, 9, size=(2, 6))
    if kind == "torch":
        torch.manual_seed(0)
        model = Bag()
        vectors, weight = (
            model.words(torch.tensor(ids)).detach().numpy(),
            model.head.weight[1].detach().numpy(),
        )
    else:
        x = keras.Input((6,), dtype="int32")
        words, head = keras.layers.Embedding(9, 4), keras.layers.Dense(3)
        model = keras.Model(x, head(keras.layers.GlobalAveragePooling1D()(words(x))))
        vectors, weight = words(ids).numpy(), head.kernel[:, 1].numpy()
    a = explain.attribute(model, ids, "grad_cam", target=1)
    assert a.layer == ("words" if kind == "torch" else words.name)
    expected = np.maximum((weight / 6 * vectors).sum(-1), 0)
    assert expected.any()
    np.testing.assert_allclose(
        a.values, expected if a.reduce != "mean" else expected / 4, rtol=1e-4, atol=1e-7
    )


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, ids):
        return self.head(self.words(ids).mean(1))


def test_a_layer_that_is_known_is_asked_again_for_other_examples():
    model = made(Turns)
    x = np.random.default_rng(5).normal(size=(24, 3, *SIZE)).astype(np.float32)
    bright = model.stem(torch.tensor(x)).mean((1, 2, 3)).detach().numpy() > 0
    assert bright.any()
    assert not bright.all()
    for rows, layer in ((bright, "last"), (~bright, "stem")):
        few = x[rows][:2]
        assert explain.attribute(model, few, "grad_cam", target=1).layer == layer
    mixed = np.stack([x[bright][0], x[~bright][0]])
    assert explain.attribute(model, mixed, "grad_cam", target=1).layer != "last"
