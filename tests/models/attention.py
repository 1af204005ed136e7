"""A small transformer with the same weights in both frameworks, and attentions written in several ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from torch import nn
from torch.nn import functional

WIDTH, HEADS, LAYERS, CLASSES, WORDS = 8, 2, 3, 4, 20
Array = np.ndarray


def weights_of(*, seed: int = 0, layers: int = LAYERS) -> dict[str, Array]:
    """Weights by name: of each layer q, k, v, o, a hidden one and one back; of embedding, positions and head."""
    generator = np.random.default_rng(seed)
    shapes = {"embedding": (WORDS, WIDTH), "positions": (32, WIDTH), "head": (WIDTH, CLASSES)}
    for layer in range(layers):
        shapes |= {f"{layer}.{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "o", "up", "down")}
    return {name: generator.normal(size=shape) / 2 for name, shape in shapes.items()}


def split(x: torch.Tensor) -> torch.Tensor:
    """From (N, T, C) to (N, heads, T, C / heads)."""
    return x.reshape(*x.shape[:2], HEADS, -1).transpose(1, 2)


def joined(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(1, 2).flatten(2)


def explicit(q: Any, k: Any, v: Any, causal: bool) -> Any:
    """Matrix products and a softmax."""
    scores = split(q) @ split(k).transpose(-2, -1) / (WIDTH // HEADS) ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), float("-inf"))
    return joined(functional.dropout(scores.softmax(-1), 0.1, training=False) @ split(v))


def fused(q: Any, k: Any, v: Any, causal: bool) -> Any:
    """PyTorch's own."""
    return joined(functional.scaled_dot_product_attention(split(q), split(k), split(v), is_causal=causal))


def summed(q: Any, k: Any, v: Any, causal: bool) -> Any:
    """Sums by name, heads third."""
    q, k, v = (one.reshape(*one.shape[:2], HEADS, -1) for one in (q, k, v))
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / (WIDTH // HEADS) ** 0.5
    if causal:
        scores = scores + torch.full(scores.shape[-2:], float("-inf")).triu(1)
    return torch.einsum("bhqk,bkhd->bqhd", torch.softmax(scores, dim=-1), v).flatten(2)


def heads_first(q: Any, k: Any, v: Any, causal: bool) -> Any:
    """Heads folded in front of the examples, and the keys in front of the queries."""
    q, k, v = (torch.cat(one.chunk(HEADS, dim=-1), dim=0) for one in (q, k, v))
    scores = torch.bmm(k, q.transpose(1, 2)) / (WIDTH // HEADS) ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:]).tril(-1).bool(), float("-inf"))
    mixed = torch.bmm(v.transpose(1, 2), scores.softmax(1)).transpose(1, 2)
    return torch.cat(mixed.chunk(HEADS, dim=0), dim=-1)


WAYS: dict[str, Callable[..., Any]] = {one.__name__: one for one in (explicit, fused, summed, heads_first)}


class TorchTransformer(nn.Module):
    """Attention and a hidden layer in each of some layers, read at one token, at all, or at their mean.

    Parameters
    ----------
    weights : dict
        As `weights_of` gives them.
    way : str
        How the attention is written.
    reads : str
        ``"first"``, ``"mean"`` or ``"each"``.
    causal : bool
        Whether a token attends to those before it only.
    words : bool
        Whether it takes token ids, else vectors.
    """

    def __init__(self, weights, way="explicit", reads="first", causal=False, words=True):
        super().__init__()
        self.way, self.reads, self.causal = WAYS[way], reads, causal
        self.embedding = nn.Embedding(WORDS, WIDTH) if words else nn.Identity()
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {name: nn.Linear(WIDTH, WIDTH, bias=False) for name in ("q", "k", "v", "o", "up", "down")}
            )
            for _ in range(LAYERS)
        )
        self.head = nn.Linear(WIDTH, CLASSES, bias=False)
        self.positions = nn.Parameter(torch.tensor(weights["positions"]))
        self.double().eval()
        with torch.no_grad():
            if words:
                self.embedding.weight.copy_(torch.tensor(weights["embedding"]))
            self.head.weight.copy_(torch.tensor(weights["head"].T))
            for number, block in enumerate(self.blocks):
                for name, layer in block.items():
                    layer.weight.copy_(torch.tensor(weights[f"{number}.{name}"].T))

    def forward(self, x):
        x = self.embedding(x)
        x = x + self.positions[: x.shape[1]]
        for block in self.blocks:
            x = x + block["o"](self.way(block["q"](x), block["k"](x), block["v"](x), self.causal))
            x = x + block["down"](torch.tanh(block["up"](x)))
        read = {"first": lambda: x[:, 0], "mean": lambda: x.mean(1), "each": lambda: x}[self.reads]()
        return self.head(read)


