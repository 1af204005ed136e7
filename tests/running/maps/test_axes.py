"""The axes of layers where little follows the input: held to gradients written out here."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import explain

X = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


class FirstNorm(nn.LayerNorm):
    """A norm over the channels of a channels-first map, which its class does not tell."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Mixed(nn.Module):
    """Every place of a small map reaches all others through a Linear over the places, then a convolution follows."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.mix = nn.Conv2d(3, 6, 4, stride=4), nn.Linear(4, 4)
        self.conv, self.up = nn.Conv2d(6, 7, 1), nn.Linear(7, 7)
        self.norm, self.head = FirstNorm(7), nn.Linear(7, 4)
        nn.init.constant_(self.mix.weight, 0.25)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x)
        x = self.conv(self.mix(x.flatten(2)).unflatten(2, (2, 2)) + 0.01 * x)
        x = x + self.up(x.movedim(1, -1)).movedim(-1, 1) / 4
        return self.head(self.norm(x).tanh().mean((2, 3)))


def keras_mixed():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 4, strides=4)(inputs)
    flat = keras.layers.Permute((2, 1))(keras.layers.Reshape((4, 6))(x))
    flat = keras.layers.Dense(4, kernel_initializer=keras.initializers.Constant(0.25))(flat)
    flat = keras.layers.Reshape((2, 2, 6))(keras.layers.Permute((2, 1))(flat))
    x = keras.layers.Conv2D(7, 1)(keras.layers.Add()([flat, keras.layers.Rescaling(0.01)(x)]))
    # Channels first in the middle, by a permutation that no layer's class tells.
    x = keras.layers.Permute((3, 1, 2))(x)
    x = keras.layers.Activation("tanh", name="last")(x)
    return keras.Model(inputs, keras.layers.Dense(4)(tf_mean(x)))


def tf_mean(x):
    return keras.ops.mean(x, axis=(2, 3))


def cam(units, slopes, size):
    found = (slopes.mean((2, 3), keepdims=True) * units).sum(1, keepdims=True)
    assert (found > 0).any()
    return nn.functional.interpolate(torch.tensor(np.maximum(found, 0)), size, mode="bilinear")[:, 0].numpy()


class MixedSoftmax(Mixed):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).softmax(-1)


@pytest.mark.parametrize("kind", [Mixed, MixedSoftmax])
def test_a_map_behind_attention_follows_the_last_convolution(kind):
    """Also where the model refuses another size: the score stays the logit."""
    torch.manual_seed(0)
    model = kind().eval()
    a = explain.attribute(model, X, "grad_cam", target=1)
    assert a.layer == "norm"
    kept = []
    handle = model.norm.register_forward_hook(lambda *call: kept.append(call[-1]))
    scores = Mixed.forward(model, torch.tensor(X))
    handle.remove()
    (slopes,) = torch.autograd.grad(scores[:, 1].sum(), kept[-1])
    expected = cam(kept[-1].detach().numpy(), slopes.numpy(), (8, 8))
    np.testing.assert_allclose(a.values.sum(1), expected, rtol=1e-4, atol=1e-6)
    assert explain.attribute(model, X, "saliency", target=1, layer="norm").layout == "NCHW"


def test_a_map_behind_attention_follows_the_last_convolution_in_keras():
    keras.utils.set_random_seed(0)
    model, x = keras_mixed(), np.moveaxis(X, 1, -1)
    a = explain.attribute(model, x, "grad_cam", target=0)
    assert a.layer == "last"
    both = keras.Model(model.inputs, [model.get_layer("last").output, model.output])
    with tf.GradientTape() as tape:
        units, scores = both(x)
        chosen = scores[:, 0]
    expected = cam(units.numpy(), tape.gradient(chosen, units).numpy(), (8, 8))
    np.testing.assert_allclose(a.values.sum(-1), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", [8, 16, 34, 54, 84])
def test_a_norm_over_two_steps_has_the_axes_of_its_operation(seed):
    """Both steps of a channel are ±1: what changes follows the input nowhere."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv1d(3, 4, 3, bias=False),
        nn.InstanceNorm1d(4, affine=True),
        nn.Hardswish(),
        nn.Conv1d(4, 5, 2),
        nn.Flatten(),
        nn.Linear(5, 3),
    ).double()
    with torch.no_grad():
        for one in model.parameters():
            one += torch.randn_like(one) / 2
    x = np.random.default_rng(seed).normal(size=(2, 3, 4))
    a = explain.attribute(model, x, "saliency", target=1, layer="1", layout="NCT")
    assert (a.layout, a.values.shape) == ("NCT", (2, 4, 2))


def test_a_transposed_picture_is_seen_against_the_operation():
    torch.manual_seed(0)

    class Transposed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 5, 3, padding=1), nn.Linear(5, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(x.transpose(2, 3)).tanh().mean((2, 3)))

    a = explain.attribute(Transposed().eval(), X, "saliency", target=1, layer="conv")
    assert a.layout == "NCWH"


class Spread(nn.Module):
    """Every place gets the mean over all of them, so that no place follows the input; channels are doubled, last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = torch.cat([x, x.sin()], 1).mean((2, 3), keepdim=True).expand(-1, -1, *x.shape[2:])
        rows, columns = (torch.arange(1.0, 1 + size) for size in x.shape[2:])
        return (mean * rows[:, None] * columns).permute(0, 2, 3, 1)


def test_a_layer_grows_with_the_input_though_a_later_one_takes_no_other_size():
    torch.manual_seed(0)
    conv, spread, head = nn.Conv2d(3, 4, 3), Spread(), nn.Linear(8 * 6 * 6, 4)
    model = nn.Sequential(conv, spread, nn.Flatten(), head)
    found = explain.attribute(model, X, "grad_cam", target=1, layer="1")
    units = spread(conv(torch.tensor(X))).detach().permute(0, 3, 1, 2)
    slopes = head.weight[1].detach().reshape(1, 6, 6, 8).permute(0, 3, 1, 2)
    expected = cam(units.numpy(), slopes.numpy(), (8, 8))
    np.testing.assert_allclose(found.values.sum(1), expected, rtol=1e-4, atol=1e-6)
