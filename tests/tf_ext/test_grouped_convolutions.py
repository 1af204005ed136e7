"""Backward rules of grouped convolutions, which Keras calls through a compiled function, against those of PyTorch."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import UnsupportedModelError


def twins(rank, dtype):
    keras.utils.set_random_seed(0)
    convolution = getattr(nn, f"Conv{rank}d")
    net = nn.Sequential(convolution(4, 6, 3, groups=2, stride=2, padding=1), nn.ReLU(), nn.Flatten())
    sides = (8,) * rank
    width = net(torch.zeros(1, 4, *sides)).shape[1]
    torch.manual_seed(0)
    net.append(nn.Linear(width, 3))
    layers = keras.layers
    entry = keras.Input((*sides, 4), dtype=dtype)
    layer = getattr(layers, f"Conv{rank}D")(6, 3, strides=2, groups=2, padding="valid", dtype=dtype)
    padded = getattr(layers, f"ZeroPadding{rank}D")(1, dtype=dtype)(entry)
    order = (rank + 1, *range(1, rank + 1))
    hidden = layers.Permute(order, dtype=dtype)(layers.ReLU(dtype=dtype)(layer(padded)))
    head = layers.Dense(3, dtype=dtype)
    model = keras.Model(entry, head(layers.Flatten(dtype=dtype)(hidden)))
    net = net.to(getattr(torch, dtype)).eval()
    weights = [one.detach().numpy() for one in net.parameters()]
    layer.set_weights([np.moveaxis(weights[0], (0, 1), (-1, -2)), weights[1]])
    head.set_weights([weights[2].T, weights[3]])
    return net, model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("method", ["saliency", "guided_backprop", "deep_lift", "lrp"])
def test_equal_to_those_of_pytorch(method, rank, dtype):
    net, model = twins(rank, dtype)
    x = np.random.default_rng(0).normal(size=(2, 4, *(8,) * rank)).astype(dtype)
    expected = explain.attribute(net, x, method, target=1)
    found = explain.attribute(model, np.moveaxis(x, 1, -1).copy(), method, target=1)
    # In single precision sums differ in their last bits.
    close = 1e-5 if dtype == "float64" else 2e-4
    values = np.moveaxis(found.values, -1, 1)
    assert np.linalg.norm(values - expected.values) < close * np.linalg.norm(expected.values)


@pytest.mark.parametrize("method", ["deep_lift", "lrp"])
def test_a_models_own_code_over_volumes_is_refused_by_name(method):
    class Own(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(2, 2, 2, 2, 6))

        def call(self, x):
            return keras.ops.conv(x, self.kernel)

    entry = keras.Input((4, 4, 4, 4))
    flat = keras.layers.Flatten()(keras.ops.relu(Own()(entry)))
    model = keras.Model(entry, keras.layers.Dense(2)(flat))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 4, 4)).astype("float32")
    with pytest.raises(UnsupportedModelError, match=r"PartitionedCall \(.*Use integrated_gradients"):
        explain.attribute(model, x, method, target=1)
    assert np.isfinite(explain.attribute(model, x, "integrated_gradients", target=1, n_steps=4).values).all()
