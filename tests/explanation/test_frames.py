"""Models that read one frame after the other, or fold frames into the batch: one map for each frame."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import ConvergenceWarning, LayerError, ZeroMapWarning

N, T, C, SIDE = 3, 4, 2, 6
FRAMES = np.random.default_rng(0).normal(size=(N, T, C, SIDE, SIDE)).astype(np.float32)
FRAMEWORKS = ["torch", "tensorflow"]
SPELLINGS = ["folded", "frames first", "in a loop", "last frame first"]


def channels_last(array):
    return np.ascontiguousarray(np.moveaxis(array, -3, -1))


def channels_first(values, framework):
    return values if framework == "torch" else np.moveaxis(values, -1, -3)


def quiet(*arguments, **options):
    with warnings.catch_warnings():
        for category in (ZeroMapWarning, ConvergenceWarning):
            warnings.simplefilter("ignore", category)
        return explain.attribute(*arguments, **options)


class Video(nn.Module):
    def __init__(self, spelling):
        super().__init__()
        torch.manual_seed(0)
        layers = {
            "conv": nn.Conv2d(C, 4, 3, padding=1),
            "relu": nn.ReLU(),
            "pool": nn.AdaptiveAvgPool2d(1),
            "flat": nn.Flatten(),
        }
        self.spelling, self.trunk = spelling, nn.Sequential(OrderedDict(layers))
        self.head = nn.Linear(4, 2)

    def of_frames(self, x):
        if self.spelling == "folded":
            return self.trunk(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        if self.spelling == "frames first":
            return self.trunk(x.transpose(0, 1).flatten(0, 1)).unflatten(0, (T, -1)).transpose(0, 1)
        if self.spelling == "in a loop":
            return torch.stack([self.trunk(x[:, time]) for time in range(T)], 1)
        return torch.stack([self.trunk(x[:, time]) for time in reversed(range(T))], 1).flip(1)

    def forward(self, x):
        steps = self.of_frames(x)
        return self.head(torch.tanh((steps * torch.arange(1, T + 1)[:, None]).sum(1)))


class VideoInKeras(keras.Model):
    def __init__(self, spelling):
        super().__init__()
        layers = keras.layers
        self.trunk = keras.Sequential(
            [
                keras.Input((SIDE, SIDE, C)),
                layers.Conv2D(4, 3, padding="same", name="conv"),
                layers.ReLU(name="relu"),
                layers.GlobalAveragePooling2D(name="pool"),
            ],
            name="trunk",
        )
        self.spelling, self.head = spelling, layers.Dense(2)
        self.each = layers.TimeDistributed(self.trunk, name="each")

    def of_frames(self, x):
        ops, trunk = keras.ops, self.trunk
        if self.spelling == "folded":
            return ops.reshape(trunk(ops.reshape(x, (-1, SIDE, SIDE, C))), (-1, T, 4))
        if self.spelling == "frames first":
            rows = ops.reshape(ops.transpose(x, (1, 0, 2, 3, 4)), (-1, SIDE, SIDE, C))
            return ops.transpose(ops.reshape(trunk(rows), (T, -1, 4)), (1, 0, 2))
        if self.spelling == "in a loop":
            return ops.stack([trunk(x[:, time]) for time in range(T)], axis=1)
        if self.spelling == "time distributed":
            return self.each(x)
        return ops.flip(ops.stack([trunk(x[:, time]) for time in reversed(range(T))], axis=1), axis=1)

    def call(self, x):
        ops = keras.ops
        weights = np.arange(1, T + 1, dtype=np.float32)[:, None]
        return self.head(ops.tanh(ops.sum(self.of_frames(x) * weights, axis=1)))


def model_and_input(framework, spelling):
    model = Video("folded" if spelling == "time distributed" else spelling).eval()
    if framework == "torch":
        return model, FRAMES, {"layout": "NTCHW"}
    twin, x = VideoInKeras(spelling), channels_last(FRAMES)
    twin(x)
    conv, head = model.trunk.conv, model.head
    twin.set_weights(
        [
            conv.weight.detach().numpy().transpose(2, 3, 1, 0),
            conv.bias.detach().numpy(),
            head.weight.detach().numpy().T,
            head.bias.detach().numpy(),
        ]
    )
    return twin, x, {"layout": "NTHWC"}


def by_hooks(layer):
    """Outputs of a layer for each frame and the gradients to them, shape (N, T, ...), by plain autograd."""
    model, kept = Video("in a loop").eval(), []
    getattr(model.trunk, layer).register_forward_hook(lambda module, given, output: kept.append(output))
    slopes = torch.autograd.grad(model(torch.tensor(FRAMES))[:, 1].sum(), kept)
    return torch.stack(kept, 1).detach().numpy(), torch.stack(slopes, 1).numpy()


BOTH = [
    *(("torch", spelling) for spelling in SPELLINGS),
    *(("tensorflow", spelling) for spelling in (*SPELLINGS, "time distributed")),
]


@pytest.mark.parametrize(("framework", "spelling"), BOTH)
def test_a_map_for_each_frame(framework, spelling):
    model, x, layout = model_and_input(framework, spelling)
    for layer in (None, "conv"):
        # The pooled vectors of the frames carry the whole score too, and are no map.
        units, slopes = by_hooks(layer or "relu")
        weights = slopes.mean(axis=(1, 3, 4), keepdims=True)
        by_method = {
            "grad_cam": np.maximum((weights * units).sum(axis=2), 0),
            "layer_cam": np.maximum((np.maximum(slopes, 0) * units).sum(axis=2), 0),
        }
        for method, expected in by_method.items():
            found = quiet(model, x, method, target=1, layer=layer, **layout)
            values = channels_first(found.values, framework).sum(axis=2)
            np.testing.assert_allclose(values, expected, atol=1e-6)
            assert (layer or "relu") in found.layer


@pytest.mark.parametrize(("framework", "spelling"), BOTH)
def test_a_layer_of_frames(framework, spelling):
    model, x, layout = model_and_input(framework, spelling)
    units, slopes = by_hooks("conv")
    asked = {"layer": "conv", "target": 1, **layout}
    for method, expected in {
        "activation": units,
        "saliency": slopes,
        "input_x_gradient": units * slopes,
    }.items():
        found = quiet(model, x, method, **asked)
        assert found.layout == layout["layout"]
        np.testing.assert_allclose(channels_first(found.values, framework), expected, atol=1e-6)
    plain = Video("folded").eval()
    for method, options in {
        "deep_lift": {},
        "lrp": {},
        "ig": {"n_steps": 20},
        "conductance": {"n_steps": 20},
    }.items():
        expected = quiet(plain, FRAMES, method, target=1, layer="conv", layout="NTCHW", **options).values
        found = quiet(model, x, method, **asked, **options)
        np.testing.assert_allclose(channels_first(found.values, framework), expected, atol=1e-5)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_frame_is_no_map_and_the_advice_gives_all(framework):
    model, x, layout = model_and_input(framework, "in a loop")
    with pytest.raises(LayerError, match=r"its 4 calls are those for the steps .* layer='trunk.conv'"):
        explain.attribute(model, x, "grad_cam", target=1, layer=("conv", 1), **layout)
    name = "trunk.conv" if framework == "torch" else "trunk/conv"
    assert quiet(model, x, "grad_cam", target=1, layer=name, **layout).values.any()
    found = explain.attribute(model, x, "activation", layer=("conv", 1), **layout)
    np.testing.assert_allclose(channels_first(found.values, framework), by_hooks("conv")[0][:, 1], atol=1e-6)
    with pytest.raises(LayerError, match=r"goes through layer 'each', whose output of shape \(4, 4\)"):
        explain.attribute(Pooled(), FRAMES.mean(axis=2), "grad_cam", target=1, layout="NTHW")


class Pooled(nn.Module):
    """One vector a frame, from a layer over the whole frame."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.each, self.head = nn.Linear(SIDE * SIDE, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.each(x.flatten(2))).sum(1))


