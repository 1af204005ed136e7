"""A residual network of 18 layers, a typical size of users' models."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut around them.

    Parameters
    ----------
    inward, outward : int
        Numbers of input and output channels.
    stride : int
        The stride of the first convolution.
    """

    def __init__(self, inward: int, outward: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inward, outward, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outward)
        self.conv2 = nn.Conv2d(outward, outward, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outward)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inward != outward:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inward, outward, 1, stride, bias=False), nn.BatchNorm2d(outward)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Give (N, outward, H', W') features."""
        features = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(features)) + self.shortcut(x))


class ResidualNetwork(nn.Module):
    """Stem, four stages of two blocks each, mean over space, one dense layer: (N, 3, H, W) to logits."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        channels = (64, 64, 128, 256, 512)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(channels[stage] if first else channels[stage + 1], channels[stage + 1], stride)
                for stage in range(4)
                for first, stride in ((True, 1 if stage == 0 else 2), (False, 1))
            )
        )
        self.fc = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of (N, 3, H, W) pictures."""
        return self.after_stem(self.bn1(self.conv1(x)))

    def after_stem(self, features: Tensor) -> Tensor:
        """Give the logits from the stem's affine output, before its first ReLU."""
        pooled = self.pool(torch.relu(features))
        logits: Tensor = self.fc(self.blocks(pooled).mean((2, 3)))
        return logits


def resnet18(classes: int) -> nn.Module:
    """Build the network with random weights, and with batch statistics estimated on random pictures.

    Returns
    -------
    torch.nn.Module
        The network: 11.7 million parameters for a thousand classes, drawn from PyTorch's random state.

    Examples
    --------
    >>> resnet18(1000).eval()(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 1000])
    """
    model = ResidualNetwork(classes)
    with torch.no_grad():
        for _ in range(20):
            model(torch.randn(8, 3, 64, 64))
    return model
