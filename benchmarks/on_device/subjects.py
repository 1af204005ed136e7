"""The models that are explained on a device and on the CPU: a CNN, an LSTM and a transformer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmarks.models_torch import trained_lstm
from explain import zoo

Array = npt.NDArray[Any]

_SEED = 0


@dataclass(frozen=True)
class Subject:
    """A model with its examples.

    Parameters
    ----------
    build : callable
        Gives a new model in single precision, on the CPU.
    samples : str
        The seed model whose samples are the examples.
    layer : str
        The layer for methods that must have one.
    smooth : bool
        Whether its gradients are continuous. Where they are not, rounding moves a few examples to the other side of a
        kink.
    refused : frozenset of str
        Methods that a CUDA device may refuse, with an error that says so: PyTorch fuses the steps of an LSTM there.
    """

    build: Callable[[], nn.Module]
    samples: str
    layer: str
    smooth: bool = True
    refused: frozenset[str] = frozenset()

    def examples(self, count: int) -> tuple[Array, list[int]]:
        """Give examples of the shipped samples, and the class to explain for each."""
        samples = zoo.samples(self.samples, framework="torch")
        return samples.x[:count].astype(np.float32), [int(label) for label in samples.y[:count]]


class Transformer(nn.Module):
    """Two transformer layers over the rows of a picture, (N, 28, 28) to (N, 10) logits of the middle row."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(28, 32)
        # Dropout must do nothing: the model is in training mode when it is explained.
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, nn.functional.gelu, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.fc = nn.Linear(32, 10)

    def forward(self, rows: Tensor) -> Tensor:
        """Give the logits of (N, 28, 28) pictures."""
        logits: Tensor = self.fc(self.encoder(self.embedding(rows))[:, rows.shape[1] // 2])
        return logits


def _cnn() -> nn.Module:
    model: nn.Module = zoo.load("cifar_net", framework="torch")
    # As users have it who trained with channels last; a method must leave it so.
    return model.to(memory_format=torch.channels_last).train()


def _lstm() -> nn.Module:
    # In inference mode cuDNN has no gradient for it.
    return trained_lstm().eval()


def _attention() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = Transformer().train()
    with torch.no_grad():
        # As large as a trained model's, so that scores differ by more than their rounding in half precision.
        model.fc.weight.mul_(10)
    return model


SUBJECTS = {
    "CNN": Subject(_cnn, "cifar_net", "conv2", smooth=False),
    "LSTM": Subject(_lstm, "fashion_rnn", "lstm", refused=frozenset({"deep_lift", "deep_lift_shap", "lrp"})),
    "attention": Subject(_attention, "fashion_rnn", "encoder.layers.0"),
}
