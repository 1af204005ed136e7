"""Small models and inputs that provoke a message, the same in both frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np

WEIGHT = np.array([[1.0, -2.0, 0.5], [0.5, 1.0, -1.0], [2.0, 0.3, 0.7], [-1.0, 1.5, 0.2]], np.float32)
TABLE = np.array([[1.0, -0.5, 0.3, 2.0], [0.2, 1.0, -1.0, 0.4]], np.float32)
SERIES = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
IDS = np.array([[1, 2, 3, 4], [4, 0, 2, 1]])


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


def lstm(kit: Any) -> Any:
    """Classifies series by the last state of a layer ``lstm``, not by its sequence; the layer after it is ``out``."""
    if kit.name == "torch":
        nn = kit.torch.nn

        class Recurrent(nn.Module):
            def __init__(self):
                super().__init__()
                self.lstm, self.out = nn.LSTM(4, 3, batch_first=True), nn.Linear(3, 2)

            def forward(self, x):
                _, (state, _) = self.lstm(x)
                return self.out(state[-1])

        return kit.randomised(Recurrent())
    layers = kit.keras.layers

    class Recurrent(kit.keras.Model):
        def __init__(self):
            super().__init__()
            self.lstm = layers.LSTM(3, return_sequences=True, return_state=True, name="lstm")
            self.out = layers.Dense(2, name="out")

        def call(self, x):
            _, state, _ = self.lstm(x)
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
