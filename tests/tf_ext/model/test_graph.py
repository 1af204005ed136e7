"""Which Keras models have kinks, so that the rule of integration fits them."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from explain.backends.question import Question
from explain.inputs.examples import Examples, Target
from explain.inputs.layout import Layout
from explain.tf_ext.extension import extension

TABLE = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
SEQUENCES = np.random.default_rng(0).normal(size=(3, 5, 6)).astype(np.float32)
PICTURES = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)


def has_kinks(body, x, axes="NC"):
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(body(inputs))))
    backend = extension.open(model, Question(Layout(axes), score="output"), x)
    with backend.session():
        return backend.has_kinks(Examples((x,), Target(np.ones((len(x), 1), np.int64))))


def test_what_bends_and_what_jumps_are_told_apart():
    kinked = {
        **{name: layers.Activation(name) for name in ("relu", "leaky_relu", "relu6", "hard_tanh")},
        "abs": layers.Lambda(tf.abs),
        "clip": layers.Lambda(lambda x: tf.clip_by_value(x, -1, 1)),
        "chosen": layers.Lambda(lambda x: tf.where(x > 0, x, 0.1 * x)),
    }
    smooth = {
        **{name: layers.Activation(name) for name in ("tanh", "sigmoid", "softplus", "gelu", "silu", "mish")},
        "softmax": layers.Softmax(),
        "layer norm": layers.LayerNormalization(),
        "batch norm": layers.BatchNormalization(),
        "dropout": layers.Dropout(0.5),
    }

    def body(layer):
        return lambda inputs: layer(layers.Dense(6)(inputs))

    told = {name: has_kinks(body(layer), TABLE) for name, layer in {**kinked, **smooth}.items()}
    assert told == {name: name in kinked for name in told}


def test_sequence_models_are_told_apart():
    bodies = {
        "rnn": layers.SimpleRNN(4),
        "kinked rnn": layers.SimpleRNN(4, activation="relu"),
        "lstm": layers.LSTM(4),
        "gru": layers.GRU(4),
        "bidirectional": layers.Bidirectional(layers.LSTM(4)),
        "attention": lambda inputs: layers.MultiHeadAttention(2, 3)(inputs, inputs),
        "convolution": layers.Conv1D(4, 3, activation="tanh"),
    }
    told = {name: has_kinks(body, SEQUENCES, "NTC") for name, body in bodies.items()}
    assert told == {name: name.startswith("kinked") for name in told}


def test_poolings_are_told_apart():
    poolings = {
        "kinked pooling": layers.MaxPooling2D(2),
        "kinked global pooling": layers.GlobalMaxPooling2D(),
        "average pooling": layers.AveragePooling2D(2),
        "global average pooling": layers.GlobalAveragePooling2D(),
        "upsampling": layers.UpSampling2D(interpolation="bilinear"),
        "batch norm": layers.BatchNormalization(),
    }

    def body(layer):
        return lambda inputs: layer(layers.Conv2D(3, 3, activation="tanh")(inputs))

    told = {name: has_kinks(body(layer), PICTURES, "NHWC") for name, layer in poolings.items()}
    assert told == {name: name.startswith("kinked") for name in told}
