"""Networks of several inputs, and their twins in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import torch
from torch import nn


class PictureAndTable(nn.Module):
    """A picture and a row of a table to three classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.see = nn.Conv2d(2, 3, 3)
        self.picture = nn.Linear(48, 5)
        self.row = nn.Linear(4, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, image: torch.Tensor, table: torch.Tensor | None = None) -> torch.Tensor:
        hidden = self.picture(torch.relu(self.see(image)).flatten(1))
        return self.head(torch.tanh(hidden if table is None else hidden + self.row(table)))


class PooledPictureAndTable(nn.Module):
    """A picture, averaged over its places, and a row of a table to some classes."""

    def __init__(self, activation: Callable[[torch.Tensor], torch.Tensor], classes: int) -> None:
        super().__init__()
        self.conv, self.row, self.head = nn.Conv2d(2, 3, 3), nn.Linear(4, 3), nn.Linear(3, classes)
        self.activation = activation

    def forward(self, image: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        hidden = self.activation(self.conv(image)).mean((2, 3))
        return self.head(torch.tanh(hidden + self.row(table)))


def keras_pooled_picture_and_table(twin: PooledPictureAndTable) -> Any:
    """The same in Keras for pictures of 5 by 4 pixels, of tanh and two classes, with the weights of its twin."""
    layers, kind = keras.layers, {"dtype": "float64"}
    image, table = keras.Input((5, 4, 2), **kind), keras.Input((4,), **kind)
    conv, row, head = layers.Conv2D(3, 3, **kind), layers.Dense(3, **kind), layers.Dense(2, **kind)
    hidden = keras.ops.mean(keras.ops.tanh(conv(image)), (1, 2)) + row(table)
    model = keras.Model([image, table], head(keras.ops.tanh(hidden)))
    own = {name: value.detach().numpy() for name, value in twin.named_parameters()}
    conv.set_weights([own["conv.weight"].transpose(2, 3, 1, 0), own["conv.bias"]])
    row.set_weights([own["row.weight"].T, own["row.bias"]])
    head.set_weights([own["head.weight"].T, own["head.bias"]])
    return model


class MaskedReader(nn.Module):
    """A layer of attention over the tokens that are there, and numbers added to their mean."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(10, 4)
        self.q, self.k, self.v = (nn.Linear(4, 4) for _ in range(3))
        self.dense, self.head = nn.Linear(3, 4), nn.Linear(4, 3)

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor | None = None, extra: torch.Tensor | None = None
    ) -> torch.Tensor:
        vectors = self.words(ids)
        if mask is None:
            mask = torch.ones_like(ids)
        likeness = self.q(vectors) @ self.k(vectors).transpose(1, 2) / 2
        likeness = likeness.masked_fill(mask[:, None, :] == 0, -1e9)
        read = torch.softmax(likeness, -1) @ self.v(vectors)
        there = mask.to(read.dtype)[..., None]
        hidden = (read * there).sum(1) / there.sum(1)
        if extra is not None:
            hidden = hidden + self.dense(extra)
        return self.head(torch.tanh(hidden))


def keras_masked_reader(twin: MaskedReader) -> Any:
    """The same in Keras, with the weights of its twin."""
    ops, layers, kind = keras.ops, keras.layers, {"dtype": "float64"}
    ids, mask = (keras.Input((6,), dtype="int64", name=name) for name in ("ids", "mask"))
    extra = keras.Input((3,), name="extra", **kind)
    vectors = layers.Embedding(10, 4, name="words", **kind)(ids)
    q, k, v, dense, head = (
        layers.Dense(3 if name == "head" else 4, name=name, **kind)
        for name in ("q", "k", "v", "dense", "head")
    )
    likeness = ops.matmul(q(vectors), ops.transpose(k(vectors), (0, 2, 1))) / 2
    likeness = ops.where(ops.equal(ops.expand_dims(mask, 1), 0), ops.cast(-1e9, "float64"), likeness)
    read = ops.matmul(ops.softmax(likeness, -1), v(vectors))
    there = ops.expand_dims(ops.cast(mask, "float64"), -1)
    hidden = ops.sum(read * there, 1) / ops.sum(there, 1)
    model = keras.Model([ids, mask, extra], head(ops.tanh(hidden + dense(extra))))
    own = {name: value.detach().numpy() for name, value in twin.named_parameters()}
    model.get_layer("words").set_weights([own["words.weight"]])
    for name in ("q", "k", "v", "dense", "head"):
        model.get_layer(name).set_weights([own[f"{name}.weight"].T, own[f"{name}.bias"]])
    return model
