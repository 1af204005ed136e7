"""Attribution at a layer: held to Captum's layer methods in PyTorch, and to the twin in TensorFlow."""

from __future__ import annotations

import captum.attr
import keras
import numpy as np
import pytest
import torch
from models.convolutional import Chain, Skipping, keras_nested
from models.recurrent import MeanOfSteps, keras_stateful
from torch import nn

import explain
from explain.backends.discovery import extension_for
from explain.backends.question import Question
from explain.errors import (
    ConvergenceWarning,
    ExplainError,
    LayerError,
    NonDeterministicWarning,
    OptionError,
    UnsupportedModelError,
    ZeroGradientWarning,
)
from explain.inputs.examples import Examples, Target
from explain.inputs.layout import Layout

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")

# A float32 result of float64 sums.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Skipping().double().eval()


X = np.random.default_rng(0).normal(size=(3, 2, 6, 6))
T = torch.tensor(X)


def oracle(method, net, layer, **settings):
    if method != "LayerActivation":
        settings["target"] = 1
    return getattr(captum.attr, method)(net, layer).attribute(T, **settings).detach().numpy()


@pytest.mark.parametrize("layer", ["stem", "body", "body.1", "pool"])
def test_layers_are_captums(net, layer):
    module = net.get_submodule(layer)

    def found(method, **options):
        return explain.attribute(net, X, method, target=1, layer=layer, **options).values

    np.testing.assert_allclose(found("activation"), oracle("LayerActivation", net, module), **CLOSE)
    plain = captum.attr.LayerGradientXActivation(net, module, multiply_by_inputs=False)
    np.testing.assert_allclose(found("saliency"), plain.attribute(T, target=1).detach().numpy(), **CLOSE)
    np.testing.assert_allclose(
        found("ig", n_steps=20), oracle("LayerIntegratedGradients", net, module, n_steps=20), **CLOSE
    )
    np.testing.assert_allclose(
        found("conductance", n_steps=20), oracle("LayerConductance", net, module, n_steps=20), **CLOSE
    )


def test_the_result_is_of_the_layer(net):
    a = explain.attribute(net, X, "ig", target=1, layer="body")
    assert a.layer == "body"
    assert a.layout == "NCHW"
    assert a.values.shape == a.inputs.shape == a.baseline.shape == (3, 4, 6, 6)
    np.testing.assert_allclose(a.inputs, oracle("LayerActivation", net, net.body), **CLOSE)
    assert "layer='body'" in repr(a)


def test_a_layer_may_be_given_itself_and_inner_ones_by_their_last_name(net):
    by_name = explain.attribute(net, X, "saliency", target=1, layer="body.1")
    for layer in (net.body[1], "1", ("body.1", 0)):
        again = explain.attribute(net, X, "saliency", target=1, layer=layer)
        np.testing.assert_array_equal(again.values, by_name.values)
        assert again.layer == "body.1"


def test_a_layer_that_serves_twice_is_seen_at_one_call(net):
    with torch.no_grad():
        first = torch.relu(net.stem(T))
        second = torch.relu(net.body(first) + first)
    for call, units in enumerate((first, second)):
        a = explain.attribute(net, X, "activation", target=1, layer=("act", call))
        np.testing.assert_allclose(a.values, units.numpy(), **CLOSE)
        assert a.layer == f"act[{call}]"
    # After the second call the rest is linear: gradient × activation sums to the score less the bias.
    a = explain.attribute(net, X, "saliency", target=1, layer=("act", 1))
    total = (a.values * second.numpy()).sum(axis=(1, 2, 3)) + net.head.bias[1].item()
    np.testing.assert_allclose(total, a.scores, rtol=1e-5)
    with pytest.raises(LayerError, match=r"called 2 times.*layer=\('act', 1\)"):
        explain.attribute(net, X, "saliency", target=1, layer="act")


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("bodi", "Did you mean 'body'"),
        ("spare", "never called"),
        (("act", 2), "from 0 to 1"),
        (("act", True), "from 0 to 1"),
        (3, "is not a layer of the model"),
        (nn.ReLU(), "is not a layer of the model"),
    ],
)
def test_layers_that_are_none(net, layer, words):
    net.spare = nn.Identity()
    try:
        with pytest.raises(LayerError, match=words):
            explain.attribute(net, X, "saliency", target=1, layer=layer)
    finally:
        del net.spare


