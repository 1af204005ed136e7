"""Networks with an affine prefix, and networks that seem to have one and must be run whole."""

from __future__ import annotations

import keras
import torch
from torch import nn


def settled_norm(channels):
    norm = nn.BatchNorm2d(channels)
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    return norm


class Normalising(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 3, 3)
        self.head = nn.Linear(3 * 36, 4)

    def forward(self, x):
        return self.head(torch.relu(self.convolution((x - 0.1) / 0.7)).flatten(1))


class LooksAtPictures(Normalising):
    def forward(self, x):
        return super().forward(x) * (x.mean(dim=(1, 2, 3)) > 0)[:, None]


def skipping_models():
    return {
        "convolution": nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)),
        "in place": nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(108, 4)),
        "batch norm": nn.Sequential(
            nn.Conv2d(2, 3, 3), settled_norm(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4)
        ),
        "normalising": Normalising(),
        "dense": nn.Sequential(nn.Flatten(), nn.Linear(128, 9), nn.Tanh(), nn.Linear(9, 4)),
        "linear throughout": nn.Sequential(nn.Flatten(), nn.Linear(128, 9), nn.Linear(9, 4)),
    }


class Around(nn.Module):
    """The input goes round the first layer."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(6, 6), nn.Linear(6, 4)

    def forward(self, x):
        return self.head(torch.relu(self.first(x)) * x)


class Twice(Around):
    def forward(self, x):
        return self.head(torch.relu(self.first(torch.relu(self.first(x)))))


class Gated(Around):
    """What comes before the layer is a ReLU in disguise: autograd sees a product by a constant."""

    def forward(self, x):
        return self.head(torch.tanh(self.first(x * (x > 0))))


class Squared(Around):
    def forward(self, x):
        return self.head(torch.tanh(self.first(x * x)))


class Branching(Around):
    """Another way for some inputs, chosen by Python."""

    def forward(self, x):
        if len(x) > 1 or float(x.detach().mean()) > 0:
            return self.head(torch.tanh(self.first(x)))
        return self.head(torch.tanh(x))


class Looking(Around):
    """Looks at its input besides, without a gradient."""

    def forward(self, x):
        return self.head(torch.relu(self.first(x)) * (x[:, :1] > 0.2))


class LooksAtLargeBatches(Around):
    """Looks at its input besides, in large batches only."""

    def forward(self, x):
        features = torch.relu(self.first(x))
        return self.head(features * (x[:, :1] > 0.2)) if len(x) > 4 else self.head(features)


class Counting(Around):
    """Looks at its input through NumPy."""

    def forward(self, x):
        large = torch.from_numpy((x.detach().numpy()[:, :1] > 0.2).astype(float))
        return self.head(torch.relu(self.first(x)) * large)


class NormFirst(nn.Module):
    """Its statistics belong to the graph that the sums go back through."""

    def __init__(self):
        super().__init__()
        self.norm, self.first, self.head = nn.BatchNorm1d(6), nn.Linear(6, 6), nn.Linear(6, 4)
        self.norm.running_mean.uniform_(-1, 1)

    def forward(self, x):
        return self.head(torch.relu(self.first(self.norm(x))))


class Numbers(Around):
    """Takes a number to Python and back."""

    def forward(self, x):
        sizes = torch.tensor([abs(row[0].item()) + 1 for row in x], dtype=x.dtype)
        return self.head(torch.tanh(self.first(x * sizes[:, None])))


class OwnWeights(Around):
    def forward(self, x):
        weights = self.first.weight * x[:, :1, None]
        return self.head(torch.tanh((x[:, None] @ weights)[:, 0]))


class TrainedNorm(nn.Module):
    """Leaves batch normalisation in training mode by itself: its statistics follow the input."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(6, 6), nn.Linear(6, 4)

    def forward(self, x):
        mean = self.first(x).mean(dim=1, keepdim=True)
        return self.head(torch.tanh(self.first(x) - mean.abs()))


class LooksNowAndThen(Around):
    """Looks at its input where something else that goes with an example says so."""

    def forward(self, x, look):
        features = torch.relu(self.first(x))
        plain = self.head(features)
        if not look.any():
            return plain
        looking = self.head(torch.relu(features + x.mean(dim=1, keepdim=True)))
        return torch.where(look[:, None] > 0, looking, plain)


class GatedByChoice(Around):
    """A ReLU as ``torch.where``: autograd does not see what the choice depends on."""

    def forward(self, x):
        return self.head(torch.tanh(self.first(torch.where(x > 0, x, torch.zeros_like(x)))))


class TwoLayers(Around):
    def __init__(self):
        super().__init__()
        self.second = nn.Linear(6, 6)


class LooksBack(TwoLayers):
    """A factor that autograd does not see, from a layer in the middle of the prefix; one for small inputs."""

    def forward(self, x):
        hidden = self.first(x)
        large = hidden.detach().abs().amax(dim=1, keepdim=True) > 3
        return self.head(torch.tanh(self.second(hidden))) * (1 + large)


class ChoosesByHidden(TwoLayers):
    """The same factor chosen by Python, for inputs taken one at a time."""

    def forward(self, x):
        hidden = self.first(x)
        factor = 2 if float(hidden.detach().abs().max()) > 3 else 1
        return self.head(torch.tanh(self.second(hidden))) * factor


class ChecksItself(TwoLayers):
    def forward(self, x):
        hidden = self.first(x)
        assert float(hidden.detach().std()) > 0
        return self.head(torch.tanh(self.second(hidden)))


class AddsInPlace(TwoLayers):
    def forward(self, x):
        hidden = self.first(x)
        hidden += 1
        return self.head(torch.relu_(self.second(hidden)))


def keras_skipping_models():
    layers = keras.layers
    kind = {"dtype": "float64"}
    norm = layers.BatchNormalization(**kind)
    models = {
        "fused": [layers.Conv2D(3, 3, activation="relu", **kind)],
        "plain": [layers.Conv2D(3, 3, **kind), layers.ReLU(**kind)],
        "batch norm": [layers.Conv2D(3, 3, **kind), norm, layers.Activation("tanh", **kind)],
        "rescaling": [layers.Rescaling(0.5, 0.1, **kind), layers.Conv2D(3, 3, activation="relu", **kind)],
        "normalised": [
            layers.Normalization(mean=[0.1, -0.2], variance=[0.5, 2.0], **kind),
            layers.Conv2D(3, 3, activation="relu", **kind),
        ],
        "noise": [
            layers.GaussianNoise(1.0, **kind),
            layers.Conv2D(3, 3, activation="relu", **kind),
            layers.Dropout(0.5, **kind),
        ],
        "depthwise": [layers.DepthwiseConv2D(3, activation="gelu", **kind)],
        "separate": [layers.Conv2D(3, 3, activation="relu", **kind), layers.MaxPooling2D(**kind)],
    }
    return {
        name: keras.Sequential(
            [keras.Input((8, 8, 2), **kind), *body, layers.Flatten(**kind), layers.Dense(4, **kind)]
        )
        for name, body in models.items()
    }
