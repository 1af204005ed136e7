"""The kinds of model that people have, each as small as it can be, with the same weights in both frameworks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch
from models.recurrent import LastStep, MeanOfSteps, TokenReader
from models.several_inputs import PooledPictureAndTable
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    Parameters
    ----------
    title : str
        What it is, as the table says it.
    torch, keras, numpy : callable, optional
        Gives the model; `keras` takes the layers of Keras and gives one whose layers are named as those of torch.
    shape : tuple of int
        One example, channels last.
    asked : Mapping
        What is asked of it, besides method and options.
    layers : tuple of str
        Of the torch and of the Keras model, the layer for methods that are about one.
    channels_first : bool
        Whether torch has the channels before space.
    dtype : str
        Precision of the Keras model, or its policy; PyTorch's model is brought there by `torch`.
    bound : float
        How far twins may be apart, in relative L2.
    plain : callable, optional
        Gives the torch model as it is before it is closed, for its weights.
    beside : tuple of int, optional
        Of a second input, one example.
    """

    title: str
    torch: Callable[[], nn.Module] | None
    keras: Callable[[Any], Any] | None
    shape: tuple[int, ...]
    asked: dict[str, Any] = field(default_factory=dict)
    layers: tuple[str, str] = ("conv", "conv")
    channels_first: bool = True
    dtype: str = "float64"
    bound: float = 1e-5
    numpy: Callable[..., Any] | None = None
    plain: Callable[[], nn.Module] | None = None
    lengths: tuple[int, int] | None = None
    ids: bool = False
    beside: tuple[int, ...] | None = None
    by_framework: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def frameworks(self) -> tuple[str, ...]:
        """Those in which it can be had."""
        return tuple(name for name in ("torch", "tensorflow", "numpy") if self._builder(name) is not None)

    def _builder(self, framework: str) -> Any:
        return {"torch": self.torch, "tensorflow": self.keras, "numpy": self.numpy}[framework]

    def inputs(self, framework: str, count: int = 2, seed: int = 5) -> Any:
        """Two examples, in the layout of a framework; of two inputs a tuple."""
        if self.beside is not None:
            second = np.random.default_rng(seed + 1).normal(size=(count, *self.beside))
            return replace(self, beside=None).inputs(framework, count, seed), second
        generator = np.random.default_rng(seed)
        if self.ids:
            return generator.integers(1, 8, size=(count, *self.shape))
        # Multiples of a power of two, so that nothing is rounded where a little is added.
        x = np.round(generator.normal(size=(count, *self.shape)) * 2**10) / 2**10
        for row, length in enumerate(self.lengths or ()):
            x[row % count, length:] = 0
        x = x.astype(np.float64 if self.dtype == "float64" else np.float32)
        return np.moveaxis(x, -1, 1) if framework == "torch" and self.channels_first and x.ndim > 2 else x

    def model(self, framework: str) -> Any:
        """The model, in inference mode, always with the same weights."""
        if framework == "numpy":
            return self.numpy()
        twin = None
        if self.torch is not None:
            torch.manual_seed(3)
            twin = (self.torch if framework == "torch" else self.plain or self.torch)().eval()
            if self.dtype == "float64":
                twin = twin.double()
        if framework == "torch":
            return twin
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype)
        try:
            keras.utils.set_random_seed(3)
            model = self.keras(keras.layers)
        finally:
            keras.config.set_dtype_policy(before)
        if twin is not None:
            copy_weights(twin, getattr(model, "twin", model))
        return getattr(model, "shown", model)

    def arguments(self, framework: str) -> dict[str, Any]:
        """What is asked of it in a framework."""
        given = {**self.asked, **self.by_framework.get(framework, {})}
        if self.lengths is not None:
            given["lengths"] = list(self.lengths)
        return given

    def layer(self, framework: str) -> str:
        """The layer for methods that are about one."""
        return self.layers[framework == "tensorflow"]

    @property
    def names_its_map(self) -> bool:
        """Whether that layer is named for class activation maps too: what the frameworks take by default differs."""
        return self.layers[0] != "rnn" and len(self.shape) > 1