def test_where_no_layer_can_be_had(net):
    with pytest.raises(OptionError, match="layer is not used by activation_maximization"):
        explain.attribute(net, X, "activation_maximization", target=1, layer="body", bounds=(-1, 1))
    with pytest.raises(OptionError, match="layer is not given"):
        explain.attribute(net, X, "activation", target=1)
    scripted = torch.jit.trace(net, T)
    with pytest.raises(UnsupportedModelError, match="layers"):
        explain.attribute(scripted, X, "saliency", target=1, layer="body")


def test_nothing_is_left_on_the_model(net):
    before = {name: len(module._forward_hooks) for name, module in net.named_modules()}
    explain.attribute(net, X, "conductance", target=1, layer="body", n_steps=3)
    with pytest.raises(LayerError):
        explain.attribute(net, X, "saliency", target=1, layer="nowhere")
    assert {name: len(module._forward_hooks) for name, module in net.named_modules()} == before
    assert not any("forward" in vars(module) for module in net.modules())


@pytest.fixture(scope="module")
def chain():
    torch.manual_seed(0)
    return Chain().double().eval()


@pytest.mark.parametrize("layer", ["stem", "relu", "conv", "tanh", "pool", "fc"])
def test_deep_lift_at_layers_and_neurons_is_captums(chain, layer):
    module, base = chain.get_submodule(layer), np.random.default_rng(1).normal(size=X.shape)
    expected = oracle("LayerDeepLift", chain, module, baselines=torch.tensor(base))
    found = explain.attribute(chain, X, "deep_lift", target=1, layer=layer, baseline=base)
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    assert np.abs(expected).max() > 1e-3
    assert (found.relative_delta < 1e-9).all()
    neuron = (1,) * (expected.ndim - 1)
    captums = captum.attr.NeuronDeepLift(chain, module)
    expected = captums.attribute(T, neuron, torch.tensor(base)).detach().numpy()
    found = explain.attribute(chain, X, "deep_lift", layer=layer, neuron=neuron, baseline=base)
    np.testing.assert_allclose(found.values, expected, **CLOSE)


@pytest.mark.parametrize("layer", ["stem", "conv", "pool", "fc", "head"])
def test_relevance_at_layers_is_captums(chain, layer):
    expected = oracle("LayerLRP", chain, chain.get_submodule(layer))
    found = explain.attribute(chain, X, "lrp", target=1, layer=layer, rule="epsilon")
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    assert np.abs(expected).max() > 1e-3


def test_deep_lift_at_a_layer_that_another_way_goes_past(net):
    """What goes past stays what it is: the values sum to what the layer's own change does to the score."""
    found = explain.attribute(net, X, "deep_lift", target=1, layer="body")
    with torch.no_grad():
        first, before = net.act(net.stem(T)), net.act(net.stem(0 * T))
        scores = [
            net.head(net.pool(net.act(net.body(one) + first)).flatten(1))[:, 1] for one in (first, before)
        ]
    difference = (scores[0] - scores[1]).numpy()
    np.testing.assert_allclose(found.values.sum(axis=(1, 2, 3)), difference, **CLOSE)
    # Captum's baseline is seen on that way too, so that its values sum to neither this nor the whole difference.
    captums = oracle("LayerDeepLift", net, net.body, baselines=0 * T).sum(axis=(1, 2, 3))
    with torch.no_grad():
        whole = (net(T) - net(0 * T))[:, 1].numpy()
    assert np.abs(captums - difference).max() > 1e-3
    assert np.abs(captums - whole).max() > 1e-3


