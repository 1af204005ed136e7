"""Guided backpropagation and deconvolution, against Captum, whatever way a model writes its ReLUs."""

from __future__ import annotations

import warnings

import captum.attr
import keras
import numpy as np
import pytest
import torch
from models.backward_rules import (
    Residual,
    ResidualFunctional,
    ResidualReused,
    in_place_on_a_view,
    rectified_rows,
    settled,
    with_weights_of,
)
from models.convolutional import TutorialNet, tutorial_in_modules
from models.recurrent import LastStep, give_weights, keras_last_step
from torch import nn

import explain
from explain.errors import OptionError, PlainGradientWarning, UnsupportedModelError
from explain.inputs.layout import Layout

RECTIFIED = {"guided_backprop": captum.attr.GuidedBackprop, "deconvolution": captum.attr.Deconvolution}


def drawn(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def of_captum(method, model, x, target):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = RECTIFIED[method](model).attribute(torch.tensor(x), target=torch.tensor(target))
    return found.detach().numpy()


def zoo_in_order(name):
    """The seed model in both frameworks and its samples, canonical."""
    samples = explain.zoo.samples(name, framework="torch")
    return samples, Layout(samples.layout).to_canonical(samples.x).astype(np.float64)


@pytest.mark.parametrize("method", RECTIFIED)
@pytest.mark.parametrize(("kind", "shape"), [(rectified_rows, (5,)), (Residual, (2, 8, 8))])
def test_equal_to_captum_where_every_relu_is_a_module_of_its_own(method, kind, shape):
    model, x, target = settled(kind), drawn(4, *shape), [0, 1, 2, 1]
    found = explain.attribute(model, x, method, target=target)
    expected = of_captum(method, model, x, target)
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-8)
    plain = explain.attribute(model, x, "saliency", target=target)
    assert np.abs(plain.values - found.values).max() > 0.01


