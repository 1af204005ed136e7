"""LRP of TensorFlow's spellings of small functions is the reference's of PyTorch's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from architectures import spellings
from architectures.spellings import ROWS, STEPS, apart, by_reference
from tensorflow.math import erf, rsqrt

import explain

W, V, B = (one.numpy() for one in (spellings.W, spellings.V, spellings.B))
sigmoid, tanh, exp, nn, activations = tf.sigmoid, tf.tanh, tf.exp, tf.nn, keras.activations


def first(x):
    return tf.tensordot(x, W, 1) + B


def second(x):
    return tf.tensordot(x, V, 1) - B


def of_first(function):
    return lambda x: function(first(x))


def of_halves(function):
    return lambda x: function(*tf.split(first(x), 2, axis=-1))


def mean(z, axis=-1):
    return tf.reduce_mean(z, axis, keepdims=True)


def centred(z):
    return z - mean(z)


def by_moments(z):
    average, variance = nn.moments(z, [-1], keepdims=True)
    return nn.batch_normalization(z, average, variance, None, None, 1e-5)


def attention(q, k, v):
    return tf.matmul(nn.softmax(tf.matmul(q, k, transpose_b=True) / 6**0.5), v)


def summed(x):
    return tf.reduce_sum(x, 1)


# The name of a function in PyTorch, and ways to spell it here.
IN_ROWS = {
    "SiLU": [
        of_first(lambda z: z * sigmoid(z)),
        of_first(nn.silu),
        of_first(activations.silu),
        of_first(lambda z: z * (1 / (1 + exp(-z)))),
    ],
    "SiLU, scaled": [of_first(lambda z: nn.silu(z, 1.702)), of_first(lambda z: z * sigmoid(1.702 * z))],
    "GELU": [
        of_first(lambda z: 0.5 * z * (1 + erf(z / 2**0.5))),
        of_first(nn.gelu),
        of_first(activations.gelu),
    ],
    "GELU by tanh": [
        of_first(lambda z: 0.5 * z * (1 + tanh(0.7979 * (z + 0.0447 * z * z * z)))),
        of_first(lambda z: 0.5 * z * (1 + tanh(0.7979 * (z + 0.0447 * tf.pow(z, 3))))),
    ],
    "hard swish": [of_first(lambda z: z * nn.relu6(z + 3) / 6), of_first(activations.hard_silu)],
    "Mish": [of_first(lambda z: z * tanh(nn.softplus(z))), of_first(activations.mish)],
    "softsign": [of_first(nn.softsign), of_first(lambda z: z / (1 + tf.abs(z)))],
    "square": [of_first(lambda z: z * z), of_first(tf.square), of_first(lambda z: z**2)],
    "function of the flipped": [of_first(lambda z: z * tanh(tf.reverse(z, [1])))],
    "scaled in itself": [of_first(lambda z: (z * B) * sigmoid(z))],
    "GLU": [of_halves(lambda a, b: a * sigmoid(b)), of_first(activations.glu)],
    "GEGLU": [of_halves(lambda a, b: a * nn.gelu(b))],
    "own half": [of_halves(lambda a, b: a * sigmoid(a) + b)],
    "gated tanh": [lambda x: tanh(first(x)) * sigmoid(second(x))],
    "two gates": [lambda x: sigmoid(first(x)) * sigmoid(second(x))],
    "a gate and its complement": [
        lambda x: (lambda g: x * (1 - g) + second(x) * g)(sigmoid(first(x))),
    ],
    "gate of all": [
        lambda x: x * tf.tile(sigmoid(mean(first(x))), [1, 6]),
        lambda x: x * sigmoid(mean(first(x))),
    ],
    "mean of gates": [lambda x: x * mean(sigmoid(first(x)))],
    "gate in place": [lambda x: x * sigmoid(first(x))],
    "sigmoid by hand": [
        lambda x: second(x) * (1 / (1 + exp(-first(x)))),
        lambda x: second(x) / (1 + exp(-first(x))),
    ],
    "product": [lambda x: first(x) * second(x)],
    "quotient": [lambda x: first(x) / (1 + tf.abs(second(x)))],
    "constant over a value": [lambda x: B / (first(x) ** 2 + 1)],
    "reciprocal": [lambda x: first(x) * (2 / (1 + second(x) ** 2))],
    "negative power": [
        lambda x: first(x) * (1 + second(x) ** 2) ** -0.5,
        lambda x: first(x) * rsqrt(1 + tf.square(second(x))),
    ],
    "gate and reciprocal": [lambda x: sigmoid(first(x)) * rsqrt(1 + second(x) ** 2)],
    "layer norm by hand": [
        of_first(lambda z: centred(z) / tf.sqrt(mean(tf.square(centred(z))) + 1e-5)),
        of_first(lambda z: centred(z) * rsqrt(mean(centred(z) * centred(z)) + 1e-5)),
        of_first(lambda z: centred(z) / tf.sqrt(tf.math.reduce_variance(z, -1, keepdims=True) + 1e-5)),
        of_first(by_moments),
    ],
    "RMS norm by hand": [
        of_first(lambda z: z * rsqrt(mean(tf.square(z)) + 1e-6)),
        of_first(keras.layers.RMSNormalization(epsilon=1e-6, dtype="float64")),
    ],
    "norm": [lambda x: tf.norm(first(x), axis=1, keepdims=True) * B],
    "softmax": [lambda x: second(nn.softmax(first(x))), lambda x: second(keras.ops.softmax(first(x)))],
    "log softmax": [lambda x: nn.log_softmax(first(x)) @ W],
    "log of a sigmoid": [lambda x: tf.math.log_sigmoid(first(x)) @ W],
    "power of two": [lambda x: tf.pow(tf.constant(2.0, tf.float64), first(x))],
    "where": [lambda x: tf.where(x > 0, exp(x), first(x))],
    "greater of two": [lambda x: tf.maximum(first(x), second(x))],
    "rectified twice": [lambda x: tanh(nn.relu(first(x))) @ W],
    "outer product": [lambda x: summed(first(x)[:, :, None] * second(x)[:, None])],
}
IN_STEPS = {
    "attention": [
        lambda x: summed(attention(first(x), second(x), x)),
        lambda x: summed(
            keras.ops.dot_product_attention(*(one[:, :, None] for one in (first(x), second(x), x)))[:, :, 0]
        ),
    ],
    "einsum": [
        lambda x: summed(tf.matmul(nn.softmax(tf.einsum("nqd,nkd->nqk", first(x), second(x))), x)),
    ],
    "squeeze and excitation": [lambda x: summed(x * sigmoid(nn.relu(first(tf.reduce_mean(x, 1))))[:, None])],
    "state space": [lambda x: summed(exp(-tf.cumsum(nn.softplus(first(x)), 1)) * x)],
}


class Function(keras.layers.Layer):
    def __init__(self, function):
        super().__init__(dtype="float64")
        self.function = function

    def call(self, x):
        return self.function(x)


def spelled(table):
    return [
        pytest.param(name, way, id=f"{name} {number}")
        for name, ways in table.items()
        for number, way in enumerate(ways)
    ]


def check(in_torch, way, shape):
    x = np.random.default_rng(4).normal(size=shape)
    entry = keras.Input(shape[1:], dtype="float64")
    model = keras.Model(entry, Function(way)(entry))
    found = explain.attribute(model, x, "lrp", target=1, rule="epsilon", epsilon=1e-14)
    assert apart(found.values, by_reference(in_torch, x)) < 1e-6


# Of a product of gates and of a softmax a probability is explained, as is meant.
@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
@pytest.mark.parametrize(("name", "way"), spelled(IN_ROWS))
def test_however_a_row_is_spelled(name, way):
    check(ROWS[name], way, (3, 6))


@pytest.mark.parametrize(("name", "way"), spelled(IN_STEPS))
def test_however_steps_are_spelled(name, way):
    check(STEPS[name], way, (3, 4, 6))
