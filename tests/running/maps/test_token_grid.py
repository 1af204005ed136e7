"""Sequences of tokens laid out on the grid that they come from: held to Grad-CAM written out here."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from models.maps import Block
from torch import nn

import explain

X = np.random.default_rng(0).normal(size=(2, 3, 8, 12)).astype(np.float32)
VIDEO = np.random.default_rng(1).normal(size=(2, 4, 3, 8, 12)).astype(np.float32)


class Tokens(nn.Module):
    """Patches, their tokens in some order of the axes, a first token that is read, and two blocks."""

    def __init__(self, patches: nn.Module, order: tuple[int, ...], count: int) -> None:
        super().__init__()
        self.patches, self.order = patches, order
        self.first, self.place = (
            nn.Parameter(torch.randn(1, 1, 8)),
            nn.Parameter(torch.randn(1, count, 8) / 4),
        )
        self.blocks, self.head = nn.ModuleList(Block(8) for _ in range(2)), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim == 5:
            x = x.movedim(1, 2)
        grid = self.patches(x)
        tokens = grid.permute(0, *(2 + axis for axis in self.order), 1).flatten(1, -2)
        tokens = torch.cat([self.first.expand(len(x), -1, -1), tokens], 1) + self.place
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(tokens[:, 0])


def on_grid(tokens, sizes, order, first):
    """Tokens by places in the order of the input, one after the other."""
    found = np.zeros((len(tokens), *sizes, tokens.shape[-1]), tokens.dtype)
    for number, at in enumerate(np.ndindex(*(sizes[axis] for axis in order))):
        place = [0] * len(sizes)
        for axis, index in zip(order, at, strict=True):
            place[axis] = index
        found[(slice(None), *place)] = tokens[:, first + number]
    return found


def cam(units, slopes, size):
    """Grad-CAM of units and gradients, channels last, at the size of the input."""
    places = tuple(range(1, units.ndim - 1))
    found = np.maximum((slopes.mean(places, keepdims=True) * units).sum(-1), 0)
    assert found.any()
    mode = "bilinear" if len(size) == 2 else "trilinear"
    return nn.functional.interpolate(torch.tensor(found)[:, None], size, mode=mode)[:, 0].numpy()


def torch_units(model, module, x):
    kept = []
    handle = module.register_forward_hook(lambda *call: kept.append(call[-1]))
    scores = model(torch.tensor(x))
    handle.remove()
    (slopes,) = torch.autograd.grad(scores[:, 1].sum(), kept[-1])
    return kept[-1].detach().numpy(), slopes.numpy()


@pytest.mark.parametrize(
    ("x", "patches", "layout", "sizes", "order"),
    [
        (X, lambda: nn.Conv2d(3, 8, 2, stride=2), "NCHW", (4, 6), (1, 0)),
        (X[..., :8], lambda: nn.Conv2d(3, 8, 2, stride=2), "NCHW", (4, 4), (1, 0)),
        (X, lambda: nn.Conv2d(3, 8, 2, stride=(1, 2)), "NCHW", (7, 6), (1, 0)),
        (VIDEO, lambda: nn.Conv3d(3, 8, (2, 4, 4), stride=(2, 4, 4)), "NTCHW", (2, 2, 3), (0, 1, 2)),
        (VIDEO, lambda: nn.Conv3d(3, 8, (1, 4, 4), stride=(1, 4, 4)), "NTCHW", (4, 2, 3), (1, 2, 0)),
    ],
    ids=["columns", "columns of a square", "overlapping", "frames first", "frames last"],
)
def test_tokens_in_any_order_of_the_axes(x, patches, layout, sizes, order):
    torch.manual_seed(0)
    model = Tokens(patches(), order, 1 + int(np.prod(sizes))).eval()
    a = explain.attribute(model, x, "grad_cam", target=1, layout=layout)
    # Only the first token of the last block is read.
    assert a.layer == "blocks.0"
    units, slopes = (on_grid(one, sizes, order, 1) for one in torch_units(model, model.blocks[0], x))
    channels = layout.index("C")
    size = tuple(np.delete(x.shape, [0, channels]))
    expected = cam(units, slopes, size)
    np.testing.assert_allclose(a.values.sum(channels), expected, rtol=1e-4, atol=1e-6)


def test_columns_in_keras():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 12, 3))
    grid = keras.layers.Conv2D(8, 2, strides=2)(inputs)
    tokens = keras.layers.Reshape((24, 8))(keras.layers.Permute((2, 1, 3))(grid))
    tokens = keras.layers.Add(name="block")([tokens, keras.layers.MultiHeadAttention(2, 4)(tokens, tokens)])
    outputs = keras.layers.Dense(4)(
        keras.layers.GlobalAveragePooling1D()(keras.layers.Activation("tanh", name="act")(tokens))
    )
    model = keras.Model(inputs, outputs)
    x = np.moveaxis(X, 1, -1)
    a = explain.attribute(model, x, "grad_cam", target=1)
    assert a.layer == "act"
    both = keras.Model(inputs, [model.get_layer("act").output, outputs])
    with tf.GradientTape() as tape:
        units, scores = both(x)
        chosen = scores[:, 1]
    slopes = tape.gradient(chosen, units)
    expected = cam(*(on_grid(one.numpy(), (4, 6), (1, 0), 0) for one in (units, slopes)), (8, 12))
    np.testing.assert_allclose(a.values.sum(-1), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_windows_that_overlap(seed):
    """What changes most may be a neighbour of the token under the corner."""

    class Overlapping(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.norm = nn.Conv2d(3, 8, 7, stride=4, padding=3), nn.LayerNorm(8)
            self.block, self.last, self.head = Block(8), nn.LayerNorm(8), nn.Linear(8, 4)

        def forward(self, x):
            tokens = self.norm(self.patches(x).flatten(2).movedim(1, 2))
            return self.head(self.last(self.block(tokens)).tanh().mean(1))

    torch.manual_seed(seed)
    model = Overlapping().eval()
    x = np.random.default_rng(seed).normal(size=(2, 3, 64, 64)).astype(np.float32)
    a = explain.attribute(model, x, "grad_cam", target=1)
    assert a.layer == "last"
    units, slopes = (on_grid(one, (16, 16), (0, 1), 0) for one in torch_units(model, model.last, x))
    np.testing.assert_allclose(a.values.sum(1), cam(units, slopes, (64, 64)), rtol=1e-4, atol=1e-6)
