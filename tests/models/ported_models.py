"""The half of the corpus that may be looked at while the check is built."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from models.twins import Family, Part, Settings, through
from torch import nn
from torch.nn import functional

layers = keras.layers


# --- plain CNN: Sequential in both, batch norm, flatten -----------------------------------------------------


def plain_torch(s: Settings) -> nn.Module:
    return nn.Sequential(
        s.torch_conv("conv1", 3, 8, 3),
        s.torch_norm("bn1", 8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        s.torch_conv("conv2", 8, 12, 3, style="valid"),
        s.torch_norm("bn2", 12),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 4 * 3, 24),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(24, 5),
    )


def plain_keras(s: Settings) -> Any:
    first = x = keras.Input((12, 10, 3))
    x = through(x, s.keras_front(), s.keras_conv("conv1", 8, 3), s.keras_norm("bn1"), layers.ReLU())
    x = through(x, layers.MaxPooling2D(2), s.keras_conv("conv2", 12, 3, style="valid"), s.keras_norm("bn2"))
    x = through(x, layers.ReLU(), layers.Flatten(name="flatten"), layers.Dense(24, name="fc1"), layers.ReLU())
    return keras.Model(first, through(x, layers.Dropout(0.3), layers.Dense(5, name="fc2")))


PLAIN = Family(
    "plain CNN, flattened",
    plain_torch,
    plain_keras,
    (12, 10, 3),
    (
        Part("conv", "0", "conv1"),
        Part("batch_norm", "1", "bn1"),
        Part("conv", "4", "conv2"),
        Part("batch_norm", "5", "bn2"),
        Part("dense", "8", "fc1", flattened=(12, 4, 3)),
        Part("dense", "11", "fc2"),
    ),
    wrapped=True,
)


# --- residual CNN: batch norm, no biases, strides, global pooling; square pictures --------------------------


class Block(nn.Module):
    def __init__(self, s: Settings, name: str, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = s.torch_conv(f"{name}_conv1", before, after, 3, stride, "around", bias=False)
        self.bn1 = s.torch_norm(f"{name}_bn1", after)
        self.conv2 = s.torch_conv(f"{name}_conv2", after, after, 3, bias=False)
        self.bn2 = s.torch_norm(f"{name}_bn2", after)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), s.torch_norm(f"{name}_short_bn", after)
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        other = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(other + (x if self.downsample is None else self.downsample(x)))


class Residual(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.s = s
        self.conv1 = s.torch_conv("stem_conv", 3, 8, 3, 2, "around", bias=False)
        self.bn1 = s.torch_norm("stem_bn", 8)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = Block(s, "block1", 8, 8, 1)
        self.layer2 = Block(s, "block2", 8, 12, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(12, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(self.s.prepared(x))))
        return self.fc(torch.flatten(self.avgpool(self.layer2(self.layer1(x))), 1))


def residual_keras(s: Settings) -> Any:
    def block(x: Any, name: str, after: int, stride: int) -> Any:
        kept = x
        x = through(x, s.keras_conv(f"{name}_conv1", after, 3, stride, "around", use_bias=False))
        x = through(x, s.keras_norm(f"{name}_bn1"), layers.Activation("relu"))
        x = through(x, s.keras_conv(f"{name}_conv2", after, 3, use_bias=False), s.keras_norm(f"{name}_bn2"))
        if stride > 1:
            short = layers.Conv2D(after, 1, strides=stride, use_bias=False, name=f"{name}_short_conv")
            kept = through(kept, short, s.keras_norm(f"{name}_short_bn"))
        return layers.Activation("relu")(layers.Add()([x, kept]))

    first = keras.Input((16, 16, 3))
    x = through(first, s.keras_front(), s.keras_conv("stem_conv", 8, 3, 2, "around", use_bias=False))
    x = through(x, s.keras_norm("stem_bn"), layers.Activation("relu"))
    x = block(block(x, "block1", 8, 1), "block2", 12, 2)
    return keras.Model(first, through(x, layers.GlobalAveragePooling2D(), layers.Dense(6, name="head")))


RESIDUAL = Family(
    "residual CNN",
    Residual,
    residual_keras,
    (16, 16, 3),
    (
        Part("conv", "conv1", "stem_conv"),
        Part("batch_norm", "bn1", "stem_bn"),
        Part("conv", "layer1.conv1", "block1_conv1"),
        Part("batch_norm", "layer1.bn1", "block1_bn1"),
        Part("conv", "layer1.conv2", "block1_conv2"),
        Part("batch_norm", "layer1.bn2", "block1_bn2"),
        Part("conv", "layer2.conv1", "block2_conv1"),
        Part("batch_norm", "layer2.bn1", "block2_bn1"),
        Part("conv", "layer2.conv2", "block2_conv2"),
        Part("batch_norm", "layer2.bn2", "block2_bn2"),
        Part("conv", "layer2.downsample.0", "block2_short_conv"),
        Part("batch_norm", "layer2.downsample.1", "block2_short_bn"),
        Part("dense", "fc", "head"),
    ),
    wrong_padding={"stem_conv": ("same", "valid"), "block2_conv1": ("same",)},
)


# --- mobile-like: separable, ReLU6, pads as TensorFlow does; reads bytes ------------------------------------


class Separable(nn.Module):
    def __init__(self, s: Settings, name: str, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.depthwise = s.torch_conv(
            f"{name}_depthwise", before, before, 3, stride, groups=before, bias=False
        )
        self.norm = s.torch_norm(f"{name}_depthwise_bn", before)
        self.pointwise = nn.Conv2d(before, after, 1, bias=False)
        self.norm_after = s.torch_norm(f"{name}_pointwise_bn", after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu6(self.norm(self.depthwise(x)))
        return functional.relu6(self.norm_after(self.pointwise(x)))


class Mobile(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.s = s
        self.stem = s.torch_conv("stem", 3, 8, 3, 2, bias=False)
        self.stem_norm = s.torch_norm("stem_bn", 8)
        self.features = nn.Sequential(Separable(s, "sep1", 8, 12, 1), Separable(s, "sep2", 12, 16, 2))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu6(self.stem_norm(self.stem(self.s.prepared(x))))
        return self.classifier(self.features(x).mean(dim=(2, 3)))


def mobile_keras(s: Settings) -> Any:
    def separable(x: Any, name: str, after: int, stride: int) -> Any:
        x = through(x, s.keras_conv(f"{name}_depthwise", 0, 3, stride, use_bias=False))
        x = through(x, s.keras_norm(f"{name}_depthwise_bn"), layers.ReLU(6.0))
        x = through(x, layers.Conv2D(after, 1, use_bias=False, name=f"{name}_pointwise"))
        return through(x, s.keras_norm(f"{name}_pointwise_bn"), layers.ReLU(6.0))

    first = keras.Input((16, 12, 3))
    x = through(first, s.keras_front(), s.keras_conv("stem", 8, 3, 2, use_bias=False))
    x = through(x, s.keras_norm("stem_bn"), layers.ReLU(6.0))
    x = separable(separable(x, "sep1", 12, 1), "sep2", 16, 2)
    x = through(x, layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(7, name="logits"))
    return keras.Model(first, x)


MOBILE = Family(
    "separable convolutions, ReLU6",
    Mobile,
    mobile_keras,
    (16, 12, 3),
    (
        Part("conv", "stem", "stem"),
        Part("batch_norm", "stem_norm", "stem_bn"),
        Part("depthwise", "features.0.depthwise", "sep1_depthwise"),
        Part("batch_norm", "features.0.norm", "sep1_depthwise_bn"),
        Part("conv", "features.0.pointwise", "sep1_pointwise"),
        Part("batch_norm", "features.0.norm_after", "sep1_pointwise_bn"),
        Part("depthwise", "features.1.depthwise", "sep2_depthwise"),
        Part("batch_norm", "features.1.norm", "sep2_depthwise_bn"),
        Part("conv", "features.1.pointwise", "sep2_pointwise"),
        Part("batch_norm", "features.1.norm_after", "sep2_pointwise_bn"),
        Part("dense", "classifier.1", "logits"),
    ),
    values="bytes",
    wrong_padding={"stem": ("around",), "sep1_depthwise": ("valid",), "sep2_depthwise": ("around",)},
)


# --- a functional model, as in tutorials: no module for what has no weights; activations inside Keras's layer


class Tutorial(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.s = s
        self.conv1 = s.torch_conv("conv1", 3, 6, 5, style="valid")
        self.conv2 = s.torch_conv("conv2", 6, 10, 3, style="valid")
        self.fc1 = nn.Linear(10 * 3 * 4, 20)
        self.fc2 = nn.Linear(20, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.conv1(self.s.prepared(x))), 2)
        x = functional.relu(self.conv2(x)).flatten(1)
        return self.fc2(functional.relu(self.fc1(x)))


def tutorial_keras(s: Settings) -> Any:
    return keras.Sequential(
        [
            keras.Input((14, 16, 3)),
            *s.keras_front(),
            *s.keras_conv("c1", 6, 5, style="valid", activation="relu"),
            layers.MaxPooling2D(2),
            *s.keras_conv("c2", 10, 3, style="valid", activation="relu"),
            layers.Flatten(name="flatten"),
            layers.Dense(20, activation="relu", name="d1"),
            layers.Dense(4, name="d2"),
        ]
    )


TUTORIAL = Family(
    "functional, activations inside Keras's layers",
    Tutorial,
    tutorial_keras,
    (14, 16, 3),
    (
        Part("conv", "conv1", "c1"),
        Part("conv", "conv2", "c2"),
        Part("dense", "fc1", "d1", flattened=(10, 3, 4)),
        Part("dense", "fc2", "d2"),
    ),
)


# --- recurrent ----------------------------------------------------------------------------------------------


class TwoLayers(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.rnn = nn.LSTM(5, 8, num_layers=2, batch_first=True)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.rnn(x)[0][:, -1])


def two_layers_keras(s: Settings) -> Any:
    return keras.Sequential(
        [
            keras.Input((9, 5)),
            layers.LSTM(8, return_sequences=True, name="lstm1"),
            layers.LSTM(8, name="lstm2"),
            layers.Dense(4, name="out"),
        ]
    )


LSTM = Family(
    "LSTM of two layers",
    TwoLayers,
    two_layers_keras,
    (9, 5),
    (
        # PyTorch's layer shows what its second layer gives alone.
        Part("lstm", "rnn", "lstm1", also_keras=("lstm2",)),
        Part("lstm", "rnn", "lstm2", level=1),
        Part("dense", "fc", "out"),
    ),
    values="sequence",
    channels_first=False,
)


class BothWays(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.encoder = nn.GRU(4, 6, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(12, eps=s.epsilon.get("norm", 1e-5))
        self.decoder = nn.GRU(12, 6, batch_first=True)
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.encoder(x)[0])
        return self.head(self.decoder(x)[0].mean(dim=1))


def both_ways_keras(s: Settings) -> Any:
    first = keras.Input((8, 4))
    x = layers.Bidirectional(layers.GRU(6, return_sequences=True), name="bidirectional")(first)
    x = layers.LayerNormalization(epsilon=s.epsilon.get("norm", 1e-5), name="norm")(x)
    x = through(x, layers.GRU(6, return_sequences=True, name="gru"), layers.GlobalAveragePooling1D())
    return keras.Model(first, layers.Dense(5, name="head")(x))


GRU = Family(
    "GRU, bidirectional and stacked",
    BothWays,
    both_ways_keras,
    (8, 4),
    (
        Part("gru", "encoder", "bidirectional", both_ways=True),
        Part("layer_norm", "norm", "norm"),
        Part("gru", "decoder", "gru"),
        Part("dense", "head", "head"),
    ),
    values="sequence",
    channels_first=False,
)


# --- 1-D CNN and LSTM; in Keras subclassed ------------------------------------------------------------------


class Signal(nn.Module):
    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.conv = s.torch_conv1d("conv", 4, 8, 5)
        self.bn = s.torch_norm("bn", 8, rank=1)
        self.conv2 = s.torch_conv1d("conv2", 8, 8, 3)
        self.bn2 = s.torch_norm("bn2", 8, rank=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool1d(2)
        self.lstm = nn.LSTM(8, 7, batch_first=True)
        self.fc = nn.Linear(7, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.relu(self.bn(self.conv(x))))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.fc(self.lstm(x.transpose(1, 2))[0][:, -1])


class SignalInKeras(keras.Model):
    def __init__(self, s: Settings) -> None:
        super().__init__()

        def conv(name: str, side: int) -> Any:
            return layers.Conv1D(8, side, padding=s.padding.get(name, "same"), name=name)

        self.conv, self.conv2 = conv("conv", 5), conv("conv2", 3)
        self.bn, self.bn2 = s.keras_norm("bn"), s.keras_norm("bn2")
        self.pool = layers.MaxPooling1D(2)
        self.lstm = layers.LSTM(7, name="lstm")
        self.fc = layers.Dense(3, name="fc")

    def call(self, x: Any) -> Any:
        x = self.pool(keras.ops.relu(self.bn(self.conv(x))))
        return self.fc(self.lstm(keras.ops.relu(self.bn2(self.conv2(x)))))


def signal_keras(s: Settings) -> Any:
    model = SignalInKeras(s)
    model(np.zeros((1, 16, 4), np.float32))
    return model


SIGNAL = Family(
    "1-D CNN and LSTM, subclassed in Keras",
    Signal,
    signal_keras,
    (16, 4),
    (
        Part("conv", "conv", "conv"),
        Part("batch_norm", "bn", "bn"),
        Part("conv", "conv2", "conv2"),
        Part("batch_norm", "bn2", "bn2"),
        Part("lstm", "lstm", "lstm"),
        Part("dense", "fc", "fc"),
    ),
    values="sequence",
    wrong_padding={"conv": ("valid",), "conv2": ("valid",)},
)

FAMILIES = (PLAIN, RESIDUAL, MOBILE, TUTORIAL, LSTM, GRU, SIGNAL)