def copy_weights(source: nn.Module, model: Any) -> None:
    """Give a Keras model's layers the weights of the torch modules of the same names."""
    found = {layer.name: layer for layer in model._flatten_layers(include_self=False, recursive=True)}
    done = set()
    for name, module in source.named_modules():
        layer = found.get(name.replace(".", "_"))
        if layer is not None and layer.weights and not isinstance(layer, keras.Model):
            layer.set_weights([np.asarray(one) for one in _as_in_keras(module, layer)])
            done.add(layer.name)
    left = [
        n for n, one in found.items() if one.trainable_weights and n not in done and not _holds(one, done)
    ]
    assert not left, f"no weights for {left}"


def _holds(layer: Any, done: set[str]) -> bool:
    return any(
        part.name in done for part in layer._flatten_layers(include_self=False, recursive=True)
    ) or any(layer.name.startswith(("forward_", "backward_")) or layer.path.startswith(one) for one in done)


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def _as_in_keras(module: nn.Module, layer: Any) -> list[np.ndarray]:
    own = {name: _numbers(value) for name, value in module.state_dict().items()}
    if isinstance(module, nn.Linear):
        return [own["weight"].T, own["bias"]]
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        kernel = np.moveaxis(own["weight"], (0, 1), (-1, -2))
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel = kernel.swapaxes(-1, -2)
        return [kernel, own["bias"]]
    if isinstance(module, nn.BatchNorm2d):
        return [own["weight"], own["bias"], own["running_mean"], own["running_var"]]
    if isinstance(module, nn.MultiheadAttention):
        heads, width = module.num_heads, module.embed_dim
        shape = (width, heads, width // heads)
        kernels, biases = (
            own["in_proj_weight"].reshape(3, width, width),
            own["in_proj_bias"].reshape(3, width),
        )
        arrays = []
        for kernel, bias in zip(kernels, biases, strict=True):
            arrays += [kernel.T.reshape(shape), bias.reshape(shape[1:])]
        return [*arrays, own["out_proj.weight"].T.reshape(*shape[1:], width), own["out_proj.bias"]]
    if isinstance(module, (nn.RNN, nn.LSTM, nn.GRU)):
        arrays = []
        for ending in ("l0", "l0_reverse") if module.bidirectional else ("l0",):
            inner, outer, b, c = (
                own[f"{kind}_{ending}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            if isinstance(module, nn.GRU):
                # PyTorch has the gates r, z, n; Keras z, r, n.
                inner, outer, b, c = (np.concatenate(_zrn(one)) for one in (inner, outer, b, c))
                arrays += [inner.T, outer.T, np.stack([b, c])]
            else:
                arrays += [inner.T, outer.T, b + c]
        return arrays
    return [*own.values()]  # LayerNorm, Embedding and Places: as they are.


def _zrn(weights: np.ndarray) -> list[np.ndarray]:
    r, z, n = np.split(weights, 3)
    return [z, r, n]


class Through(nn.Module):
    """Parts by name, and a function from them and the inputs to the output."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *x: torch.Tensor) -> Any:
        return self.function(self, *x)


class Places(nn.Module):
    """Adds a vector to every place."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(count, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight


@keras.saving.register_keras_serializable()
class KerasPlaces(keras.layers.Layer):
    """The same in Keras."""

    def build(self, shape: Any) -> None:
        self.weight = self.add_weight(shape=shape[1:])

    def call(self, x: Any) -> Any:
        return x + self.weight


def flat(x: torch.Tensor) -> torch.Tensor:
    """All values of an example in the order of Keras, channels last."""
    return x.movedim(1, -1).flatten(1)


def precision() -> str:
    """The precision in which a Keras model takes its input: without it that of all models, float32."""
    return str(keras.config.dtype_policy().variable_dtype)


def built(shape: tuple[int, ...], function: Callable[[Any], Any], **how: Any) -> Any:
    """A functional Keras model."""
    first = keras.Input(shape, **{"dtype": precision(), **how})
    return keras.Model(first, function(first))


def _rectified(layers: Any, layer: Any, x: Any) -> Any:
    """A ReLU that is a layer of its own, so that the layer gives what its twin gives."""
    return layers.ReLU()(layer(x))


# --- vision --------------------------------------------------------------------------------------------------


def cnn() -> nn.Module:
    return Through(
        lambda m, x: m.head(flat(m.pool(m.relu(m.conv(x))))),
        conv=nn.Conv2d(2, 3, 3),
        relu=nn.ReLU(),
        pool=nn.MaxPool2d(2),
        head=nn.Linear(12, 3),
    )


def keras_cnn(layers: Any, last: str | None = None, **how: Any) -> Any:
    first = keras.Input(**{"shape": (6, 6, 2), "dtype": precision(), **how})
    hidden = layers.MaxPooling2D(2, name="pool")(_rectified(layers, layers.Conv2D(3, 3, name="conv"), first))
    return keras.Model(first, layers.Dense(3, activation=last, name="head")(layers.Flatten()(hidden)))


def residual() -> nn.Module:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(m.stem(x))
        x = functional.relu(x + m.second(functional.relu(m.conv(x))))
        return m.head(x.mean(dim=(2, 3)))

    convolution = partial(nn.Conv2d, kernel_size=3, padding=1)
    return Through(
        forward,
        stem=convolution(2, 3),
        conv=convolution(3, 3),
        second=convolution(3, 3),
        head=nn.Linear(3, 3),
    )


def keras_residual(layers: Any) -> Any:
    convolution = partial(layers.Conv2D, 3, 3, padding="same")

    def forward(x: Any) -> Any:
        x = layers.ReLU()(convolution(name="stem")(x))
        other = convolution(name="second")(layers.ReLU()(convolution(name="conv")(x)))
        x = layers.ReLU()(layers.Add()([x, other]))
        return layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x))

    return built((6, 6, 2), forward)


def separable() -> nn.Module:
    return Through(
        lambda m, x: m.head(functional.relu(m.conv(functional.relu(m.depthwise(x)))).mean(dim=(2, 3))),
        depthwise=nn.Conv2d(2, 2, 3, groups=2),
        conv=nn.Conv2d(2, 4, 3, groups=2),
        head=nn.Linear(4, 3),
    )


def keras_separable(layers: Any) -> Any:
    def forward(x: Any) -> Any:
        x = _rectified(layers, layers.DepthwiseConv2D(3, name="depthwise"), x)
        x = _rectified(layers, layers.Conv2D(4, 3, groups=2, name="conv"), x)
        return layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x))

    return built((6, 6, 2), forward)


