"""Small runs do without TensorFlow's optimizer; the same call gives the same numbers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.eager import context as eager_context

import explain
from explain.tf_ext.model.runs.unoptimized import of_points, optimized_where_right, unoptimized

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


def is_optimized():
    options = eager_context.context().function_call_options
    config = config_pb2.ConfigProto.FromString(options.config_proto_serialized)
    return not config.graph_options.rewrite_options.disable_meta_optimizer


def test_a_function_is_optimized_for_many_bytes_or_points_and_alike_at_each_run():
    definition = tf.function(lambda x: x * 2.0).get_concrete_function(tf.zeros(2)).graph.as_graph_def()
    function = optimized_where_right(lambda *tensors: is_optimized(), definition)
    many = 2**20 + 1
    assert [function(tf.zeros((rows,))) for rows in (5, many, 5, 2**20)] == [False, True, False, False]
    assert [function(tf.zeros((2**19,)), tf.zeros((rows,))) for rows in (2**19, 2**19 + 1)] == [False, True]
    for points in (64, 65):
        with of_points(points):
            assert function(tf.zeros(5)) is (points == 65)
    assert function(tf.zeros(5)) is False
    assert is_optimized()


def looping(x):
    return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * x), (0, x))[1]


def within_a_function(x):
    return tf.function(looping, autograph=False)(x) + 1.0


def in_half_precision(x):
    return tf.cast(tf.cast(x, tf.bfloat16) * 2.0, tf.float32)


@pytest.mark.parametrize(
    ("compute", "always"),
    [(looping, True), (within_a_function, True), (in_half_precision, True), (tf.tanh, False)],
)
def test_loops_and_half_precision_are_optimized(compute, always):
    traced = tf.function(compute, autograph=False).get_concrete_function(tf.zeros(2))
    assert (
        optimized_where_right(lambda *tensors: is_optimized(), traced.graph.as_graph_def())(tf.zeros(2))
        is always
    )


def test_functions_are_optimized_again_after_an_error_and_as_the_user_says():
    def failing():
        with unoptimized():
            assert not is_optimized()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert is_optimized()
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"constant_folding": False})
    try:
        with unoptimized():
            assert tf.config.optimizer.get_experimental_options()["constant_folding"] is False
    finally:
        tf.config.optimizer.set_experimental_options(
            {"constant_folding": before.get("constant_folding", True)}
        )


@pytest.mark.parametrize("method", ["saliency", "ig", "guided_backprop"])
@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
def test_every_call_gives_the_map_of_the_first(method):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Rescaling(1 / 3, 0.1), keras.layers.Dense(8, "relu"), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    steps = {"n_steps": 6} if method == "ig" else {}
    maps = [explain.attribute(model, X, method, target=1, **steps).values for _ in range(8)]
    for one in maps[1:]:
        np.testing.assert_array_equal(one, maps[0])
    if method == "saliency":
        points = tf.constant(X)
        with tf.GradientTape() as tape:
            tape.watch(points)
            scores = model(points)[:, 1]
        np.testing.assert_allclose(maps[0], tape.gradient(scores, points), rtol=1e-6)


class Noisy(keras.layers.Layer):
    """Adds numbers of TensorFlow's global seed, which each preparation of a function begins anew."""

    def call(self, x):
        return x + tf.random.normal(tf.shape(x), seed=1)


def test_a_random_model_is_random_from_the_first_run_on():
    tf.random.set_seed(0)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), Noisy(), keras.layers.Dense(4, "tanh")])
    with pytest.warns(explain.errors.NonDeterministicWarning):
        maps = [explain.attribute(model, X, "saliency", target=1).values for _ in range(9)]
    drawn = {one.tobytes() for one in maps}
    assert len(drawn) == len(maps)


@pytest.mark.parametrize("slope", [0.01, 0.2, 0.3])
@pytest.mark.parametrize("count", [3, 70])
@pytest.mark.parametrize("recurrent", [False, True])
def test_a_sum_and_a_leaky_relu_keep_the_slope_of_the_model(slope, count, recurrent):
    """TensorFlow's optimizer fuses them with the convolution before, and forgets the slope; ``predict`` does so too."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 10, 3))
    branches = [keras.layers.Conv2D(4, size, padding="same")(inputs) for size in (3, 1)]
    hidden = keras.layers.LeakyReLU(negative_slope=slope)(keras.layers.Add()(branches))
    rows = keras.layers.Reshape((12, 40))(hidden)
    hidden = keras.layers.GRU(6)(rows) if recurrent else keras.layers.Flatten()(hidden)
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    x = np.random.default_rng(0).normal(size=(count, 12, 10, 3)).astype(np.float32)
    # Operation by operation, nothing is optimized.
    outputs = model(x).numpy()
    for method, options in (("saliency", {}), ("ig", {"n_steps": 40}), ("grad_cam", {})):
        found = explain.attribute(model, x, method, **options)
        np.testing.assert_array_equal(found.predicted, outputs.argmax(axis=1))
        np.testing.assert_allclose(found.scores, outputs.max(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        explain.attribute(model, x, "ig", n_steps=40).values.sum(axis=(1, 2, 3)),
        outputs.max(axis=1) - model(0 * x).numpy()[np.arange(count), outputs.argmax(axis=1)],
        # What forty steps leave of the gates' curves.
        atol=2e-4,
    )
