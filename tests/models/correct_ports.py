"""Ports that are right, many of which do not look alike: a check must raise no alarm on any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
from models import kinds, ported_models, ported_models_unseen
from models.twins import Array, Family, Part, Settings, Side, run, through, write_keras
from torch import nn
from torch.nn import functional

from explain import zoo

layers = keras.layers
Made = tuple[Any, Any, Array, Array]


def softmax(logits: Array) -> Array:
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Port:
    """A right port.

    Parameters
    ----------
    title : str
        What it is.
    make : callable
        Gives model A, model B, the input in A's layout, and the same in B's.
    side_a : {"torch", "keras"}
        Framework of A.
    like_b : callable
        From A's outputs to those of B, of one that ends in a softmax where the other does not.
    large : bool
        Whether it is a network of real size, whose check takes seconds.
    """

    title: str
    make: Callable[[], Made]
    side_a: Side = "torch"
    like_b: Callable[[Array], Array] = np.asarray
    large: bool = False

    def agreement(self) -> float:
        """How far its outputs are apart, by the frameworks' own forward passes."""
        a, b, x, x_b = self.make()
        side_b: Side = "keras" if self.side_a == "torch" else "torch"
        first, second = run(self.side_a, a, x)[0], run(side_b, b, x_b)[0]
        return float(np.linalg.norm(self.like_b(first) - second) / np.linalg.norm(second))


@contextmanager
def in_double() -> Iterator[None]:
    """Let Keras build in float64."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def of_family(family: Family, side_a: Side, seed: int = 0, double: bool = False) -> Made:
    weights, x = family.weights(seed), family.inputs(seed)
    models = {"torch": family.build("torch", weights)}
    if double:
        x = x.astype(np.float64)
        models["torch"].double()
        with in_double():
            models["keras"] = family.build("keras", weights)
    else:
        models["keras"] = family.build("keras", weights)
    side_b = "keras" if side_a == "torch" else "torch"
    return models[side_a], models[side_b], family.laid_out(side_a, x), family.laid_out(side_b, x)


def of_kind(title: str) -> Made:
    kind = next(kind for kind in kinds.KINDS if kind.title == title)
    models = [kind.model(framework) for framework in ("torch", "tensorflow")]
    return *models, kind.inputs("torch", 5), kind.inputs("tensorflow", 5)


def of_zoo(name: str, count: int) -> Made:
    models = [zoo.load(name, framework=framework) for framework in ("torch", "tensorflow")]
    inputs = [zoo.samples(name, framework=framework).x[:count] for framework in ("torch", "tensorflow")]
    return *models, *inputs


# --- ports that do not look alike ---------------------------------------------------------------------------


def ends_in(last_torch: nn.Module | None, last_keras: str | None) -> Made:
    """The plain CNN, whose outputs go through one more function in one model."""
    a, b, x, x_b = of_family(ported_models.PLAIN, "torch", seed=1)
    if last_torch is not None:
        a = nn.Sequential(*a, last_torch).eval()
    if last_keras is not None:
        b = keras.Model(b.input, layers.Activation(last_keras)(b.output))
    return a, b, x, x_b


def bias_folded() -> Made:
    """Convolutions without biases in Keras, which the means of the batch norms have taken in."""
    family = ported_models.PLAIN
    weights = family.weights(2)
    first = x = keras.Input(family.shape)
    x = through(x, layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv1"))
    x = through(x, layers.BatchNormalization(epsilon=1e-5, name="bn1"), layers.ReLU(), layers.MaxPooling2D(2))
    x = through(x, layers.Conv2D(12, 3, use_bias=False, name="conv2"))
    x = through(x, layers.BatchNormalization(epsilon=1e-5, name="bn2"), layers.ReLU(), layers.Flatten())
    x = through(x, layers.Dense(24, activation="relu", name="fc1"), layers.Dense(5, name="fc2"))
    folded = {key: dict(own) for key, own in weights.items()}
    for conv, norm in (("conv1", "bn1"), ("conv2", "bn2")):
        folded[norm]["running_mean"] = folded[norm]["running_mean"] - folded[conv].pop("bias")
    model = keras.Model(first, x)
    write_keras(model, family.parts, folded)
    x = family.inputs(2)
    return family.build("torch", weights), model, family.laid_out("torch", x), x


class Standardised(nn.Module):
    """Its input is standardised by two lines of code and not by a layer."""

    def __init__(self, model: nn.Module, mean: Array, deviation: Array) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).reshape(-1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model((x - self.mean) / self.deviation)


def standardised() -> Made:
    """A `Normalization` layer in Keras, arithmetic in PyTorch."""
    a, b, x, x_b = of_family(ported_models.RESIDUAL, "torch", seed=1)
    mean, deviation = (np.array(v, np.float32) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    first = keras.Input(b.input_shape[1:])
    norm = layers.Normalization(mean=mean, variance=deviation**2, name="standardised")
    return Standardised(a, mean, deviation).eval(), keras.Model(first, b(norm(first))), x, x_b


def other_parts() -> Made:
    """The tutorial's model with a module for each operation, which in Keras are inside of layers."""
    family = ported_models.TUTORIAL
    own = family.build("torch", family.weights(1))
    model = nn.Sequential(
        own.conv1,
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Identity(),
        nn.Sequential(own.conv2, nn.ReLU(inplace=True), nn.Dropout2d(0.2)),
        nn.Flatten(),
        own.fc1,
        nn.ReLU(),
        own.fc2,
    ).eval()
    x = family.inputs(1)
    return model, family.build("keras", family.weights(1)), family.laid_out("torch", x), x