@pytest.mark.parametrize("layer", ["stem", "body"])
@pytest.mark.parametrize("method", ["saliency", "ig", "conductance", "deep_lift", "lrp"])
def test_chunks_do_not_matter(net, method, layer):
    options = {"n_steps": 10} if method in ("ig", "conductance") else {}
    found = [
        explain.attribute(net, X, method, target=[0, 1, 2], layer=layer, batch_size=size, **options).values
        for size in (1, 3, 7, 1000)
    ]
    alone = explain.attribute(net, X[1:2], method, target=1, layer=layer, **options).values
    for one in found[1:]:
        np.testing.assert_allclose(one, found[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found[0][1:2], alone, rtol=1e-6, atol=1e-9)


def test_conductance_sums_to_the_difference_where_nothing_goes_past(net):
    a = explain.attribute(net, X, "conductance", target=1, layer="stem", n_steps=400, rule="midpoint")
    with torch.no_grad():
        difference = (net(T) - net(0 * T))[:, 1].numpy()
    np.testing.assert_allclose(a.values.sum(axis=(1, 2, 3)), difference, rtol=0.02, atol=1e-3)
    np.testing.assert_allclose(
        a.delta, a.values.sum(axis=(1, 2, 3), dtype=np.float64) - difference, atol=1e-5
    )


def test_conductance_that_misses_the_difference_says_so():
    """Half of the score goes past the layer, whatever the steps."""

    class Past(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3, bias=False)

        def forward(self, x):
            return self.layer(x) + x

    torch.manual_seed(0)
    with pytest.warns(ConvergenceWarning, match="past the layer"):
        explain.attribute(Past(), np.ones((2, 3), np.float32), "conductance", target=0, layer="layer")


def test_conductance_sees_every_point_with_the_state_of_its_own_row():
    keras.utils.set_random_seed(0)
    layers, kind = keras.layers, {"dtype": "float64"}
    model = keras_stateful(keras, layers.SimpleRNN(5, stateful=True, name="read", **kind), (3, 4), "float64")
    before = np.stack([np.full(5, 2.0), np.full(5, -2.0)])
    model.get_layer("read").states[0].assign(before)
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    a = explain.attribute(model, x, "conductance", target=1, layer="read", n_steps=200)
    # In another row a point would start from the other state.
    assert a.relative_delta.max() < 0.02
    np.testing.assert_array_equal(model.get_layer("read").states[0].numpy(), before)


def test_a_model_that_is_random_behind_a_layer_is_told_of_all_the_same():
    class Random(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 3)

        def forward(self, x):
            return self.first(x) * (1 + torch.rand(1))

    model, x = Random(), np.ones((2, 4), np.float32)
    with pytest.warns(NonDeterministicWarning):
        explain.attribute(model, x, "saliency", layer="first", neuron=0)
    with pytest.warns(NonDeterministicWarning):
        explain.attribute(model, x, "saliency", target=0)


def test_captum_as_an_engine_at_a_layer(net):
    own = explain.attribute(net, X, "ig", target=1, layer="body", n_steps=20)
    captums = explain.attribute(net, X, "ig", target=1, layer="body", n_steps=20, engine="captum")
    np.testing.assert_allclose(captums.values, own.values, **CLOSE)


@pytest.mark.parametrize("layer", ["stem", "body", "pool"])
def test_neurons_are_captums(net, layer):
    module, neuron = net.get_submodule(layer), (2, 1, 2)
    captums = captum.attr.NeuronGradient(net, module)
    expected = captums.attribute(T, neuron).detach().numpy()
    a = explain.attribute(net, X, "saliency", layer=layer, neuron=neuron)
    np.testing.assert_allclose(a.values, expected, **CLOSE)
    assert a.values.shape == X.shape
    assert a.layer == layer
    assert a.target == (neuron,) * 3
    with torch.no_grad():
        np.testing.assert_allclose(a.scores, _units(net, layer)[:, 2, 1, 2].numpy(), rtol=1e-6)
    captums = captum.attr.NeuronIntegratedGradients(net, module)
    expected = captums.attribute(T, neuron, n_steps=20).detach().numpy()
    a = explain.attribute(net, X, "ig", layer=layer, neuron=neuron, n_steps=20)
    np.testing.assert_allclose(a.values, expected, **CLOSE)


@pytest.mark.parametrize("layer", ["stem", "body", "pool"])
def test_neuron_conductance_is_captums(net, layer):
    """Its default rule is another than that of its layer conductance."""
    module, neuron = net.get_submodule(layer), (2, 1, 2)
    captums = captum.attr.NeuronConductance(net, module)
    captums = captums.attribute(T, neuron, target=1, n_steps=20, method="gausslegendre")
    expected = captums.detach().numpy()
    for size in (1, 7, None):
        a = explain.attribute(
            net, X, "conductance", target=1, layer=layer, neuron=neuron, n_steps=20, batch_size=size
        )
        np.testing.assert_allclose(a.values, expected, **CLOSE)
    assert np.abs(a.values).max() > 0
    assert a.target == (1,) * 3
    assert a.neuron == (neuron,) * 3
    assert a.layer == layer


def test_a_neuron_that_nothing_flows_through():
    dead = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)).double()
    with torch.no_grad():
        dead[0].bias[1] = -100.0
    with pytest.warns(ZeroGradientWarning):
        explain.attribute(dead, np.ones((2, 3)), "conductance", target=0, layer="1", neuron=1)


