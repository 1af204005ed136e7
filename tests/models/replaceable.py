"""A network whose parts can be replaced one by one, and its port to Keras."""

from __future__ import annotations

import keras
import torch
from torch import nn

import explain

layers = keras.layers


def network(activation: nn.Module | None = None, pool: nn.Module | None = None, width: int = 8) -> nn.Module:
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        activation or nn.ReLU(),
        pool or nn.MaxPool2d(2),
        nn.Conv2d(4, width, 2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * width, 5),
    ).eval()
    with torch.no_grad():
        model[1].running_mean.normal_()
        model[1].running_var.uniform_(0.5, 2)
    return model


def twin(epsilon: float = 1e-5, end: str | None = None, pool: keras.Layer | None = None) -> keras.Model:
    """The same in Keras, without its weights."""
    return keras.Sequential(
        [
            keras.Input((8, 6, 3)),
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNormalization(epsilon=epsilon),
            layers.ReLU(),
            pool or layers.MaxPool2D(2),
            layers.Conv2D(8, 2, activation="relu"),
            layers.Flatten(),
            layers.Dense(5),
            *([layers.Activation(end)] if end else []),
        ]
    )


def ported(**how: object) -> tuple[nn.Module, keras.Model]:
    a = network()
    b = twin()
    explain.port(a, b)
    if not how:
        return a, b
    changed = twin(**how)
    changed.set_weights(b.get_weights())
    return a, changed
