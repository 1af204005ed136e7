"""One trunk for several inputs, however the model spells it: a call for each, or all of them on the batch axis."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import ConvergenceWarning, HeldInputWarning, LayerError, ZeroMapWarning

N, C, SIDE = 3, 3, 6
RNG = np.random.default_rng(0)
A, B, D = (RNG.normal(size=(N, C, SIDE, SIDE)).astype(np.float32) for _ in range(3))
FRAMEWORKS = ["torch", "tensorflow"]
SPELLINGS = ["two calls", "behind each other", "interleaved"]
CAMS = ["grad_cam", "grad_cam_plus_plus", "layer_cam", "guided_grad_cam", "score_cam"]


def trunk():
    torch.manual_seed(0)
    layers = {
        "conv1": nn.Conv2d(C, 4, 3, padding=1),
        "relu1": nn.ReLU(),
        "conv2": nn.Conv2d(4, 5, 3, padding=1),
        "relu2": nn.ReLU(),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flat": nn.Flatten(),
    }
    return nn.Sequential(OrderedDict(layers))


class Siamese(nn.Module):
    """Two pictures, or three, to the scores of two classes."""

    def __init__(self, spelling):
        super().__init__()
        self.trunk, self.spelling = trunk(), spelling
        self.head = nn.Linear(10, 2)

    def forward(self, *pictures):
        count = len(pictures)
        if self.spelling == "two calls":
            found = [self.trunk(one) for one in pictures]
        elif self.spelling == "behind each other":
            found = self.trunk(torch.cat(pictures)).chunk(count)
        else:
            found = self.trunk(torch.stack(pictures, 1).flatten(0, 1)).unflatten(0, (-1, count)).unbind(1)
        return self.head(torch.cat([(found[0] - found[-1]).abs(), found[1 - count] + found[0]], 1))


def keras_trunk():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, C)),
            layers.Conv2D(4, 3, padding="same", name="conv1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(5, 3, padding="same", name="conv2"),
            layers.ReLU(name="relu2"),
            layers.GlobalAveragePooling2D(name="pool"),
        ],
        name="trunk",
    )


class SiameseInKeras(keras.Model):
    def __init__(self, spelling):
        super().__init__()
        self.trunk, self.spelling, self.head = keras_trunk(), spelling, keras.layers.Dense(2)

    def call(self, pictures):
        ops, count = keras.ops, len(pictures)
        if self.spelling == "two calls":
            found = [self.trunk(one) for one in pictures]
        elif self.spelling == "behind each other":
            found = ops.split(self.trunk(ops.concatenate(pictures, axis=0)), count)
        else:
            rows = ops.reshape(ops.stack(pictures, axis=1), (-1, SIDE, SIDE, C))
            found = ops.unstack(ops.reshape(self.trunk(rows), (-1, count, 5)), axis=1)
        first = ops.abs(found[0] - found[-1])
        return self.head(ops.concatenate([first, found[1 - count] + found[0]], axis=1))


def keras_weights(model):
    """Give the weights of a PyTorch model as Keras has them."""
    found = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            found += [layer.weight.detach().numpy().transpose(2, 3, 1, 0), layer.bias.detach().numpy()]
        elif isinstance(layer, nn.Linear):
            found += [layer.weight.detach().numpy().T, layer.bias.detach().numpy()]
    return found


def channels_last(array):
    return np.ascontiguousarray(np.moveaxis(array, -3, -1))


def model_and_inputs(framework, spelling, pictures=(A, B)):
    model = Siamese(spelling).eval()
    if framework == "torch":
        return model, pictures
    given = tuple(channels_last(one) for one in pictures)
    twin = SiameseInKeras(spelling)
    twin(list(given))
    twin.set_weights(keras_weights(model))
    return twin, given


def channels_first(values, framework):
    return values if framework == "torch" else np.moveaxis(values, -1, -3)


def reference(pictures, layer="relu2", target=1):
    """Outputs of a layer for each picture and gradients to them, by hooks on the model of two calls."""
    model, kept = Siamese("two calls").eval(), []
    getattr(model.trunk, layer).register_forward_hook(lambda module, given, output: kept.append(output))
    score = model(*map(torch.tensor, pictures))[:, target].sum()
    slopes = torch.autograd.grad(score, kept)
    return [(one.detach().numpy(), slope.numpy()) for one, slope in zip(kept, slopes, strict=True)]


def cam_by_hand(units, slopes):
    return np.maximum((slopes.mean(axis=(2, 3), keepdims=True) * units).sum(axis=1), 0)


def quiet(*arguments, **options):
    with warnings.catch_warnings():
        for category in (ZeroMapWarning, ConvergenceWarning):
            warnings.simplefilter("ignore", category)
        return explain.attribute(*arguments, **options)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("pictures", [(A, B), (A, B, D)], ids=["pair", "triplet"])
def test_the_map_of_each_input_is_that_of_its_own_call_or_rows(framework, spelling, pictures):
    model, given = model_and_inputs(framework, spelling, pictures)
    for layer in (None, "conv2"):
        found = quiet(model, given, "grad_cam", target=1, layer=layer)
        for one, (units, slopes) in zip(found, reference(pictures, layer or "relu2"), strict=True):
            expected = cam_by_hand(units, slopes)
            values = channels_first(one.values, framework).sum(axis=1)
            np.testing.assert_allclose(values, expected, atol=1e-6)
            assert (layer or "relu2") in one.layer


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_map_is_that_of_the_plain_spelling(framework, spelling):
    plain = Siamese("two calls").eval()
    model, given = model_and_inputs(framework, spelling)
    for method in CAMS:
        expected = quiet(plain, (A, B), method, target=0)
        found = quiet(model, given, method, target=0)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(channels_first(one.values, framework), other.values, atol=1e-5)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_layer_is_explained_for_each_input(framework, spelling):
    model, given = model_and_inputs(framework, spelling)
    by_hand = reference((A, B), "conv2")
    asked = {"target": 1, "layer": "conv2"}
    activations = quiet(model, given, "activation", **asked)
    slopes, products = (
        quiet(model, given, "saliency", **asked),
        quiet(model, given, "input_x_gradient", **asked),
    )
    for place, (units, slope) in enumerate(by_hand):
        for found, expected in ((activations, units), (slopes, slope), (products, units * slope)):
            np.testing.assert_allclose(channels_first(found[place].values, framework), expected, atol=1e-6)
        assert activations[place].input_name == str(place)
    # One input moves, the other stays: the sum is the change of the score.
    plain, zero = Siamese("two calls").eval(), np.zeros_like(A)
    with torch.no_grad():
        score = plain(*map(torch.tensor, (A, B)))[:, 1].numpy()
        changes = [
            score - plain(*map(torch.tensor, others))[:, 1].numpy() for others in ((zero, B), (A, zero))
        ]
    for method, options, close in (
        ("ig", {"n_steps": 400}, 2e-3),
        ("conductance", {"n_steps": 400}, 2e-3),
        ("deep_lift", {}, 1e-5),
    ):
        for one, change in zip(quiet(model, given, method, **asked, **options), changes, strict=True):
            # Sums of an integral: its error at kinks falls with the number of steps.
            np.testing.assert_allclose(one.values.reshape(N, -1).sum(axis=1), change, atol=close)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    ("method", "layer"),
    [
        *((method, layer) for method in ("deep_lift", "lrp", "deep_lift_shap") for layer in (None, "conv2")),
        ("guided_backprop", None),
        ("deconvolution", None),
    ],
)
def test_backward_rules_do_not_depend_on_the_spelling(framework, spelling, method, layer):
    with_references = method == "deep_lift_shap"
    model, given = model_and_inputs(framework, spelling)
    asked = {"target": 1, "layer": layer}
    found = explain.attribute(
        model, given, method, **asked, baseline=tuple(one[:2] for one in given) if with_references else None
    )
    expected = explain.attribute(
        Siamese("two calls").eval(),
        (A, B),
        method,
        **asked,
        baseline=(A[:2], B[:2]) if with_references else None,
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(channels_first(one.values, framework), other.values, atol=1e-5)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_call_alone_is_a_single_result(framework):
    model, given = model_and_inputs(framework, "two calls")
    units, slopes = reference((A, B), "conv2")[1]
    found = explain.attribute(model, given, "activation", layer=("conv2", 1))
    np.testing.assert_allclose(channels_first(found.values, framework), units, atol=1e-6)
    with pytest.warns(HeldInputWarning, match=r"The input '0' .* does not read this input"):
        first, second = explain.attribute(model, given, "layer_cam", target=1, layer=("conv2", 1))
    assert first is None
    expected = np.maximum(np.maximum(slopes, 0) * units, 0).sum(axis=1)
    np.testing.assert_allclose(channels_first(second.values, framework).sum(axis=1), expected, atol=1e-6)
    # All rows of one call, those of both inputs.
    model, given = model_and_inputs(framework, "behind each other")
    found = explain.attribute(model, given, "activation", layer=("conv2", 0))
    assert found.values.shape == (N, 2, *units.shape[1:]) if framework == "torch" else (N, 2, SIDE, SIDE, 5)


def test_two_videos_on_the_batch_axis():
    """Frames folded, and one video put behind the other: the rows of an example are two blocks."""

    class Videos(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.head = trunk(), nn.Linear(5, 2)

        def forward(self, a, b):
            rows = torch.cat([a.flatten(0, 1), b.flatten(0, 1)])
            first, second = self.trunk(rows).unflatten(0, (2, -1, a.shape[1])).unbind(0)
            return self.head((first.cumsum(1) * second).sum(dim=1))

    class OfTwoCalls(Videos):
        def forward(self, a, b):
            first, second = (self.trunk(one.flatten(0, 1)).unflatten(0, one.shape[:2]) for one in (a, b))
            return self.head((first.cumsum(1) * second).sum(dim=1))

    a, b = (RNG.normal(size=(N, 4, C, SIDE, SIDE)).astype(np.float32) for _ in range(2))
    model, plain = Videos().eval(), OfTwoCalls().eval()
    plain.load_state_dict(model.state_dict())
    for method, layer in (
        ("grad_cam", None),
        ("layer_cam", "conv2"),
        ("activation", "conv2"),
        ("ig", "conv2"),
    ):
        found = quiet(model, (a, b), method, target=1, layer=layer, layout="NTCHW")
        expected = quiet(plain, (a, b), method, target=1, layer=layer, layout="NTCHW")
        for one, other in zip(found, expected, strict=True):
            assert one.layout == "NTCHW"
            np.testing.assert_allclose(one.values, other.values, atol=1e-5)


def test_an_input_that_two_calls_read_is_told_so():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.head = trunk(), nn.Linear(5, 2)

        def forward(self, a, b):
            return self.head(self.trunk(a) * self.trunk(a.flip(3)) - self.trunk(b))

    model = Twice().eval()
    with pytest.warns(HeldInputWarning, match="this input reaches the calls 0, 1"):
        first, second = quiet(model, (A, B), "grad_cam", target=1, layer="conv2")
    assert first is None
    assert second.layer == "trunk.conv2[2]"
    with pytest.raises(
        LayerError, match=r"For the input '0': layer='trunk.conv2' is called 3 times, .* calls 0, 1"
    ):
        explain.attribute(model, (A, B), "saliency", target=1, layer="conv2")
    # What it says helps.
    assert explain.attribute(model, (A, B), "saliency", target=1, layer=("trunk.conv2", 1)).values.any()


class Texts(nn.Module):
    """Two texts, read by one embedding and one recurrent layer."""

    def __init__(self, spelling):
        super().__init__()
        torch.manual_seed(0)
        self.words, self.read = nn.Embedding(20, 4), nn.Linear(4, 5)
        self.head, self.spelling = nn.Linear(10, 2), spelling

    def of(self, ids):
        return torch.tanh(self.read(torch.tanh(self.words(ids)))).mean(1)

    def forward(self, a, b):
        both = (
            self.of(torch.cat([a, b])).chunk(2) if self.spelling != "two calls" else (self.of(a), self.of(b))
        )
        return self.head(torch.cat([both[0] * both[1], both[0]], 1))


class TextsInKeras(keras.Model):
    def __init__(self, spelling):
        super().__init__()
        layers = keras.layers
        self.words, self.read = layers.Embedding(20, 4, name="words"), layers.Dense(5, name="read")
        self.head, self.spelling = layers.Dense(2), spelling

    def of(self, ids):
        ops = keras.ops
        return ops.mean(ops.tanh(self.read(ops.tanh(self.words(ids)))), axis=1)

    def call(self, texts):
        ops = keras.ops
        if self.spelling == "two calls":
            both = [self.of(one) for one in texts]
        else:
            both = ops.split(self.of(ops.concatenate(texts, axis=0)), 2)
        return self.head(ops.concatenate([both[0] * both[1], both[0]], axis=1))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_two_texts_on_the_batch_axis(framework):
    """One embedding reads both, in the rows of one call: each text has its own."""
    ids = tuple(np.random.default_rng(place).integers(1, 20, size=(N, 6)) for place in range(2))
    plain = Texts("two calls").eval()
    model = Texts("behind each other").eval()
    if framework == "tensorflow":
        model = TextsInKeras("behind each other")
        model(list(ids))
        model.words.set_weights([plain.words.weight.detach().numpy()])
        for own, other in ((model.read, plain.read), (model.head, plain.head)):
            own.set_weights([other.weight.detach().numpy().T, other.bias.detach().numpy()])
    for method, layer in [
        *(
            (method, None)
            for method in ("saliency", "ig", "deep_lift", "lrp", "feature_ablation", "layer_cam")
        ),
        *((method, name) for method in ("activation", "saliency") for name in ("read", "words")),
    ]:
        found = quiet(model, ids, method, target=1, layer=layer)
        for one, other in zip(found, quiet(plain, ids, method, target=1, layer=layer), strict=True):
            np.testing.assert_allclose(one.values, other.values, atol=1e-6)
            assert one.values.any()
