"""Integrated gradients in TensorFlow, written by hand for each measured model as an expert would.

It uses the same optimisations as `bare_torch`, in `tf.function`s that are traced once with a free batch size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.cases import Case

Function = Callable[..., Any]


def splits(case: Case, model: Any) -> dict[str, tuple[Function, Function]]:
    """Give the ways to write the loop for a model: with its affine layers split off, and with the whole model.

    Returns
    -------
    dict
        Maps a label to two functions: one from the input to the affine layers' outputs, one from those outputs to the
        logits.
    """
    whole = logits_of(case, model)
    return {
        "prefix once": _SKIPPED[case.model](model),
        "whole model": (lambda x: (x,), lambda z: whole(z, training=False)),
    }


def logits_of(case: Case, model: Any) -> Any:
    """Give a Keras model that returns the logits of the last step."""
    if case.model == "fashion_rnn":
        return keras.Model(model.inputs, model.get_layer("fc").output)
    if case.model == "names_rnn":
        letters = keras.Input(case.shape)
        hidden = keras.ops.zeros_like(letters[:, 0, :1]) @ keras.ops.zeros((1, model.hidden_size))
        for step in range(case.shape[0] - 1):
            hidden = model.i2h(keras.ops.concatenate((letters[:, step], hidden), axis=1))
        return keras.Model(letters, model.i2o(keras.ops.concatenate((letters[:, -1], hidden), axis=1)))
    return model


def saliency(case: Case, model: Any) -> Function:
    """Write the plain gradient by hand: one `tf.function`, traced once."""
    whole = logits_of(case, model)

    @tf.function(input_signature=[tf.TensorSpec((None, *case.shape)), tf.TensorSpec((None,), tf.int32)])
    def run(x: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            scores = tf.gather(whole(x, training=False), targets, batch_dims=1)
        return tape.gradient(scores, x)

    return run


def integrated_gradients(case: Case, split: tuple[Function, Function], points_at_once: int) -> Function:
    """Give a function of examples, targets and the number of steps; zeros to examples, midpoint rule."""
    prefix, tail = split
    inputs = tf.TensorSpec((None, *case.shape))
    parts = tuple(
        tf.TensorSpec((None, *part.shape[1:])) for part in tf.nest.flatten(prefix(tf.zeros((1, *case.shape))))
    )

    @tf.function(input_signature=[inputs])
    def ends(x: Any) -> Any:
        return _tuple(prefix(tf.zeros_like(x))), _tuple(prefix(x))

    @tf.function(input_signature=[parts, parts, tf.TensorSpec((None,)), tf.TensorSpec((None,), tf.int32)])
    def chunk(starts: Any, differences: Any, nodes: Any, targets: Any) -> Any:
        count = tf.shape(targets)[0]
        points = tuple(
            tf.reshape(
                start + tf.reshape(nodes, (-1, *[1] * len(start.shape))) * difference, (-1, *start.shape[1:])
            )
            for start, difference in zip(starts, differences, strict=True)
        )
        with tf.GradientTape() as tape:
            tape.watch(points)
            logits = tail(points if len(points) > 1 else points[0])
            scores = tf.gather(logits, tf.tile(targets, tf.shape(nodes)), batch_dims=1)
        return tuple(
            tf.reduce_sum(tf.reshape(gradient, (-1, count, *gradient.shape[1:])), axis=0)
            for gradient in tape.gradient(scores, points)
        )

    @tf.function(input_signature=[inputs, parts])
    def pulled_back(x: Any, totals: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = _tuple(prefix(x))
        return tape.gradient(outputs, x, totals) * x

    def run(x: Any, targets: Any, n_steps: int) -> Any:
        nodes = tf.constant(((np.arange(n_steps) + 0.5) / n_steps).astype(np.float32))
        starts, stops = ends(x)
        differences = tuple(stop - start for start, stop in zip(starts, stops, strict=True))
        totals = tuple(tf.zeros_like(stop) for stop in stops)
        steps_at_once = max(1, points_at_once // len(x))
        for first in range(0, n_steps, steps_at_once):
            found = chunk(starts, differences, nodes[first : first + steps_at_once], targets)
            totals = tuple(total + part for total, part in zip(totals, found, strict=True))
        return pulled_back(x, totals) / n_steps

    return run


def _tuple(parts: Any) -> tuple[Any, ...]:
    return parts if isinstance(parts, tuple) else (parts,)


def _convolutional(model: Any) -> tuple[Function, Function]:
    def tail(features: Any) -> Any:
        for layer in model.layers[1:]:
            features = layer(features)
        return features

    return model.layers[0], tail


def _names(model: Any) -> tuple[Function, Function]:
    letters = model.i2h.kernel.shape[0] - model.hidden_size

    def prefix(x: Any) -> Any:
        return (
            x[:, :-1] @ model.i2h.kernel[:letters] + model.i2h.bias,
            x[:, -1] @ model.i2o.kernel[:letters] + model.i2o.bias,
        )

    def tail(parts: Any) -> Any:
        projected, last = parts
        hidden = projected[:, 0]
        for step in range(1, projected.shape[1]):
            hidden = projected[:, step] + hidden @ model.i2h.kernel[letters:]
        return last + hidden @ model.i2o.kernel[letters:]

    return prefix, tail


def _fashion(model: Any) -> tuple[Function, Function]:
    cells = [model.get_layer(name).cell for name in ("rnn1", "rnn2")]

    def tail(projected: Any) -> Any:
        first = second = None
        for step in range(projected.shape[1]):
            entering = projected[:, step]
            first = tf.tanh(entering if first is None else entering + first @ cells[0].recurrent_kernel)
            entering = first @ cells[1].kernel + cells[1].bias
            second = tf.tanh(entering if second is None else entering + second @ cells[1].recurrent_kernel)
        return model.get_layer("fc")(second)

    return lambda x: x @ cells[0].kernel + cells[0].bias, tail


_SKIPPED: dict[str, Callable[[Any], tuple[Function, Function]]] = {
    "cifar_net": _convolutional,
    "cifar_keras": _convolutional,
    "names_rnn": _names,
    "fashion_rnn": _fashion,
}