class Unrolled(nn.Module):
    """An LSTM that is called step by step, with its state."""

    def __init__(self, lstm: nn.LSTM, head: nn.Linear) -> None:
        super().__init__()
        self.lstm, self.head = lstm, head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, (state, _) = self.lstm(functional.dropout(x, 0.5, self.training))
        return self.head(state[-1])


def read_by_state() -> Made:
    family = ported_models.LSTM
    own = family.build("torch", family.weights(1))
    x = family.inputs(1)
    return Unrolled(own.rnn, own.fc).eval(), family.build("keras", family.weights(1)), x, x


def padded_by_layers() -> Made:
    """A convolution that pads itself in PyTorch; in Keras, one after a layer that pads."""
    part = (Part("conv", "0", "conv"), Part("dense", "5", "head", flattened=(4, 4, 3)))
    family = Family(
        "padded by layers",
        lambda s: nn.Sequential(
            nn.Conv2d(3, 4, 5, padding=(2, 1), stride=2),
            nn.LeakyReLU(0.1),
            nn.AvgPool2d(2, ceil_mode=False),
            nn.Identity(),
            nn.Flatten(),
            nn.Linear(48, 3),
        ),
        _padded_keras,
        (16, 14, 3),
        part,
    )
    return of_family(family, "torch", seed=3)


def _padded_keras(s: Settings) -> Any:
    return keras.Sequential(
        [
            keras.Input((16, 14, 3)),
            layers.ZeroPadding2D(((2, 2), (1, 1))),
            layers.Conv2D(4, 5, strides=2, name="conv"),
            layers.LeakyReLU(negative_slope=0.1),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(3, name="head"),
        ]
    )


def mixed_precision() -> Made:
    """A PyTorch model in float64 and a Keras model in float32."""
    a, b, x, x_b = of_family(ported_models.MOBILE, "torch", seed=1)
    return a.double(), b, x.astype(np.float64), x_b


KINDS = (
    "CNN that ends in a softmax",
    "depthwise and grouped convolutions",
    "batch norm and dropout",
    "small ViT (attention, layer norm, GELU)",
    "3-D convolutions",
    "transfer learning: frozen, nested body",
    "bidirectional GRU",
    "attention over a sequence",
    "perceptron on a table",
)

PORTS = (
    *(
        Port(
            f"{family.title}, {side_a} to {'keras' if side_a == 'torch' else 'torch'}",
            partial(of_family, family, side_a),
            side_a,
        )
        for families in (ported_models.FAMILIES, ported_models_unseen.FAMILIES)
        for family, side_a in zip(families, ("torch", "keras") * 4, strict=False)
    ),
    Port("plain CNN in float64", partial(of_family, ported_models.PLAIN, "keras", double=True), "keras"),
    Port("GRU in float64", partial(of_family, ported_models.GRU, "torch", double=True)),
    Port("float64 in PyTorch, float32 in Keras", mixed_precision),
    Port("logits in PyTorch, a softmax in Keras", partial(ends_in, None, "softmax"), like_b=softmax),
    Port(
        "a log-softmax in PyTorch, a softmax in Keras",
        partial(ends_in, nn.LogSoftmax(1), "softmax"),
        like_b=np.exp,
    ),
    Port("biases of convolutions taken into batch norms", bias_folded),
    Port("standardised by a layer in Keras, by arithmetic in PyTorch", standardised),
    Port("a module for each operation, activations inside Keras's layers", other_parts),
    Port("LSTM read by its state in PyTorch, by its last step in Keras", read_by_state),
    Port("padding by a layer in Keras, by the convolution in PyTorch", padded_by_layers),
    *(Port(f"{title} (float64)", partial(of_kind, title)) for title in KINDS),
    Port("the zoo's CIFAR network", partial(of_zoo, "cifar_net", 4)),
    Port("the zoo's CIFAR network from Keras", partial(of_zoo, "cifar_keras", 4)),
    Port("the zoo's recurrent network", partial(of_zoo, "fashion_rnn", 4)),
    Port("EfficientNet-Lite0", partial(of_zoo, "efficientnet_lite0", 2), large=True),
)
