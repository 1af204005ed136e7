"""Plain passes of a Keras model on TensorFlow, run eagerly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from architectures.keras_layers import layer_named, replaced
from architectures.passes import Array, Passes
from architectures.relevance_keras import relevances_on_torch

# Outside a graph, TensorFlow's kernel for 3-D pooling on a CPU adds up ties, so that gradients are too large there.
IN_A_GRAPH = {"Keras 3-D CNN"}


class TensorFlowPasses(Passes):
    """Keras's forward passes and TensorFlow's tape, and nothing else."""

    def __init__(self, architecture: Any) -> None:
        # Keras numbers the layers of a process: their names are those of a process of its own.
        keras.utils.clear_session()
        super().__init__(architecture)
        logits = architecture.logits
        self.called = logits(self.model) if logits is not None else self.model

    def vectors(self, name: str, key: Any, ids: Array) -> Array:
        return layer_named(self.model, name)(tf.constant(ids)).numpy()

    def run(self, points: Sequence[Any], rows: Array) -> Any:
        given, vectors = self.with_points(points, rows)
        with ExitStack() as stack:
            for (name, key), one in vectors.items():
                stack.enter_context(replaced(layer_named(self.model, name), given[key], one))
            called = getattr(self, "called", self.model)
            inputs = given if isinstance(given, dict) else given[0]
            inputs = (
                {k: tf.convert_to_tensor(v) for k, v in inputs.items()}
                if isinstance(inputs, dict)
                else tf.convert_to_tensor(inputs)
            )
            # Without the argument, some models of KerasHub normalise by the statistics of the batch.
            return self.picked(called(inputs, training=False) if called is self.model else called(inputs))

    def scores(self, points: Sequence[Array], rows: Array) -> Array:
        def answer(points: Sequence[Array], rows: Array) -> Array:
            return tf.cast(self.run([tf.constant(one) for one in points], rows), tf.float64).numpy()

        return np.concatenate(self.in_chunks(answer, points, rows))

    def gradients(self, points: Sequence[Array], rows: Array, rectified: bool = False) -> list[Array]:
        def answer(points: Sequence[Array], rows: Array) -> list[Array]:
            leaves = [tf.constant(one) for one in points]
            if self.architecture.name in IN_A_GRAPH:
                return [one.numpy() for one in tf.function(lambda *one: taped(one, rows))(*leaves)]
            return [one.numpy() for one in taped(leaves, rows)]

        def taped(leaves: Sequence[Any], rows: Array) -> list[Any]:
            with _rectified() if rectified else ExitStack(), tf.GradientTape() as tape:
                tape.watch(leaves)
                total = tf.reduce_sum(self.run(leaves, rows))
            return tape.gradient(total, leaves, unconnected_gradients="zero")

        chunks = self.in_chunks(answer, points, rows)
        return [np.concatenate(one) for one in zip(*chunks, strict=True)]

    def relevances(self) -> list[Array] | None:
        return relevances_on_torch(self)

    # The layers, for class activation maps, activations and conductance.

    def at_layer(
        self, points: Sequence[Array], rows: Array, name: str, call: int, enters: bool = False
    ) -> tuple[Array, Array]:
        """A layer's output, and the gradient of the scores to it."""
        kept: list[Any] = []
        leaves = [tf.constant(one) for one in points]
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            with _every_call(_at(name, call, lambda one: kept.append(tf.identity(one)) or kept[0]), enters):
                total = tf.reduce_sum(self.run(leaves, rows))
        gradient = tape.gradient(total, kept[0], unconnected_gradients="zero")
        return kept[0].numpy(), gradient.numpy()

    def when_held(
        self, points: Sequence[Array], rows: Array, name: str, call: int, enters: bool = False
    ) -> Array:
        """The size of the gradient at the input when that layer's output is a constant."""
        leaves = [tf.constant(one) for one in points]
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            with _every_call(_at(name, call, tf.stop_gradient), enters):
                total = tf.reduce_sum(self.run(leaves, rows))
        found = tape.gradient(total, leaves, unconnected_gradients="zero")
        return np.array([float(tf.reduce_max(tf.abs(one))) for one in found])


def _at(wanted: str, wanted_call: int, change: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    calls = [-1]

    def note(layer: Any, output: Any) -> Any:
        if (layer.path or layer.name) != wanted:
            return output
        calls[0] += 1
        if calls[0] != wanted_call:
            return output
        return (change(output[0]), *output[1:]) if isinstance(output, (tuple, list)) else change(output)

    return note


@contextmanager
def _every_call(note: Callable[[Any, Any], Any], enters: bool = False) -> Iterator[None]:
    """Each call of a layer ends in `note(layer, output)`, or begins with it of what enters."""
    before = keras.layers.Layer.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if enters and args:
            args = (note(self, args[0]), *args[1:])
            return before(self, *args, **kwargs)
        return note(self, before(self, *args, **kwargs))

    keras.layers.Layer.__call__ = call
    try:
        yield
    finally:
        keras.layers.Layer.__call__ = before


@contextmanager
def _rectified() -> Iterator[None]:
    """Every ReLU passes on positive gradients alone."""
    from keras.src.backend.tensorflow import nn

    def rectified(most: float) -> Callable[..., Any]:
        @tf.custom_gradient
        def relu(z: Any) -> Any:
            passes = tf.cast((z > 0) & (z < most), z.dtype)
            return tf.clip_by_value(z, 0, most), lambda incoming: tf.nn.relu(incoming) * passes

        return relu

    before = nn.relu, nn.relu6
    nn.relu, nn.relu6 = rectified(np.inf), rectified(6.0)
    from keras.src import backend

    outer = backend.nn
    assert outer is nn
    try:
        yield
    finally:
        nn.relu, nn.relu6 = before
