"""Layer-wise relevance propagation, against Captum, the textbook and in closed form, however a model is written."""

from __future__ import annotations

import warnings

import captum.attr
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch's documentation has it
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule
from models.backward_rules import (
    Grouped,
    GroupedFunctional,
    GroupedReused,
    in_place_on_a_view,
    settled,
    with_weights_of,
    without_a_rule,
)
from models.convolutional import TutorialNet, tutorial_in_modules
from models.recurrent import LastStep, give_weights, keras_last_step
from torch import nn

import explain
from explain.backends.operations.flow import Flow
from explain.errors import (
    EngineError,
    OptionError,
    RelevanceWarning,
    UnsupportedModelError,
    ZeroGradientWarning,
)
from explain.inputs.layout import Layout

# A float32 result of float64 sums.
CLOSE = {"rtol": 1e-5, "atol": 1e-7}


def made(kind):
    model = settled(kind)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            # Captum adds a convolution's bias as it is, the rule what of it is positive: here that is the same.
            module.bias.data.abs_()
    return model


def drawn(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def of_captum(model, x, target, rule, epsilon):
    """Captum's values, its rules set module by module."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and rule == "epsilon_plus":
            module.rule = Alpha1_Beta0_Rule()
            module.rule.STABILITY_FACTOR = epsilon
        elif isinstance(module, (nn.Linear, nn.Conv2d, nn.BatchNorm2d, nn.AvgPool2d)):
            module.rule = EpsilonRule(epsilon)
        elif isinstance(module, (nn.MaxPool2d, nn.Flatten)):
            # One value is picked or moved: there is no sum to stabilise.
            module.rule = EpsilonRule(1e-30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = captum.attr.LRP(model).attribute(torch.tensor(x), target=torch.tensor(target))
    return found.detach().numpy()


RULES = ["epsilon", "epsilon_plus"]


@pytest.mark.parametrize("epsilon", [1e-9, 0.1])
@pytest.mark.parametrize("rule", RULES)
def test_equal_to_captum_where_every_activation_is_a_module_of_its_own(rule, epsilon):
    model, x, target = made(Grouped), np.abs(drawn(4, 2, 8, 8)), [0, 1, 2, 1]
    expected = of_captum(with_weights_of(model, Grouped), x, target, rule, epsilon)
    for kind in (Grouped, GroupedReused, GroupedFunctional):
        found = explain.attribute(
            with_weights_of(model, kind), x, "lrp", target=target, rule=rule, epsilon=epsilon
        )
        np.testing.assert_allclose(found.values, expected, **CLOSE)
    plain = explain.attribute(model, x, "input_x_gradient", target=target)
    apart = np.abs(plain.values - expected).max() / np.abs(expected).max()
    # With biases the tiny epsilon rule is input × gradient, and says nothing new.
    assert apart < 1e-6 if (rule, epsilon) == ("epsilon", 1e-9) else apart > 0.1


@pytest.mark.parametrize("rule", RULES)
def test_the_tutorials_own_net(rule):
    model, x, target = made(TutorialNet), np.abs(drawn(3, 3, 32, 32)), [0, 4, 9]
    found = explain.attribute(model, x, "LRP", target=target, rule=rule, epsilon=1e-3)
    expected = of_captum(tutorial_in_modules(with_weights_of(model, TutorialNet)), x, target, rule, 1e-3)
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-9)


def test_a_dense_layer_that_is_called_twice(tensorflow_kit):
    """Captum raises there; of copies, each called once, its numbers are right."""
    torch.manual_seed(0)
    layer, last, x = nn.Linear(4, 4).double(), nn.Linear(4, 2).double(), drawn(3, 4)
    twice = nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), last)
    copy = nn.Linear(4, 4).double()
    copy.load_state_dict(layer.state_dict())
    copied = nn.Sequential(layer, nn.ReLU(), copy, nn.ReLU(), last)
    with pytest.raises(RuntimeError, match="more than once"):
        of_captum(twice, x, [1] * 3, "epsilon", 0.1)
    expected = of_captum(copied, x, [1] * 3, "epsilon", 0.1)
    layers = tensorflow_kit.keras.layers
    dense, relu = layers.Dense(4, dtype="float64"), layers.ReLU(dtype="float64")
    head, entry = layers.Dense(2, dtype="float64"), tensorflow_kit.keras.Input((4,), dtype="float64")
    in_keras = tensorflow_kit.keras.Model(entry, head(relu(dense(relu(dense(entry))))))
    for ours, theirs in ((dense, layer), (head, last)):
        ours.set_weights([theirs.weight.detach().numpy().T, theirs.bias.detach().numpy()])
    for model in (twice, in_keras):
        found = explain.attribute(model, x, "lrp", target=1, epsilon=0.1)
        np.testing.assert_allclose(found.values, expected, **CLOSE)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["cifar_net", "cifar_keras"])
def test_tensorflow_gives_captums_numbers(name, rule):
    """On the seed models, their convolutions' biases made positive on both sides."""
    samples = explain.zoo.samples(name, framework="torch")
    x = np.abs(Layout(samples.layout).to_canonical(samples.x).astype(np.float64)[:3])
    x, target = x + 1e-3 * np.abs(drawn(*x.shape)), [int(label) for label in samples.y[:3]]
    model, twin = (
        explain.zoo.load(name, "torch", "float64").eval(),
        explain.zoo.load(name, "tensorflow", "float64"),
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.bias.data.abs_()
    for layer in twin.layers:
        if hasattr(layer, "kernel") and len(layer.kernel.shape) == 4:
            layer.bias.assign(np.abs(layer.bias))
    a = explain.attribute(twin, x, "lrp", target=target, rule=rule, epsilon=1e-2)
    first = np.moveaxis(x, -1, 1).copy()
    expected = of_captum(as_modules(model), first, target, rule, 1e-2)
    np.testing.assert_allclose(np.moveaxis(a.values, -1, 1), expected, rtol=1e-5, atol=1e-8)


def as_modules(model):
    """Give a model that Captum can take: the tutorial's, or one that has its layers in order already."""
    return tutorial_in_modules(model) if hasattr(model, "fc3") else model


class Textbook:
    """Layer-wise relevance propagation as it is published, with the matrix of every layer written out.

    A layer maps activations a of shape (n,) to z = a W + b; R_i = Σ_j a_i w_ij R_j / (z_j + ε sign z_j).
    """

    def __init__(self, epsilon):
        self.epsilon = epsilon

    def linear(self, a, weight, z, relevance):
        stabilised = z + self.epsilon * np.where(z < 0, -1, 1)
        return a * (weight @ (relevance / stabilised))

    def plus(self, a, weight, bias, relevance):
        parts = np.maximum(a[:, None] * weight, 0)
        return parts @ (relevance / (parts.sum(axis=0) + np.maximum(bias, 0) + self.epsilon))


def matrix_of(convolve, shape):
    """The matrix of a linear map of arrays of a shape."""
    size = int(np.prod(shape))
    return np.stack([convolve(one.reshape(shape)).ravel() for one in np.eye(size)])


def convolution(kernel):
    """Cross-correlation of (H, W, C) with a kernel (k, k, C, D), valid."""
    side = kernel.shape[0]

    def convolve(x):
        out = np.zeros((x.shape[0] - side + 1, x.shape[1] - side + 1, kernel.shape[-1]))
        for row, column in np.ndindex(*out.shape[:2]):
            out[row, column] = np.tensordot(x[row : row + side, column : column + side], kernel, 3)
        return out

    return convolve


@pytest.mark.parametrize("rule", RULES)
def test_the_textbook_on_inputs_and_biases_of_either_sign(rule, kit):
    """Where Captum's rule for convolutions leaves the paper: negative inputs, and negative biases."""
    model, epsilon = kit.cnn(channels=2, side=(6, 6), dtype="float64"), 1e-2
    x = drawn(3, 6, 6, 2)
    given = x if kit.name == "tensorflow" else np.moveaxis(x, -1, 1)
    found = explain.attribute(model, given, "lrp", target=2, rule=rule, epsilon=epsilon)
    values = found.values if kit.name == "tensorflow" else np.moveaxis(found.values, 1, -1)
    if kit.name == "tensorflow":
        kernel, bias, weight, last = (np.array(one) for one in model.get_weights())
    else:
        kernel, bias, weight, last = (one.detach().numpy() for one in model.parameters())
        kernel = kernel.transpose(2, 3, 1, 0)
        weight = weight.reshape(3, 4, 2, 2).transpose(2, 3, 1, 0).reshape(16, 3)
    assert (bias < 0).any()
    assert (bias > 0).any()
    book, first = Textbook(epsilon), matrix_of(convolution(kernel), (6, 6, 2))
    biases = np.tile(bias, 16)
    for one, expected_of in zip(x, values, strict=True):
        z = one.ravel() @ first + biases
        a = np.maximum(z, 0).reshape(4, 4, 4)
        windows = a.reshape(2, 2, 2, 2, 4).transpose(0, 2, 4, 1, 3).reshape(2, 2, 4, 4)
        pooled = windows.max(axis=-1).ravel()
        score = pooled @ weight + last
        relevance = book.linear(pooled, weight, score, np.eye(3)[2] * score)
        back = np.zeros((2, 2, 4, 4))
        np.put_along_axis(
            back, windows.argmax(axis=-1)[..., None], relevance.reshape(2, 2, 4)[..., None], axis=-1
        )
        relevance = back.reshape(2, 2, 4, 2, 2).transpose(0, 3, 1, 4, 2).ravel()
        if rule == "epsilon":
            expected = book.linear(one.ravel(), first, z, relevance)
        else:
            expected = book.plus(one.ravel(), first, biases, relevance)
        np.testing.assert_allclose(expected_of.ravel(), expected, rtol=1e-5, atol=1e-8)


def test_relevance_is_conserved_where_nothing_is_biased(kit):
    """The closed form: without biases, ε → 0 is input × gradient, and what is shared out is the score."""
    weights = [(drawn(5, 7, seed=seed), np.zeros(7)) for seed in (2,)]
    weights += [(drawn(7, 6, seed=3), np.zeros(6)), (drawn(6, 3, seed=4), np.zeros(3))]
    model, x = kit.dense(weights, between="relu", dtype="float64"), drawn(4, 5)
    found = explain.attribute(model, x, "lrp", target=1)
    plain = explain.attribute(model, x, "input_x_gradient", target=1)
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.values.sum(axis=1), found.scores, rtol=1e-5, atol=1e-7)
    smooth = kit.dense(weights, between="tanh", dtype="float64")
    found = explain.attribute(smooth, x, "lrp", target=1)
    np.testing.assert_allclose(found.values.sum(axis=1), found.scores, rtol=1e-5, atol=1e-7)
    plain = explain.attribute(smooth, x, "input_x_gradient", target=1)
    assert not np.allclose(found.values, plain.values, atol=0.1)


@pytest.mark.parametrize("rule", RULES)
def test_a_picture_without_biases_conserves_its_score(rule, kit):
    model, x = kit.cnn(dtype="float64"), drawn(3, *kit.picture_shape(1, 8, 8))
    if kit.name == "torch":
        for module in model.modules():
            if getattr(module, "bias", None) is not None:
                module.bias.data.zero_()
    else:
        for layer in model.layers:
            if hasattr(layer, "bias"):
                layer.bias.assign(np.zeros_like(layer.bias))
    found = explain.attribute(model, x, "lrp", target=0, rule=rule)
    np.testing.assert_allclose(found.values.sum(axis=(1, 2, 3)), found.scores, rtol=1e-5, atol=1e-7)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_relevance(x, weights, epsilon, target):
    """An LSTM's relevance in NumPy: gates take nothing (Arras et al.), sums by the epsilon rule.

    Keras's order of gates: in, forget, cell, out.
    """
    kernel, recurrent, bias, weight, last = weights
    book, units = Textbook(epsilon), len(recurrent)
    h, c, kept = np.zeros(units), np.zeros(units), []
    for one in x:
        z = one @ kernel + h @ recurrent + bias
        i, f, g, o = np.split(z, 4)
        i, f, o = map(sigmoid, (i, f, o))
        cell = f * c + i * np.tanh(g)
        kept.append((one, h, c, i, f, g, cell))
        h, c = o * np.tanh(cell), cell
    score = h @ weight + last
    of_h, of_c = book.linear(h, weight, score, np.eye(len(score))[target] * score), np.zeros(units)
    found = np.zeros_like(x)
    cells = slice(2 * units, 3 * units)
    for step in reversed(range(len(x))):
        one, before, c, i, f, g, cell = kept[step]
        of_c = of_c + of_h
        # Nothing is added to the first step's c of zeros but a constant, which is a sum as well.
        stabilised = cell + epsilon * np.where(cell < 0, -1, 1)
        of_g, of_c = of_c * i * np.tanh(g) / stabilised, of_c * f * c / stabilised
        found[step] = book.linear(one, kernel[:, cells], g, of_g)
        of_h = book.linear(before, recurrent[:, cells], g, of_g)
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_gates_of_an_lstm_take_nothing(dtype, tensorflow_kit):
    keras = tensorflow_kit.keras
    keras.utils.set_random_seed(0)
    model = keras_last_step(keras, keras.layers.LSTM(4, dtype=dtype), (5, 3), dtype)
    weights = [drawn(*one.shape, seed=seed) for seed, one in enumerate(model.get_weights())]
    model.set_weights(weights)
    kernel, recurrent, bias, weight, last = weights
    twin = LastStep(nn.LSTM(3, 4, batch_first=True), 4, 2).to(getattr(torch, dtype))
    give_weights(twin, [kernel, recurrent, bias, 0 * bias, weight, last])
    x = drawn(3, 5, 3).astype(dtype)
    expected = np.stack([lstm_relevance(one.astype(np.float64), weights, 1e-2, 1) for one in x])
    close = {"rtol": 1e-5, "atol": 1e-8} if dtype == "float64" else {"rtol": 1e-3, "atol": 1e-5}
    for one in (model, twin):
        found = explain.attribute(one, x, "lrp", target=1, epsilon=1e-2)
        np.testing.assert_allclose(found.values, expected, **close)
    assert torch._C._get_mkldnn_enabled()


def test_the_gates_of_a_gru_take_nothing(tensorflow_kit):
    """PyTorch writes h' = n + z (h − n), Keras z h + (1 − z) n: of tiny epsilon both are the same."""
    keras = tensorflow_kit.keras
    keras.utils.set_random_seed(0)
    model = keras_last_step(keras, keras.layers.GRU(4, dtype="float64"), (4, 3))
    kernel, recurrent, bias, weight, last = weights = [
        drawn(*one.shape, seed=seed) for seed, one in enumerate(model.get_weights())
    ]
    model.set_weights(weights)

    def reordered(values):
        """Keras has update, reset, new; PyTorch reset, update, new."""
        update, reset, new = np.split(values, 3, axis=-1)
        return np.concatenate([reset, update, new], axis=-1)

    twin = LastStep(nn.GRU(3, 4, batch_first=True), 4, 2).double()
    give_weights(
        twin, [reordered(kernel), reordered(recurrent), reordered(bias[0]), reordered(bias[1]), weight, last]
    )
    x = drawn(3, 4, 3)
    a, b = (explain.attribute(one, x, "lrp", target=1) for one in (model, twin))
    np.testing.assert_allclose(a.scores, b.scores, rtol=1e-6)
    np.testing.assert_allclose(a.values, b.values, rtol=1e-5, atol=1e-8)
    plain = explain.attribute(model, x, "input_x_gradient", target=1)
    assert not np.allclose(a.values, plain.values, atol=0.1)


@pytest.mark.parametrize("epsilon", [1e-9, 0.1])
def test_recurrent_layers_are_one_sum_in_both_frameworks(epsilon, tensorflow_kit):
    """Whatever the biases are split into, and though one writes x W + (h U + b) and the other (x W + b) + h U."""
    keras = tensorflow_kit.keras
    layer = keras.layers.SimpleRNN(4, activation="tanh", dtype="float64")
    model = keras_last_step(keras, layer, (5, 3))
    kernel, recurrent, bias, weight, last = model.get_weights()
    bias = drawn(*bias.shape)
    model.set_weights([kernel, recurrent, bias, weight, last])
    twin = LastStep(nn.RNN(3, 4, batch_first=True), 4, 2).double()
    give_weights(twin, [kernel, recurrent, 3 * bias, -2 * bias, weight, last])
    x = drawn(3, 5, 3)
    a, b = (explain.attribute(one, x, "lrp", target=0, epsilon=epsilon) for one in (model, twin))
    np.testing.assert_allclose(a.values, b.values, rtol=1e-5, atol=1e-8)


def keras_twin_of_convolutions(kit):
    """Convolutions of which each is written by Keras in a way of its own, and what PyTorch calls them."""
    layers = kit.keras.layers
    model = kit.keras.Sequential(
        [
            kit.keras.Input((9, 9, 2), dtype="float64"),
            layers.Conv2D(4, 3, dilation_rate=2, activation="relu", dtype="float64"),
            layers.DepthwiseConv2D(3, activation="relu", dtype="float64"),
            layers.BatchNormalization(dtype="float64"),
            layers.Reshape((9, 4), dtype="float64"),
            layers.Conv1D(3, 3, padding="same", activation="silu", dtype="float64"),
            layers.GlobalAveragePooling1D(dtype="float64"),
            layers.Dense(2, dtype="float64"),
        ]
    )
    model.set_weights(
        [abs(drawn(*one.shape, seed=seed)) ** (1 if one.ndim == 1 and seed in (4, 7) else 0)
         * drawn(*one.shape, seed=seed) ** (0 if seed == 7 else 1)
         for seed, one in enumerate(model.get_weights())]
    )  # fmt: skip

    class Twin(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(2, 4, 3, dilation=2), nn.Conv2d(4, 4, 3, groups=4)
            self.norm, self.conv3 = nn.BatchNorm2d(4, eps=1e-3), nn.Conv1d(4, 3, 3, padding=1)
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            x = self.norm(F.relu(self.conv2(F.relu(self.conv1(x))))).flatten(2)
            return self.fc(F.silu(self.conv3(x)).mean(-1))

    twin = Twin().double().eval()
    weights = model.get_weights()
    orders = [(3, 2, 0, 1), (0,), (2, 3, 0, 1), (0,), (0,), (0,), (0,), (0,), (2, 1, 0), (0,), (1, 0), (0,)]
    targets = [
        twin.conv1.weight, twin.conv1.bias, twin.conv2.weight, twin.conv2.bias, twin.norm.weight, twin.norm.bias,
        twin.norm.running_mean, twin.norm.running_var, twin.conv3.weight, twin.conv3.bias, twin.fc.weight, twin.fc.bias,
    ]  # fmt: skip
    for parameter, values, order in zip(targets, weights, orders, strict=True):
        parameter.data = torch.tensor(values.transpose(order).copy())
    return model, twin


@pytest.mark.parametrize("epsilon", [1e-9, 0.1])
@pytest.mark.parametrize("rule", RULES)
def test_convolutions_are_the_same_however_keras_writes_them(rule, epsilon, tensorflow_kit):
    model, twin = keras_twin_of_convolutions(tensorflow_kit)
    x = drawn(3, 9, 9, 2)
    a = explain.attribute(model, x, "lrp", target=1, rule=rule, epsilon=epsilon)
    b = explain.attribute(twin, np.moveaxis(x, -1, 1), "lrp", target=1, rule=rule, epsilon=epsilon)
    np.testing.assert_allclose(a.scores, b.scores, rtol=1e-6)
    np.testing.assert_allclose(np.moveaxis(a.values, -1, 1), b.values, rtol=1e-5, atol=1e-8)
    assert np.abs(a.values).max() > 0


@pytest.mark.parametrize("rule", RULES)
def test_residual_blocks_share_out_to_both_ways(rule, tensorflow_kit):
    """Two convolutions that are added up, and one and its own input: by hand, place by place."""
    layers, epsilon = tensorflow_kit.keras.layers, 0.1
    entry = tensorflow_kit.keras.Input((3, 3, 1), dtype="float64")
    first, second, third = (layers.Conv2D(1, 1, dtype="float64") for _ in range(3))
    added = layers.Add(dtype="float64")([first(entry), second(entry)])
    rectified = layers.ReLU(dtype="float64")(added)
    out = layers.Flatten(dtype="float64")(layers.Add(dtype="float64")([third(rectified), rectified]))
    model = tensorflow_kit.keras.Model(entry, out)
    values = (2.0, 0.5, -1.0, 0.25, 3.0, -0.5)
    model.set_weights([np.full(one.shape, value) for one, value in zip(model.weights, values, strict=True)])

    class Twin(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.third = (nn.Conv2d(1, 1, 1) for _ in range(3))

        def forward(self, x):
            x = F.relu(self.first(x) + self.second(x))
            return (self.third(x) + x).flatten(1)

    twin = Twin().double()
    for parameter, value in zip(twin.parameters(), values, strict=True):
        parameter.data.fill_(value)
    x = np.abs(drawn(1, 3, 3, 1)) + 0.1
    a = explain.attribute(model, x, "lrp", target=4, rule=rule, epsilon=epsilon)
    b = explain.attribute(twin, np.moveaxis(x, -1, 1), "lrp", target=4, rule=rule, epsilon=epsilon)
    np.testing.assert_allclose(np.moveaxis(a.values, -1, 1), b.values, rtol=1e-6)
    one = x[0, 1, 1, 0]
    u, v = 2 * one + 0.5, 0.25 - one
    h = u + v
    w = 3 * h - 0.5
    score = w + h
    to_w, to_h = w / (score + epsilon) * score, h / (score + epsilon) * score
    if rule == "epsilon":
        to_h += 3 * h / (w + epsilon) * to_w
        # Both convolutions and their sum are one sum.
        expected = (2 * one - one) / (h + epsilon) * to_h
    else:
        # The bias below zero raises nothing.
        to_h += 3 * h / (3 * h + epsilon) * to_w
        to_u, to_v = u / (h + epsilon) * to_h, v / (h + epsilon) * to_h
        # What the second convolution has of x lowers it: nothing goes back there.
        expected = 2 * one / (u + epsilon) * to_u + 0 * to_v
    np.testing.assert_allclose(a.values[0, 1, 1, 0], expected, rtol=1e-6)


def test_gates_of_squeeze_and_excitation_and_of_smooth_rectifiers(kit):
    """A sigmoid that multiplies is a gate: what it multiplies takes all."""

    def gated(x):
        return x * kit.sigmoid(3 * x) * (1 - kit.sigmoid(x))

    x = drawn(3, 4)
    found = explain.attribute(kit.function(gated, dtype="float64"), x, "lrp", target=1)
    expected = np.zeros_like(x)
    expected[:, 1] = found.scores
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)


class HardSwish(nn.Module):
    """As it is written by hand."""

    def forward(self, x):
        return x * F.relu6(x + 3) / 6


@pytest.mark.parametrize(
    ("name", "module"),
    [("gelu", nn.GELU), ("silu", nn.SiLU), ("hard_swish", nn.Hardswish), ("hard_swish", HardSwish)],
)
def test_smooth_rectifiers_are_their_own_gates(name, module, tensorflow_kit):
    """Products in Keras, operations of their own in PyTorch: what goes in takes all of what comes out."""
    layers = tensorflow_kit.keras.layers
    model = tensorflow_kit.keras.Sequential(
        [
            tensorflow_kit.keras.Input((4,), dtype="float64"),
            layers.Dense(5, activation=name, dtype="float64"),
            layers.Dense(2, dtype="float64"),
        ]
    )
    kernel, bias, weight, last = model.get_weights()
    twin = nn.Sequential(nn.Linear(4, 5), module(), nn.Linear(5, 2)).double()
    for parameter, values in zip(twin.parameters(), [kernel.T, bias, weight.T, last], strict=True):
        parameter.data = torch.tensor(values.copy())
    x = drawn(3, 4)
    a, b = (explain.attribute(one, x, "lrp", target=1, epsilon=0.01) for one in (model, twin))
    np.testing.assert_allclose(a.scores, b.scores, rtol=1e-6)
    np.testing.assert_allclose(a.values, b.values, rtol=1e-6, atol=1e-9)


def test_a_value_of_zero_and_an_activation_that_is_none_there(kit):
    """sigmoid(0) = 1/2 of a sum of nothing: there is nothing to share it out to, and nothing blows up."""
    model = kit.dense(
        [(drawn(3, 2), np.zeros(2)), (drawn(2, 2), np.zeros(2))], last="sigmoid", dtype="float64"
    )
    with pytest.warns(ZeroGradientWarning):
        found = explain.attribute(model, np.zeros((1, 3)), "lrp", target=0, score="output")
    np.testing.assert_array_equal(found.values, 0)


def test_padded_steps_get_nothing_and_the_names_network_is_affine(kit):
    """Its logit's relevance of tiny epsilon is input × gradient."""
    samples = explain.zoo.samples("names_rnn", framework=kit.name)
    model, x, lengths = explain.zoo.load("names_rnn", kit.name), samples.x[:4], samples.lengths[:4]
    found = explain.attribute(model, x, "lrp", target=2, lengths=lengths)
    plain = explain.attribute(model, x, "input_x_gradient", target=2, lengths=lengths)
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-4, atol=1e-6)
    for one, length in zip(found.values, lengths, strict=True):
        assert np.abs(one[:length]).max() > 0
        assert not one[length:].any()


def test_relevance_that_has_grown_is_told_of(kit):
    """x − y of near values: of a score of a thousandth each has a thousand."""
    model = kit.function(lambda x: kit.stack([x[:, 0] - x[:, 1], x[:, 0] + x[:, 1]], 1), dtype="float64")
    x = np.array([[1.0, 0.9], [1.0, 0.9999]])
    with pytest.warns(RelevanceWarning, match=r"example \[1\].*epsilon"):
        found = explain.attribute(model, x, "lrp", target=0)
    # Of a score of 1e-4 the default epsilon takes a hundred-thousandth.
    shares = found.scores.astype(np.float64) / (found.scores + 1e-9)
    np.testing.assert_allclose(found.values, x * [1, -1] * shares[:, None], rtol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = explain.attribute(model, x, "lrp", target=0, epsilon=0.1)
    shares = found.scores / (found.scores + 0.1)
    np.testing.assert_allclose(found.values, x * [1, -1] * shares[:, None], rtol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_chunks_and_neighbours_do_not_matter(rule, kit):
    model, x = kit.cnn(dtype="float64"), drawn(5, *kit.picture_shape(1, 8, 8))
    whole = explain.attribute(model, x, "lrp", target=1, batch_size=1000, rule=rule)
    for size in (1, 2):
        one = explain.attribute(model, x, "lrp", target=1, batch_size=size, rule=rule)
        np.testing.assert_allclose(one.values, whole.values, rtol=1e-6, atol=1e-10)
    alone = explain.attribute(model, x[3:4], "lrp", target=1, rule=rule)
    np.testing.assert_allclose(alone.values, whole.values[3:4], rtol=1e-6, atol=1e-10)
    assert whole.options == {"rule": rule, "epsilon": 1e-9}


def test_a_fixed_batch_is_the_same(tensorflow_kit):
    keras, x = tensorflow_kit.keras, drawn(3, 5)
    free = tensorflow_kit.dense([(drawn(5, 4), drawn(4)), (drawn(4, 2), drawn(2))], "relu", dtype="float64")
    fixed = keras.Sequential([keras.Input(batch_shape=(2, 5), dtype="float64"), *free.layers])
    a, b = (explain.attribute(one, x, "lrp", target=1, epsilon=0.1) for one in (free, fixed))
    np.testing.assert_allclose(a.values, b.values, rtol=1e-6)


def test_what_has_no_rule_is_refused_by_name(kit):
    model, x = without_a_rule(kit), drawn(2, 3)
    with pytest.raises(UnsupportedModelError, match=r"LRP has no rule for the operation Cumprod"):
        explain.attribute(model, x, "lrp", target=0)


def test_two_gates_share_the_relevance_of_their_product(kit):
    """AttnLRP's rule for a product of two values; then each sigmoid passes on all that it gets."""
    x = drawn(2, 3)
    found = explain.attribute(
        kit.function(lambda x: kit.sigmoid(x) * kit.sigmoid(2 * x) * 1.5, dtype="float64"),
        x,
        "lrp",
        target=0,
        layout="NC",
    )
    expected = np.zeros_like(x)
    expected[:, 0] = 1.5 / (1 + np.exp(-x[:, 0])) / (1 + np.exp(-2 * x[:, 0]))
    np.testing.assert_allclose(found.values, expected, **CLOSE)


def test_hidden_operations_are_refused():
    with pytest.raises(UnsupportedModelError, match=r"relu_ in place on a view.*inplace=False"):
        explain.attribute(in_place_on_a_view(), drawn(2, 2, 4), "lrp", target=0)


def zeroed(h):
    h = h.view(h.shape)
    h[torch.arange(5).expand(len(h), 5) == 1] = 0
    return h


def turned(h):
    h = h.transpose(1, 2)
    h[:, :2] = 0
    return h.transpose(1, 2)


@pytest.mark.parametrize("write", [zeroed, turned])
def test_what_is_written_into_a_view_moves_relevance(write):
    """The products of a gated linear model's inputs and gradients are its relevance."""
    torch.manual_seed(0)
    first, last = nn.Linear(4, 6, bias=False).double(), nn.Linear(6, 3, bias=False).double()
    model = nn.Sequential(first, last)
    model.forward = lambda x: last(write(first(x)).relu().sum(1))
    x = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(model(x)[:, 1].sum(), x)
    found = explain.attribute(model, x.detach(), "lrp", target=1, epsilon=1e-12)
    np.testing.assert_allclose(found.values, (slopes * x).detach(), rtol=1e-5, atol=1e-6)


def test_options_and_engines_that_are_none(kit):
    model, x = kit.cnn(), np.zeros((1, *kit.picture_shape(1, 8, 8)), "float32")
    for options, words in (
        ({"rule": "gamma"}, "rule='gamma' is out of range for lrp: give one of 'epsilon_plus', 'epsilon'"),
        ({"epsilon": 0}, "epsilon=0 is out of range for lrp: give a number above 0"),
        ({"n_steps": 3}, "'n_steps' is not an option of lrp"),
    ):
        with pytest.raises(OptionError, match=words):
            explain.attribute(model, x, "lrp", **options)
    with pytest.raises(EngineError, match="lrp"):
        explain.attribute(model, x, "lrp", engine=kit.engine)


def test_the_model_leaves_as_it_came():
    model = made(GroupedFunctional).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    explain.attribute(model, drawn(3, 2, 8, 8), "lrp", target=0)
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    for module in model.modules():
        assert not any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks))
        assert not hasattr(module, "rule")


def test_which_sums_are_parts_of_others():
    """A graph by hand: x → a → + b → relu → c; relu + c → out."""
    operands = {"x": [], "a": ["x"], "+b": ["a"], "relu": ["+b"], "c": ["relu"], "out": ["relu", "c"]}
    flow = Flow(operands, carriers=(), sums={"a", "+b", "c", "out"}, additions={"+b", "out"})
    assert flow.completed() == {"+b", "c", "out"}
    assert flow.completed(apart={"c"}) == {"+b", "out"}
    assert flow.with_constants("a", ()) == ["a", "+b"]
    assert flow.with_constants("c", ()) == ["c"]
    operands = {"x": [], "a": ["x"], "b": ["x"], "view": ["b"], "sum": ["a", "view"], "score": ["sum"]}
    flow = Flow(operands, carriers={"view"}, sums={"a", "b", "sum"}, additions={"sum"})
    assert flow.completed() == {"sum"}
    assert flow.completed(apart={"b"}) == {"a", "sum"}
    assert flow.comes_from("view", {"b"}, ())
    assert not flow.comes_from("sum", {"b"}, {"sum"})


@pytest.mark.parametrize("method", ["lrp", "deep_lift"])
def test_the_derivative_of_an_activation_is_another_function(kit, method):
    """A force field: the output is the gradient of an energy, and that of tanh is no tanh."""
    if kit.name == "torch":
        torch = kit.torch

        def forces(x):
            with torch.enable_grad():
                point = x if x.requires_grad else x.detach().requires_grad_()
                return torch.autograd.grad(torch.tanh(point).sum(), point, create_graph=True)[0]
    else:
        tf = kit.tf

        def forces(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                energy = tf.reduce_sum(tf.tanh(x))
            return tape.gradient(energy, x)

    x = np.array([[0.3, -0.7]], np.float32)
    found = explain.attribute(kit.function(forces), x, "saliency", target=1)
    slope = -2 * np.tanh(x) * (1 - np.tanh(x) ** 2) * [0, 1]
    np.testing.assert_allclose(found.values, slope, atol=1e-6)
    with pytest.raises(UnsupportedModelError, match=r"operation Tanh(Backward|Grad).*integrated_gradients"):
        explain.attribute(kit.function(forces), x, method, target=1)