class ConvLSTMCell(nn.Module):
    """As Keras's `ConvLSTM2D` computes one step."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.to_gates, self.again = (
            nn.Conv2d(C, 12, 3, padding=1),
            nn.Conv2d(3, 12, 3, padding=1, bias=False),
        )

    def forward(self, x, state):
        hidden, memory = state
        keep_in, keep, new, out = (self.to_gates(x) + self.again(hidden)).chunk(4, 1)
        memory = keep.sigmoid() * memory + keep_in.sigmoid() * new.tanh()
        return out.sigmoid() * memory.tanh(), memory


class ConvLSTM(nn.Module):
    def __init__(self, sequence):
        super().__init__()
        self.cell, self.sequence = ConvLSTMCell(), sequence
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        hidden = memory = x.new_zeros(len(x), 3, SIDE, SIDE)
        every = []
        for time in range(T):
            hidden, memory = self.cell(x[:, time], (hidden, memory))
            every.append(hidden)
        found = torch.stack(every, 1).relu().sum(1) if self.sequence else hidden
        return self.head(found.mean((2, 3)))


def test_a_cell_for_each_step_is_as_a_recurrent_layer():
    """Its outputs are those of Keras's layer, which gives the whole sequence; so are the maps."""
    model, layers = ConvLSTM(sequence=True).eval(), keras.layers
    twin = keras.Sequential(
        [
            keras.Input((T, SIDE, SIDE, C)),
            layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, name="cell"),
            layers.ReLU(),
            layers.Lambda(lambda z: keras.ops.sum(z, axis=1)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    cell, head = model.cell, model.head
    kernels = [one.weight.detach().numpy().transpose(2, 3, 1, 0) for one in (cell.to_gates, cell.again)]
    dense = [head.weight.detach().numpy().T, head.bias.detach().numpy()]
    twin.set_weights([*kernels, cell.to_gates.bias.detach().numpy(), *dense])
    x = channels_last(FRAMES)
    for method in ("activation", "saliency", "grad_cam", "layer_cam", "deep_lift", "lrp", "conductance"):
        found = quiet(model, FRAMES, method, target=1, layer="cell", layout="NTCHW")
        other = quiet(twin, x, method, target=1, layer="cell", layout="NTHWC")
        np.testing.assert_allclose(found.values, channels_first(other.values, "tensorflow"), atol=1e-5)


class CellInKeras(keras.Model):
    def __init__(self, of):
        super().__init__()
        layers = keras.layers
        self.to_gates = layers.Conv2D(12, 3, padding="same", name="to_gates")
        self.again = layers.Conv2D(12, 3, padding="same", use_bias=False, name="again")
        self.head, self.of = layers.Dense(2), of

    def call(self, x):
        ops = keras.ops
        hidden = memory = ops.zeros_like(ops.repeat(x[:, 0, :, :, :1], 3, axis=-1))
        for time in range(T):
            gates = self.to_gates(x[:, time]) + self.again(hidden)
            keep_in, keep, new, out = ops.split(gates, 4, axis=-1)
            memory = ops.sigmoid(keep) * memory + ops.sigmoid(keep_in) * ops.tanh(new)
            hidden = ops.sigmoid(out) * ops.tanh(memory)
        return self.head(ops.mean(hidden, axis=(1, 2)))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_default_layer_of_a_recurrent_cell_sees_every_frame(framework):
    """The last hidden state alone gives the score: the layer before it is taken, which gives a part of each step."""
    model = ConvLSTM(sequence=False).eval()
    kept = []
    model.cell.to_gates.register_forward_hook(lambda module, given, output: kept.append(output))
    (slopes) = torch.autograd.grad(model(torch.tensor(FRAMES))[:, 1].sum(), kept)
    kept = kept[:T]
    units, slopes = (torch.stack(list(one), 1).detach().numpy() for one in (kept, slopes))
    weights = slopes.mean(axis=(1, 3, 4), keepdims=True)
    expected = np.maximum((weights * units).sum(axis=2), 0)
    given, layout = FRAMES, "NTCHW"
    if framework == "tensorflow":
        cell, head = model.cell, model.head
        given, layout, twin = channels_last(FRAMES), "NTHWC", CellInKeras(model)
        twin(given)
        twin.to_gates.set_weights(
            [
                cell.to_gates.weight.detach().numpy().transpose(2, 3, 1, 0),
                cell.to_gates.bias.detach().numpy(),
            ]
        )
        twin.again.set_weights([cell.again.weight.detach().numpy().transpose(2, 3, 1, 0)])
        twin.head.set_weights([head.weight.detach().numpy().T, head.bias.detach().numpy()])
        model = twin
    found = quiet(model, given, "grad_cam", target=1, layer="to_gates", layout=layout)
    np.testing.assert_allclose(channels_first(found.values, framework).sum(axis=2), expected, atol=1e-6)
    found = quiet(model, given, "grad_cam", target=1, layout=layout)
    assert found.layer.endswith("to_gates")
    assert found.values.any(axis=(0, 2, 3, 4)).all()
