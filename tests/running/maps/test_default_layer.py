"""The default layer of class activation maps, and the axes of layers: held to Grad-CAM written out here."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from models.maps import (
    SIZE,
    ConvNext,
    Inception,
    Mixed,
    Segmenting,
    TwoWays,
    VisionTransformer,
    WeightNormed,
    keras_channels_first,
    keras_inception,
    keras_mixed,
    keras_segmenting,
    keras_two_ways,
    keras_vision_transformer,
)
from torch import nn

import explain
from explain.errors import LayerError, OptionError

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
        units, slopes = (one[:, first:].unflatten(1, sizes) for one in (units, slopes))
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
    (lambda: VisionTransformer(n_before=0, reads_first=False), "norm", {"grid": (0, (4, 6))}),
    (lambda: Inception(), "mixed", {}),
    (lambda: Segmenting(), "decoder", {"target": (1, 3, 5)}),
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
    # Without a name there is no map: the advice is another method.
    with pytest.raises(LayerError, match="method='integrated_gradients'"):
        explain.attribute(model, x, "grad_cam", target=1)
    explain.attribute(model, x, "integrated_gradients", target=1, n_steps=4)


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
