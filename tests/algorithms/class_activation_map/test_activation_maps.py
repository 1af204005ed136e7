"""Class activation maps: held to Captum, to their papers' formulas, and to the twin in the other framework."""

from __future__ import annotations

import warnings

import captum.attr
import numpy as np
import pytest
import torch
from models.convolutional import globally_pooled
from torch import nn

import explain
from explain.errors import GradientError, LayerError, OptionError, ZeroGradientWarning, ZeroMapWarning
from explain.inputs.layout import Layout

CLOSE = {"rtol": 1e-5, "atol": 1e-6}
METHODS = ["grad_cam", "grad_cam_plus_plus", "layer_cam", "score_cam"]
X = np.random.default_rng(0).normal(size=(3, 2, 8, 6))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return globally_pooled().double()


def parts(net, layer, target=1):
    """What a layer gives and the gradient there, by autograd alone."""
    units = net[: layer + 1](torch.tensor(X)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(net[layer + 1 :](units)[:, target].sum(), units)
    return units.detach().numpy(), gradient.numpy()


def upsampled(maps):
    tensor = torch.tensor(maps)[:, None]
    return torch.nn.functional.interpolate(tensor, X.shape[2:], mode="bilinear")[:, 0].numpy()


def heatmap(net, method, **options):
    """The map over the input's places: the sum over channels, to which each has an equal share."""
    a = explain.attribute(net, X, method, target=1, **options)
    np.testing.assert_array_equal(a.values[:, 0], a.values[:, 1])
    return a.values.sum(axis=1)


@pytest.mark.parametrize("layer", [1, 2, 3, 4])
def test_grad_cam_is_captums(net, layer):
    captums = captum.attr.LayerGradCam(net, net[layer])
    maps = captums.attribute(torch.tensor(X), target=1, relu_attributions=True)
    expected = captum.attr.LayerAttribution.interpolate(maps, X.shape[2:], "bilinear")[:, 0]
    np.testing.assert_allclose(heatmap(net, "gradcam", layer=str(layer)), expected.detach().numpy(), **CLOSE)


@pytest.mark.parametrize("layer", [1, 4])
def test_guided_grad_cam_is_captums(net, layer):
    captums = captum.attr.GuidedGradCam(net, net[layer])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = captums.attribute(torch.tensor(X), target=1, interpolate_mode="bilinear")
    found = explain.attribute(net, X, "guided_gradcam", target=1, layer=str(layer))
    np.testing.assert_allclose(found.values, expected.detach().numpy(), **CLOSE)
    assert found.values.min() < 0 < found.values.max()


@pytest.mark.parametrize("layer", [1, 4])
def test_grad_cam_plus_plus_is_its_papers(net, layer):
    units, gradient = parts(net, layer)
    expected = np.zeros((3, *units.shape[2:]))
    for example, channel in np.ndindex(*units.shape[:2]):
        a, g = units[example, channel], gradient[example, channel]
        # Equation 19 for the exponential of the score, whose derivatives are exp(score) times powers of g.
        below = 2 * g**2 + a.sum() * g**3
        alpha = np.where(below != 0, g**2 / np.where(below != 0, below, 1), 0)
        expected[example] += (alpha * np.maximum(g, 0)).sum() * a
    found = heatmap(net, "gradcam++", layer=str(layer))
    np.testing.assert_allclose(found, upsampled(np.maximum(expected, 0)), **CLOSE)


def test_layer_cam_is_its_papers(net):
    units, gradient = parts(net, 1)
    expected = np.maximum((np.maximum(gradient, 0) * units).sum(axis=1), 0)
    np.testing.assert_allclose(heatmap(net, "layer_cam", layer="1"), upsampled(expected), **CLOSE)


def test_score_cam_is_its_papers(net):
    units, _ = parts(net, 4)
    with torch.no_grad():
        at_zero = net(torch.zeros(1, *X.shape[1:]).double())[0, 1].item()
        expected = np.zeros((3, *units.shape[2:]))
        for example in range(3):
            above = []
            for channel in range(7):
                mask = upsampled(units[example : example + 1, channel])[0]
                mask = (mask - mask.min()) / max(mask.max() - mask.min(), 1e-300)
                above.append(net(torch.tensor(X[example : example + 1] * mask))[0, 1].item() - at_zero)
            weights = np.exp(above) / np.exp(above).sum()
            expected[example] = np.maximum((weights[:, None, None] * units[example]).sum(axis=0), 0)
    np.testing.assert_allclose(heatmap(net, "score_cam", layer="4"), upsampled(expected), **CLOSE)


@pytest.mark.parametrize("method", METHODS)
def test_the_last_layer_with_extent_is_taken(net, method):
    a = explain.attribute(net, X, method, target=1)
    assert a.layer == "4"
    named = explain.attribute(net, X, method, target=1, layer="4")
    np.testing.assert_array_equal(a.values, named.values)
    assert a.values.shape == X.shape
    assert a.values.min() >= 0


@pytest.mark.parametrize("method", METHODS)
def test_chunks_and_company_do_not_matter(net, method):
    found = [
        explain.attribute(net, X, method, target=[0, 1, 2], batch_size=size).values for size in (1, 4, 1000)
    ]
    alone = explain.attribute(net, X[1:2], method, target=1).values
    for one in found[1:]:
        np.testing.assert_allclose(one, found[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found[0][1:2], alone, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["cifar_net", "cifar_keras", "fashion_rnn"])
def test_twins_agree(name, method):
    maps = []
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples(name, framework=framework)
        a = explain.attribute(
            explain.zoo.load(name, framework, "float64"), samples.x[:4].astype(np.float64), method, target=3
        )
        maps.append(Layout(a.layout).to_canonical(a.values))
    np.testing.assert_allclose(*maps, rtol=1e-5, atol=1e-6)


def test_a_recurrent_layer_of_which_one_step_is_used_is_passed_over():
    """PyTorch's layer gives all steps and the model takes the last; Keras's gives the last alone."""
    found = []
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples("fashion_rnn", framework)
        model = explain.zoo.load("fashion_rnn", framework)
        found.append(explain.attribute(model, samples.x[:2], "gradcam", target=3).layer)
    assert found == ["rnn1", "rnn1"]


def test_sequences_and_signals():
    torch.manual_seed(0)
    signal = nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 8, 2)).double()
    x = np.random.default_rng(0).normal(size=(2, 2, 10))
    a = explain.attribute(signal, x, "gradcam", target=0)
    assert a.layer == "1"
    captums = captum.attr.LayerGradCam(signal, signal[1])
    maps = captums.attribute(torch.tensor(x), target=0, relu_attributions=True)
    expected = torch.nn.functional.interpolate(maps, 10, mode="linear")[:, 0].detach().numpy()
    np.testing.assert_allclose(a.values.sum(axis=1), expected, **CLOSE)