def keras_transformer(weights, way="layer", reads="first", causal=False, words=True):
    """The same in Keras: by its layer, by its layer that also gives its scores, or by operations."""
    layers, ops = keras.layers, keras.ops

    class Positions(layers.Layer):
        def __init__(self):
            super().__init__(dtype="float64")
            self.table = self.add_weight(shape=(32, WIDTH), name="table")

        def call(self, x):
            return x + self.table[: x.shape[1]]

    class OwnAttention(layers.Layer):
        def __init__(self):
            super().__init__(dtype="float64")
            self.parts = [layers.Dense(WIDTH, use_bias=False, dtype="float64") for _ in range(4)]

        def call(self, x):
            def heads(one):
                return ops.transpose(ops.reshape(one, (-1, x.shape[1], HEADS, WIDTH // HEADS)), (0, 2, 1, 3))

            q, k, v = (heads(part(x)) for part in self.parts[:3])
            scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / (WIDTH // HEADS) ** 0.5
            if causal:
                scores = ops.where(np.tri(x.shape[1], dtype=bool), scores, -1e30)
            mixed = ops.matmul(ops.softmax(scores, axis=-1), v)
            return self.parts[3](ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, x.shape[1], WIDTH)))

    class Transformer(keras.Model):
        def __init__(self):
            super().__init__(dtype="float64")
            self.embedding = layers.Embedding(WORDS, WIDTH, dtype="float64") if words else None
            self.positions = Positions()
            self.attentions = [
                OwnAttention()
                if way == "operations"
                else layers.MultiHeadAttention(HEADS, WIDTH // HEADS, use_bias=False, dtype="float64")
                for _ in range(LAYERS)
            ]
            self.ups = [layers.Dense(WIDTH, "tanh", use_bias=False, dtype="float64") for _ in range(LAYERS)]
            self.downs = [layers.Dense(WIDTH, use_bias=False, dtype="float64") for _ in range(LAYERS)]
            self.head = layers.Dense(CLASSES, use_bias=False, dtype="float64")

        def call(self, x):
            x = self.positions(x if self.embedding is None else self.embedding(x))
            for attention, up, down in zip(self.attentions, self.ups, self.downs, strict=True):
                if way == "operations":
                    x = x + attention(x)
                elif way == "scores":
                    x = x + attention(x, x, use_causal_mask=causal, return_attention_scores=True)[0]
                else:
                    x = x + attention(x, x, use_causal_mask=causal)
                x = x + down(up(x))
            read = {"first": lambda: x[:, 0], "mean": lambda: ops.mean(x, 1), "each": lambda: x}[reads]()
            return self.head(read)

    model = Transformer()
    model.way = way
    model(np.zeros((1, 5), int) if words else np.zeros((1, 5, WIDTH)))
    if words:
        model.embedding.set_weights([weights["embedding"]])
    model.positions.set_weights([weights["positions"]])
    model.head.set_weights([weights["head"]])
    for number in range(LAYERS):
        q, k, v, o, up, down = (weights[f"{number}.{name}"] for name in ("q", "k", "v", "o", "up", "down"))
        if way != "operations":
            q, k, v = (one.reshape(WIDTH, HEADS, -1) for one in (q, k, v))
            o = o.reshape(HEADS, -1, WIDTH)
        model.attentions[number].set_weights([q, k, v, o])
        model.ups[number].set_weights([up])
        model.downs[number].set_weights([down])
    return model


def attentions_by_hand(weights, ids, causal, score_of):
    """Run the small transformer in plain PyTorch; give its attentions and their gradients."""
    held = {name: torch.tensor(array) for name, array in weights.items()}
    x = (held["embedding"][torch.tensor(ids)] + held["positions"][: ids.shape[1]]).requires_grad_()
    found = []
    for layer in range(LAYERS):
        q, k, v = (
            (x @ held[f"{layer}.{name}"]).reshape(*ids.shape, 2, WIDTH // 2).transpose(1, 2) for name in "qkv"
        )
        scores = q @ k.transpose(-2, -1) / (WIDTH // 2) ** 0.5
        if causal:
            scores = scores.masked_fill(~torch.ones(ids.shape[1], ids.shape[1]).tril().bool(), float("-inf"))
        found.append(torch.softmax(scores, -1))
        found[-1].retain_grad()
        x = x + (found[-1] @ v).transpose(1, 2).flatten(2) @ held[f"{layer}.o"]
        x = x + torch.tanh(x @ held[f"{layer}.up"]) @ held[f"{layer}.down"]
    score_of(x @ held["head"]).sum().backward()
    return [one.detach().numpy() for one in found], [one.grad.numpy() for one in found]