def test_conductance_through_a_neuron_sums_to_that_of_the_neuron(net):
    many = {"target": 1, "layer": "body", "n_steps": 300, "rule": "midpoint"}
    through = explain.attribute(net, X, "conductance", neuron=(1, 2, 3), **many)
    of_all = explain.attribute(net, X, "conductance", **many)
    # Two sums of 300 steps for one integral.
    np.testing.assert_allclose(
        through.values.sum(axis=(1, 2, 3)), of_all.values[:, 1, 2, 3], rtol=0.02, atol=1e-4
    )


def _units(net, layer):
    first = net.act(net.stem(T))
    return {
        "stem": net.stem(T),
        "body": net.body(first),
        "pool": net.pool(net.act(net.body(first) + first)),
    }[layer]


@pytest.mark.parametrize("method", ["saliency", "conductance"])
def test_twins_agree_on_a_neuron(method, tmp_path):
    values = []
    given = {"target": 3, "n_steps": 8} if method == "conductance" else {}
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples("cifar_net", framework=framework)
        neuron = (0, 0, 1) if framework == "torch" else (0, 1, 0)
        model = explain.zoo.load("cifar_net", framework, "float64")
        a = explain.attribute(
            model, samples.x[:3].astype(np.float64), method, layer="conv2", neuron=neuron, **given
        )
        assert a.plot().get_axes()
        assert explain.load(a.save(tmp_path / "a.npz")).neuron == a.neuron == (neuron,) * 3
        values.append(Layout(a.layout).to_canonical(a.values))
    np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-6)
    assert np.abs(values[0]).max() > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"neuron": (0, 0, 0)}, "without layer"),
        ({"neuron": (0, 0, 0), "layer": "stem", "target": 1}, "both given"),
        ({"neuron": (0, 0, 0), "layer": "stem", "method": "gradcam"}, "neuron is not used by grad_cam"),
        ({"neuron": (0, 0, 0), "layer": "stem", "method": "activation"}, "neuron is not used by activation"),
        (
            {"neuron": (0, 0, 9), "layer": "stem", "method": "conductance"},
            r"neuron=\(0, 0, 9\) is out of range",
        ),
        ({"neuron": (0, 0, 9), "layer": "stem"}, r"neuron=\(0, 0, 9\) is out of range"),
        ({"neuron": 3, "layer": "stem"}, "neuron=3 gives 1 index"),
    ],
)
def test_neurons_that_are_none(net, arguments, words):
    with pytest.raises(ExplainError, match=words):
        explain.attribute(net, X, **{"method": "saliency", **arguments})


def test_recurrent_layers_give_their_sequence():
    torch.manual_seed(0)
    model = MeanOfSteps(nn.LSTM(3, 5, batch_first=True), 5, 2).double()
    x = np.random.default_rng(0).normal(size=(2, 4, 3))
    a = explain.attribute(model, x, "saliency", target=1, layer="rnn")
    assert a.layout == "NTC"
    expected = np.broadcast_to(model.head.weight[1].detach().numpy() / 4, (2, 4, 5))
    np.testing.assert_allclose(a.values, expected, **CLOSE)