@pytest.mark.parametrize("method", RECTIFIED)
@pytest.mark.parametrize("kind", [ResidualReused, ResidualFunctional])
def test_reused_and_functional_relus_are_like_any_other(method, kind):
    model, x, target = settled(Residual), drawn(4, 2, 8, 8), [0, 1, 2, 1]
    found = explain.attribute(with_weights_of(model, kind), x, method, target=target)
    np.testing.assert_allclose(found.values, of_captum(method, model, x, target), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("method", RECTIFIED)
def test_the_tutorials_own_net(method):
    model, x, target = settled(TutorialNet), drawn(3, 3, 32, 32), [0, 4, 9]
    found = explain.attribute(model, x, method, target=target)
    np.testing.assert_allclose(
        found.values, of_captum(method, tutorial_in_modules(model), x, target), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("method", RECTIFIED)
@pytest.mark.parametrize("name", ["cifar_net", "cifar_keras"])
def test_tensorflow_gives_captums_numbers(method, name):
    samples, x = zoo_in_order(name)
    target = [int(label) for label in samples.y[:4]]
    x = x[:4] + 1e-3 * drawn(*x[:4].shape)
    a = explain.attribute(explain.zoo.load(name, "tensorflow", "float64"), x, method, target=target)
    model = explain.zoo.load(name, "torch", "float64").eval()
    expected = of_captum(method, model, np.moveaxis(x, -1, 1).copy(), target)
    np.testing.assert_allclose(np.moveaxis(a.values, -1, 1), expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("method", RECTIFIED)
def test_keras_models_in_every_style(method, tensorflow_kit):
    """One ReLU layer called twice, a nested model, a subclassed one and ReLU6 are like their plain twin."""
    keras, tf = tensorflow_kit.keras, tensorflow_kit.tf
    layers = keras.layers
    first, second, third = (layers.Dense(size, dtype="float64") for size in (7, 6, 3))
    plain = keras.Sequential(
        [keras.Input((5,), dtype="float64"), first, layers.Activation("relu", dtype="float64"), second,
         layers.ReLU(dtype="float64"), third]
    )  # fmt: skip
    relu, inputs = layers.ReLU(dtype="float64"), keras.Input((5,), dtype="float64")
    reused = keras.Model(inputs, third(relu(second(relu(first(inputs))))))
    inner = keras.Input((7,), dtype="float64")
    nested = keras.Sequential(
        [keras.Input((5,), dtype="float64"), first, keras.Model(inner, relu(second(relu(inner)))), third]
    )

    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__(dtype="float64")
            self.first, self.second, self.third = first, second, third

        def call(self, x):
            return self.third(tf.nn.relu6(self.second(keras.ops.relu(self.first(x)))))

    subclassed, x = Subclassed(), drawn(4, 5)
    subclassed(x)
    found = [explain.attribute(model, x, method, target=1) for model in (plain, reused, nested, subclassed)]
    weights = [np.array(one) for one in plain.get_weights()]
    captums = rectified_rows().double()
    for parameter, values in zip(captums.parameters(), weights, strict=True):
        parameter.data = torch.tensor(values.T.copy())
    expected = of_captum(method, captums, x, [1] * 4)
    for one in found:
        np.testing.assert_allclose(one.values, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", RECTIFIED)
def test_chunks_and_neighbours_do_not_matter(method, kit):
    model = kit.cnn(dtype="float64")
    x = drawn(5, *kit.picture_shape(1, 8, 8))
    whole = explain.attribute(model, x, method, target=1, batch_size=1000)
    for one in (
        explain.attribute(model, x, method, target=1, batch_size=1),
        explain.attribute(model, x, method, target=1, batch_size=2),
    ):
        np.testing.assert_allclose(one.values, whole.values, rtol=1e-6, atol=1e-10)
    alone = explain.attribute(model, x[3:4], method, target=1)
    np.testing.assert_allclose(alone.values, whole.values[3:4], rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("method", RECTIFIED)
def test_a_relu_by_hand(method, kit):
    """f(x) = 2 relu(x₀) − 3 relu(x₁): closed where x is below zero, and −3 is no positive gradient."""

    def call(x):
        rectified = kit.relu(x)
        return kit.stack([2 * rectified[:, 0] - 3 * rectified[:, 1], rectified[:, 0]], 1)

    x = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])
    found = explain.attribute(kit.function(call, dtype="float64"), x, method, target=0)
    guided = [[2, 0], [0, 0], [0, 0]]
    np.testing.assert_array_equal(found.values, guided if method == "guided_backprop" else [[2, 0]] * 3)


@pytest.mark.parametrize("method", RECTIFIED)
def test_without_a_relu_the_map_is_the_gradient_and_says_so(method, kit):
    weight = drawn(4, 3)
    model = kit.dense([(weight, np.zeros(3)), (drawn(3, 2), np.zeros(2))], between="tanh", dtype="float64")
    x = drawn(3, 4)
    with pytest.warns(PlainGradientWarning, match="No ReLU"):
        found = explain.attribute(model, x, method, target=0)
    plain = explain.attribute(model, x, "saliency", target=0)
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-6)


@pytest.mark.parametrize("method", RECTIFIED)
def test_the_model_leaves_as_it_came(method):
    model = settled(ResidualReused).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    explain.attribute(model, drawn(3, 2, 8, 8), method, target=0)
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    for module in model.modules():
        hooks = module._forward_hooks, module._forward_pre_hooks, module._backward_hooks
        assert not any(hooks)
    plain = explain.attribute(model, drawn(3, 2, 8, 8), "saliency", target=0)
    again = explain.attribute(with_weights_of(model, ResidualReused), drawn(3, 2, 8, 8), "saliency", target=0)
    np.testing.assert_array_equal(plain.values, again.values)


@pytest.mark.parametrize("method", RECTIFIED)
def test_recurrent_relus_are_met(method, tensorflow_kit):
    """Keras's loops are written out; PyTorch writes them out by itself: both see the ReLU of every step."""
    keras = tensorflow_kit.keras
    layer = keras.layers.SimpleRNN(4, activation="relu", dtype="float64")
    model = keras_last_step(keras, layer, (5, 3))
    kernel, recurrent, bias, weight, last = model.get_weights()
    twin = LastStep(nn.RNN(3, 4, nonlinearity="relu", batch_first=True), 4, 2).double()
    give_weights(twin, [kernel, recurrent, bias, 0 * bias, weight, last])
    x = drawn(3, 5, 3)
    a, b = (explain.attribute(one, x, method, target=0) for one in (model, twin))
    np.testing.assert_allclose(a.values, b.values, rtol=1e-6, atol=1e-10)
    assert not np.allclose(a.values, explain.attribute(model, x, "saliency", target=0).values)
    assert layer.unroll is False


@pytest.mark.parametrize("method", RECTIFIED)
def test_what_hides_a_relu_is_refused(method, tensorflow_kit):
    with pytest.raises(UnsupportedModelError, match=r"relu_ in place on a view.*inplace=False"):
        explain.attribute(in_place_on_a_view(), drawn(2, 2, 4), method, target=0)
    scripted = torch.jit.script(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double())
    with pytest.raises(UnsupportedModelError, match="backward_rules"):
        explain.attribute(scripted, drawn(2, 3), method, target=0)
    keras, tf = tensorflow_kit.keras, tensorflow_kit.tf

    def looped(x):
        return tf.while_loop(lambda step, z: step < 2, lambda step, z: (step + 1, tf.nn.relu(z)), (0, x))[1]

    called = tensorflow_kit.function(lambda x: looped(x) * 2.0, dtype="float64")
    with pytest.raises(UnsupportedModelError, match=r"While.*unroll=True"):
        explain.attribute(called, drawn(2, 3), method, target=0)
    eager = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="relu")])
    eager.compile(run_eagerly=True)
    with pytest.raises(UnsupportedModelError, match="backward_rules"):
        explain.attribute(eager, drawn(2, 3).astype("float32"), method, target=0)


