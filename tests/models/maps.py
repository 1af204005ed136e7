"""Networks whose last map is not the output of a last convolution, in both frameworks."""

from __future__ import annotations

import keras
import torch
from keras import layers
from torch import nn

SIZE = (8, 12)
"""Height and width of the pictures that all of these networks take, with three channels."""


class ChannelsLastBlock(nn.Module):
    """A block that works channels last in the middle and adds to its channels-first input, as ConvNeXt's does."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.up, self.act = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU()
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(self.act(self.up(self.norm(x.permute(0, 2, 3, 1))))).permute(0, 3, 1, 2)


class ConvNext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.head = (
            nn.Conv2d(3, 5, 3, padding=1),
            ChannelsLastBlock(5),
            nn.Linear(5, 4),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.block(self.stem(x)).mean((2, 3)))


class Block(nn.Module):
    """A transformer block with its norms first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        own = self.norm1(x)
        x = x + self.attention(own, own, own)[0]
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Patches of 2 × 2 and some tokens beside them; the first token is read, or the mean of the patches."""

    def __init__(self, *, n_before: int, reads_first: bool, n_behind: int = 0) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, stride=2)
        self.before = nn.Parameter(torch.randn(1, n_before, 8) / 4)
        self.behind = nn.Parameter(torch.randn(1, n_behind, 8) / 4)
        self.place = nn.Parameter(torch.randn(1, n_before + 24 + n_behind, 8) / 4)
        self.blocks, self.norm = nn.ModuleList(Block(8) for _ in range(3)), nn.LayerNorm(8)
        self.head, self.reads_first = nn.Linear(8, 4), reads_first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).movedim(1, 2)
        before, behind = (one.expand(len(x), -1, -1) for one in (self.before, self.behind))
        tokens = torch.cat([before, tokens, behind], dim=1) + self.place
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return self.head(tokens[:, 0] if self.reads_first else tokens[:, self.before.shape[1] :].mean(1))


class Branching(nn.Module):
    """Two branches that meet in a concatenation, as in GoogLeNet."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(width, 3, 1), nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.left(x), self.right(x)], dim=1).relu()


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mixed, self.head = nn.Conv2d(3, 5, 3, padding=1), Branching(5), nn.Linear(7, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.mixed(self.stem(x).relu()).mean((2, 3)))


class Segmenting(nn.Module):
    """One class per pixel: the logits at half the size are resized to that of the picture.

    With context, every pixel depends on the whole picture much more than on its own part of it.
    """

    def __init__(self, *, context: float = 0.0) -> None:
        super().__init__()
        self.encoder, self.pool = nn.Conv2d(3, 6, 3, padding=1), nn.MaxPool2d(2)
        self.decoder, self.classifier = nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(5, 4, 3, padding=1)
        self.context = context

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = self.pool(self.encoder(x).relu())
        pooled = pooled + self.context * pooled.mean((2, 3), keepdim=True)
        logits = self.classifier(self.decoder(pooled).relu())
        return nn.functional.interpolate(logits, scale_factor=2, mode="bilinear")


class TwoWays(nn.Module):
    """Two ways from the picture to the score that meet behind their pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 5), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([one(x).relu().mean((2, 3)) for one in (self.left, self.right)], dim=1))


class WeightNormed(nn.Module):
    """A convolution whose weight is computed by a module of its own, which is called after the map before it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3, padding=1))
        self.head = nn.utils.parametrizations.weight_norm(nn.Linear(8, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).relu().mean((2, 3)))


