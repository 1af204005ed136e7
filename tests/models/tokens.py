"""Readers of token ids whose vectors a normalisation reads at once, as in BERT; and their twins in Keras."""

from __future__ import annotations

from typing import Any

import keras
import torch
from torch import nn


class NormedVectors(nn.Module):
    """Vectors (N, T, 6) through a layer normalisation, a ReLU and the mean over the steps, to three classes."""

    def __init__(self, steps: int = 5) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.places = nn.Parameter(torch.randn(steps, 6))
        self.norm = nn.LayerNorm(6)
        self.dense, self.head = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.dense(self.norm(vectors + self.places)))
        return self.head(torch.tanh(hidden.mean(1)))


class NormedReader(nn.Module):
    """The same for token ids (N, T) below 10."""

    def __init__(self, steps: int = 5) -> None:
        super().__init__()
        self.of_vectors = NormedVectors(steps)
        self.words = nn.Embedding(10, 6)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.of_vectors(self.words(ids))


def keras_normed_reader(twin: NormedReader, dtype: str = "float64") -> Any:
    """The same in Keras, with the weights of its twin."""
    layers, ops, kind = keras.layers, keras.ops, {"dtype": dtype}
    own = {name: value.detach().numpy() for name, value in twin.named_parameters()}
    places = own["of_vectors.places"]
    ids = keras.Input((len(places),), dtype="int64")
    words = layers.Embedding(10, 6, name="words", **kind)
    norm = layers.LayerNormalization(epsilon=1e-5, name="norm", **kind)
    dense, head = layers.Dense(8, name="dense", **kind), layers.Dense(3, name="head", **kind)
    hidden = ops.relu(dense(norm(words(ids) + ops.convert_to_tensor(places, dtype))))
    model = keras.Model(ids, head(ops.tanh(ops.mean(hidden, 1))))
    words.set_weights([own["words.weight"]])
    norm.set_weights([own["of_vectors.norm.weight"], own["of_vectors.norm.bias"]])
    for layer in (dense, head):
        name = f"of_vectors.{layer.name}"
        layer.set_weights([own[f"{name}.weight"].T, own[f"{name}.bias"]])
    return model
