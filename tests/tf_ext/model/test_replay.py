"""A value inside a model is what its operations give that were traced, one by one."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from explain.backends.question import Question
from explain.inputs.examples import Examples
from explain.inputs.layout import Layout
from explain.tf_ext.extension import extension

X = np.random.default_rng(0).normal(size=(5, 4, 6)).astype(np.float32)


def of_lists(x):
    """Operations that take a list, give several results, and have attributes of other kinds than numbers."""
    first, second = tf.split(x, 2, axis=-1)
    left, _, right = tf.unstack(first, num=3, axis=-1)
    padded = tf.pad(tf.stack([right, left], axis=1), [[0, 0], [1, 0], [0, 1]])
    shaped = tf.reshape(padded, [tf.shape(x)[0], -1, 5]) + tf.cast(tf.cast(1.5, tf.int32), x.dtype)
    return tf.concat([shaped, tf.pad(second[:, ::-2], [[0, 0], [0, 1], [2, 0]])], axis=-1)


def as_pictures(x):
    picture = tf.reshape(x, [-1, 4, 3, 2])
    return tf.squeeze(
        tf.reduce_mean(tf.nn.avg_pool2d(picture, [1, 2], 1, "SAME"), axis=[2], keepdims=True), [2]
    )


@pytest.mark.parametrize("between", [of_lists, as_pictures])
def test_a_value_and_its_gradient_are_those_of_the_model(between):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 6))
    hidden = keras.layers.Lambda(between)(keras.layers.Dense(6, name="first")(inputs))
    middle = keras.layers.Dense(5, name="middle")
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(middle(hidden))))
    inner = keras.Model(inputs, middle.output)
    backend = extension.open(model, Question(Layout("NTC")), X)
    examples, points = Examples((X,)), tf.constant(X)
    with backend.session():
        backend.outputs(examples)
        run = backend.traced_run(examples)
        assert run is not None
        (key,) = [
            one for one in run.values if isinstance(one, tuple) and one[0]() is middle and one[1] == "call"
        ]
        for batch in (points, points[:2]):
            part = examples.rows(slice(0, len(batch)))
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(batch)
                found, expected = backend.replayed(part, batch, key), inner(batch)
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
            arriving = tf.constant(np.random.default_rng(1).normal(size=found.shape).astype(np.float32))
            gradients = [tape.gradient(one, batch, output_gradients=arriving) for one in (found, expected)]
            np.testing.assert_allclose(*gradients, rtol=1e-5, atol=1e-6)
            # Weights are read when it runs.
            middle.kernel.assign(middle.kernel * 2)
        many = np.zeros((65, 4, 6), np.float32)
        assert backend.replayed(Examples((many,)), tf.constant(many), key) is None


def called(x):
    return tf.function(lambda x: x * 2.0, autograph=False)(x)


def of_many_operations(x):
    for _ in range(70):
        x = x + 1.0
    return x


@pytest.mark.parametrize("between", [called, of_many_operations])
def test_functions_and_many_operations_run_in_a_trace(between):
    inputs = keras.Input((4, 6))
    hidden = keras.layers.Lambda(between)(inputs)
    middle = keras.layers.Dense(5)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(middle(hidden))))
    backend = extension.open(model, Question(Layout("NTC")), X)
    examples = Examples((X,))
    with backend.session():
        backend.outputs(examples)
        run = backend.traced_run(examples)
        for key in run.values:
            if isinstance(key, tuple) and key[0]() is middle:
                assert backend.replayed(examples, tf.constant(X), key) is None