def normed() -> nn.Module:
    model = Through(
        lambda m, x: m.head(m.drop(functional.relu(m.norm(m.conv(x)))).mean(dim=(2, 3))),
        conv=nn.Conv2d(2, 3, 3),
        norm=nn.BatchNorm2d(3),
        drop=nn.Dropout(0.5),
        head=nn.Linear(3, 3),
    )
    with torch.no_grad():
        model.norm.running_mean.copy_(torch.tensor([0.1, -0.2, 0.3]))
        model.norm.running_var.copy_(torch.tensor([0.5, 1.5, 2.0]))
    return model


def keras_normed(layers: Any) -> Any:
    def forward(x: Any) -> Any:
        x = layers.BatchNormalization(name="norm", epsilon=1e-5)(layers.Conv2D(3, 3, name="conv")(x))
        x = layers.GlobalAveragePooling2D()(layers.Dropout(0.5)(layers.ReLU()(x)))
        return layers.Dense(3, name="head")(x)

    return built((6, 6, 2), forward)


def vision_transformer() -> nn.Module:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        x = m.places(m.conv(x).flatten(2).transpose(1, 2))
        inner = m.norm1(x)
        x = x + m.attention(inner, inner, inner)[0]
        x = x + m.dense2(functional.gelu(m.dense1(m.norm2(x))))
        return m.head(x.mean(dim=1))

    return Through(
        forward,
        conv=nn.Conv2d(2, 4, 3, stride=3),
        places=Places(4, 4),
        norm1=nn.LayerNorm(4),
        attention=nn.MultiheadAttention(4, 2, batch_first=True),
        norm2=nn.LayerNorm(4),
        dense1=nn.Linear(4, 6),
        dense2=nn.Linear(6, 4),
        head=nn.Linear(4, 3),
    )


