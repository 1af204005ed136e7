"""Which layer is which, and what layers gave: the order of calls, names, weights, parts, axes."""

from __future__ import annotations

import keras
import numpy as np
import torch
from models.convolutional import Branches
from models.recurrent import MeanOfSteps
from torch import nn

import explain
from explain.backends.discovery import extension_for
from explain.inputs.layout import Layout

layers = keras.layers


def observed(model, x, layout):
    return extension_for(model).observe(model, [x], Layout(layout))


def named(report):
    return [(row.a, row.b) for row in report.of_stage("layers")]


X = np.random.default_rng(0).normal(size=(5, 3, 6, 7)).astype(np.float32)


def test_layers_of_one_shape_are_told_by_their_weights():
    class Renamed(Branches):
        def __init__(self) -> None:
            super().__init__(turned=True)
            # Names that say the opposite of what the layers are.
            self.left, self.right = self.right, self.left

        def forward(self, x):
            one, other = self.left(x), self.right(x)
            return self.head(torch.cat([torch.relu(other).mean((2, 3)), torch.tanh(one).mean((2, 3))], 1))

    report = explain.check_migration(Branches(turned=False), Renamed(), X, methods="saliency")
    assert report.passed
    assert named(report)[:2] == [("left", "right"), ("right", "left")]


def test_of_layers_whose_weights_differ_the_names_tell():
    a, b = Branches(turned=False), Branches(turned=True)
    with torch.no_grad():
        b.left.weight.mul_(1.01).add_(0.01)
        b.right.weight.mul_(0.99).add_(0.01)
    report = explain.check_migration(a, b, X, methods="saliency")
    assert named(report)[:2] == [("left", "left"), ("right", "right")]
    assert (report.first_divergence.layer_a, report.cause) == ("left", "weights")


def test_a_layer_that_is_called_twice_is_compared_at_both_calls():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.fc, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(torch.tanh(self.fc(torch.tanh(self.fc(x)))))

    shared = layers.Dense(4, activation="tanh", name="fc")
    inputs = keras.Input((4,))
    b = keras.Model(inputs, layers.Dense(2, name="head")(shared(shared(inputs))))
    a = Twice()
    explain.port(a, b)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    report = explain.check_migration(a, b, x, methods="saliency")
    assert report.passed
    assert named(report) == [("fc", "fc"), ("fc[1]", "fc[1]"), ("head", "head")]


def test_two_layers_of_the_one_are_one_layer_of_the_other():
    torch.manual_seed(0)

    def layer():
        return layers.Bidirectional(layers.GRU(6, return_sequences=True))

    a = MeanOfSteps(nn.GRU(4, 6, num_layers=2, batch_first=True, bidirectional=True), 12, 3).eval()
    b = keras.Sequential(
        [keras.Input((7, 4)), layer(), layer(), layers.GlobalAveragePooling1D(), layers.Dense(3)]
    )
    explain.port(a, b)
    x = np.random.default_rng(0).normal(size=(5, 7, 4)).astype(np.float32)
    report = explain.check_migration(a, b, x, methods="saliency")
    assert report.passed
    assert named(report) == [("rnn", b.layers[1].name), ("head", b.layers[3].name)]
    # The first layer of the two is seen by its weights, since PyTorch does not show what it gives.
    kernel = b.layers[0].forward_layer.cell.kernel
    kernel.assign(np.roll(kernel.numpy(), 6, axis=1))
    report = explain.check_migration(a, b, x, methods="saliency")
    assert (report.first_divergence.layer_a, report.cause) == ("rnn", "gate order")


def test_what_layers_give_is_noted_before_their_own_activation_and_channels_last():
    torch.manual_seed(0)
    a = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(80, 2))
    inputs = keras.Input((6, 7, 3))
    h = layers.Flatten()(layers.Conv2D(4, 3, activation="relu", name="conv")(inputs))
    b = keras.Model(inputs, layers.Dense(2)(h))
    explain.port(a, b)
    one, other = observed(a, X, "NCHW"), observed(b, np.moveaxis(X, 1, -1), "NHWC")
    with torch.no_grad():
        expected = np.moveaxis(a[0](torch.from_numpy(X)).numpy(), 1, -1)
    for calls in (one.calls, other.calls):
        conv = next(call for call in calls if call.operation == "convolution")
        np.testing.assert_allclose(conv.outputs, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(conv.inputs, np.moveaxis(X, 1, -1))
    assert [call.activation for call in other.calls if call.name == "conv"] == ["relu"]
    assert expected.min() < 0, "the activation would have taken that away"


def test_time_first_is_laid_out_batch_first():
    torch.manual_seed(0)
    rnn = nn.LSTM(4, 3)

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = rnn

        def forward(self, x):
            return self.rnn(x)[0]

    x = np.random.default_rng(0).normal(size=(7, 2, 4)).astype(np.float32)
    found = observed(Last(), x, "TNC")
    assert found.outputs[""].shape == (2, 7, 3)
    (call,) = found.calls
    assert (call.inputs.shape, call.outputs.shape) == ((2, 7, 4), (2, 7, 3))
    with torch.no_grad():
        np.testing.assert_array_equal(call.outputs, np.moveaxis(rnn(torch.from_numpy(x))[0].numpy(), 1, 0))