@pytest.mark.parametrize("method", METHODS)
def test_a_map_of_zeros_is_told_of(method):
    model = nn.Sequential(
        nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2, bias=False)
    )
    with torch.no_grad():
        model[0].weight[:] = 1
        model[3].weight[:] = torch.tensor([[1.0], [-1.0]])
    x = np.ones((1, 1, 2, 2), np.float32)
    if method == "score_cam":
        # Its weights are a softmax, and positive: a map is zero only where the layer is.
        x = -x
    with pytest.warns((ZeroMapWarning, ZeroGradientWarning), match="zero everywhere for example"):
        a = explain.attribute(model, x, method, target=1, layer="1")
    assert not a.values.any()


def test_an_example_without_a_map_is_told_of_beside_one_without_a_gradient():
    model = nn.Sequential(
        nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4, 1, bias=False), nn.ReLU6()
    )
    with torch.no_grad():
        model[0].weight[:] = 1
        model[3].weight[:] = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    # The first saturates the last ReLU6; the second excites no place.
    x = np.array([[9, 9, 0, 0], [0, 0, 0, 0]], np.float32).reshape(2, 1, 2, 2) + np.array(
        [0, 1e-3], np.float32
    ).reshape(2, 1, 1, 1) * np.array([[2, 2], [1, 1]], np.float32)
    with pytest.warns() as caught:
        explain.attribute(model, x, "gradcam", layer="1")
    told = {one.category for one in caught}
    assert told == {ZeroGradientWarning, ZeroMapWarning}


def test_what_has_no_map(net):
    table = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    with pytest.raises(LayerError, match="class activation map"):
        explain.attribute(table, np.ones((2, 3)), "gradcam", target=0)
    with pytest.raises(LayerError, match="is not a layer of the model"):
        explain.attribute(net, X, "gradcam", target=0, layer="conv9")
    with pytest.raises(LayerError, match="axes of space or time"):
        explain.attribute(net, X, "gradcam", target=0, layer="7")
    with pytest.raises(OptionError, match="is not an option of grad_cam"):
        explain.attribute(net, X, "gradcam", target=0, n_steps=3)


def test_a_recurrent_layer_whose_state_alone_is_read_is_passed_over():
    """Its sequence, which it gives first, has no gradient; the layer before it has."""

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.rnn, self.head = (
                nn.Conv1d(3, 4, 3, padding=1),
                nn.GRU(4, 5, batch_first=True),
                nn.Linear(5, 2),
            )

        def forward(self, x):
            _, state = self.rnn(torch.relu(self.conv(x)).movedim(1, 2))
            return self.head(state[0])

    torch.manual_seed(0)
    model, x = Reader().double(), np.random.default_rng(0).normal(size=(2, 3, 7))
    a = explain.attribute(model, x, "grad_cam", target=0)
    assert a.layer == "conv"
    with pytest.raises(GradientError):
        explain.attribute(model, x, "grad_cam", target=0, layer="rnn", layout="NCT")