def keras_vision_transformer(layers: Any) -> Any:
    def forward(x: Any) -> Any:
        x = KerasPlaces(name="places")(layers.Reshape((4, 4))(layers.Conv2D(4, 3, strides=3, name="conv")(x)))
        inner = layers.LayerNormalization(name="norm1", epsilon=1e-5)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 2, name="attention")(inner, inner)])
        inner = layers.LayerNormalization(name="norm2", epsilon=1e-5)(x)
        inner = layers.Dense(4, name="dense2")(layers.Dense(6, activation="gelu", name="dense1")(inner))
        return layers.Dense(3, name="head")(layers.GlobalAveragePooling1D()(layers.Add()([x, inner])))

    return built((6, 6, 2), forward)


def one_dimensional() -> nn.Module:
    return Through(
        lambda m, x: m.head(functional.relu(m.conv(x)).mean(dim=2)),
        conv=nn.Conv1d(2, 3, 3),
        head=nn.Linear(3, 3),
    )


def keras_one_dimensional(layers: Any) -> Any:
    return built(
        (8, 2),
        lambda x: layers.Dense(3, name="head")(
            layers.GlobalAveragePooling1D()(_rectified(layers, layers.Conv1D(3, 3, name="conv"), x))
        ),
    )


def three_dimensional() -> nn.Module:
    return Through(
        lambda m, x: m.head(functional.relu(m.conv(x)).mean(dim=(2, 3, 4))),
        conv=nn.Conv3d(1, 3, 2),
        head=nn.Linear(3, 3),
    )


def keras_three_dimensional(layers: Any) -> Any:
    return built(
        (4, 4, 4, 1),
        lambda x: layers.Dense(3, name="head")(
            layers.GlobalAveragePooling3D()(_rectified(layers, layers.Conv3D(3, 2, name="conv"), x))
        ),
    )


def grayscale() -> nn.Module:
    return Through(
        lambda m, x: m.head(functional.relu(m.conv(x[:, None])).mean(dim=(2, 3))),
        conv=nn.Conv2d(1, 3, 3),
        head=nn.Linear(3, 3),
    )


def keras_grayscale(layers: Any) -> Any:
    def forward(x: Any) -> Any:
        x = _rectified(layers, layers.Conv2D(3, 3, name="conv"), layers.Reshape((6, 6, 1))(x))
        return layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x))

    return built((6, 6), forward)


def with_head(head: nn.Module, after: nn.Module | None = None) -> nn.Module:
    after = after or nn.Identity()
    return Through(
        lambda m, x: m.after(m.head(functional.relu(m.conv(x)).mean(dim=(2, 3)))),
        conv=nn.Conv2d(2, 3, 3),
        head=head,
        after=after,
    )


def keras_with_head(layers: Any, units: int, activation: str | None) -> Any:
    return built(
        (6, 6, 2),
        lambda x: layers.Dense(units, activation=activation, name="head")(
            layers.GlobalAveragePooling2D()(_rectified(layers, layers.Conv2D(3, 3, name="conv"), x))
        ),
    )


def segmenting() -> nn.Module:
    return Through(
        lambda m, x: m.head(functional.relu(m.conv(x))),
        conv=nn.Conv2d(2, 3, 3, padding=1),
        head=nn.Conv2d(3, 3, 1),
    )


def keras_segmenting(layers: Any) -> Any:
    return built(
        (6, 6, 2),
        lambda x: layers.Conv2D(3, 1, name="head")(
            _rectified(layers, layers.Conv2D(3, 3, padding="same", name="conv"), x)
        ),
    )