class KerasBlock(layers.Layer):
    """A transformer block with its norms first."""

    def __init__(self, width: int, **settings: object) -> None:
        super().__init__(**settings)
        self.norm1, self.norm2 = layers.LayerNormalization(), layers.LayerNormalization()
        self.attention = layers.MultiHeadAttention(2, width // 2)
        self.up, self.down = layers.Dense(2 * width, "gelu"), layers.Dense(width)

    def build(self, shape: tuple[int, ...]) -> None:
        for layer in (self.norm1, self.norm2, self.up):
            layer.build(shape)
        self.attention.build(shape, shape)
        self.down.build((*shape[:-1], 2 * shape[-1]))

    def call(self, x: object) -> object:
        own = self.norm1(x)
        x = x + self.attention(own, own)
        return x + self.down(self.up(self.norm2(x)))


class Before(layers.Layer):
    """Puts learned tokens before others, and adds learned places."""

    def __init__(self, count: int, **settings: object) -> None:
        super().__init__(**settings)
        self.count = count

    def build(self, shape: tuple[int, ...]) -> None:
        self.tokens = self.add_weight(shape=(1, self.count, shape[-1]), initializer="random_normal")
        self.place = self.add_weight(shape=(1, self.count + shape[1], shape[-1]), initializer="random_normal")

    def call(self, x: object) -> object:
        ops = keras.ops
        return ops.concatenate([ops.tile(self.tokens, (ops.shape(x)[0], 1, 1)), x], axis=1) + self.place


def keras_vision_transformer(*, n_before: int, reads_first: bool) -> keras.Model:
    x = keras.Input((*SIZE, 3))
    tokens = layers.Reshape((24, 8))(layers.Conv2D(8, 2, strides=2, name="patches")(x))
    tokens = Before(n_before, name="before")(tokens)
    for index in range(3):
        tokens = KerasBlock(8, name=f"block{index}")(tokens)
    tokens = layers.LayerNormalization(name="norm")(tokens)
    read = tokens[:, 0] if reads_first else keras.ops.mean(tokens[:, n_before:], axis=1)
    return keras.Model(x, layers.Dense(4)(read))


def keras_inception() -> keras.Model:
    x = keras.Input((*SIZE, 3))
    stem = layers.Conv2D(5, 3, padding="same", activation="relu")(x)
    left, right = (
        layers.Conv2D(3, 1, name="left")(stem),
        layers.Conv2D(4, 3, padding="same", name="right")(stem),
    )
    mixed = layers.Concatenate(name="mixed")([left, right])
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling2D()(mixed)))


def keras_segmenting() -> keras.Model:
    x = keras.Input((*SIZE, 3))
    seen = layers.MaxPooling2D()(layers.Conv2D(6, 3, padding="same", activation="relu")(x))
    seen = layers.Conv2D(5, 3, padding="same", activation="relu", name="decoder")(seen)
    logits = layers.Conv2D(4, 3, padding="same", name="classifier")(seen)
    return keras.Model(x, layers.UpSampling2D(interpolation="bilinear")(logits))


def keras_two_ways() -> keras.Model:
    x = keras.Input((*SIZE, 3))
    ways = [
        layers.GlobalAveragePooling2D()(layers.Conv2D(4, size, activation="relu", name=name)(x))
        for name, size in (("left", 3), ("right", 5))
    ]
    return keras.Model(x, layers.Dense(4)(layers.Concatenate()(ways)))


def keras_channels_first() -> keras.Model:
    """A map whose channels are moved to the front, and activated there by a layer that knows no axes."""
    x = keras.Input((*SIZE, 3))
    seen = layers.Permute((3, 1, 2), name="moved")(layers.Conv2D(5, 3, padding="same")(x))
    seen = layers.Activation("relu", name="active")(seen)
    return keras.Model(x, layers.Dense(4)(keras.ops.mean(seen, axis=(2, 3))))


class Mixed(nn.Module):
    """A layer that mixes all places and channels, so that no axis of its output follows the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.square, self.head = nn.Linear(288, 48), nn.Unflatten(1, (4, 3, 4)), nn.Linear(48, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.square(self.mix(x.flatten(1))).tanh().flatten(1))


def keras_mixed() -> keras.Model:
    x = keras.Input((*SIZE, 3))
    seen = layers.Reshape((3, 4, 4), name="square")(layers.Dense(48, "tanh")(layers.Flatten()(x)))
    return keras.Model(x, layers.Dense(4)(layers.Flatten()(seen)))


class AttentionPooled(nn.Module):
    """Scores over time, as Bahdanau has them: their softmax weights fixed values, and does not change with a shift."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.tanh, self.scores = nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)
        self.values, self.head = nn.Parameter(torch.randn(9, 6)), nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = self.scores(self.tanh(self.query(x))).softmax(1)
        return self.head((weights * self.values).sum(1))


def keras_attention_pooled() -> keras.Model:
    x = keras.Input((9, 3))
    tanh = layers.Activation("tanh", name="tanh")(layers.Dense(5, name="query")(x))
    weights = keras.ops.softmax(layers.Dense(1, name="scores")(tanh), axis=1)
    # A dense layer over time has the fixed values.
    return keras.Model(x, layers.Dense(4)(layers.Dense(6)(layers.Reshape((9,))(weights))))


class TwoViews(nn.Module):
    """Two pictures, each with a convolution of its own, that meet in a concatenation; or at once."""

    def __init__(self, *, meets_at_once: bool) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        width = 6 if meets_at_once else 8
        self.joint, self.head, self.at_once = nn.Conv2d(width, 5, 3), nn.Linear(5, 4), meets_at_once

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if not self.at_once:
            a, b = self.left(a).tanh(), self.right(b).tanh()
        return self.head(self.joint(torch.cat([a, b], dim=1)).relu().mean((2, 3)))


