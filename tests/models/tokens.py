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


class FactorisationMachine(nn.Module):
    """A factorisation machine of field ids (N, F) below 12: biases, and products of factors, from two embeddings.

    With `offsets`, each field has its own part of the tables, and its ids begin at 0.
    """

    def __init__(self, offsets: tuple[int, ...] = (0, 0, 0)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.biases, self.factors = nn.Embedding(12, 1), nn.Embedding(12, 4)
        self.register_buffer("offsets", torch.tensor(offsets))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        ids = ids + self.offsets
        vectors = self.factors(ids)
        products = (vectors.sum(1) ** 2 - (vectors**2).sum(1)).sum(-1, keepdim=True) / 2
        return self.biases(ids).sum(1) + torch.tanh(products)


def keras_factorisation_machine(twin: FactorisationMachine) -> Any:
    """The same in Keras, with the weights of its twin."""
    layers, ops, kind = keras.layers, keras.ops, {"dtype": "float64"}
    given = keras.Input((len(twin.offsets),), dtype="int64")
    ids = given + ops.convert_to_tensor(twin.offsets.numpy())
    biases, factors = (
        layers.Embedding(12, width, name=name, **kind) for name, width in (("biases", 1), ("factors", 4))
    )
    vectors = factors(ids)
    products = ops.sum(ops.sum(vectors, 1) ** 2 - ops.sum(vectors**2, 1), -1, keepdims=True) / 2
    model = keras.Model(given, ops.sum(biases(ids), 1) + ops.tanh(products))
    for layer in (biases, factors):
        layer.set_weights([getattr(twin, layer.name).weight.detach().numpy()])
    return model


class MatrixFactorisation(nn.Module):
    """The rating of an item by a user: ids (N,) each, with a vector and a bias, and numbers (N, 2) beside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.users, self.items = nn.Embedding(7, 4), nn.Embedding(9, 4)
        self.user_bias, self.item_bias = nn.Embedding(7, 1), nn.Embedding(9, 1)
        self.beside = nn.Linear(2, 1)

    def forward(self, user: torch.Tensor, item: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        product = (self.users(user) * self.items(item)).sum(-1, keepdim=True)
        return 3 * torch.tanh(product + self.user_bias(user) + self.item_bias(item) + self.beside(extra))


def keras_matrix_factorisation(twin: MatrixFactorisation) -> Any:
    """The same in Keras, with the weights of its twin."""
    layers, ops, kind = keras.layers, keras.ops, {"dtype": "float64"}
    user, item = (keras.Input((), dtype="int64", name=name) for name in ("user", "item"))
    extra = keras.Input((2,), name="extra", **kind)
    tables = {
        name: layers.Embedding(*getattr(twin, name).weight.shape, name=name, **kind)
        for name in ("users", "items", "user_bias", "item_bias")
    }
    beside = layers.Dense(1, name="beside", **kind)
    product = ops.sum(tables["users"](user) * tables["items"](item), -1, keepdims=True)
    sums = product + tables["user_bias"](user) + tables["item_bias"](item) + beside(extra)
    model = keras.Model([user, item, extra], 3 * ops.tanh(sums))
    own = {name: value.detach().numpy() for name, value in twin.named_parameters()}
    for name, table in tables.items():
        table.set_weights([own[f"{name}.weight"]])
    beside.set_weights([own["beside.weight"].T, own["beside.bias"]])
    return model


class TiedReader(nn.Module):
    """Token ids (N, T) and an integer mask of them to the next token, whose scores come from the same table.

    Positions count the tokens that are there, as in RoBERTa, so that their embedding gets whole numbers of that shape.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words, self.places, self.dense = nn.Embedding(10, 6), nn.Embedding(9, 6), nn.Linear(6, 6)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        places = torch.cumsum(mask, 1) * mask
        hidden = torch.tanh(self.words(ids) + self.places(places)) * mask[..., None]
        return torch.tanh(self.dense(hidden.sum(1))) @ self.words.weight.T


def keras_tied_reader(twin: TiedReader) -> Any:
    """The same in Keras: one embedding layer is called with the ids, and once more the other way round."""

    class Reversible(keras.layers.Embedding):
        def call(self, inputs: Any, reverse: bool = False) -> Any:
            if reverse:
                return keras.ops.matmul(inputs, keras.ops.transpose(self.embeddings))
            return super().call(inputs)

        def compute_output_spec(self, inputs: Any, reverse: bool = False) -> Any:
            width = self.input_dim if reverse else self.output_dim
            shape = inputs.shape[:-1] if reverse else inputs.shape
            return keras.KerasTensor((*shape, width), dtype=self.compute_dtype)

    layers, ops, kind = keras.layers, keras.ops, {"dtype": "float64"}
    ids, mask = (keras.Input((6,), dtype="int64", name=name) for name in ("ids", "mask"))
    words, places = Reversible(10, 6, name="words", **kind), layers.Embedding(9, 6, name="places", **kind)
    dense = layers.Dense(6, name="dense", activation="tanh", **kind)
    hidden = ops.tanh(words(ids) + places(ops.cumsum(mask, 1) * mask))
    read = ops.sum(hidden * ops.cast(ops.expand_dims(mask, -1), "float64"), 1)
    # A step for each row, so that the second call gives one vector for each of as many places as the mask has.
    steps = words(layers.RepeatVector(6)(dense(read)), reverse=True)
    model = keras.Model([ids, mask], steps[:, -1])
    words.set_weights([twin.words.weight.detach().numpy()])
    places.set_weights([twin.places.weight.detach().numpy()])
    dense.set_weights([twin.dense.weight.detach().numpy().T, twin.dense.bias.detach().numpy()])
    return model