def two_heads() -> nn.Module:
    def forward(m: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = functional.relu(m.conv(x)).mean(dim=(2, 3))
        return m.first(hidden), m.second(hidden)

    return Through(forward, conv=nn.Conv2d(2, 3, 3), first=nn.Linear(3, 3), second=nn.Linear(3, 2))


def keras_two_heads(layers: Any) -> Any:
    def forward(x: Any) -> Any:
        hidden = layers.GlobalAveragePooling2D()(_rectified(layers, layers.Conv2D(3, 3, name="conv"), x))
        return [layers.Dense(3, name="first")(hidden), layers.Dense(2, name="second")(hidden)]

    return built((6, 6, 2), forward)


def two_inputs() -> nn.Module:
    return PooledPictureAndTable(functional.relu, 3)


def keras_two_inputs(layers: Any) -> Any:
    picture, table = keras.Input((6, 6, 2)), keras.Input((4,))
    hidden = layers.GlobalAveragePooling2D()(_rectified(layers, layers.Conv2D(3, 3, name="conv"), picture))
    hidden = layers.Activation("tanh")(layers.Add()([hidden, layers.Dense(3, name="row")(table)]))
    return keras.Model([picture, table], layers.Dense(3, name="head")(hidden))


def tutorial_net() -> nn.Module:
    """In the manner of the tutorial's Net: one pool module for both places, functional ReLUs."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(2, 3, 3, padding=1)
            self.pool = nn.MaxPool2d(2)
            self.conv = nn.Conv2d(3, 4, 2)
            self.fc1 = nn.Linear(4, 5)
            self.fc2 = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.pool(functional.relu(self.conv1(x)))
            x = functional.relu(self.conv(x))
            x = functional.max_pool2d(x, 2)
            return self.fc2(functional.relu(self.fc1(flat(x))))

    return Net()


def keras_subclassed(layers: Any) -> Any:
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = layers.Conv2D(3, 3, padding="same", name="conv1")
            self.pool = layers.MaxPooling2D(2)
            self.conv = layers.Conv2D(4, 2, name="conv")
            self.fc1 = layers.Dense(5, name="fc1")
            self.fc2 = layers.Dense(3, name="fc2")
            self.flatten = layers.Flatten()

        def call(self, x: Any) -> Any:
            x = self.pool(tf.nn.relu(self.conv1(x)))
            x = self.pool(tf.nn.relu(self.conv(x)))
            return self.fc2(tf.nn.relu(self.fc1(self.flatten(x))))

    model = Net()
    model(np.zeros((1, 6, 6, 2)))
    return model


def reused() -> nn.Module:
    return Through(
        lambda m, x: m.head(m.relu(m.second(m.relu(m.conv(x)))).mean(dim=(2, 3))),
        conv=nn.Conv2d(2, 3, 3),
        second=nn.Conv2d(3, 3, 2),
        relu=nn.ReLU(),
        head=nn.Linear(3, 3),
    )


def keras_reused(layers: Any) -> Any:
    relu = layers.ReLU()

    def forward(x: Any) -> Any:
        x = relu(layers.Conv2D(3, 2, name="second")(relu(layers.Conv2D(3, 3, name="conv")(x))))
        return layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x))

    return built((6, 6, 2), forward)


def transferred() -> nn.Module:
    body = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.ReLU())
    for parameter in body.parameters():
        parameter.requires_grad_(False)
    return Through(lambda m, x: m.head(m.body(x).mean(dim=(2, 3))), body=body, head=nn.Linear(4, 3))


def keras_transferred(layers: Any) -> Any:
    body = keras.Sequential(
        [
            keras.Input((6, 6, 2), dtype=precision()),
            layers.Conv2D(3, 3, name="body_0"),
            layers.ReLU(),
            layers.Conv2D(4, 2, name="body_2"),
            layers.ReLU(),
        ],
        name="body",
    )
    body.trainable = False
    return built((6, 6, 2), lambda x: layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(body(x))))


# --- recurrent -----------------------------------------------------------------------------------------------


def recurrent(layer: type[nn.Module], **how: Any) -> nn.Module:
    width = 8 if how.get("bidirectional") else 4
    kind = MeanOfSteps if how else LastStep
    return kind(layer(3, 4, batch_first=True, **how), width, 3)


def keras_recurrent(layers: Any, layer: str) -> Any:
    return built((3, 3), lambda x: layers.Dense(3, name="head")(getattr(layers, layer)(4, name="rnn")(x)))


def stacked() -> nn.Module:
    return Through(
        lambda m, x: m.head(m.second(m.rnn(x)[0])[0][:, -1]),
        rnn=nn.LSTM(3, 4, batch_first=True),
        second=nn.LSTM(4, 3, batch_first=True),
        head=nn.Linear(3, 3),
    )


def keras_stacked(layers: Any) -> Any:
    return built(
        (3, 3),
        lambda x: layers.Dense(3, name="head")(
            layers.LSTM(3, name="second")(layers.LSTM(4, return_sequences=True, name="rnn")(x))
        ),
    )


def keras_bidirectional(layers: Any) -> Any:
    return built(
        (3, 3),
        lambda x: layers.Dense(3, name="head")(
            layers.GlobalAveragePooling1D()(
                layers.Bidirectional(layers.GRU(4, return_sequences=True), name="rnn")(x)
            )
        ),
    )


class Packed(nn.Module):
    """Packs its sequences by their lengths, as padded batches are read in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(3, 4, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(x, lengths.long().cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=x.shape[1])
        last = (lengths.long() - 1)[:, None, None].expand(-1, 1, 4)
        return self.head(states.gather(1, last)[:, 0])


def keras_masked(layers: Any) -> Any:
    return built(
        (3, 3), lambda x: layers.Dense(3, name="head")(layers.LSTM(4, name="rnn")(layers.Masking()(x)))
    )


def tagging() -> nn.Module:
    return Through(lambda m, x: m.head(m.rnn(x)[0]), rnn=nn.GRU(3, 4, batch_first=True), head=nn.Linear(4, 3))


def keras_tagging(layers: Any) -> Any:
    return built(
        (3, 3),
        lambda x: layers.Dense(3, name="head")(layers.GRU(4, return_sequences=True, name="rnn")(x)),
    )


class Cell(nn.Module):
    """One step at a time: ``forward(input, hidden) -> (output, hidden)``."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_size = 4
        self.i2h = nn.Linear(7, 4)
        self.i2o = nn.Linear(7, 3)

    def forward(self, input: torch.Tensor, hidden: torch.Tensor) -> Any:
        combined = torch.cat((input, hidden), 1)
        return self.i2o(combined), torch.tanh(self.i2h(combined))


def keras_cell(layers: Any) -> Any:
    class KerasCell(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.hidden_size = 4
            self.i2h = layers.Dense(4, name="i2h")
            self.i2o = layers.Dense(3, name="i2o")

        def call(self, inputs: Any, hidden: Any) -> Any:
            combined = tf.concat([inputs, hidden], axis=1)
            return self.i2o(combined), tf.tanh(self.i2h(combined))

    model = KerasCell()
    model(np.zeros((1, 3)), np.zeros((1, 4)))
    return model


def convolutional_recurrent() -> nn.Module:
    return Through(
        lambda m, x: m.head(m.rnn(functional.relu(m.conv(x)).transpose(1, 2))[0][:, -1]),
        conv=nn.Conv1d(2, 3, 3),
        rnn=nn.LSTM(3, 4, batch_first=True),
        head=nn.Linear(4, 3),
    )


def keras_convolutional_recurrent(layers: Any) -> Any:
    return built(
        (8, 2),
        lambda x: layers.Dense(3, name="head")(
            layers.LSTM(4, name="rnn")(_rectified(layers, layers.Conv1D(3, 3, name="conv"), x))
        ),
    )


def transformer() -> nn.Module:
    return Through(
        lambda m, x: m.head((x + m.attention(x, x, x)[0]).mean(dim=1)),
        attention=nn.MultiheadAttention(4, 2, batch_first=True),
        head=nn.Linear(4, 3),
    )


def keras_transformer(layers: Any) -> Any:
    def forward(x: Any) -> Any:
        x = layers.Add()([x, layers.MultiHeadAttention(2, 2, name="attention")(x, x)])
        return layers.Dense(3, name="head")(layers.GlobalAveragePooling1D()(x))

    return built((5, 4), forward)


def reader() -> nn.Module:
    return TokenReader(nn.Embedding(9, 4), nn.GRU(4, 4, batch_first=True), 4, 3)


def keras_reader(layers: Any) -> Any:
    return built(
        (5,),
        lambda x: layers.Dense(3, name="head")(
            layers.GRU(4, name="rnn")(layers.Embedding(9, 4, name="words")(x))
        ),
        dtype="int64",
    )


def keras_stateful(layers: Any) -> Any:
    first = keras.Input(batch_shape=(2, 3, 3), dtype=precision())
    return keras.Model(
        first, layers.Dense(3, name="head")(layers.SimpleRNN(4, stateful=True, name="rnn")(first))
    )


# --- tables, and models that are closed --------------------------------------------------------------------------


def perceptron() -> nn.Module:
    return Through(lambda m, x: m.head(torch.tanh(m.conv(x))), conv=nn.Linear(5, 4), head=nn.Linear(4, 3))


def keras_perceptron(layers: Any) -> Any:
    return built(
        (5,),
        lambda x: layers.Dense(3, name="head")(layers.Activation("tanh")(layers.Dense(4, name="conv")(x))),
    )


class Closed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.head = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).mean(dim=[2, 3]))


def traced() -> nn.Module:
    return torch.jit.trace(Closed().double().eval(), torch.zeros(2, 2, 6, 6, dtype=torch.float64))


def keras_function(layers: Any) -> Any:
    model = keras_with_head(layers, 3, None)

    @tf.function(input_signature=[tf.TensorSpec([None, 6, 6, 2], tf.float64)], autograph=False)
    def shown(x: Any) -> Any:
        return model(x)

    return SimpleNamespace(twin=model, shown=shown)


def array_function() -> Callable[..., Any]:
    weights = np.random.default_rng(0).normal(size=(5, 3))
    return lambda x: np.tanh(x) @ weights


def array_pictures() -> Callable[..., Any]:
    weights = np.random.default_rng(0).normal(size=(72, 3))
    return lambda x: np.tanh(x).reshape(len(x), -1) @ weights


def _over_region(o: Any) -> Any:
    """Class 1, summed over the upper left of a segmentation, whichever axis has the classes."""
    if isinstance(o, torch.Tensor):
        return o[:, 1, :3, :3].sum(dim=(1, 2))
    return tf.reduce_sum(o[:, :3, :3, 1], axis=(1, 2))


PICTURE, SEQUENCE = (6, 6, 2), (3, 3)
RNN = {"layers": ("rnn", "rnn"), "channels_first": False}
CLASS = {"target": 1}

KINDS = (
    Kind("plain CNN", cnn, keras_cnn, PICTURE, CLASS),
    Kind(
        "CNN that ends in a softmax",
        partial(with_head, nn.Linear(3, 3), nn.Softmax(1)),
        partial(keras_with_head, units=3, activation="softmax"),
        PICTURE,
        CLASS,
    ),
    Kind("residual network", residual, keras_residual, PICTURE, CLASS),
    Kind("depthwise and grouped convolutions", separable, keras_separable, PICTURE, CLASS),
    Kind("batch norm and dropout", normed, keras_normed, PICTURE, CLASS),
    Kind(
        "small ViT (attention, layer norm, GELU)",
        vision_transformer,
        keras_vision_transformer,
        PICTURE,
        CLASS,
    ),
    Kind("1-D convolutions", one_dimensional, keras_one_dimensional, (8, 2), CLASS),
    Kind("3-D convolutions", three_dimensional, keras_three_dimensional, (4, 4, 4, 1), CLASS),
    Kind(
        "grayscale without an axis of channels",
        grayscale,
        keras_grayscale,
        (6, 6),
        {**CLASS, "layout": "NHW"},
        channels_first=False,
    ),
    Kind(
        "multi-label head (sigmoids)",
        partial(with_head, nn.Linear(3, 3), nn.Sigmoid()),
        partial(keras_with_head, units=3, activation="sigmoid"),
        PICTURE,
        CLASS,
    ),
    Kind(
        "regression head (one number)",
        partial(with_head, nn.Linear(3, 1)),
        partial(keras_with_head, units=1, activation=None),
        PICTURE,
    ),
    Kind(
        "segmentation, a class over a region", segmenting, keras_segmenting, PICTURE, {"target": _over_region}
    ),
    Kind("several outputs", two_heads, keras_two_heads, PICTURE, {**CLASS, "output": 1}),
    Kind("two inputs, a picture and a table", two_inputs, keras_two_inputs, PICTURE, CLASS, beside=(4,)),
    Kind("subclassed, functional ReLUs (the tutorial's Net)", tutorial_net, keras_subclassed, PICTURE, CLASS),
    Kind("reused activation module", reused, keras_reused, PICTURE, CLASS),
    Kind(
        "transfer learning: frozen, nested body",
        transferred,
        keras_transferred,
        PICTURE,
        CLASS,
        layers=("body.2", "body/body_2"),
    ),
    Kind(
        "SimpleRNN",
        partial(recurrent, nn.RNN),
        partial(keras_recurrent, layer="SimpleRNN"),
        SEQUENCE,
        CLASS,
        **RNN,
    ),
    Kind("LSTM", partial(recurrent, nn.LSTM), partial(keras_recurrent, layer="LSTM"), SEQUENCE, CLASS, **RNN),
    Kind("GRU", partial(recurrent, nn.GRU), partial(keras_recurrent, layer="GRU"), SEQUENCE, CLASS, **RNN),
    Kind("stacked LSTM", stacked, keras_stacked, SEQUENCE, CLASS, **RNN),
    Kind(
        "bidirectional GRU",
        partial(recurrent, nn.GRU, bidirectional=True),
        keras_bidirectional,
        SEQUENCE,
        CLASS,
        **RNN,
    ),
    Kind(
        "padded: packed in PyTorch, masked in Keras",
        Packed,
        keras_masked,
        SEQUENCE,
        CLASS,
        **RNN,
        lengths=(2, 3),
        by_framework={"torch": {"forward_kwargs": {"lengths": np.array([2, 3])}}},
    ),
    Kind(
        "a step of a sequence of outputs (step, class)",
        tagging,
        keras_tagging,
        SEQUENCE,
        {"target": (1, 1)},
        **RNN,
    ),
    Kind("step-by-step cell", Cell, keras_cell, SEQUENCE, CLASS, **RNN),
    Kind("CNN + LSTM", convolutional_recurrent, keras_convolutional_recurrent, (8, 2), CLASS),
    Kind(
        "attention over a sequence",
        transformer,
        keras_transformer,
        (5, 4),
        CLASS,
        layers=("attention", "attention"),
        channels_first=False,
    ),
    Kind("token ids (embedding)", reader, keras_reader, (5,), CLASS, layers=("rnn", "rnn"), ids=True),
    Kind("stateful RNN, fixed batch", None, keras_stateful, SEQUENCE, CLASS, **RNN),
    Kind("perceptron on a table", perceptron, keras_perceptron, (5,), CLASS),
    Kind(
        "bfloat16 (mixed in Keras)",
        lambda: cnn().bfloat16(),
        keras_cnn,
        PICTURE,
        CLASS,
        dtype="mixed_bfloat16",
        bound=0.05,
    ),
    Kind(
        "float16 (mixed in Keras)",
        lambda: cnn().half(),
        keras_cnn,
        PICTURE,
        CLASS,
        dtype="mixed_float16",
        bound=0.01,
    ),
    Kind("fixed batch size", None, partial(keras_cnn, shape=None, batch_shape=(2, *PICTURE)), PICTURE, CLASS),
    Kind("closed inside (TorchScript, tf.function)", traced, keras_function, PICTURE, CLASS, plain=Closed),
    Kind(
        "function of arrays, pictures",
        None,
        None,
        PICTURE,
        CLASS,
        numpy=array_pictures,
        by_framework={"numpy": {"framework": "numpy", "score": "output"}},
    ),
    Kind(
        "function of arrays, table",
        None,
        None,
        (5,),
        CLASS,
        numpy=array_function,
        by_framework={"numpy": {"framework": "numpy", "score": "output"}},
    ),
)
