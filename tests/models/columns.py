"""Models of tables: one embedding for each column of categories, alone or beside numbers, as learners write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import torch
from torch import nn

SIZES = ((5, 3), (4, 2), (7, 4))
"""The number of categories of each column, and the length of their vectors."""


class EntityNet(nn.Module):
    """A table of categories, (N, 3), and perhaps numbers, (N, 2), to three classes."""

    def __init__(self, numbers: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.columns = nn.ModuleList([nn.Embedding(*size) for size in SIZES])
        self.norm = nn.BatchNorm1d(numbers) if numbers else None
        self.hidden, self.head = nn.Linear(9 + numbers, 16), nn.Linear(16, 3)

    def forward(self, ids: torch.Tensor, numbers: torch.Tensor | None = None) -> torch.Tensor:
        vectors = [column(ids[:, place]) for place, column in enumerate(self.columns)]
        return self.of_vectors(vectors, numbers)

    def of_vectors(self, vectors: list[torch.Tensor], numbers: torch.Tensor | None = None) -> torch.Tensor:
        """Give the classes from the vector of each column."""
        beside = [] if numbers is None or self.norm is None else [self.norm(numbers)]
        return self.head(torch.tanh(self.hidden(torch.cat([*vectors, *beside], 1))))


class WideAndDeep(EntityNet):
    """The same with a weight for each category of the second column, from a second embedding of it."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Embedding(4, 3)

    def forward(self, ids: torch.Tensor, numbers: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(ids, numbers) + self.wide(ids[:, 1:2]).sum(1)


class Mixed(EntityNet):
    """The same with a whole number beside the categories, in one array of shape (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.count = nn.Linear(1, 3)

    def forward(self, ids: torch.Tensor, numbers: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(ids) + self.count(ids[:, 3:].float())


class OneTable(EntityNet):
    """The same, of one table of floats, (N, 5), whose categories come first and are cast."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, ids: torch.Tensor, numbers: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(ids[:, :3].long(), ids[:, 3:])


class Apart(nn.Module):
    """That model, with the categories as an input of their own."""

    def __init__(self, model: OneTable) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return EntityNet.forward(self.model, ids, numbers)


def keras_entity_net(twin: EntityNet, column: Callable[[Any, int], Any] | None = None) -> Any:
    """Give the Keras model of the same weights; `column` takes one out of the table, by default ``ids[:, place]``."""
    ops, layers, take = keras.ops, keras.layers, column or (lambda ids, place: ids[:, place])
    ids = keras.Input((len(SIZES),), dtype="int64")
    tables = [layers.Embedding(*size) for size in SIZES]
    vectors = [table(take(ids, place)) for place, table in enumerate(tables)]
    vectors = [layers.Flatten()(one) if len(one.shape) > 2 else one for one in vectors]
    hidden, head = layers.Dense(16), layers.Dense(3)
    model = keras.Model(ids, head(ops.tanh(hidden(layers.Concatenate()(vectors)))))
    for table, own in zip(tables, twin.columns, strict=True):
        table.set_weights([own.weight.detach().numpy()])
    for dense, linear in ((hidden, twin.hidden), (head, twin.head)):
        dense.set_weights([linear.weight.detach().numpy().T, linear.bias.detach().numpy()])
    return model
