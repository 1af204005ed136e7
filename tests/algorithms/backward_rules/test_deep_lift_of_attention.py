"""DeepLift of a transformer's block against multipliers written out in NumPy, however the block is spelled."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch's documentation has it
from torch import nn

import explain

TOKENS, WIDTH, HEADS, HIDDEN, CLASSES, OFFSET = 5, 6, 2, 8, 3, 1e-5


def drawn(*shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


WEIGHTS = {
    name: drawn(*shape, seed=number) / np.sqrt(shape[0])
    for number, (name, shape) in enumerate(
        {
            **dict.fromkeys(("query", "key", "value", "out"), (WIDTH, WIDTH)),
            **dict.fromkeys(("gate", "up"), (WIDTH, HIDDEN)),
            "down": (HIDDEN, WIDTH),
            "head": (WIDTH, CLASSES),
        }.items()
    )
}
# Scales and shifts of both norms, and one shift of each layer.
NORMS = [(1 + 0.3 * drawn(WIDTH, seed=20 + one), 0.3 * drawn(WIDTH, seed=30 + one)) for one in range(2)]
SHIFTS = {name: 0.3 * drawn(weight.shape[1], seed=40) for name, weight in WEIGHTS.items()}
X, BASE = drawn(4, TOKENS, WIDTH, seed=50), drawn(4, TOKENS, WIDTH, seed=51)
TARGET = 1


class Numbers:
    """A run of the block in NumPy, with what its operations read and make."""

    def __init__(self, x):
        self.norms = []
        self.read = {}
        normed = self.norm(x, 0)
        self.q, self.k, self.v = (self.split(self.dense(name, normed)) for name in ("query", "key", "value"))
        scores = self.q @ self.k.swapaxes(-1, -2) / np.sqrt(WIDTH // HEADS)
        self.logarithms = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
        self.weights = np.exp(self.logarithms)
        x = x + self.dense("out", joined(self.weights @ self.v))
        normed = self.norm(x, 1)
        self.entered, self.up = self.dense("gate", normed), self.dense("up", normed)
        self.opened = self.entered / (1 + np.exp(-self.entered))
        x = x + self.dense("down", self.opened * self.up)
        self.score = self.dense("head", x.mean(1))[:, TARGET]

    def dense(self, name, x):
        return x @ WEIGHTS[name] + SHIFTS[name]

    def norm(self, x, number):
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + OFFSET)
        self.norms.append((centred, deviation))
        scale, shift = NORMS[number]
        return centred / deviation * scale + shift

    def split(self, x):
        return x.reshape(*x.shape[:-1], HEADS, -1).swapaxes(1, 2)


def joined(x):
    """Heads side by side."""
    x = x.swapaxes(1, 2)
    return x.reshape(*x.shape[:2], -1)


def mean(a, b):
    return (a + b) / 2


def slope(above, above_before, below, below_before):
    return (above - above_before) / (below - below_before)


def through_norm(arriving, number, run, before):
    """A quotient c / σ, a root, and the mean of squares."""
    (c, s), (c_before, s_before) = run.norms[number], before.norms[number]
    arriving = arriving * NORMS[number][0]
    to_c = arriving / mean(s, s_before)
    to_s = -(arriving * mean(c / s, c_before / s_before)).sum(-1, keepdims=True) / mean(s, s_before)
    to_variance = to_s / (s + s_before)
    to_c = to_c + to_variance * (c + c_before) / WIDTH
    return to_c - to_c.mean(-1, keepdims=True)


def multipliers(x, base):
    """What DeepLift propagates to the input, and the difference of the scores."""
    run, before = Numbers(x), Numbers(base)
    g = np.broadcast_to(WEIGHTS["head"][:, TARGET] / TOKENS, x.shape)
    # The gated layer: a product of SiLU and a line.
    product = g @ WEIGHTS["down"].T
    to_up = product * mean(run.opened, before.opened)
    to_opened = product * mean(run.up, before.up)
    to_entered = to_opened * slope(run.opened, before.opened, run.entered, before.entered)
    g = g + through_norm(to_entered @ WEIGHTS["gate"].T + to_up @ WEIGHTS["up"].T, 1, run, before)
    # Attention: two products and a softmax, by logarithmic means.
    at_heads = run.split(g @ WEIGHTS["out"].T)
    to_v = mean(run.weights, before.weights).swapaxes(-1, -2) @ at_heads
    to_weights = at_heads @ mean(run.v, before.v).swapaxes(-1, -2)
    means = slope(run.weights, before.weights, run.logarithms, before.logarithms)
    centre = (to_weights * means).sum(-1, keepdims=True) / means.sum(-1, keepdims=True)
    to_scores = means * (to_weights - centre) / np.sqrt(WIDTH // HEADS)
    to_q, to_k = to_scores @ mean(run.k, before.k), to_scores.swapaxes(-1, -2) @ mean(run.q, before.q)
    to_normed = sum(
        joined(one) @ WEIGHTS[name].T
        for one, name in zip((to_q, to_k, to_v), ("query", "key", "value"), strict=True)
    )
    return g + through_norm(to_normed, 0, run, before), run.score - before.score


def tensor(array):
    return nn.Parameter(torch.tensor(array))


class TorchBlock(nn.Module):
    """The block in PyTorch, each part spelled as its name says."""

    def __init__(self, norm, attention, silu):
        super().__init__()
        self.kinds = norm, attention, silu
        self.layers = nn.ModuleDict()
        for name, weight in WEIGHTS.items():
            self.layers[name] = nn.Linear(*weight.shape).double()
            self.layers[name].weight.data = torch.tensor(weight.T.copy())
            self.layers[name].bias.data = torch.tensor(SHIFTS[name])
        self.norms = nn.ParameterList(tensor(one) for pair in NORMS for one in pair)
        self.softmax = nn.Softmax(-1)
        self.heads = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double()
        with torch.no_grad():
            for whole, parts, kind in (
                (self.heads.in_proj_weight, WEIGHTS, np.vstack),
                (self.heads.in_proj_bias, SHIFTS, np.concatenate),
            ):
                whole.copy_(torch.tensor(kind([parts[name].T for name in ("query", "key", "value")])))
            self.heads.out_proj.weight.copy_(self.layers["out"].weight)
            self.heads.out_proj.bias.copy_(self.layers["out"].bias)

    def forward(self, x):
        x = x + self.attention(self.norm(x, 0))
        normed = self.norm(x, 1)
        entered = self.layers["gate"](normed)
        opened = F.silu(entered) if self.kinds[2] == "silu" else entered * torch.sigmoid(entered)
        x = x + self.layers["down"](opened * self.layers["up"](normed))
        return self.layers["head"](x.mean(1))

    def norm(self, x, number):
        scale, shift = self.norms[2 * number], self.norms[2 * number + 1]
        centred = x - x.mean(-1, keepdim=True)
        match self.kinds[0]:
            case "fused":
                return F.layer_norm(x, (WIDTH,), scale, shift, OFFSET)
            case "rsqrt":
                return centred * torch.rsqrt(centred.pow(2).mean(-1, keepdim=True) + OFFSET) * scale + shift
            case "variance":
                return centred / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + OFFSET) * scale + shift
            case "product":
                return centred / ((centred * centred).mean(-1, keepdim=True) + OFFSET) ** 0.5 * scale + shift

    def attention(self, x):
        kind = self.kinds[1]
        if kind == "heads":
            return self.heads(x, x, x, need_weights=False)[0]
        q, k, v = (
            self.layers[name](x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        if kind == "sdpa":
            found = F.scaled_dot_product_attention(q, k, v)
        elif kind == "einsum":
            scores = torch.einsum("nhqd,nhkd->nhqk", q, k) / (WIDTH // HEADS) ** 0.5
            found = torch.einsum("nhqk,nhkd->nhqd", self.softmax(scores), v)
        else:
            found = F.softmax(q @ k.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5, dim=-1) @ v
        return self.layers["out"](found.transpose(1, 2).flatten(2))


class KerasNorm(keras.layers.Layer):
    """A layer norm by hand."""

    def __init__(self, number, by_rsqrt):
        super().__init__(dtype="float64")
        self.number, self.by_rsqrt = number, by_rsqrt

    def call(self, x):
        scale, shift = NORMS[self.number]
        centred = x - keras.ops.mean(x, -1, keepdims=True)
        variance = keras.ops.mean(keras.ops.square(centred), -1, keepdims=True) + OFFSET
        if self.by_rsqrt:
            return centred * keras.ops.rsqrt(variance) * scale + shift
        return centred / keras.ops.sqrt(variance) * scale + shift


class KerasProducts(keras.layers.Layer):
    """The products of attention, by einsum."""

    def __init__(self, softmax):
        super().__init__(dtype="float64")
        self.softmax = softmax

    def call(self, q, k, v):
        q, k, v = (keras.ops.reshape(one, (-1, TOKENS, HEADS, WIDTH // HEADS)) for one in (q, k, v))
        scores = keras.ops.einsum("nqhd,nkhd->nhqk", q, k) / (WIDTH // HEADS) ** 0.5
        found = keras.ops.einsum("nhqk,nkhd->nqhd", self.softmax(scores), v)
        return keras.ops.reshape(found, (-1, TOKENS, WIDTH))


def keras_block(norm, attention, silu):
    """The block in Keras."""
    layers = keras.layers
    x = entry = keras.Input((TOKENS, WIDTH), dtype="float64")

    def dense(name, entered):
        layer = layers.Dense(WEIGHTS[name].shape[1], dtype="float64")
        found = layer(entered)
        layer.set_weights([WEIGHTS[name], SHIFTS[name]])
        return found

    def normed(x, number):
        if norm != "layer":
            return KerasNorm(number, norm == "rsqrt")(x)
        layer = layers.LayerNormalization(epsilon=OFFSET, dtype="float64")
        found = layer(x)
        layer.set_weights(NORMS[number])
        return found

    def attended(x):
        if attention == "heads":
            layer = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dtype="float64")
            found = layer(x, x)
            layer.set_weights(
                [
                    one
                    for name in ("query", "key", "value")
                    for one in (WEIGHTS[name].reshape(WIDTH, HEADS, -1), SHIFTS[name].reshape(HEADS, -1))
                ]
                + [WEIGHTS["out"].reshape(HEADS, -1, WIDTH), SHIFTS["out"]]
            )
            return found
        softmax = keras.ops.softmax if attention == "einsum" else layers.Softmax(dtype="float64")
        products = KerasProducts(softmax)(*(dense(name, x) for name in ("query", "key", "value")))
        return dense("out", products)

    x = layers.Add(dtype="float64")([x, attended(normed(x, 0))])
    middle = normed(x, 1)
    entered = dense("gate", middle)
    opened = (
        keras.activations.silu(entered)
        if silu == "silu"
        else layers.Multiply(dtype="float64")([entered, keras.ops.sigmoid(entered)])
    )
    gated = layers.Multiply(dtype="float64")([opened, dense("up", middle)])
    x = layers.Add(dtype="float64")([x, dense("down", gated)])
    return keras.Model(entry, dense("head", layers.GlobalAveragePooling1D(dtype="float64")(x)))


IN_TORCH = [
    ("fused", "sdpa", "silu"),
    ("fused", "heads", "by hand"),
    ("rsqrt", "softmax", "silu"),
    ("variance", "einsum", "by hand"),
    ("product", "sdpa", "by hand"),
]
IN_KERAS = [
    ("layer", "einsum", "silu"),
    ("layer", "heads", "by hand"),
    ("rsqrt", "layer", "silu"),
    ("quotient", "einsum", "by hand"),
]
BLOCKS = [pytest.param(TorchBlock, one, id=f"torch, {', '.join(one)}") for one in IN_TORCH] + [
    pytest.param(keras_block, one, id=f"keras, {', '.join(one)}") for one in IN_KERAS
]


def test_the_multipliers_are_complete():
    found, difference = multipliers(X, BASE)
    np.testing.assert_allclose((found * (X - BASE)).sum((1, 2)), difference, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("build", "kinds"), BLOCKS)
def test_it_propagates_the_multipliers(build, kinds):
    model = build(*kinds)
    expected, difference = multipliers(X, BASE)
    expected = expected * (X - BASE)
    found = explain.attribute(model, X, "deep_lift", target=TARGET, baseline=BASE)
    # The values that are given are rounded to single precision.
    off = np.abs(found.values - expected) - 2.0**-24 * np.abs(expected)
    assert off.max() < 1e-9 * np.abs(expected).max()
    np.testing.assert_allclose(found.scores, Numbers(X).score, rtol=1e-6)
    assert np.abs(found.delta).max() < 1e-10 * np.abs(difference).max()


@pytest.mark.parametrize(("build", "kinds"), [BLOCKS[0], BLOCKS[len(IN_TORCH)]])
def test_near_the_input_the_multipliers_are_the_gradient_half_way(build, kinds):
    """They treat both runs alike, so their distance shrinks by the square: a hundredth for a tenth of the step."""
    model, step = build(*kinds), BASE - X
    offs = []
    for size in (1e-1, 1e-2, 1e-3):
        base = X + size * step
        found = explain.attribute(model, X, "deep_lift", target=TARGET, baseline=base).values / (X - base)
        gradient = explain.attribute(model, (X + base) / 2, "saliency", target=TARGET).values
        own = multipliers(X, base)[0]
        assert np.linalg.norm(found - own) < 1e-6 * np.linalg.norm(own)
        offs.append(np.linalg.norm(found - gradient) / np.linalg.norm(gradient))
    assert offs[0] < 0.1
    assert offs[1] < 0.02 * offs[0]
    assert offs[2] < 0.02 * offs[1]
