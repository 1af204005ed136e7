"""Networks for the backward rules: as Captum needs them, and the same as they are commonly written.

Captum's hooks need every activation to be a module of its own. Of each network there are two more forms, with the same
weights: one whose modules serve several times, one of functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch's documentation has it
from torch import nn


def settled(kind: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A model in float64 and inference mode, its norms with statistics as training leaves them."""
    torch.manual_seed(seed)
    model = kind().double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    return model


def with_weights_of(model: nn.Module, kind: Callable[[], nn.Module]) -> nn.Module:
    """Another form of a model, with its weights."""
    other = kind().double().eval()
    other.load_state_dict(model.state_dict())
    return other


class Copy(nn.Module):
    """Keeps two modules apart that Captum hooks: of both hooks on one tensor the earlier does not see the later's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clone()


def apart(layers: Iterable[nn.Module]) -> nn.Sequential:
    """Give the same layers with each ReLU kept apart from what follows."""
    return nn.Sequential(
        *(one for layer in layers for one in ([layer, Copy()] if isinstance(layer, nn.ReLU) else [layer]))
    ).eval()


class Residual(nn.Module):
    """A residual network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.pool1, self.pool2 = nn.MaxPool2d(2), nn.AvgPool2d(2)
        self.fc1, self.fc2 = nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.relu1(self.norm(self.conv1(x))))
        x = self.pool2(self.relu2(self.conv2(x) + x))
        return self.fc2(self.relu3(self.fc1(x.flatten(1))))


class ResidualReused(Residual):
    """The same with one ReLU called three times."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.relu1(self.norm(self.conv1(x))))
        x = self.pool2(self.relu1(self.conv2(x) + x))
        return self.fc2(self.relu1(self.fc1(x.flatten(1))))


class ResidualFunctional(Residual):
    """The same with functions, one in place, one a clamp, one a method."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x)), inplace=True), 2)
        x = F.avg_pool2d((self.conv2(x) + x).clamp(min=0), 2)
        return self.fc2(self.fc1(x.flatten(1)).relu_())


class ManyActivations(nn.Module):
    """A residual network of several activations, in which no module that Captum hooks follows another."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.relu1, self.relu2, self.tanh, self.elu = nn.ReLU(), nn.ReLU(), nn.Tanh(), nn.ELU()
        self.pool1, self.pool2, self.copy = nn.MaxPool2d(2), nn.MaxPool2d(2), Copy()
        self.fc1, self.fc2, self.fc3 = nn.Linear(16, 8), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.copy(self.pool1(self.norm(self.conv1(x)))))
        x = self.pool2(self.copy(self.relu2(self.conv2(x) + x)))
        return self.fc3(self.elu(self.fc2(self.tanh(self.fc1(x.flatten(1))))))


class ManyActivationsReused(ManyActivations):
    """The same with one ReLU and one pool called twice."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.pool1(self.norm(self.conv1(x))))
        x = self.pool1(self.relu1(self.conv2(x) + x))
        return self.fc3(self.elu(self.fc2(self.tanh(self.fc1(x.flatten(1))))))


class ManyActivationsFunctional(ManyActivations):
    """The same with functions, some of them in place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(self.norm(self.conv1(x)), 2).clamp(min=0)
        x = F.max_pool2d(F.relu(self.conv2(x) + x, inplace=True), 2)
        return self.fc3(F.elu_(self.fc2(self.fc1(x.flatten(1)).tanh_())))


class Grouped(nn.Module):
    """A plain network with a grouped convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.pool1, self.pool2 = nn.MaxPool2d(2), nn.AvgPool2d(2)
        self.fc1, self.fc2 = nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.relu1(self.norm(self.conv1(x))))
        x = self.pool2(self.relu2(self.conv2(x)))
        return self.fc2(self.relu3(self.fc1(x.flatten(1))))


class GroupedReused(Grouped):
    """The same with one ReLU called three times."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.relu1(self.norm(self.conv1(x))))
        x = self.pool2(self.relu1(self.conv2(x)))
        return self.fc2(self.relu1(self.fc1(x.flatten(1))))


class GroupedFunctional(Grouped):
    """The same with functions, some in place, a dense layer and a convolution whose bias is added by hand."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x)), inplace=True), 2)
        convolved = F.conv2d(x, self.conv2.weight, padding=1, groups=2)
        x = F.avg_pool2d((convolved + self.conv2.bias[:, None, None]).clamp(min=0), 2)
        return self.fc2((x.flatten(1) @ self.fc1.weight.T + self.fc1.bias).relu_())


def rectified_rows() -> nn.Sequential:
    """A perceptron of ReLUs."""
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 3))


def rows_of_many_activations() -> nn.Sequential:
    """A perceptron with another activation after each layer."""
    return nn.Sequential(
        nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.Sigmoid(), nn.Linear(6, 6), nn.LeakyReLU(0.1),
        nn.Linear(6, 6), nn.Softplus(), nn.Linear(6, 3),
    )  # fmt: skip


def in_place_on_a_view() -> nn.Module:
    """Its ReLU changes a view in place, so that autograd does not show it: backward rules refuse it."""
    return nn.Sequential(nn.Conv1d(2, 3, 1), nn.Flatten(), nn.ReLU(inplace=True), nn.Linear(12, 2)).double()


def without_a_rule(kit: Any) -> Any:
    """A cumulative product, for which there is no rule."""
    product = (lambda x: x.cumprod(1)) if kit.name == "torch" else (lambda x: kit.tf.math.cumprod(x, 1))
    return kit.function(product, dtype="float64")
