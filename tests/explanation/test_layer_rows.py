"""Layers that see several rows of each example, such as its frames: each row goes to its own example, or none does."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import LayerError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

N, T, C, SIDE = 3, 4, 2, 5
FRAMES = np.random.default_rng(0).normal(size=(N, T, C, SIDE, SIDE)).astype(np.float32)
ORDERS = ["examples first", "frames first"]


class Video(nn.Module):
    """Frames folded into the batch, in either order."""

    def __init__(self, order="examples first"):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.order = nn.Conv2d(C, 3, 3, padding=1), nn.Linear(3, 4), order

    def forward(self, x):
        count, steps = x.shape[:2]
        if self.order == "frames first":
            x = x.transpose(0, 1)
        of_frames = torch.tanh(self.conv(x.reshape(-1, *x.shape[2:]))).mean(dim=(2, 3))
        if self.order == "frames first":
            of_steps = of_frames.reshape(steps, count, -1).transpose(0, 1)
        else:
            of_steps = of_frames.reshape(count, steps, -1)
        return self.head(torch.tanh((of_steps * torch.arange(1, 5)[:, None]).sum(dim=1)))


class VideoInKeras(keras.Model):
    def __init__(self, order):
        super().__init__()
        self.conv = keras.layers.Conv2D(3, 3, padding="same", name="conv")
        self.head, self.order = keras.layers.Dense(4), order

    def call(self, x):
        ops = keras.ops
        if self.order == "frames first":
            x = ops.transpose(x, (1, 0, 2, 3, 4))
        of_frames = ops.mean(ops.tanh(self.conv(ops.reshape(x, (-1, SIDE, SIDE, C)))), axis=(1, 2))
        if self.order == "frames first":
            of_steps = ops.transpose(ops.reshape(of_frames, (T, -1, 3)), (1, 0, 2))
        else:
            of_steps = ops.reshape(of_frames, (-1, T, 3))
        weights = np.arange(1, 5, dtype=np.float32)[:, None]
        return self.head(ops.tanh(ops.sum(of_steps * weights, axis=1)))


def model_and_input(framework, order):
    """A model of either framework, with the weights of the PyTorch one, its input and its layout."""
    model = Video(order)
    if framework == "torch":
        return model, FRAMES, "NTCHW"
    x = np.ascontiguousarray(FRAMES.transpose(0, 1, 3, 4, 2))
    twin = VideoInKeras(order)
    twin(x)
    conv, head = model.conv, model.head
    twin.set_weights(
        [
            conv.weight.detach().numpy().transpose(2, 3, 1, 0),
            conv.bias.detach().numpy(),
            head.weight.detach().numpy().T,
            head.bias.detach().numpy(),
        ]
    )
    return twin, x, "NTHWC"


def reference():
    """Units and gradients of the convolution, frame by frame of one example at a time, by plain autograd."""
    model, units, slopes = Video(), [], []
    for one in torch.tensor(FRAMES):
        kept = []
        handle = model.conv.register_forward_hook(lambda *given, kept=kept: kept.append(given[-1]))
        score = model(one[None])[0, 1]
        handle.remove()
        units.append(kept[0].detach().numpy())
        slopes.append(torch.autograd.grad(score, kept[0])[0].numpy())
    return np.stack(units), np.stack(slopes)


def channels_first(values, framework):
    return values if framework == "torch" else values.transpose(0, 1, 4, 2, 3)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("order", ORDERS)
def test_frames_in_the_batch_are_those_of_their_example(framework, order):
    model, x, layout = model_and_input(framework, order)
    units, slopes = reference()
    asked = {"layer": "conv", "layout": layout}
    found = explain.attribute(model, x, "activation", **asked)
    assert found.layout == layout
    np.testing.assert_allclose(channels_first(found.values, framework), units, atol=1e-5)
    found = explain.attribute(model, x, "saliency", target=1, **asked)
    np.testing.assert_allclose(channels_first(found.values, framework), slopes, atol=1e-6)
    found = explain.attribute(model, x, "ig", target=1, n_steps=64, **asked)
    assert found.delta is not None
    np.testing.assert_allclose(found.delta, 0, atol=1e-4)
    found = explain.attribute(model, x, "conductance", target=1, **asked)
    assert found.values.shape == (N, T, 3, *x.shape[-2:]) if framework == "torch" else (*x.shape[:-1], 3)
    np.testing.assert_allclose(found.delta, 0, atol=0.05)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_unit_of_a_frame_is_excited_by_its_frame(framework, order):
    model, x, layout = model_and_input(framework, order)
    unit = (2, 1, 1, 2) if framework == "torch" else (2, 1, 2, 1)
    found = explain.attribute(model, x, "saliency", layer="conv", neuron=unit, layout=layout)
    expected = np.zeros_like(FRAMES)
    expected[:, 2, :, :3, 1:4] = Video().conv.weight.detach().numpy()[1]
    np.testing.assert_allclose(channels_first(found.values, framework), expected, atol=1e-6)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_class_activation_map_of_frames(framework, order):
    model, x, layout = model_and_input(framework, order)
    units, slopes = reference()
    weights = slopes.mean(axis=(1, 3, 4))
    expected = np.maximum((units * weights[:, None, :, None, None]).sum(axis=2), 0)
    found = explain.attribute(model, x, "grad_cam", target=1, layer="conv", layout=layout)
    np.testing.assert_allclose(channels_first(found.values, framework).sum(axis=2), expected, atol=1e-6)


def test_a_layer_over_time_whose_steps_come_first():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.lstm, self.head = nn.LSTM(4, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.head(self.lstm(x.transpose(0, 1))[0][-1])

    model, x = Recurrent(), np.random.default_rng(1).normal(size=(5, 5, 4)).astype(np.float32)
    found = explain.attribute(model, x, "activation", layer="lstm", layout="NTC")
    expected = torch.cat([model.lstm(torch.tensor(one)[:, None])[0].transpose(0, 1) for one in x])
    np.testing.assert_allclose(found.values, expected.detach().numpy(), atol=1e-6)
    assert found.layout == "NTC"


class Positions(nn.Module):
    """An embedding of positions, and a layer that sees pairs of examples as one."""

    def __init__(self):
        super().__init__()
        self.positions, self.pairs, self.head = nn.Embedding(5, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        z = x + self.positions(torch.arange(5))
        z = z + 0 * self.pairs(torch.cat([z, z.flip(0)])).sum()
        return self.head(z.mean(dim=1))


@pytest.mark.parametrize("layer", ["positions", "pairs"])
@pytest.mark.parametrize("method", ["activation", "saliency", "conductance"])
def test_rows_that_belong_to_no_example_are_refused(layer, method):
    x = np.random.default_rng(1).normal(size=(3, 5, 4)).astype(np.float32)
    model = Positions()
    with pytest.raises(LayerError, match=f"The rows of layer='{layer}' are not the examples"):
        explain.attribute(model, x, method, layer=layer, **({} if method == "activation" else {"target": 1}))
    with pytest.raises(LayerError, match="not the examples"):
        explain.attribute(model, x, "saliency", layer=layer, neuron=(0, 0))
    found = explain.attribute(model, x, "saliency", target=1, layer="head")
    np.testing.assert_array_equal(found.values, [[0, 1]] * 3)


def test_rows_of_a_traced_layer_that_are_not_the_examples():
    class Mixed(keras.Model):
        def __init__(self):
            super().__init__()
            self.halves, self.head = keras.layers.Dense(3, name="halves"), keras.layers.Dense(2)

        def call(self, x):
            z = self.halves(keras.ops.concatenate([x, keras.ops.flip(x, axis=0)], axis=0))
            return self.head(x) + 0 * keras.ops.sum(z)

    x = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    model = Mixed()
    model(x)
    with pytest.raises(LayerError, match="not the examples"):
        explain.attribute(model, x, "activation", layer="halves")


def test_rows_of_numbers_that_are_ids_are_told_apart():
    """Other numbers than those of the table are no ids: the rows are told by the order of the same ones."""

    class OfParts(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.table, self.head = nn.Embedding(5, 3), nn.Linear(3, 4)

        def forward(self, x):
            found = self.table(x.flatten(0, 1).long()).unflatten(0, x.shape[:2])
            return self.head(found.tanh().sum(dim=(1, 2)))

    model, x = OfParts(), np.random.default_rng(0).integers(0, 5, size=(3, 2, 4)).astype(np.float32)
    found = explain.attribute(model, x, "activation", layer="table", layout="NTC")
    np.testing.assert_allclose(found.values, model.table.weight.detach().numpy()[x.astype(int)])
