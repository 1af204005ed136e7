"""Parts of Keras models on TensorFlow, each written in one of the forms in which people write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from fuzzing.parts import Parts
from fuzzing.program import Layout, Program, Value
from keras import layers, ops

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": ops.relu,
    "leaky_relu": lambda x: ops.leaky_relu(x, 0.1),
    "elu": ops.elu,
    "gelu": lambda x: ops.gelu(x, approximate=False),
    "silu": ops.silu,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "softplus": ops.softplus,
    "relu6": ops.relu6,
    "hardswish": ops.hard_silu,
}
_BY_NAME = ("relu", "elu", "silu", "tanh", "sigmoid", "softplus", "relu6")


class KerasParts(Parts):
    """The operations of Keras."""

    framework = "tensorflow"

    def tensor(self, array: np.ndarray) -> Any:
        return tf.constant(array, self.dtype if array.dtype.kind == "f" else None)

    def channel_axis(self, value: Value) -> int:
        return len(value.shape) - 1

    def named(self, layer: Any) -> str:
        self.layers[layer.name] = layer
        return str(layer.name)

    def _ready(self, layer: Any, value: Value | None = None) -> Any:
        """Build a layer, and draw its weights."""
        if value is not None:
            layer(self._tensors[value.index])
        for variable in layer.variables:
            shape, path = tuple(variable.shape), variable.path
            if not str(variable.dtype).startswith("float"):
                continue
            if "variance" in path or "gamma" in path or path.endswith("scale"):
                drawn = self.rng.uniform(0.6, 1.4, shape)
            elif len(shape) < 2:
                drawn = self.rng.uniform(-0.3, 0.3, shape)
            else:
                fan = 1 if "embedding" in path else max(1, int(np.prod(shape[:-1])))
                drawn = self.rng.normal(size=shape) / fan**0.5
            variable.assign(drawn)
        return layer

    def layer(self, layer: Any, value: Value, sort: Any, layout: Layout | None = None, **more: Any) -> Value:
        layer = self._ready(layer, value)
        return self.add_operation(layer, (value,), sort, layout or value.layout, layer=layer, **more)

    def function(
        self,
        call: Callable[..., Any],
        values: Sequence[Value],
        sort: Any,
        layout: Layout | None = None,
        **more: Any,
    ) -> Value:
        return self.add_operation(call, values, sort, layout or values[0].layout, **more)

    def _own_activation(self, layer: Any, value: Value) -> Value:
        """Give an affine layer an activation of its own now and then."""
        if not self.chance(0.35):
            return self.layer(layer, value, "affine")
        kind = self.one_of(_BY_NAME)
        layer.activation = keras.activations.get(kind)

        def run_with(pointwise: Callable[[str, Any], Any], x: Any) -> Any:
            own, layer.activation = layer.activation, None
            try:
                return pointwise(kind, layer(x))
            finally:
                layer.activation = own

        return self.layer(layer, value, "pointwise", activation=kind, run_with=run_with)

    # --- affine -------------------------------------------------------------------------------------------

    def conv(
        self, value: Value, channels: int, kernel: int, stride: int = 1, groups: int = 1, plain: bool = False
    ) -> Value:
        rank = len(self.sides(value))
        padding = "valid" if self.chance(0.25) and min(self.sides(value)) > kernel else "same"
        if rank == 2 and groups == self.channels(value) == channels and self.chance(0.5):
            return self.layer(layers.DepthwiseConv2D(kernel, stride, padding), value, "affine")
        of_rank = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}[rank]
        if rank == 2 and groups == 1 and not plain and self.chance(0.1):
            return self.layer(layers.SeparableConv2D(channels, kernel, stride, padding), value, "affine")
        groups = groups if rank == 2 else 1
        made = of_rank(channels, kernel, stride, padding, groups=groups, use_bias=self.chance(0.8))
        return self.layer(made, value, "affine") if plain else self._own_activation(made, value)

    def linear(self, value: Value, width: int, plain: bool = False) -> Value:
        made = layers.Dense(width, use_bias=self.chance(0.9))
        return self.layer(made, value, "affine") if plain else self._own_activation(made, value)

    def flatten(self, value: Value) -> Value:
        if self.chance(0.6):
            return self.layer(layers.Flatten(), value, "affine", "vector")
        size = int(np.prod(value.shape[1:]))
        return self.function(lambda x: ops.reshape(x, (-1, size)), (value,), "affine", "vector")

    def to_steps(self, value: Value) -> Value:
        """(N, places…, C) to (N, places, C)."""
        size, channels = int(np.prod(value.shape[1:-1])), value.shape[-1]
        if self.chance(0.5):
            return self.layer(layers.Reshape((size, channels)), value, "affine", "steps")
        return self.function(lambda x: ops.reshape(x, (-1, size, channels)), (value,), "affine", "steps")

    def to_grid(self, value: Value, sides: tuple[int, ...]) -> Value:
        """(N, T, C) to (N, places…, C)."""
        channels = value.shape[-1]
        return self.function(lambda x: ops.reshape(x, (-1, *sides, channels)), (value,), "affine", "grid")

    def add(self, one: Value, other: Value) -> Value:
        if self.chance(0.6):
            made = layers.Add()
            return self.add_operation(
                lambda *x: made(list(x)), (one, other), "affine", one.layout, layer=made
            )
        return self.function(lambda x, y: x + y, (one, other), "affine")

    def concatenate(self, values: Sequence[Value]) -> Value:
        made = layers.Concatenate()
        if self.chance(0.6):
            return self.add_operation(
                lambda *x: made(list(x)), values, "affine", values[0].layout, layer=made
            )
        return self.function(lambda *x: ops.concatenate(x, -1), values, "affine")

    def split(self, value: Value, parts: int) -> list[Value]:
        width = value.shape[-1] // parts
        return [
            self.function(lambda x, part=part: x[..., part * width : (part + 1) * width], (value,), "affine")
            for part in range(parts)
        ]

    def transposed_conv(self, value: Value, channels: int) -> Value:
        made = {1: layers.Conv1DTranspose, 2: layers.Conv2DTranspose, 3: layers.Conv3DTranspose}
        return self._own_activation(made[len(self.sides(value))](channels, 2, 2), value)

    def with_channel(self, value: Value) -> Value:
        """Add an axis of one channel."""
        if self.chance(0.5):
            return self.layer(layers.Reshape((*value.shape[1:], 1)), value, "affine", "grid")
        return self.function(lambda x: ops.expand_dims(x, -1), (value,), "affine", "grid")

    def squeezed(self, value: Value) -> Value:
        """Take the class axis of length one off."""
        return self.function(lambda x: ops.squeeze(x, -1), (value,), "affine")

    def spectrum(self, value: Value) -> Value:
        """The sizes of the frequencies along the steps."""

        def call(x: Any) -> Any:
            real, imaginary = ops.rfft(ops.transpose(x, (0, 2, 1)))
            return ops.transpose(ops.sqrt(real**2 + imaginary**2 + 1e-6), (0, 2, 1))

        return self.function(call, (value,), "other", "steps")

    def greater(self, one: Value, other: Value) -> Value:
        if self.chance(0.5):
            made = layers.Maximum()
            return self.add_operation(
                lambda *x: made(list(x)), (one, other), "maximum", one.layout, layer=made
            )
        return self.function(ops.maximum, (one, other), "maximum")

    def upsample(self, value: Value) -> Value:
        made = {1: layers.UpSampling1D, 2: layers.UpSampling2D, 3: layers.UpSampling3D}[
            len(self.sides(value))
        ]
        return self.layer(made(2), value, "affine")

    def dropout(self, value: Value) -> Value:
        return self.layer(layers.Dropout(0.5), value, "affine")

    def scaled(self, value: Value, factor: float, shift: float) -> Value:
        if self.chance(0.5):
            return self.layer(layers.Rescaling(factor, shift), value, "affine")
        return self.function(lambda x: x * factor + shift, (value,), "affine")

    def mean_over(self, value: Value, axes: tuple[int, ...], layout: Layout) -> Value:
        return self.function(lambda x: ops.mean(x, axes), (value,), "affine", layout)

    # --- pools --------------------------------------------------------------------------------------------

    def pool(self, value: Value, kind: str, size: int, stride: int, padding: int) -> Value:
        rank = len(self.sides(value))
        made = {
            ("max", 1): layers.MaxPooling1D,
            ("max", 2): layers.MaxPooling2D,
            ("max", 3): layers.MaxPooling3D,
            ("mean", 1): layers.AveragePooling1D,
            ("mean", 2): layers.AveragePooling2D,
            ("mean", 3): layers.AveragePooling3D,
        }["max" if kind == "max" else "mean", rank](size, stride, "same" if padding else "valid")
        return self.layer(made, value, "maximum" if kind == "max" else "affine")

    def global_pool(self, value: Value, kind: str) -> Value:
        """A grid or steps to a vector."""
        rank = len(self.sides(value))
        axes = tuple(range(1, 1 + rank))
        if self.chance(0.6):
            of_kind = {
                "max": (layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D),
                "mean": (
                    layers.GlobalAveragePooling1D,
                    layers.GlobalAveragePooling2D,
                    layers.GlobalAveragePooling3D,
                ),
            }[kind]
            return self.layer(of_kind[rank - 1](), value, "maximum" if kind == "max" else "affine", "vector")
        if kind == "max":
            return self.function(lambda x: ops.max(x, axes), (value,), "maximum", "vector")
        return self.mean_over(value, axes, "vector")

    # --- norms --------------------------------------------------------------------------------------------

    def norm(self, value: Value, kind: str) -> Value:
        channels = self.channels(value)
        if value.layout != "grid" and kind in ("group", "instance"):
            kind = "layer"
        made = {
            "batch": lambda: layers.BatchNormalization(),
            "layer": lambda: layers.LayerNormalization(),
            "group": lambda: layers.GroupNormalization(2 if channels % 2 == 0 else 1),
            "instance": lambda: layers.GroupNormalization(-1),
            "rms": lambda: layers.RMSNormalization(),
        }[kind]()
        return self.layer(made, value, "affine" if kind == "batch" else "other")

    def normalised(self, value: Value) -> Value:
        return self.layer(layers.UnitNormalization(), value, "other")

    # --- pointwise, gates, products -----------------------------------------------------------------------

    def act(self, value: Value, kind: str, alone: bool = False) -> Value:
        call = FUNCTIONS[kind]
        if kind in ("relu", "leaky_relu", "elu") and self.chance(0.3):
            made = {"relu": layers.ReLU, "leaky_relu": lambda: layers.LeakyReLU(0.1), "elu": layers.ELU}[
                kind
            ]()
            return self.layer(made, value, "pointwise", activation=kind)
        if kind in _BY_NAME and self.chance(0.5):
            return self.layer(layers.Activation(kind), value, "pointwise", activation=kind)
        return self.function(call, (value,), "pointwise", activation=kind)

    def gate(self, signal: Value, gate: Value) -> Value:
        """Multiply a signal by a gate in [0, 1]."""
        if self.chance(0.5):
            made = layers.Multiply()
            return self.add_operation(
                lambda *x: made(list(x)), (signal, gate), "gate", signal.layout, layer=made
            )
        return self.function(lambda x, y: x * y, (signal, gate), "gate")

    def gate_of_places(self, signal: Value, gate: Value) -> Value:
        """Multiply each channel of a grid by a number of a vector."""
        shape = (-1, *[1] * len(self.sides(signal)), gate.shape[-1])
        return self.function(lambda x, g: x * ops.reshape(g, shape), (signal, gate), "gate")

    def product(self, one: Value, other: Value) -> Value:
        return self.function(lambda x, y: x * y, (one, other), "other")

    # --- attention, recurrence, embeddings ----------------------------------------------------------------

    def attention(self, value: Value) -> Value:
        width = self.channels(value)
        made: Any
        if self.chance(0.5):
            made = layers.MultiHeadAttention(2, max(1, width // 2))
            made(self._tensors[value.index], self._tensors[value.index])
            self._ready(made)
            return self.add_operation(lambda x: made(x, x), (value,), "other", "steps", layer=made)
        q, k, v = (self._ready(layers.Dense(width), value) for _ in range(3))

        def attend(x: Any) -> Any:
            likeness = ops.matmul(q(x), ops.transpose(k(x), (0, 2, 1))) / width**0.5
            return ops.matmul(ops.softmax(likeness, -1), v(x))

        return self.add_operation(attend, (value,), "other", "steps", inside=(q, k, v))

    def recurrent(self, value: Value, width: int) -> Value:
        made = self.one_of((layers.SimpleRNN, layers.LSTM, layers.GRU))(width, return_sequences=True)
        if self.chance(0.2):
            made = layers.Bidirectional(made)
        return self.layer(made, value, "other")

    def last_step(self, value: Value) -> Value:
        return self.function(lambda x: x[:, -1], (value,), "affine", "vector")

    def weighted_steps(self, value: Value) -> Value:
        """Attention over time: a softmax over the steps weighs them."""
        score = self._ready(layers.Dense(1), value)
        return self.add_operation(
            lambda x: ops.sum(ops.softmax(score(x), 1) * x, 1), (value,), "other", "vector", inside=(score,)
        )

    def embedding(self, ids: Value, tokens: int, width: int) -> tuple[Value, Any]:
        made = self._ready(layers.Embedding(tokens, width), ids)
        return self.add_operation(
            made, (ids,), "other", "steps" if len(ids.shape) > 1 else "vector", layer=made
        ), made

    def positions(self, value: Value) -> Value:
        """Add a learnt vector of each place."""
        made = layers.Embedding(value.shape[1], value.shape[2])
        made(np.arange(value.shape[1]))
        self._ready(made)
        length = value.shape[1]
        return self.add_operation(
            lambda x: x + made(ops.arange(length)), (value,), "affine", "steps", inside=(made,)
        )

    def tied(self, value: Value, embedding: Any) -> Value:
        """The likeness of a vector to each row of an embedding."""
        return self.function(
            lambda x: ops.matmul(x, ops.transpose(embedding.embeddings)), (value,), "affine", "vector"
        )

    # --- folds --------------------------------------------------------------------------------------------

    def folded(self, value: Value) -> tuple[Value, int]:
        """Fold the second axis, of time, into the batch: frame t of example n is row n T + t."""
        shape = value.shape[2:]
        return self.function(lambda x: ops.reshape(x, (-1, *shape)), (value,), "affine", "grid"), value.shape[
            1
        ]

    def unfolded(self, value: Value, frames: int) -> Value:
        """Give the vectors of folded frames as steps."""
        width = value.shape[-1]
        return self.function(lambda x: ops.reshape(x, (-1, frames, width)), (value,), "affine", "steps")

    def views(self, value: Value, stacked: bool) -> tuple[Value, int]:
        """Fold an input and its mirror image into the batch, all examples first or view by view."""
        axis, shape = len(value.shape) - 2, value.shape[1:]
        if stacked:
            return self.function(
                lambda x: ops.reshape(ops.stack([x, ops.flip(x, axis)], 1), (-1, *shape)),
                (value,),
                "affine",
                "grid",
            ), 2
        return self.function(
            lambda x: ops.concatenate([x, ops.flip(x, axis)], 0), (value,), "affine", "grid"
        ), 2

    def mean_of_views(self, value: Value, stacked: bool) -> Value:
        shape = value.shape[1:]
        if stacked:
            return self.function(lambda x: ops.mean(ops.reshape(x, (-1, 2, *shape)), 1), (value,), "affine")
        return self.function(lambda x: ops.mean(ops.reshape(x, (2, -1, *shape)), 0), (value,), "affine")

    def dependent(self, value: Value) -> Value:
        """Take the mean of the batch off."""
        return self.function(lambda x: x - ops.mean(x, 0, keepdims=True), (value,), "affine")

    # --- ends ---------------------------------------------------------------------------------------------

    def softmax(self, value: Value, log: bool, module: bool) -> Value:
        if module:
            made = layers.Activation("log_softmax") if log else layers.Softmax()
            return self.add_operation(made, (value,), "other", value.layout, layer=made)
        return self.function(ops.log_softmax if log else ops.softmax, (value,), "other")

    def sigmoid(self, value: Value, module: bool) -> Value:
        if module:
            return self.layer(layers.Activation("sigmoid"), value, "pointwise", activation="sigmoid")
        return self.function(ops.sigmoid, (value,), "pointwise", activation="sigmoid")

    def dense_with_end(self, value: Value, width: int, end: str) -> tuple[Value, Value]:
        made = self._ready(layers.Dense(width, activation=end), value)
        call = {"softmax": ops.softmax, "log_softmax": ops.log_softmax, "sigmoid": ops.sigmoid}[end]
        logits = self.function(lambda x: ops.matmul(x, made.kernel) + made.bias, (value,), "affine")
        output = self.add_operation(
            call,
            (logits,),
            "pointwise" if end == "sigmoid" else "other",
            value.layout,
            layer=made,
            as_written=made,
            activation="sigmoid" if end == "sigmoid" else "",
            read_as_written=(value,),
        )
        return output, logits

    def built(self, program: Program, form: str) -> Any:
        """Give the model, in one of the forms that people write."""
        given = [self._tensors[index] for index in range(program.n_inputs)]
        if form == "sequential" and self.chain and len(program.outputs) == 1:
            model = keras.Sequential([keras.Input(given[0].shape[1:], dtype=given[0].dtype.name)])
            for layer in self.layers.values():
                model.add(layer)
            return model
        if form in ("sequential", "functional", "dict"):
            symbols = [
                keras.Input(one.shape[1:], dtype=one.dtype.name, name=f"input{index}")
                for index, one in enumerate(given)
            ]
            found = program.model(symbols)
            if len(found) == 1:
                outputs: Any = found[0]
            else:
                outputs = (
                    {f"head{index}": one for index, one in enumerate(found)} if form == "dict" else found
                )
            return keras.Model(symbols if len(symbols) > 1 else symbols[0], outputs)
        model = _Net(self.layers, program, dtype=self.dtype)
        model(given if len(given) > 1 else given[0])
        return model


class _Net(keras.Model):
    """A subclassed model."""

    def __init__(self, parts: dict[str, Any], program: Program, **more: Any) -> None:
        super().__init__(**more)
        self.parts = list(parts.values())
        self._program = program

    def call(self, inputs: Any) -> Any:
        found = self._program.model(inputs if isinstance(inputs, list | tuple) else [inputs])
        return found[0] if len(found) == 1 else found


class KerasPasses:
    """Passes of a program by a gradient tape."""

    def __init__(self, program: Program, dtype: str) -> None:
        self.program, self.dtype = program, dtype

    def tensor(self, array: np.ndarray) -> Any:
        return tf.constant(array, self.dtype if array.dtype.kind == "f" else None)

    def results(
        self, inputs: Sequence[np.ndarray], replaced: dict[int, np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Give every result as an array."""
        moved = {index: self.tensor(array) for index, array in (replaced or {}).items()}
        return [np.asarray(one) for one in self.program.by_hand([self.tensor(one) for one in inputs], moved)]

    def gradients(
        self,
        inputs: Sequence[np.ndarray],
        replaced: dict[int, np.ndarray],
        to: Sequence[int],
        score: Callable[[list[Any]], Any],
        pointwise: Callable[[str, Any], Any] | None = None,
        gate: Callable[[Any], Any] | None = None,
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Give the scores and their gradients to some results, which may be replaced ones."""
        moved = {index: self.tensor(array) for index, array in replaced.items()}
        given = [self.tensor(one) for one in inputs]
        with tf.GradientTape() as tape:
            for one in (*moved.values(), *given):
                if one.dtype.is_floating:
                    tape.watch(one)
            values = self.program.by_hand(given, moved, pointwise, gate)
            scores = score(values)
            total = tf.reduce_sum(scores)
        ends = [values[index] for index in to]
        slopes = tape.gradient(total, ends, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return scores.numpy(), [np.asarray(tf.convert_to_tensor(one)) for one in slopes]

    softmax = staticmethod(lambda x, axis: tf.nn.softmax(x, axis))
    log_softmax = staticmethod(lambda x, axis: tf.nn.log_softmax(x, axis))
    sigmoid = staticmethod(tf.math.sigmoid)
    log_sigmoid = staticmethod(tf.math.log_sigmoid)
    log = staticmethod(tf.math.log)
    detach = staticmethod(tf.stop_gradient)
    functions = FUNCTIONS

    def picked(self, tensor: Any, indices: np.ndarray) -> Any:
        """Give one element of each row, by an index of shape (rows, axes)."""
        places = np.concatenate([np.arange(len(indices))[:, None], indices], axis=1)
        return tf.gather_nd(tensor, places)

    def where(self, condition: Any, one: Any, other: Any) -> Any:
        return tf.where(condition, one, other)

    def with_gradient(
        self, forward: Callable[[Any], Any], backward: Callable[[Any, Any], Any]
    ) -> Callable[[Any], Any]:
        """Give a function with a gradient of one's own: `backward` takes the operand and the incoming gradient."""

        @tf.custom_gradient
        def own(x: Any) -> Any:
            return forward(x), lambda incoming: backward(x, incoming)

        return own
