"""Networks for pictures that differ in how they flatten what their convolutions give."""

from __future__ import annotations

import torch
from torch import nn


class Mnist(nn.Module):
    """PyTorch's classic example, but smaller: it flattens with a view, as countless tutorials do."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(channels, 4, 3), nn.Conv2d(4, 5, 3)
        self.pools = nn.ModuleList([nn.MaxPool2d(2), nn.MaxPool2d(2)])
        self.relus = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.ReLU()])
        self.dropout = nn.Dropout2d()
        self.hidden, self.head = nn.Linear(5 * 2 * 1, 8), nn.Linear(8, 3)

    def flat(self, features: torch.Tensor) -> torch.Tensor:
        return features.view(-1, self.hidden.in_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.first(x))

    def after(self, units: torch.Tensor) -> torch.Tensor:
        x = self.relus[0](self.pools[0](units))
        x = self.relus[1](self.pools[1](self.dropout(self.second(x))))
        return self.head(self.relus[2](self.hidden(self.flat(x))))


class Reshaping(Mnist):
    """The same with what flattens features in any order."""

    def flat(self, features: torch.Tensor) -> torch.Tensor:
        return features.reshape(-1, self.hidden.in_features)


class Unflattening(Mnist):
    """The same for pictures that are given as rows: what it makes of them is contiguous."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.view(-1, self.first.in_channels, 15, 13))


class TakesView(nn.Module):
    """The tutorial's way to flatten, which refuses features that are not in order."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4 * 6 * 6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.convolution(x)).view(len(x), -1))