def keras_two_views(*, meets_at_once: bool) -> keras.Model:
    a, b = keras.Input((*SIZE, 3), name="a"), keras.Input((*SIZE, 3), name="b")
    seen = [a, b]
    if not meets_at_once:
        seen = [
            layers.Activation("tanh")(layers.Conv2D(4, 3, padding="same", name=name)(one))
            for name, one in (("left", a), ("right", b))
        ]
    joint = layers.Conv2D(5, 3, activation="relu", name="joint")(layers.Concatenate()(seen))
    return keras.Model([a, b], layers.Dense(4)(layers.GlobalAveragePooling2D()(joint)))


class Patched(nn.Module):
    """Patches of each channel of a series, as in PatchTST: the layer between has an axis more than a map."""

    def __init__(self) -> None:
        super().__init__()
        self.scaled, self.patches, self.head = nn.Identity(), nn.Linear(4, 5), nn.Linear(30, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = self.scaled(x * 2).movedim(1, 2).unflatten(2, (2, 4))
        return self.head(self.patches(patches).tanh().flatten(1))


def keras_patched() -> keras.Model:
    x = keras.Input((8, 3))
    scaled = layers.Permute((2, 1))(layers.Rescaling(2.0, name="scaled")(x))
    patches = layers.Dense(5, "tanh", name="patches")(layers.Reshape((3, 2, 4))(scaled))
    return keras.Model(x, layers.Dense(4)(layers.Flatten()(patches)))


class OnlyScores(nn.Module):
    """A softmax over time that weights fixed values: the gradients to its scores cancel."""

    def __init__(self) -> None:
        super().__init__()
        self.scores, self.values, self.head = (
            nn.Linear(3, 1),
            nn.Parameter(torch.randn(9, 6)),
            nn.Linear(6, 4),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head((self.scores(x).softmax(1) * self.values).sum(1))


def keras_only_scores() -> keras.Model:
    x = keras.Input((9, 3))
    weights = keras.ops.softmax(layers.Dense(1, name="scores")(x), axis=1)
    return keras.Model(x, layers.Dense(4)(layers.Dense(6)(keras.ops.squeeze(weights, axis=2))))


class Sorting(nn.Module):
    """Sorts its sequences by their length, longest first, and puts them back, as packed sequences once needed."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.after, self.head = nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        order = (x != 0).any(-1).sum(1).argsort(descending=True, stable=True)
        self.encoded = self.encoder(x[order])
        return self.head(self.after(self.encoded[order.argsort()]).mean(1))


def keras_sorting() -> keras.Model:
    """The same in Keras."""
    ops = keras.ops
    x = keras.Input((6, 3))
    lengths = ops.sum(ops.cast(ops.any(ops.not_equal(x, 0), -1), "int32"), 1)
    order = ops.argsort(-lengths)
    encoded = layers.Dense(5, name="encoder")(ops.take(x, order, 0))
    back = layers.Activation("tanh", name="after")(ops.take(encoded, ops.argsort(order), 0))
    return keras.Model(x, layers.Dense(4, name="head")(layers.GlobalAveragePooling1D()(back)))


class SortingToTheEnd(Sorting):
    """Puts its examples back behind its head."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        order = (x != 0).any(-1).sum(1).argsort(descending=True, stable=True)
        return self.head(self.after(self.encoder(x[order])).mean(1))[order.argsort()]


class SortingIds(nn.Module):
    """Sorts token ids by their length before its embedding, and packs what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.rnn = nn.Embedding(20, 5, padding_idx=0), nn.LSTM(5, 6, batch_first=True)
        self.head = nn.Linear(6, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        lengths = (ids != 0).sum(1)
        order = lengths.argsort(descending=True, stable=True)
        vectors = nn.utils.rnn.pack_padded_sequence(
            self.words(ids[order]), lengths[order].cpu(), batch_first=True
        )
        return self.head(self.rnn(vectors)[1][0][-1][order.argsort()])


def keras_sorting_ids() -> keras.Model:
    """Sorts token ids by their length before its embedding, in Keras."""
    ops = keras.ops
    ids = keras.Input((6,), dtype="int32")
    order = ops.argsort(-ops.sum(ops.cast(ops.not_equal(ids, 0), "int32"), 1))
    vectors = layers.Embedding(20, 5, name="words")(ops.take(ids, order, 0))
    read = layers.LSTM(6, name="rnn")(vectors)
    return keras.Model(ids, layers.Dense(4, name="head")(ops.take(read, ops.argsort(order), 0)))
