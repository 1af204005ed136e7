"""Models of both frameworks for files, and what is done with them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

import explain

PICTURES = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype(np.float32)


def torch_net():
    """A convolutional network, as a factory builds it."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(144, 3)
    )


def trained_net():
    """The same with statistics of its own."""
    import torch

    net = torch_net()
    with torch.no_grad():
        for one in net.parameters():
            one.add_(0.1 * torch.randn(one.shape, generator=torch.Generator().manual_seed(1)))
        net[1].running_mean += 0.3
        net[1].running_var *= 2
    return net.eval()


def keras_net():
    """The same in Keras, with weights of its own."""
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3),
        ]
    )


def trained_keras_net():
    net = keras_net()
    rng = np.random.default_rng(2)
    for one in net.weights:
        if not one.path.startswith("seed"):
            one.assign(np.asarray(one) + 0.1 * np.abs(rng.normal(size=one.shape)))
    return net


def same_values(loaded, original, x, method="saliency", **arguments):
    """Assert that two models have the same attributions, up to the order of sums."""
    with warnings.catch_warnings(action="ignore", category=explain.errors.OpaqueModelWarning):
        own = explain.attribute(loaded, x, method, target=1, **arguments)
    other = explain.attribute(original, x, method, target=1, **arguments)
    assert np.abs(other.values).max() > 0
    np.testing.assert_allclose(own.values, other.values, rtol=0, atol=1e-5)
    np.testing.assert_allclose(own.scores, other.scores, rtol=0, atol=1e-5)


class Harmful:
    """Would leave a file behind, were it unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("harm"),)


def torch_dense():
    import torch

    torch.manual_seed(0)
    return torch.nn.Linear(4, 3)


def keras_dense():
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="scores")])


WEIGHTS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def onnx_file(path, rows="N", kind="Gemm"):
    """Write the function of a matrix."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 3])],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))


def tflite_file(path):
    """Write the function of a matrix."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
    def net(x):
        return x @ WEIGHTS

    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()])
    Path(path).write_bytes(converter.convert())


def reading_module(kind):
    """A module of TensorFlow that reads or writes a file, or runs Python, when it is called; "" has no call."""
    import tensorflow as tf

    signature = [tf.TensorSpec((None, 3), tf.float32)]

    class Functions(tf.Module):
        @tf.function(input_signature=signature)
        def one(self, x):
            return {"scores": x}

        @tf.function(input_signature=signature)
        def other(self, x):
            return {"scores": -x}

    def written(x):
        with tf.control_dependencies([tf.io.write_file("harm", "x")]):
            return tf.identity(x)

    calls = {
        "plain": lambda x: 2 * x,
        "read": lambda x: x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32),
        "write": written,
        "python": lambda x: tf.numpy_function(lambda a: a, [x], tf.float32),
        "in a branch": lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: written(x), lambda: x),
        "restore": lambda x: tf.raw_ops.RestoreV2(
            prefix="w", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
        )[0],
    }

    class Called(tf.Module):
        @tf.function(input_signature=signature)
        def __call__(self, x):
            return calls[kind](x)

    return Called() if kind else Functions()
