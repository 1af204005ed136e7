"""Small models and inputs that provoke a message, the same in both frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np

import explain

TORCH, TENSORFLOW = ("torch",), ("tensorflow",)

WEIGHT = np.array([[1.0, -2.0, 0.5], [0.5, 1.0, -1.0], [2.0, 0.3, 0.7], [-1.0, 1.5, 0.2]], np.float32)
TABLE = np.array([[1.0, -0.5, 0.3, 2.0], [0.2, 1.0, -1.0, 0.4]], np.float32)
SERIES = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
IDS = np.array([[1, 2, 3, 4], [4, 0, 2, 1]])


def attribute(model: Any, x: Any = TABLE, method: str = "saliency", **arguments: Any) -> Any:
    """Explain the first class by saliency, unless told otherwise."""
    return explain.attribute(model, x, method, **{"target": 0, **arguments})


def picture(kit: Any, channels: int = 1) -> np.ndarray:
    """Pictures that `kit.cnn` takes, shape (2, 1, 8, 8) or (2, 8, 8, 1)."""
    shape = (2, *kit.picture_shape(channels, 8, 8))
    return np.random.default_rng(1).uniform(size=shape).astype(np.float32)


def linear(kit: Any) -> Any:
    """Four features to three classes."""
    return kit.dense([(WEIGHT, np.zeros(3, np.float32))])


def perceptron(kit: Any, last: str | None = None) -> Any:
    """Four features to three classes, through a ReLU."""
    return kit.dense([(WEIGHT, np.zeros(3)), (WEIGHT[:3], np.zeros(3))], "relu", last)


def recurrent(kit: Any) -> Any:
    """Classifies series by the last state of a layer ``rnn``, not by its sequence; the layer after it is ``out``."""
    if kit.name == "torch":
        nn = kit.torch.nn

        class Recurrent(nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn, self.out = nn.RNN(4, 3, batch_first=True), nn.Linear(3, 2)

            def forward(self, x):
                _, state = self.rnn(x)
                return self.out(state[-1])

        return kit.randomised(Recurrent())
    layers = kit.keras.layers

    class Recurrent(kit.keras.Model):
        def __init__(self):
            super().__init__()
            self.rnn = layers.SimpleRNN(3, return_sequences=True, return_state=True, name="rnn")
            self.out = layers.Dense(2, name="out")

        def call(self, x):
            _, state = self.rnn(x)
            return self.out(state)

    model = Recurrent()
    model(SERIES)
    return kit.randomised(model)


def module(kit: Any, forward: Any, **parts: Any) -> Any:
    """A model with parts, whose forward is `forward(self, *inputs)`; without `forward` it defines none."""
    if kit.name == "torch":

        class Module(kit.torch.nn.Module):
            pass

        if forward is not None:
            Module.forward = forward
        model = Module()
    else:

        class Module(kit.keras.Model):
            pass

        if forward is not None:
            Module.call = forward
        model = Module()
        model.built = forward is not None
    for name, part in parts.items():
        setattr(model, name, part)
    return model


def embedded(kit: Any) -> Any:
    """Classifies four token ids by the mean of their vectors, through a ReLU."""
    if kit.name == "torch":
        nn = kit.torch.nn

        class Embedded(nn.Module):
            def __init__(self):
                super().__init__()
                self.embedding, self.hidden, self.out = nn.Embedding(6, 4), nn.Linear(4, 3), nn.Linear(3, 2)

            def forward(self, ids):
                return self.out(kit.relu(self.hidden(self.embedding(ids).mean(1))))

        return kit.randomised(Embedded())
    layers = kit.keras.layers
    model = kit.keras.Sequential(
        [
            kit.keras.Input((4,), dtype="int64"),
            layers.Embedding(6, 4),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, "relu"),
            layers.Dense(2),
        ]
    )
    return kit.randomised(model)


def added(kit: Any) -> Any:
    """A model of two inputs, of which it adds the logits."""
    return module(
        kit, lambda self, a, b: self.first(a) + self.second(b), first=linear(kit), second=linear(kit)
    )


def summed(kit: Any) -> Any:
    """A model without layers: the sum of an example's values."""
    return kit.function(lambda x: kit.sum(x, 1))
