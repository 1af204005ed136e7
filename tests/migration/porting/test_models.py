"""Whole models carried over: the kinds that people have, the seed models, and a network of real size."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from models import kinds
from torch import nn

import explain
from explain import zoo
from explain.backends.discovery import extension_for
from explain.tf_ext.zoo import efficientnet

KINDS = {
    kind.title: kind
    for kind in kinds.KINDS
    # What is closed inside has no layers that can be seen.
    if {"torch", "tensorflow"} <= set(kind.frameworks) and not kind.title.startswith("closed")
}
# Keras rounds what it does in these to single precision in models of double: 1 / √2, and a second input as it comes.
ROUNDED = {
    "small ViT (attention, layer norm, GELU)": 1e-7,
    "attention over a sequence": 1e-7,
    "two inputs, a picture and a table": 1e-7,
    "bfloat16 (mixed in Keras)": 2e-2,
    "float16 (mixed in Keras)": 2e-3,
}


def given(kind, framework):
    """The inputs of a kind as its model takes them, by their names where there are several."""
    x = kind.inputs(framework)
    if kind.title == "step-by-step cell":
        return x[:, 0], np.zeros((len(x), 4))
    if kind.lengths and framework == "torch":
        return {"x": x, "lengths": np.array(kind.lengths)}
    return x


def outputs_of(kind, framework, model):
    x = given(kind, framework)
    x = x if isinstance(x, (tuple, dict)) else (x,)
    if framework == "tensorflow":
        one = kind.title != "step-by-step cell" and len(x) > 1
        found = model(list(x), training=False) if one else model(*x, training=False)
        found = found if isinstance(found, (list, tuple)) else (found,)
        return [np.asarray(one, np.float64) for one in found]
    precision = next(model.parameters()).dtype
    tensors = [torch.from_numpy(one) for one in (x.values() if isinstance(x, dict) else x)]
    tensors = [one.to(precision) if one.is_floating_point() else one for one in tensors]
    with torch.no_grad():
        found = model(*tensors)
    found = [one.double().numpy() for one in (found if isinstance(found, tuple) else (found,))]
    return [np.moveaxis(one, 1, -1) if one.ndim == 4 else one for one in found]


def scatter(model):
    generator = np.random.default_rng(7)
    for one in model.parameters() if isinstance(model, nn.Module) else model.weights:
        value = generator.uniform(0.1, 1, size=tuple(one.shape))
        one.data.copy_(torch.from_numpy(value)) if isinstance(model, nn.Module) else one.assign(value)
    return model


def assert_same(found, expected, bound):
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=bound * np.abs(other).max())


@pytest.mark.parametrize("title", KINDS)
@pytest.mark.parametrize("source", ["torch", "tensorflow"])
def test_kinds_of_model(title, source):
    kind, target = KINDS[title], {"torch": "tensorflow", "tensorflow": "torch"}[source]
    here, there = kind.model(source), scatter(kind.model(target))
    assert not np.allclose(
        outputs_of(kind, target, there)[0], outputs_of(kind, source, here)[0], rtol=0.01, atol=1e-3
    )
    explain.port(here, there, x=given(kind, source))
    assert_same(outputs_of(kind, target, there), outputs_of(kind, source, here), ROUNDED.get(title, 1e-10))


SEED_SHAPES = {
    "cifar_net": (32, 32, 3),
    "cifar_keras": (32, 32, 3),
    "names_rnn": (57,),
    "fashion_rnn": (28, 28),
}


def of_seed_model(name, model):
    x = np.random.default_rng(1).uniform(size=(2, *SEED_SHAPES[name]))
    hidden = [np.zeros((2, 128))] if name == "names_rnn" else []
    if not isinstance(model, nn.Module):
        found = model(*[one.astype(model.dtype) for one in (x, *hidden)], training=False)
        return np.asarray(found[0] if hidden else found)
    precision = next(model.parameters()).dtype
    x = np.moveaxis(x, -1, 1) if x.ndim == 4 else x
    with torch.no_grad():
        found = model(*[torch.from_numpy(one).to(precision) for one in (x, *hidden)])
    return (found[0] if hidden else found).numpy()


@pytest.mark.parametrize("name", zoo.names())
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("float64", 1e-10)])
def test_seed_models(name, dtype, bound):
    torch_model = zoo.load(name, "torch", dtype)
    keras_model = scatter(zoo.load(name, "tensorflow", dtype))
    explain.port(torch_model, keras_model)
    assert_same([of_seed_model(name, keras_model)], [of_seed_model(name, torch_model)], bound)
    back = scatter(zoo.load(name, "torch", dtype))
    explain.port(keras_model, back)
    assert_same([of_seed_model(name, back)], [of_seed_model(name, keras_model)], bound)


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("float64", 1e-10)])
def test_a_network_of_real_size(dtype, bound):
    source = zoo.load("efficientnet_lite0", "torch", dtype)
    target = efficientnet.build(dtype)
    ported = explain.port(source, target)
    assert len(ported.rows) == len(extension_for(source).parameters(source))
    picture = zoo.samples("efficientnet_lite0", "tensorflow").x[:1].astype(dtype)
    with torch.no_grad():
        expected = source(torch.from_numpy(np.moveaxis(picture, -1, 1).copy()))
    assert_same([np.asarray(target(picture, training=False))], [expected.numpy()], bound)


class Block(nn.Module):
    """A residual block as PyTorch's networks define it: the short way last."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        sizes = [(4, 4, 1), (4, 4, 1), (4, 6, 2), (6, 6, 1), (6, 8, 2), (8, 8, 1)]
        self.layers = nn.Sequential(*(Block(*size) for size in sizes))
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.layers(torch.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def keras_resnet(short_way_first):
    layers = keras.layers

    def norm(x):
        return layers.BatchNormalization(epsilon=1e-5)(x)

    def convolution(x, count, side, stride=1):
        if side == 3:
            x = layers.ZeroPadding2D()(x)
        return norm(layers.Conv2D(count, side, stride, use_bias=False)(x))

    given = keras.Input((9, 9, 3))
    x = layers.ReLU()(convolution(given, 4, 3))
    for count, stride in [(4, 1), (4, 1), (6, 2), (6, 1), (8, 2), (8, 1)]:
        short = convolution(x, count, 1, stride) if stride > 1 and short_way_first else x
        y = convolution(layers.ReLU()(convolution(x, count, 3, stride)), count, 3)
        if stride > 1 and not short_way_first:
            short = convolution(x, count, 1, stride)
        x = layers.ReLU()(layers.Add()([y, short]))
    return keras.Model(given, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("short_way_first", [True, False])
@pytest.mark.parametrize("stored", [False, True], ids=["as made", "read from a file"])
def test_a_residual_network_whose_layers_come_in_another_order(short_way_first, stored, tmp_path):
    torch.manual_seed(0)
    source, target = ResNet().eval(), keras_resnet(short_way_first)
    for norm in source.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1)
            nn.init.uniform_(norm.bias)
            nn.init.uniform_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 1)
    if stored:
        target.save(tmp_path / "model.keras")
        target = keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, 3, 9, 9)).astype(np.float32)
    with torch.no_grad():
        expected = source(torch.from_numpy(x)).numpy()
    ported = explain.port(source, target)
    assert {row.reason for row in ported.rows} <= {"order", "shape", "follows", "name"}
    assert_same([np.asarray(target(np.moveaxis(x, 1, -1), training=False))], [expected], 1e-5)
    back = ResNet().eval()
    explain.port(target, back)
    with torch.no_grad():
        assert_same([back(torch.from_numpy(x)).numpy()], [expected], 1e-5)


