"""Methods in TensorFlow as an expert would write them by hand for one model, with as few traces as they need.

Each contains what its map needs and nothing else: the predicted class (the largest logit), its gradient, and what the
method makes of it.

- Saliency and guided backpropagation: one trace gives the gradient of the largest logit. A given class needs no less.
- Grad-CAM: one trace runs the layers up to the last map, and takes the gradient through those behind it only.
- Integrated gradients: the model is called as it is for the predicted class, since one call takes less time than a
  trace; one trace gives the weighted gradients of a block of points. The class is picked by a product with ones and
  zeros: the gradient of a gather by examples would take a fifth of the trace.

All are traced without AutoGraph and for the batch that they are given: such a trace has fewer operations than one for
any number of examples, as `explain` makes it. They check nothing: not that the model is deterministic, that examples
are independent, that layers keep their order, that scores are logits, that a prefix is affine, or what fits in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Array = npt.NDArray[Any]

METHODS = {
    "cifar_keras": ("saliency", "integrated_gradients", "grad_cam", "guided_backprop"),
    "cifar_net": ("saliency", "integrated_gradients", "grad_cam", "guided_backprop"),
    "fashion_rnn": ("saliency", "integrated_gradients"),
    "names_rnn": ("saliency", "integrated_gradients"),
}
"""The methods that are written by hand for each seed model."""


def by_hand(name: str, model: Any, method: str, n_steps: int) -> Callable[[Array], Array]:
    """Give a method for a seed model: from a batch to the map of the predicted class; its first call traces.

    Parameters
    ----------
    name, model : str, keras.Model
        The seed model.
    method : str
        One of its methods in `METHODS`.
    n_steps : int
        The number of nodes of integrated gradients, by the midpoint rule from zeros.
    """
    logits = _logits_of(name, model)
    if method == "integrated_gradients":
        return _integrated_gradients(logits, n_steps)
    if method == "grad_cam":
        return _grad_cam(model)
    if method == "guided_backprop":
        logits = _guided(model)

    @_traced
    def run(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            scores = tf.reduce_max(logits(x), axis=1)
        return tape.gradient(scores, x)

    return lambda x: np.asarray(run(tf.constant(x)))


def same_call(model: Any, method: str, n_steps: int) -> dict[str, Any]:
    """Give the options with which `explain.attribute` computes the same."""
    if method == "integrated_gradients":
        return {"n_steps": n_steps, "rule": "midpoint"}
    return {"layer": model.layers[_last_map(model)].name} if method == "grad_cam" else {}


def _traced(function: Callable[..., Any]) -> Any:
    # AutoGraph would rewrite the code first, which takes longer; there is no control flow to convert.
    return tf.function(function, autograph=False, reduce_retracing=True)


def _integrated_gradients(logits: Callable[[Any], Any], n_steps: int) -> Callable[[Array], Array]:
    nodes = ((np.arange(n_steps) + 0.5) / n_steps).astype(np.float32)

    @_traced
    def block(x: Any, targets: Any, nodes: Any) -> Any:
        count = tf.shape(x)[0]
        points = tf.reshape(tf.reshape(nodes, (-1, *[1] * len(x.shape))) * x, (-1, *x.shape[1:]))
        with tf.GradientTape() as tape:
            tape.watch(points)
            # The gradient of a gather by examples takes as many operations as a small model.
            outputs = logits(points)
            chosen = tf.one_hot(tf.tile(targets, tf.shape(nodes)), outputs.shape[-1])
            scores = tf.reduce_sum(outputs * chosen, axis=1)
        gradients = tf.reshape(tape.gradient(scores, points), (-1, count, *x.shape[1:]))
        return tf.reduce_sum(gradients, axis=0) * x

    def run(x: Array) -> Array:
        inputs = tf.constant(x)
        # Called once, the model runs operation by operation: that takes less time than a trace.
        targets = tf.argmax(logits(inputs), axis=1, output_type=tf.int32)
        return np.asarray(block(inputs, targets, tf.constant(nodes))) / n_steps

    return run


def _grad_cam(model: Any) -> Callable[[Array], Array]:
    last = _last_map(model)

    @_traced
    def run(x: Any) -> Any:
        maps = x
        for layer in model.layers[: last + 1]:
            maps = layer(maps, training=False)
        with tf.GradientTape() as tape:
            tape.watch(maps)
            outputs = maps
            for layer in model.layers[last + 1 :]:
                outputs = layer(outputs, training=False)
            scores = tf.reduce_max(outputs, axis=1)
        weights = tf.reduce_mean(tape.gradient(scores, maps), axis=(1, 2), keepdims=True)
        return tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))

    return lambda x: np.asarray(run(tf.constant(x)))


def _last_map(model: Any) -> int:
    """Give the place of the last layer whose output has axes of space."""
    return max(place for place, layer in enumerate(model.layers) if len(layer.output.shape) == 4)


def _guided(model: Any) -> Callable[[Any], Any]:
    @tf.custom_gradient
    def relu(x: Any) -> Any:
        return tf.nn.relu(x), lambda gradient: tf.where(x > 0, tf.nn.relu(gradient), 0)

    def logits(x: Any) -> Any:
        for layer in model.layers:
            x = relu(x) if type(layer).__name__ == "ReLU" else layer(x, training=False)
        return x

    return logits


def _logits_of(name: str, model: Any) -> Callable[[Any], Any]:
    """Give the logits of the last step."""
    if name == "names_rnn":
        return lambda x: _logits_of_names(model, x)
    if name == "fashion_rnn":

        def logits(x: Any) -> Any:
            for layer in model.layers[:-1]:
                x = layer(x)
            return x

        return logits
    return lambda x: model(x, training=False)


def _logits_of_names(model: Any, x: Any) -> Any:
    hidden = tf.zeros((tf.shape(x)[0], model.hidden_size))
    for step in range(x.shape[1] - 1):
        hidden = model.i2h(tf.concat((x[:, step], hidden), axis=1))
    return model.i2o(tf.concat((x[:, -1], hidden), axis=1))