@pytest.mark.parametrize("name", ["cifar_net", "cifar_keras"])
@pytest.mark.parametrize("method", ["saliency", "ig", "conductance", "activation", "deep_lift", "lrp"])
def test_twins_agree_at_a_layer(name, method):
    values = []
    for framework in ("torch", "tensorflow"):
        model = explain.zoo.load(name, framework, "float64")
        samples = explain.zoo.samples(name, framework=framework)
        options = {"n_steps": 12} if method in ("ig", "conductance") else {}
        a = explain.attribute(
            model, samples.x[:4].astype(np.float64), method, target=3, layer="conv2", **options
        )
        assert a.layout == ("NCHW" if framework == "torch" else "NHWC")
        values.append(Layout(a.layout).to_canonical(a.values))
    np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_units_and_gradients_from_one_run_are_those_of_two(framework):
    model = explain.zoo.load("cifar_keras", framework, "float64")
    x = explain.zoo.samples("cifar_keras", framework=framework).x[:5].astype(np.float64)
    extension = extension_for(model)
    layout = extension.default_layout(model, x.ndim)
    backend = extension.open(model, Question(layout), x)
    examples = Examples((x,), target=Target(np.arange(5).reshape(5, 1)))
    with backend.session():
        call = next(one for one in backend.layer_calls(examples) if one.name == "conv2")
        units, gradients = backend.units_and_gradients(call, examples)
        entered = backend.at(call)
        two = backend.activations(call, examples)
        (slopes,), _ = entered.gradients(examples.at_layer(two, None))
        # Where the model is entered there already, only two runs can tell.
        again = entered.units_and_gradients(call, examples.at_layer(two, None))
    for found in ((units, gradients), again):
        np.testing.assert_array_equal(found[0], two)
        np.testing.assert_allclose(found[1], slopes, rtol=1e-12, atol=1e-15)
    assert np.abs(slopes).max() > 0


@pytest.mark.parametrize(
    ("layer", "shape"),
    [("backbone/inner_conv", (4, 4, 4)), ("last_conv", (2, 2, 3)), ("backbone", (2, 2, 3)), ("head", (3,))],
)
def test_inner_layers_of_nested_keras_models(layer, shape):
    """In tf-keras-vis a layer inside a nested model ends in "Graph disconnected" (keisen/tf-keras-vis#63)."""
    model, x = keras_nested(keras), np.random.default_rng(0).normal(size=(2, 6, 6, 2))
    units = explain.attribute(model, x, "activation", target=0, layer=layer)
    assert units.values.shape == (2, *shape)
    slopes = explain.attribute(model, x, "saliency", target=0, layer=layer).values
    if layer == "head":
        np.testing.assert_allclose(slopes, [[1, 0, 0]] * 2)
        return
    # By hand: the rest of the model, run on its own.
    backbone, inner = model.layers[0], model.layers[0].get_layer("last_conv")
    weights = model.get_layer("head").kernel.numpy()[:, 0].reshape(2, 2, 3)
    if shape == (2, 2, 3):
        np.testing.assert_allclose(slopes, np.broadcast_to(weights, (2, *shape)), **CLOSE)
    else:
        kernel = inner.kernel.numpy()
        expected = np.zeros(shape)
        for row, column in np.ndindex(2, 2):
            expected[row : row + 3, column : column + 3] += kernel @ weights[row, column]
        np.testing.assert_allclose(slopes, np.broadcast_to(expected, (2, *shape)), **CLOSE)
        np.testing.assert_allclose(units.values, backbone.layers[1](x).numpy(), **CLOSE)


def test_a_subclassed_keras_model_and_one_that_runs_eagerly():
    class Own(keras.Model):
        def __init__(self):
            super().__init__(dtype="float64")
            self.first = keras.layers.Dense(5, activation="tanh", name="first", dtype="float64")
            self.second = keras.layers.Dense(2, name="second", dtype="float64")

        def call(self, x):
            return self.second(self.first(x)) + x[:, :2]

    x = np.random.default_rng(0).normal(size=(3, 4))
    model = Own()
    model(x)
    weight = model.second.kernel.numpy()[:, 1]
    for eager in (False, True):
        model.run_eagerly = eager
        a = explain.attribute(model, x, "saliency", target=1, layer="first")
        np.testing.assert_allclose(a.values, np.broadcast_to(weight, (3, 5)), **CLOSE)
        b = explain.attribute(model, x, "ig", target=1, layer=model.first, n_steps=2)
        np.testing.assert_allclose(b.values, weight * model.first(x).numpy(), **CLOSE)
        assert b.layer == "first"
    assert "call" not in vars(model.first)


def test_saved_and_loaded(net, tmp_path):
    a = explain.attribute(net, X, "saliency", target=1, layer=("act", 1))
    assert explain.load(a.save(tmp_path / "a.npz")).layer == "act[1]"