@pytest.mark.parametrize("by_turns", [False, True])
def test_two_towers_of_one_shape(by_turns):
    def tower():
        return nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh())

    source = kinds.Through(lambda m, x: m.left(x) - m.right(x), left=tower(), right=tower())

    def towers(x):
        layers = [keras.layers.Dense(4, activation="tanh") for _ in range(4)]
        if not by_turns:
            return layers[1](layers[0](x)) - layers[3](layers[2](x))
        left, right = layers[0](x), layers[2](x)
        return layers[1](left) - layers[3](right)

    given = keras.Input((4,))
    target = keras.Model(given, towers(given))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    if by_turns:
        # Made in turns, both are in no order that the other has; and nothing else tells them apart.
        with pytest.raises(explain.errors.PortError, match="Say which is which"):
            explain.port(source, target)
        return
    explain.port(source, target)
    with torch.no_grad():
        assert_same([np.asarray(target(x))], [source(torch.from_numpy(x)).numpy()], 1e-5)


@pytest.mark.parametrize("with_x", [False, True])
def test_a_perceptron_that_flattens_its_pictures(with_x):
    source = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 5, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
    target = keras.Sequential(
        [
            keras.Input((4, 5, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(6, activation="relu"),
            keras.layers.Dense(2),
        ]
    )
    x = np.random.default_rng(0).normal(size=(7, 3, 4, 5)).astype(np.float32)
    result = explain.port(source, target, x=x if with_x else None)
    assert "flattened order" in str(result)
    with torch.no_grad():
        expected = source(torch.from_numpy(x)).numpy()
    # Single precision, sums in another order.
    np.testing.assert_allclose(target(np.moveaxis(x, 1, -1)).numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("end", ["softmax", "log_softmax", "sigmoid"])
@pytest.mark.parametrize("back", [False, True])
def test_logits_go_with_the_probabilities_made_from_them(end, back):
    logits = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(5, activation="relu"),
        keras.layers.Dense(3, activation=end),
    ]
    ended = keras.Sequential(layers)
    source, target = (ended, logits) if back else (logits, ended)
    result = explain.port(source, target)
    assert result.rows[-1].notes == (f"the {'source' if back else 'target'} ends in a {end}",)
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    with torch.no_grad():
        given = logits(torch.from_numpy(x))
    expected = {"softmax": given.softmax(1), "log_softmax": given.log_softmax(1), "sigmoid": given.sigmoid()}[
        end
    ]
    # Single precision, sums in another order.
    np.testing.assert_allclose(ended(x).numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("seen", [False, True], ids=["", "with x"])
def test_a_transformer_whose_norms_are_defined_last(norm_first, seen):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=norm_first)
    source = kinds.Through(
        lambda m, x: m.head(m.encoder(m.embed(x)).mean(1)),
        embed=nn.Linear(3, 8),
        encoder=nn.TransformerEncoder(layer, 3, enable_nested_tensor=False),
        head=nn.Linear(8, 4),
    ).eval()
    # The three are copies of one: told apart only by other weights.
    for parameter in source.parameters():
        nn.init.normal_(parameter, std=0.3)
    layers = keras.layers

    def norm(x):
        return layers.LayerNormalization(epsilon=1e-5)(x)

    def attend(x):
        return layers.MultiHeadAttention(2, 4)(x, x)

    def feed(x):
        return layers.Dense(8)(layers.Dense(12, activation="relu")(x))

    given = keras.Input((5, 3))
    x = layers.Dense(8)(given)
    for _ in range(3):
        if norm_first:
            x = layers.Add()([x, attend(norm(x))])
            x = layers.Add()([x, feed(norm(x))])
        else:
            x = norm(layers.Add()([x, attend(x)]))
            x = norm(layers.Add()([x, feed(x)]))
    target = keras.Model(given, layers.Dense(4)(layers.GlobalAveragePooling1D()(x)))
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    explain.port(source, target, x=x if seen else None)
    with torch.no_grad():
        assert_same([np.asarray(target(x))], [source(torch.from_numpy(x)).numpy()], 1e-5)


def decoder(activation):
    return nn.Sequential(
        nn.Linear(5, 3 * 4 * 6),
        nn.BatchNorm1d(72),
        activation,
        nn.Unflatten(1, (6, 3, 4)),
        nn.ConvTranspose2d(6, 3, 2, stride=2),
    ).eval()


def keras_decoder():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(72),
            layers.BatchNormalization(epsilon=1e-5),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Reshape((3, 4, 6)),
            layers.Conv2DTranspose(3, 2, strides=2),
        ]
    )


