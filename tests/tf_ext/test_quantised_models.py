"""Models that Keras has quantised: explained by what has a meaning for them, or told how."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import explain
from explain.errors import UnsupportedModelError

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


def net():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(3)])


def quantised(mode):
    plain, model = net(), net()
    model.set_weights(plain.get_weights())
    model.quantize(mode)
    return model


@pytest.mark.parametrize("method", ["deep_lift", "lrp"])
def test_a_rounded_product_has_no_rule(method):
    """Its scale alone has a gradient: all of the score would fall to the largest number of each example."""
    with pytest.raises(
        UnsupportedModelError, match=r"no rule for the operation RealDiv.*integrated_gradients"
    ):
        explain.attribute(quantised("int8"), X, method, target=1)


def test_gradients_of_an_eight_bit_model():
    model, x = quantised("int8"), tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        scores = model(x, training=False)[:, 1]
    found = explain.attribute(model, X, "input_x_gradient", target=1)
    np.testing.assert_allclose(found.values, X * tape.gradient(scores, x), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-6)


def test_perturbations_of_an_eight_bit_model():
    model = quantised("int8")
    found = explain.attribute(model, X, "feature_ablation", target=1, baseline=0)
    for column in range(6):
        without = X.copy()
        without[:, column] = 0
        lost = (model(X) - model(without)).numpy()[:, 1]
        np.testing.assert_allclose(found.values[:, column], lost, atol=1e-6)


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "deep_lift", "lrp", "occlusion"])
def test_weights_alone_of_four_bits_are_as_their_numbers(method):
    model, plain = quantised("int4"), net()
    for layer, own in zip(plain.layers, model.layers, strict=True):
        size = layer.kernel.shape[0]
        activation, own.activation = own.activation, keras.activations.linear
        bias = own(np.zeros((1, size), np.float32)).numpy()
        layer.kernel.assign(own(np.eye(size, dtype=np.float32)).numpy() - bias)
        layer.bias.assign(bias[0])
        own.activation = activation
    found = explain.attribute(model, X, method, target=1)
    expected = explain.attribute(plain, X, method, target=1)
    scale = np.abs(expected.values).max()
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5 * scale)
