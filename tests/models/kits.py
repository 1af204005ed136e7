"""A kit a framework: models and operations under the same names, so that a test is written once for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def _weights_like(shapes: Sequence[tuple[int, ...]], seed: int) -> list[np.ndarray]:
    """Draw weights about as large as training leaves them, so that no activation saturates."""
    generator = np.random.default_rng(seed)
    return [generator.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:]))) for shape in shapes]


class TorchKit:
    """Models and operations of PyTorch under the names that the tests use."""

    name = "torch"
    engine = "captum"

    def __init__(self) -> None:
        import torch

        self.torch = torch

    def tensor(self, array: Any) -> Any:
        return self.torch.tensor(np.asarray(array))

    def function(self, call: Callable[..., Any], dtype: str = "float32") -> Any:
        """A module without weights whose forward is `call`."""

        class Function(self.torch.nn.Module):
            def forward(self, x: Any, **keywords: Any) -> Any:
                return call(x, **keywords)

        return Function()

    def dense(
        self,
        layers: Sequence[tuple[Any, Any]],
        between: str | None = None,
        last: Any = None,
        dtype: str = "float32",
    ) -> Any:
        """Affine layers (weights of shape (in, out), bias), with activations between and after them."""
        nn, torch = self.torch.nn, self.torch
        parts: list[Any] = []
        for index, (weight, bias) in enumerate(layers):
            layer = nn.Linear(*weight.shape, dtype=getattr(torch, dtype))
            with torch.no_grad():
                layer.weight.copy_(self.tensor(weight.T))
                layer.bias.copy_(self.tensor(bias))
            parts.append(layer)
            if index < len(layers) - 1 and between:
                parts.append({"tanh": nn.Tanh, "relu": nn.ReLU}[between]())
        if last is not None:
            parts.append(
                {
                    "softmax": nn.Softmax(dim=-1),
                    "log_softmax": nn.LogSoftmax(dim=-1),
                    "sigmoid": nn.Sigmoid(),
                }[last]
            )
        return nn.Sequential(*parts)

    def randomised(self, model: Any, seed: int = 0) -> Any:
        """Give the model weights drawn in NumPy."""
        parameters = list(model.parameters())
        drawn = _weights_like([tuple(one.shape) for one in parameters], seed)
        with self.torch.no_grad():
            for parameter, values in zip(parameters, drawn, strict=True):
                parameter.copy_(self.torch.tensor(values))
        return model

    def picture_shape(self, channels: int, height: int, width: int) -> tuple[int, ...]:
        return channels, height, width

    def cnn(
        self, channels: int = 1, side: tuple[int, int] = (8, 8), classes: int = 3, dtype: str = "float32"
    ) -> Any:
        nn = self.torch.nn
        model = nn.Sequential(
            nn.Conv2d(channels, 4, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * ((side[0] - 2) // 2) * ((side[1] - 2) // 2), classes),
        )
        return self.randomised(model.to(getattr(self.torch, dtype)))

    def sum(self, x: Any, axis: Any = None) -> Any:
        return x.sum(dim=axis)

    def stack(self, parts: Sequence[Any], axis: int) -> Any:
        return self.torch.stack(list(parts), dim=axis)

    def relu(self, x: Any) -> Any:
        return self.torch.relu(x)

    def tanh(self, x: Any) -> Any:
        return self.torch.tanh(x)

    def exp(self, x: Any) -> Any:
        return self.torch.exp(x)

    def softmax(self, x: Any) -> Any:
        return self.torch.softmax(x, dim=-1)

    def log_softmax(self, x: Any) -> Any:
        return self.torch.log_softmax(x, dim=-1)

    def sigmoid(self, x: Any) -> Any:
        return self.torch.sigmoid(x)

    def argmax(self, x: Any) -> Any:
        return self.torch.argmax(x, dim=-1).to(self.torch.float32)

    def detached(self, x: Any) -> Any:
        return x.detach()

    def matmul(self, x: Any, weight: Any) -> Any:
        return x @ self.tensor(weight).to(x.dtype)


class TensorFlowKit:
    """The same for Keras on TensorFlow."""

    name = "tensorflow"
    engine = "tf-explain"

    def __init__(self) -> None:
        import keras
        import tensorflow as tf

        self.keras, self.tf = keras, tf

    def tensor(self, array: Any) -> Any:
        return self.tf.constant(np.asarray(array))

    def function(self, call: Callable[..., Any], dtype: str = "float32") -> Any:
        """A subclassed model without weights whose call is `call`."""

        class Function(self.keras.Model):
            def call(self, x: Any, **keywords: Any) -> Any:
                keywords.pop("training", None)
                return call(x, **keywords)

        model = Function(dtype=dtype)
        model.built = True
        return model

    def dense(
        self,
        layers: Sequence[tuple[Any, Any]],
        between: str | None = None,
        last: Any = None,
        dtype: str = "float32",
    ) -> Any:
        """Affine layers (weights of shape (in, out), bias), with activations between and after them."""
        keras = self.keras
        model = keras.Sequential([keras.Input((layers[0][0].shape[0],), dtype=dtype)])
        for index, (weight, _) in enumerate(layers):
            activation = between if index < len(layers) - 1 else last
            model.add(keras.layers.Dense(weight.shape[1], activation=activation, dtype=dtype))
        model.set_weights([array for pair in layers for array in pair])
        return model

    def randomised(self, model: Any, seed: int = 0) -> Any:
        """Give the model weights drawn in NumPy."""
        variables = model.trainable_variables
        # Keras keeps the fan-out last, so that the transposed shape has about the scale that is meant.
        drawn = _weights_like([tuple(reversed(one.shape)) for one in variables], seed)
        for variable, values in zip(variables, drawn, strict=True):
            variable.assign(values.transpose())
        return model

    def picture_shape(self, channels: int, height: int, width: int) -> tuple[int, ...]:
        return height, width, channels

    def cnn(
        self, channels: int = 1, side: tuple[int, int] = (8, 8), classes: int = 3, dtype: str = "float32"
    ) -> Any:
        layers = self.keras.layers
        model = self.keras.Sequential(
            [
                self.keras.Input((*side, channels), dtype=dtype),
                layers.Conv2D(4, 3, activation="relu", dtype=dtype),
                layers.MaxPooling2D(2, dtype=dtype),
                layers.Flatten(dtype=dtype),
                layers.Dense(classes, dtype=dtype),
            ]
        )
        return self.randomised(model)

    def sum(self, x: Any, axis: Any = None) -> Any:
        return self.tf.reduce_sum(x, axis=axis)

    def stack(self, parts: Sequence[Any], axis: int) -> Any:
        return self.tf.stack(list(parts), axis=axis)

    def relu(self, x: Any) -> Any:
        return self.tf.nn.relu(x)

    def tanh(self, x: Any) -> Any:
        return self.tf.math.tanh(x)

    def exp(self, x: Any) -> Any:
        return self.tf.math.exp(x)

    def softmax(self, x: Any) -> Any:
        return self.tf.nn.softmax(x)

    def log_softmax(self, x: Any) -> Any:
        return self.tf.nn.log_softmax(x)

    def sigmoid(self, x: Any) -> Any:
        return self.tf.math.sigmoid(x)

    def argmax(self, x: Any) -> Any:
        return self.tf.cast(self.tf.argmax(x, axis=-1), self.tf.float32)

    def detached(self, x: Any) -> Any:
        return self.tf.stop_gradient(x)

    def matmul(self, x: Any, weight: Any) -> Any:
        return x @ self.tf.constant(weight, x.dtype)
