"""Convolutional networks that several tests explain."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch's tutorial has it
from torch import nn


class TutorialNet(nn.Module):
    """PyTorch's own tutorial, "Training a classifier", as it is written there."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x  # noqa: RET504 - as it is written there


def tutorial_in_modules(net: TutorialNet) -> nn.Sequential:
    """The same network with the same layers, every activation and pool a module of its own."""
    return nn.Sequential(
        net.conv1, nn.ReLU(), nn.MaxPool2d(2, 2), net.conv2, nn.ReLU(), nn.MaxPool2d(2, 2), nn.Flatten(),
        net.fc1, nn.ReLU(), net.fc2, nn.ReLU(), net.fc3,
    )  # fmt: skip


class Skipping(nn.Module):
    """Pictures through a stem and two blocks; one ReLU serves twice, and a skip goes past the second block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 4, 3, padding=1))
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(4 * 9, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.act(self.stem(x))
        return self.head(self.pool(self.act(self.body(first) + first)).flatten(1))


class Chain(nn.Module):
    """Layers one after the other, each called once and none past another, as Captum's backward rules need them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.relu = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU()
        self.conv, self.tanh, self.pool = nn.Conv2d(4, 4, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2)
        self.fc, self.last, self.head = nn.Linear(36, 5), nn.ReLU(), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.tanh(self.conv(self.relu(self.stem(x)))))
        return self.head(self.last(self.fc(x.flatten(1))))


class Branches(nn.Module):
    """Two equal convolutions side by side, called in one order or the other."""

    def __init__(self, *, turned: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Linear(8, 2)
        self.turned = turned

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.turned:
            right = self.right(x)
            left = self.left(x)
        else:
            left = self.left(x)
            right = self.right(x)
        return self.head(torch.cat([torch.relu(left).mean((2, 3)), torch.tanh(right).mean((2, 3))], 1))


def two_convolutions() -> nn.Module:
    """Pictures (3, 10, 10) through two convolutions and a pool to five classes."""
    return nn.Sequential(
        nn.Conv2d(3, 5, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24, 5),
    )


def globally_pooled() -> nn.Module:
    """Pictures (2, height, width) of any size through two convolutions and a mean over places to four classes."""
    return nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 7, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(7, 4),
    )


class PerPosition(nn.Module):
    """An output of rank 3: a class score at every position."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(4, 6, 3, padding=1), nn.Tanh(), nn.Conv1d(6, 5, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def keras_nested(keras: Any) -> Any:
    """A Sequential around a functional model that stands for a pretrained one, its layers' names their own."""
    keras.utils.set_random_seed(0)
    kind = {"dtype": "float64"}
    entry = keras.Input((6, 6, 2), **kind)
    inner = keras.layers.Conv2D(4, 3, activation="relu", name="inner_conv", **kind)(entry)
    backbone = keras.Model(entry, keras.layers.Conv2D(3, 3, name="last_conv", **kind)(inner), name="backbone")
    return keras.Sequential(
        [
            keras.Input((6, 6, 2), **kind),
            backbone,
            keras.layers.Flatten(**kind),
            keras.layers.Dense(3, name="head", **kind),
        ]
    )