@pytest.mark.parametrize("with_x", [False, True])
def test_a_row_that_is_made_into_a_map(with_x):
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    source, target = decoder(nn.LeakyReLU(0.2)), keras_decoder()
    with torch.no_grad():
        source[1].running_mean.normal_()
        source[1].running_var.uniform_(0.5, 2)
        source[1].weight.normal_()
    result = explain.port(source, target, x=x if with_x else None)
    assert [row.notes for row in result.rows[:2]] == [("order of the map it is made into",)] * 2
    with torch.no_grad():
        expected = np.moveaxis(source(torch.from_numpy(x)).numpy(), 1, -1)
    # Single precision, sums in another order.
    np.testing.assert_allclose(target(x).numpy(), expected, rtol=1e-5, atol=1e-5)
    back = decoder(nn.LeakyReLU(0.2))
    explain.port(target, back)
    for name, tensor in source.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(back.state_dict()[name], tensor), name


def test_with_examples_the_outputs_are_compared():
    class Reflecting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            padded = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
            return self.head(torch.relu(self.conv(padded)).mean((2, 3)))

    layers = keras.layers
    inputs = keras.Input((6, 7, 3))
    h = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    target = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(h)))
    source = Reflecting().eval()
    x = np.random.default_rng(0).normal(size=(5, 3, 6, 7)).astype(np.float32)
    with pytest.warns(explain.errors.PortWarning, match=r"check_migration\(source_model, target_model, x\)"):
        result = explain.port(source, target, x=x)
    with torch.no_grad():
        given = source(torch.from_numpy(x)).numpy()
    other = target(np.moveaxis(x, 1, -1)).numpy()
    norm = max(np.linalg.norm(given), np.linalg.norm(other))
    assert result.apart == pytest.approx(np.linalg.norm(given - other) / norm, rel=1e-4)
    report = explain.check_migration(source, target, x, methods="saliency")
    assert (report.first_divergence.layer_a, report.cause) == ("conv", "padding")


def test_that_they_agree_is_told():
    source, target = (zoo.load("cifar_net", framework) for framework in ("torch", "tensorflow"))
    result = explain.port(source, target, x=zoo.samples("cifar_net", "torch").x[:4])
    assert result.apart < 1e-6
    assert "outputs on x:" in str(result)
    assert explain.port(source, target).apart is None
