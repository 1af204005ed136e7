"""The held-out half of the corpus: not looked at while the check was built; what is known of it is its figures."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from models.twins import Family, Part, Settings, through
from torch import nn
from torch.nn import functional

layers = keras.layers


# --- nested bodies, batch norm after the ReLU; Keras flattens in the order of PyTorch -----------------------


class Nested(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.s = s
        self.features = nn.Sequential(
            s.torch_conv("conv1", 3, 6, 3, 2),
            nn.ReLU(),
            s.torch_norm("bn1", 6, 1e-3),
            s.torch_conv("conv2", 6, 8, 3),
            nn.ReLU(),
            s.torch_norm("bn2", 8, 1e-3),
            nn.AvgPool2d(2),
            s.torch_conv("conv3", 8, 10, 3),
            nn.ReLU(),
            s.torch_norm("bn3", 10, 1e-3),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(10 * 3 * 4, 16), nn.ReLU(), nn.Linear(16, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(self.s.prepared(x)))


def nested_keras(s: Settings) -> Any:
    def norm(name: str) -> Any:
        return s.keras_norm(name, 1e-3)

    inside = x = keras.Input((12, 16, 3))
    x = through(x, s.keras_conv("conv1", 6, 3, 2, activation="relu"), norm("bn1"))
    x = through(x, s.keras_conv("conv2", 8, 3, activation="relu"), norm("bn2"), layers.AveragePooling2D(2))
    x = through(x, s.keras_conv("conv3", 10, 3, activation="relu"), norm("bn3"))
    body = keras.Model(inside, x, name="features")
    order = [layers.Permute((3, 1, 2), name="to_channels_first")] if s.permuted else []
    head = keras.Sequential(
        [
            keras.Input((3, 4, 10)),
            *order,
            layers.Flatten(name="flatten"),
            layers.Dense(16, activation="relu", name="hidden"),
            layers.Dense(6, name="scores"),
        ],
        name="classifier",
    )
    first = keras.Input((12, 16, 3))
    return keras.Model(first, through(first, s.keras_front(), body, head))


NESTED = Family(
    "nested bodies, norm after activation, order kept by a Permute",
    Nested,
    nested_keras,
    (12, 16, 3),
    (
        Part("conv", "features.0", "features/conv1", also_torch=("features.1",)),
        Part("batch_norm", "features.2", "features/bn1"),
        Part("conv", "features.3", "features/conv2", also_torch=("features.4",)),
        Part("batch_norm", "features.5", "features/bn2"),
        Part("conv", "features.7", "features/conv3", also_torch=("features.8",)),
        Part("batch_norm", "features.9", "features/bn3"),
        Part("dense", "classifier.1", "classifier/hidden", also_torch=("classifier.2",)),
        Part("dense", "classifier.3", "classifier/scores"),
    ),
    values="bytes",
    epsilon=1e-3,
    wrong_padding={"conv1": ("around",)},
    ordered=(10, 3, 4),
    flattening={
        "torch": ("classifier.0", "classifier.1", "classifier.2"),
        "keras": ("classifier/to_channels_first", "classifier/flatten", "classifier/hidden"),
    },
)


# --- densely connected: norm and activation before the convolution; blocks that are layers; square pictures -


class Dense(nn.Module):
    def __init__(self, s: Settings, name: str, before: int) -> None:
        super().__init__()
        self.norm = s.torch_norm(f"{name}_norm", before)
        self.conv = s.torch_conv(f"{name}_conv", before, 4, 3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.conv(torch.relu(self.norm(x)))], dim=1)


class DenselyConnected(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.s = s
        self.stem = s.torch_conv("stem", 3, 8, 5)
        self.blocks = nn.ModuleList([Dense(s, "b1", 8), Dense(s, "b2", 12)])
        self.transition = s.torch_conv("transition", 16, 8, 3, 2, "around")
        self.last = Dense(s, "b3", 8)
        self.norm = s.torch_norm("norm", 12)
        self.out = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(self.s.prepared(x))
        for block in self.blocks:
            x = block(x)
        x = torch.relu(self.norm(self.last(self.transition(x))))
        return self.out(x.amax(dim=(2, 3)))


class DenseInKeras(layers.Layer):
    def __init__(self, s: Settings, name: str) -> None:
        super().__init__(name=name)
        self.norm, self.how = s.keras_norm(f"{name}_norm", told=True), s.keras_training(f"{name}_norm")
        (self.conv,) = s.keras_conv(f"{name}_conv", 4, 3, use_bias=False)

    def call(self, x: Any) -> Any:
        return keras.ops.concatenate([x, self.conv(keras.ops.relu(self.norm(x, **self.how)))], axis=-1)


class DenselyConnectedInKeras(keras.Model):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.front = s.keras_front()
        self.stem = s.keras_conv("stem", 8, 5)
        self.first_blocks = [DenseInKeras(s, "b1"), DenseInKeras(s, "b2")]
        self.transition = s.keras_conv("transition", 8, 3, 2, "around")
        self.last_block = DenseInKeras(s, "b3")
        self.norm, self.how = s.keras_norm("norm", told=True), s.keras_training("norm")
        self.pool = layers.GlobalMaxPooling2D()
        self.out = layers.Dense(5, name="out")

    def call(self, x: Any) -> Any:
        for layer in (*self.front, *self.stem, *self.first_blocks, *self.transition, self.last_block):
            x = layer(x)
        return self.out(self.pool(keras.ops.relu(self.norm(x, **self.how))))


def densely_connected_keras(s: Settings) -> Any:
    model = DenselyConnectedInKeras(s)
    model(np.zeros((1, 14, 14, 3), np.float32))
    return model


DENSE = Family(
    "densely connected, norm before activation, subclassed in Keras",
    DenselyConnected,
    densely_connected_keras,
    (14, 14, 3),
    (
        Part("conv", "stem", "stem"),
        Part("batch_norm", "blocks.0.norm", "b1/b1_norm"),
        Part("conv", "blocks.0.conv", "b1/b1_conv"),
        Part("batch_norm", "blocks.1.norm", "b2/b2_norm"),
        Part("conv", "blocks.1.conv", "b2/b2_conv"),
        Part("conv", "transition", "transition"),
        Part("batch_norm", "last.norm", "b3/b3_norm"),
        Part("conv", "last.conv", "b3/b3_conv"),
        Part("batch_norm", "norm", "norm"),
        Part("dense", "out", "out"),
    ),
    wrong_padding={"stem": ("valid",), "transition": ("same",)},
)


# --- in the manner of ConvNeXt: depthwise, layer norm, GELU; PyTorch turns its axes about -------------------


class Next(nn.Module):
    def __init__(self, s: Settings, name: str) -> None:
        super().__init__()
        self.dwconv = s.torch_conv(f"{name}_dw", 8, 8, 5, groups=8)
        self.norm = nn.LayerNorm(8, eps=s.epsilon.get(f"{name}_norm", 1e-6))
        self.pwconv1 = nn.Linear(8, 16)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        return x + self.pwconv2(self.act(self.pwconv1(y))).permute(0, 3, 1, 2)


class ConvNext(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.s = s
        self.downsample = s.torch_conv("patches", 3, 8, 3, 2)
        self.stages = nn.Sequential(Next(s, "n1"), Next(s, "n2"))
        self.norm = nn.LayerNorm(8, eps=s.epsilon.get("last_norm", 1e-6))
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.stages(self.downsample(self.s.prepared(x))).mean([-2, -1])))


def next_keras(s: Settings) -> Any:
    def norm(name: str) -> Any:
        return layers.LayerNormalization(epsilon=s.epsilon.get(name, 1e-6), name=name)

    first = keras.Input((12, 18, 3))
    x = through(first, s.keras_front(), s.keras_conv("patches", 8, 3, 2))
    for name in ("n1", "n2"):
        y = through(x, s.keras_conv(f"{name}_dw", 0, 5), norm(f"{name}_norm"))
        y = through(y, layers.Dense(16, name=f"{name}_up"), layers.Activation("gelu"))
        x = layers.Add()([x, layers.Dense(8, name=f"{name}_down")(y)])
    x = through(x, layers.GlobalAveragePooling2D(), norm("last_norm"), layers.Dense(5, name="head"))
    return keras.Model(first, x)


NEXT = Family(
    "depthwise convolutions, layer norm, GELU",
    ConvNext,
    next_keras,
    (12, 18, 3),
    (
        Part("conv", "downsample", "patches", size=0.5),
        Part("depthwise", "stages.0.dwconv", "n1_dw"),
        Part("layer_norm", "stages.0.norm", "n1_norm"),
        Part("dense", "stages.0.pwconv1", "n1_up"),
        Part("dense", "stages.0.pwconv2", "n1_down", size=0.3),
        Part("depthwise", "stages.1.dwconv", "n2_dw"),
        Part("layer_norm", "stages.1.norm", "n2_norm"),
        Part("dense", "stages.1.pwconv1", "n2_up"),
        Part("dense", "stages.1.pwconv2", "n2_down", size=0.3),
        Part("layer_norm", "norm", "last_norm"),
        Part("dense", "head", "head"),
    ),
    epsilon=1e-6,
    wrong_padding={"patches": ("around",)},
)


# --- recurrent ----------------------------------------------------------------------------------------------


class Tagger(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 7)
        self.gru = nn.GRU(7, 9, num_layers=2, batch_first=True)
        self.tags = nn.Linear(9, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, state = self.gru(torch.tanh(self.embed(x)))
        return self.tags(state[-1])


def tagger_keras(s: Settings) -> Any:
    first = keras.Input((7, 6))
    x = through(first, layers.Dense(7, activation="tanh", name="embed"))
    x = through(x, layers.GRU(9, return_sequences=True, name="gru_lower"), layers.GRU(9, name="gru_upper"))
    return keras.Model(first, layers.Dense(4, name="tags")(x))


TAGGER = Family(
    "GRU of two layers, read by its state",
    Tagger,
    tagger_keras,
    (7, 6),
    (
        Part("dense", "embed", "embed"),
        Part("gru", "gru", "gru_lower", also_keras=("gru_upper",)),
        Part("gru", "gru", "gru_upper", level=1),
        Part("dense", "tags", "tags"),
    ),
    values="sequence",
    channels_first=False,
)


class Attentive(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 6, batch_first=True, bidirectional=True)
        self.bn = s.torch_norm("bn", 12, rank=1)
        self.score = nn.Linear(12, 1)
        self.out = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.lstm(x)[0].transpose(1, 2)).transpose(1, 2)
        weights = torch.softmax(self.score(torch.tanh(x)), dim=1)
        return self.out((weights * x).sum(dim=1))


class AttentiveInKeras(keras.Model):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.lstm = layers.Bidirectional(layers.LSTM(6, return_sequences=True), name="bilstm")
        self.bn, self.how = s.keras_norm("bn", told=True), s.keras_training("bn")
        self.score = layers.Dense(1, name="score")
        self.out = layers.Dense(4, name="out")

    def call(self, x: Any) -> Any:
        x = self.bn(self.lstm(x), **self.how)
        weights = keras.ops.softmax(self.score(keras.ops.tanh(x)), axis=1)
        return self.out(keras.ops.sum(weights * x, axis=1))


def attentive_keras(s: Settings) -> Any:
    model = AttentiveInKeras(s)
    model(np.zeros((1, 9, 5), np.float32))
    return model


ATTENTIVE = Family(
    "bidirectional LSTM, batch norm, attention of its own code",
    Attentive,
    attentive_keras,
    (9, 5),
    (
        Part("lstm", "lstm", "bilstm", both_ways=True),
        Part("batch_norm", "bn", "bn"),
        Part("dense", "score", "score"),
        Part("dense", "out", "out"),
    ),
    values="sequence",
    channels_first=False,
)


class Spectrum(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.conv = nn.Sequential(s.torch_conv("conv1", 1, 6, 3), s.torch_norm("bn1", 6), nn.ReLU())
        self.pool = nn.MaxPool2d((1, 2))
        self.conv_again = nn.Sequential(s.torch_conv("conv2", 6, 4, 3), s.torch_norm("bn2", 4), nn.ReLU())
        self.rnn = nn.GRU(4 * 5, 8, batch_first=True)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_again(self.pool(self.conv(x)))
        return self.fc(self.rnn(x.permute(0, 2, 1, 3).flatten(2))[0][:, -1])


def spectrum_keras(s: Settings) -> Any:
    first = keras.Input((9, 10, 1))
    x = through(first, s.keras_conv("conv1", 6, 3), s.keras_norm("bn1"), layers.ReLU())
    x = through(
        x, layers.MaxPooling2D((1, 2)), s.keras_conv("conv2", 4, 3), s.keras_norm("bn2"), layers.ReLU()
    )
    x = through(
        x, layers.Reshape((9, 20), name="columns"), layers.GRU(8, name="rnn"), layers.Dense(5, name="fc")
    )
    return keras.Model(first, x)


SPECTRUM = Family(
    "2-D CNN and GRU over a spectrum",
    Spectrum,
    spectrum_keras,
    (9, 10, 1),
    (
        Part("conv", "conv.0", "conv1"),
        Part("batch_norm", "conv.1", "bn1"),
        Part("conv", "conv_again.0", "conv2"),
        Part("batch_norm", "conv_again.1", "bn2"),
        Part("gru", "rnn", "rnn", flattened=(4, 5)),
        Part("dense", "fc", "fc"),
    ),
    values="sequence",
)


# --- 1-D CNN, flattened; in PyTorch a list of modules -------------------------------------------------------


class Series(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.convs = nn.ModuleList([s.torch_conv1d("conv_a", 3, 8, 3), s.torch_conv1d("conv_b", 8, 6, 5)])
        self.norms = nn.ModuleList([s.torch_norm("norm_a", 8, rank=1), s.torch_norm("norm_b", 6, rank=1)])
        self.fc = nn.Linear(6 * 5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = functional.avg_pool1d(functional.elu(norm(conv(x))), 2)
        return self.fc(x.reshape(len(x), -1))


def series_keras(s: Settings) -> Any:
    def conv(name: str, after: int, side: int) -> Any:
        return layers.Conv1D(after, side, padding=s.padding.get(name, "same"), name=name)

    first = keras.Input((20, 3))
    x = first
    for name, after, side in (("a", 8, 3), ("b", 6, 5)):
        x = through(x, conv(f"conv_{name}", after, side), s.keras_norm(f"norm_{name}"))
        x = through(x, layers.ELU(), layers.AveragePooling1D(2))
    return keras.Model(first, through(x, layers.Flatten(name="flatten"), layers.Dense(4, name="fc")))


SERIES = Family(
    "1-D CNN, flattened",
    Series,
    series_keras,
    (20, 3),
    (
        Part("conv", "convs.0", "conv_a"),
        Part("batch_norm", "norms.0", "norm_a"),
        Part("conv", "convs.1", "conv_b"),
        Part("batch_norm", "norms.1", "norm_b"),
        Part("dense", "fc", "fc", flattened=(6, 5)),
    ),
    values="sequence",
)

FAMILIES = (NESTED, DENSE, NEXT, TAGGER, ATTENTIVE, SPECTRUM, SERIES)