@pytest.mark.parametrize("method", RECTIFIED)
def test_a_relu_in_a_function_of_tensorflow_is_like_any_other(method, tensorflow_kit):
    tf, x = tensorflow_kit.tf, drawn(2, 3)
    rectify = tf.function(lambda x: tf.nn.relu(x))
    called, plain = (
        tensorflow_kit.function(lambda x, made=made: -made(x) * x, dtype="float64")
        for made in (rectify, tf.nn.relu)
    )
    found, expected = (explain.attribute(one, x, method, target=0, layout="NC") for one in (called, plain))
    np.testing.assert_array_equal(found.values, expected.values)
    assert not tf.config.functions_run_eagerly()


@pytest.mark.parametrize("method", RECTIFIED)
def test_options_that_are_none(method, kit):
    with pytest.raises(OptionError, match="n_steps"):
        explain.attribute(kit.cnn(), np.zeros((1, *kit.picture_shape(1, 8, 8)), "float32"), method, n_steps=3)


HARD_SWISHES = {
    "torch": {
        "a function": nn.functional.hardswish,
        "a layer": nn.Hardswish(),
        "times a ReLU6": lambda z: z * nn.functional.relu6(z + 3) / 6,
        "times a hard sigmoid": lambda z: z * ((z + 3).clamp(0, 6) / 6),
    },
    "tensorflow": {
        "a function": lambda z: keras.ops.hard_silu(z),
        "a layer": lambda z: keras.layers.Activation("hard_silu")(z),
        "times a ReLU6": lambda z: z * keras.ops.relu6(z + 3) / 6,
        "times a hard sigmoid": lambda z: z * keras.ops.hard_sigmoid(z),
    },
}


@pytest.mark.parametrize("method", RECTIFIED)
@pytest.mark.parametrize("form", HARD_SWISHES["torch"])
def test_the_bounded_relu_of_a_hard_swish_is_no_relu(kit, form, method):
    # In PyTorch the hard swish is one operation, in Keras a product with a ReLU6: both are the same function.
    model = kit.function(lambda x: kit.sum(HARD_SWISHES[kit.name][form](2 * x) * x[:, :1], 1))
    x = drawn(3, 4).astype(np.float32)
    with pytest.warns(PlainGradientWarning):
        found = explain.attribute(model, x, method)
    point = torch.tensor(x, requires_grad=True)
    score = (nn.functional.hardswish(2 * point) * point[:, :1]).sum()
    np.testing.assert_allclose(found.values, torch.autograd.grad(score, point)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", RECTIFIED)
def test_relu6_itself_is_a_relu(kit, method):
    relu6 = nn.functional.relu6 if kit.name == "torch" else keras.ops.relu6
    x = np.array([[-1.0, 1.0, 7.0]], np.float32)
    # A half of it, so that a division that is not by the bound does not make it a gate.
    found = explain.attribute(kit.function(lambda x: kit.sum(-relu6(x) / 2, 1)), x, method)
    np.testing.assert_array_equal(found.values, 0 * x)


@pytest.mark.parametrize("method", RECTIFIED)
def test_the_relu_inside_a_power_pool_is_no_relu(method, torch_kit):
    pool = nn.LPPool1d(2, 2)
    x = drawn(2, 3, 6).astype(np.float32)
    # The ReLU of an absolute value: what arrives at it is negative here, and a ReLU's rule would keep it back.
    found = explain.attribute(torch_kit.function(lambda x: -pool(x).sum((1, 2))), x, method, layout="NCT")
    point = torch.tensor(x, requires_grad=True)
    expected = torch.autograd.grad(-pool(point).sum(), point)[0]
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", RECTIFIED)
def test_the_relu_of_an_absolute_value_is_a_relu(method, kit):
    # In every framework, so that twins agree; an absolute value is positive, but what arrives need not be.
    x = drawn(2, 5).astype(np.float32)
    model = kit.function(lambda x: kit.stack([-1.0 * kit.relu(abs(x))[:, 1], kit.relu(abs(x))[:, 2]], 1))
    kept, lost = (explain.attribute(model, x, method, layout="NC", target=target) for target in (1, 0))
    np.testing.assert_array_equal(kept.values[:, 2], np.sign(x[:, 2]))
    np.testing.assert_array_equal(lost.values, np.zeros_like(x))
