"""Backward rules of transposed convolutions, which a trace has as gradients of convolutions, against PyTorch's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain


def twins():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.ConvTranspose2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(676, 2)
    ).double()
    layers, dtype = keras.layers, "float64"
    entry = keras.Input((6, 6, 3), dtype=dtype)
    transposed = layers.Conv2DTranspose(4, 3, strides=2, dtype=dtype)
    hidden = layers.Permute((3, 1, 2), dtype=dtype)(layers.ReLU(dtype=dtype)(transposed(entry)))
    head = layers.Dense(2, dtype=dtype)
    model = keras.Model(entry, head(layers.Flatten(dtype=dtype)(hidden)))
    filters, bias, weight, last = (one.detach().numpy() for one in net.parameters())
    transposed.set_weights([filters.transpose(2, 3, 1, 0), bias])
    head.set_weights([weight.T, last])
    return net, model


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("lrp", {}),
        ("lrp", {"epsilon": 0.1}),
        ("lrp", {"rule": "epsilon", "epsilon": 0.1}),
        ("deep_lift", {}),
        ("guided_backprop", {}),
    ],
)
def test_equal_to_those_of_pytorch(method, options):
    net, model = twins()
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6))
    expected = explain.attribute(net, x, method, target=1, **options).values
    found = explain.attribute(model, np.moveaxis(x, 1, -1).copy(), method, target=1, **options).values
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), expected, rtol=1e-5, atol=1e-8)
