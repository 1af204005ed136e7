"""Networks whose own code brings several ways together, in no layer, in both frameworks."""

from __future__ import annotations

import keras
import tensorflow as tf
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional

SIZE = (8, 12)
"""Height and width of the pictures that all of these networks take, with three channels."""


class Joined(nn.Module):
    """Two convolutions whose outputs `join` brings together; `seen` keeps what the head reads."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 3, padding=1)
        self.left, self.right = nn.Conv2d(5, 5, 1), nn.Conv2d(5, 5, 3, padding=1)
        self.head = nn.Linear(width, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        self.seen = self.join(self.left(x), self.right(x), x)
        return self.head(self.seen.mean((2, 3)))

    def join(self, left: torch.Tensor, right: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class Concatenated(Joined):
    def __init__(self) -> None:
        super().__init__(width=10)

    def join(self, left, right, x):
        return torch.cat([left, right], dim=1)


class ConcatenatedWithRelu(Concatenated):
    def join(self, left, right, x):
        return functional.relu(torch.cat([left, right], dim=1))


class Residual(Joined):
    def join(self, left, right, x):
        return x + right


class ResidualInPlace(Joined):
    def join(self, left, right, x):
        right += x
        return functional.relu(right, inplace=True)


class Gated(Joined):
    def join(self, left, right, x):
        return torch.sigmoid(left) * right


class Repeated(Joined):
    def join(self, left, right, x):
        for layer in (self.left, self.right, self.left):
            x = x + layer(x).tanh()
        return x


class FromTheInput(nn.Module):
    """Both ways start at the picture: no layer is before them."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 3, 3, padding=1), nn.Linear(7, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = torch.cat([self.left(x).relu(), self.right(x).relu()], dim=1)
        return self.head(self.seen.mean((2, 3)))


class Chain(nn.Module):
    """One way: functions after the convolution do not make another layer the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 5, 3, padding=1), nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = self.conv(x)
        return self.head(functional.relu(self.seen).mean((2, 3)))


class Neighbours(nn.Module):
    """Two ways that meet inside a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.right = nn.Conv2d(5, 5, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.right(x)


class PartsInALayer(nn.Module):
    """One place is read of a layer in which ways meet; the sum in front of it is on the one way there."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.head = nn.Conv2d(3, 5, 3, padding=1), Neighbours(), nn.Linear(5, 4)
        self.positions = nn.Parameter(torch.randn(5, *SIZE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = self.stem(x)
        return self.head(self.block(self.seen + self.positions)[:, :, 3, 4])


class Levels(nn.Module):
    """Class 1 reads the first map only: what other classes read is no part of its way."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fine = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 5, 3, padding=1)
        self.coarse = nn.Conv2d(5, 5, 3, stride=2)
        self.heads = nn.ModuleList([nn.Linear(5, 2), nn.Linear(5, 2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        self.seen = self.fine(x)
        coarse = self.coarse(x)
        maps = zip(self.heads, (self.seen, coarse), strict=True)
        return torch.cat([head(functional.relu(one).mean((2, 3))) for head, one in maps], dim=1)


class Wrapped(nn.Module):
    """Another network as a part, with a residual sum in its code."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Residual()

    @property
    def seen(self) -> torch.Tensor:
        return self.net.seen

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * self.net(x)


def keras_joined(join: str) -> tuple[keras.Model, keras.Model]:
    """A functional model whose ways an operation joins, and the same with what its head reads as a second output."""
    x = keras.Input((*SIZE, 3))
    stem = layers.Conv2D(5, 3, padding="same", activation="relu", name="stem")(x)
    left, right = (
        layers.Conv2D(5, 1, name="left")(stem),
        layers.Conv2D(5, 3, padding="same", name="right")(stem),
    )
    seen = {
        "sum": lambda: left + right,
        "relu": lambda: ops.relu(left + right),
        "concatenation": lambda: ops.concatenate([left, right], axis=-1),
        "residual": lambda: stem + right,
        "gate": lambda: ops.sigmoid(left) * right,
    }[join]()
    scores = layers.Dense(4, name="head")(layers.GlobalAveragePooling2D()(seen))
    return keras.Model(x, scores), keras.Model(x, [seen, scores])


class KerasConcatenated(keras.Model):
    """Joins its ways by TensorFlow's own functions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = layers.Conv2D(5, 3, padding="same", activation="relu")
        self.left, self.right = layers.Conv2D(5, 1), layers.Conv2D(5, 3, padding="same")
        self.head = layers.Dense(4)

    def seen(self, x):
        x = self.stem(x)
        return tf.concat([self.left(x), self.right(x)], axis=-1)

    def from_seen(self, seen):
        return self.head(tf.reduce_mean(seen, axis=[1, 2]))

    def call(self, x):
        return self.from_seen(self.seen(x))


class KerasResidual(KerasConcatenated):
    def seen(self, x):
        x = self.stem(x)
        for layer in (self.left, self.right):
            x = x + tf.nn.relu(layer(x))
        return x


class Turns(nn.Module):
    """Pictures that the stem makes bright go through the last layer, dark ones past it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.last = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 5, 1)
        self.head = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        bright = x.mean((1, 2, 3), keepdim=True) > 0
        return self.head(torch.where(bright, self.last(x), x).mean((2, 3)))
