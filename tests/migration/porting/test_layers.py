"""Every kind of layer carried over, both ways, and what the two frameworks then give for one input compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain

layers = keras.layers


class Taking(nn.Module):
    """One module, called as its case wants it."""

    def __init__(self, part: nn.Module, function: Callable[[nn.Module, Any], Any]) -> None:
        super().__init__()
        self.part = part
        self.function = function

    def forward(self, *x: torch.Tensor) -> Any:
        return self.function(self.part, *x)


def states(part: nn.Module) -> nn.Module:
    """What a recurrent module gives at every step, without its last state."""
    return Taking(part, lambda module, x: module(x)[0])


def attending(part: nn.Module) -> nn.Module:
    return Taking(part, lambda module, query, value: module(query, value, value)[0])


@dataclass(frozen=True)
class Case:
    """A layer in both frameworks.

    Parameters
    ----------
    name : str
        What it is.
    torch : callable
        Gives the module.
    keras : callable
        Gives the layers, one after the other.
    shapes : tuple of tuple of int
        Of each input, one example, channels last.
    whole : bool
        Whether the input is whole numbers under 7.
    channels_first : bool
        Whether torch has the channels before space.
    """

    name: str
    torch: Callable[[], nn.Module]
    keras: Callable[[], list[Any]]
    shape: tuple[int, ...]
    beside: tuple[int, ...] | None = None
    whole: bool = False
    channels_first: bool = True

    def inputs(self) -> list[np.ndarray]:
        generator = np.random.default_rng(4)
        if self.whole:
            return [generator.integers(0, 7, size=(3, *self.shape))]
        return [
            generator.normal(size=(3, *shape)) for shape in (self.shape, self.beside) if shape is not None
        ]

    def torch_model(self, dtype: str = "float64") -> nn.Module:
        return scattered(self.torch().to(getattr(torch, dtype)).eval(), 1)

    def keras_model(self, dtype: str = "float64") -> Any:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(dtype)
        try:
            kind = "int64" if self.whole else dtype
            given = [keras.Input(one, dtype=kind) for one in (self.shape, self.beside) if one is not None]
            x: Any = given if len(given) > 1 else given[0]
            for layer in self.keras():
                x = layer(*x) if isinstance(x, list) else layer(x)
            return scattered(keras.Model(given if len(given) > 1 else given[0], x), 2)
        finally:
            keras.config.set_dtype_policy(before)


def scattered(model: Any, seed: int) -> Any:
    """Give a model weights at random, variances among them above zero."""
    generator = np.random.default_rng(seed)
    is_torch = isinstance(model, nn.Module)
    held = (
        [one for one in model.state_dict().values() if one.is_floating_point()] if is_torch else model.weights
    )
    for one in held:
        values = 0.1 + generator.uniform(size=tuple(one.shape))
        if is_torch:
            one.copy_(torch.from_numpy(values))
        else:
            one.assign(values)
    return model


def torch_output(case: Case, model: nn.Module) -> np.ndarray:
    dtype = next(one.dtype for one in model.state_dict().values() if one.is_floating_point())
    given = []
    for x in case.inputs():
        tensor = torch.from_numpy(x)
        if not case.whole:
            tensor = tensor.to(dtype)
        given.append(tensor.movedim(-1, 1) if case.channels_first and x.ndim > 2 else tensor)
    with torch.no_grad():
        found = model(*given)
    if case.channels_first and found.ndim > 2:
        found = found.movedim(1, -1)
    return found.numpy()


def keras_output(case: Case, model: Any) -> np.ndarray:
    given = [x if case.whole else x.astype(model.outputs[0].dtype) for x in case.inputs()]
    return np.asarray(model(given if len(given) > 1 else given[0], training=False))


def convolution(kind: str, *arguments: Any, **how: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(nn, kind)(*arguments, **how)


PICTURE, SEQUENCE, VOLUME = (8, 7, 4), (9, 4), (5, 4, 6, 2)
ROW = {"channels_first": False}

CASES = [
    Case("dense", lambda: nn.Linear(4, 3), lambda: [layers.Dense(3)], (4,)),
    Case(
        "dense without a bias",
        lambda: nn.Linear(4, 3, bias=False),
        lambda: [layers.Dense(3, use_bias=False)],
        (4,),
    ),
    Case("dense over a sequence", lambda: nn.Linear(4, 3), lambda: [layers.Dense(3)], SEQUENCE, **ROW),
    Case(
        "EinsumDense",
        lambda: nn.Linear(4, 3),
        lambda: [layers.EinsumDense("ab,bc->ac", 3, bias_axes="c")],
        (4,),
    ),
    Case(
        "TimeDistributed",
        lambda: nn.Linear(4, 3),
        lambda: [layers.TimeDistributed(layers.Dense(3))],
        SEQUENCE,
        **ROW,
    ),
    Case("convolution 1-D", convolution("Conv1d", 4, 5, 3), lambda: [layers.Conv1D(5, 3)], SEQUENCE),
    Case(
        "convolution 1-D, dilated, same",
        convolution("Conv1d", 4, 5, 4, dilation=2, padding="same"),
        lambda: [layers.Conv1D(5, 4, dilation_rate=2, padding="same")],
        SEQUENCE,
    ),
    Case(
        "convolution 1-D, causal",
        lambda: nn.Sequential(nn.ConstantPad1d((4, 0), 0.0), nn.Conv1d(4, 5, 3, dilation=2)),
        lambda: [layers.Conv1D(5, 3, dilation_rate=2, padding="causal")],
        SEQUENCE,
    ),
    Case(
        "convolution 2-D",
        convolution("Conv2d", 4, 5, (3, 2), stride=(1, 2)),
        lambda: [layers.Conv2D(5, (3, 2), strides=(1, 2))],
        PICTURE,
    ),
    Case(
        "convolution 2-D, padded",
        convolution("Conv2d", 4, 5, 3, padding=1),
        lambda: [layers.Conv2D(5, 3, padding="same")],
        PICTURE,
    ),
    Case(
        "convolution 2-D, strides, zeros by a layer",
        convolution("Conv2d", 4, 5, 3, stride=2, padding=(1, 2)),
        lambda: [layers.ZeroPadding2D((1, 2)), layers.Conv2D(5, 3, strides=2)],
        PICTURE,
    ),
    Case(
        "convolution 2-D, same with strides, uneven",
        lambda: nn.Sequential(nn.ZeroPad2d((1, 1, 0, 1)), nn.Conv2d(4, 5, 3, stride=2)),
        lambda: [layers.Conv2D(5, 3, strides=2, padding="same")],
        PICTURE,
    ),
    Case(
        "convolution 2-D, same with strides, even where the size is odd",
        convolution("Conv2d", 4, 5, 3, stride=2, padding=1),
        lambda: [layers.Conv2D(5, 3, strides=2, padding="same")],
        (9, 7, 4),
    ),
    Case(
        "convolution 2-D, grouped",
        convolution("Conv2d", 4, 6, 3, groups=2),
        lambda: [layers.Conv2D(6, 3, groups=2)],
        PICTURE,
    ),
    Case(
        "convolution 3-D",
        convolution("Conv3d", 2, 3, (2, 3, 4), stride=(2, 1, 1)),
        lambda: [layers.Conv3D(3, (2, 3, 4), strides=(2, 1, 1))],
        VOLUME,
    ),
    Case(
        "depthwise 1-D",
        convolution("Conv1d", 4, 8, 3, groups=4),
        lambda: [layers.DepthwiseConv1D(3, depth_multiplier=2)],
        SEQUENCE,
    ),
    Case(
        "depthwise 2-D",
        convolution("Conv2d", 4, 4, 3, groups=4, padding=1),
        lambda: [layers.DepthwiseConv2D(3, padding="same")],
        PICTURE,
    ),
    Case(
        "depthwise 2-D, multiplied",
        convolution("Conv2d", 4, 12, 3, groups=4, stride=2, bias=False),
        lambda: [layers.DepthwiseConv2D(3, strides=2, depth_multiplier=3, use_bias=False)],
        PICTURE,
    ),
    Case(
        "separable 2-D",
        lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=4, padding=1, bias=False), nn.Conv2d(8, 5, 1)),
        lambda: [layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same")],
        PICTURE,
    ),
    Case(
        "separable 1-D",
        lambda: nn.Sequential(nn.Conv1d(4, 4, 3, groups=4, stride=2, bias=False), nn.Conv1d(4, 5, 1)),
        lambda: [layers.SeparableConv1D(5, 3, strides=2)],
        SEQUENCE,
    ),
    Case(
        "transposed 1-D",
        convolution("ConvTranspose1d", 4, 5, 3, stride=2),
        lambda: [layers.Conv1DTranspose(5, 3, strides=2)],
        SEQUENCE,
    ),
    Case(
        "transposed 2-D, same",
        convolution("ConvTranspose2d", 4, 5, 4, stride=2, padding=1),
        lambda: [layers.Conv2DTranspose(5, 4, strides=2, padding="same")],
        PICTURE,
    ),
    Case(
        "transposed 2-D, same, no strides",
        convolution("ConvTranspose2d", 4, 5, 3, padding=1),
        lambda: [layers.Conv2DTranspose(5, 3, padding="same")],
        PICTURE,
    ),
    Case(
        "transposed 2-D, lengthened",
        convolution("ConvTranspose2d", 4, 5, 3, stride=3, output_padding=1),
        lambda: [layers.Conv2DTranspose(5, 3, strides=3, output_padding=1)],
        PICTURE,
    ),
    Case(
        "transposed 2-D, strides beyond the kernel",
        convolution("ConvTranspose2d", 4, 5, 2, stride=3, output_padding=1),
        lambda: [layers.Conv2DTranspose(5, 2, strides=3)],
        PICTURE,
    ),
    Case(
        "transposed 3-D",
        convolution("ConvTranspose3d", 2, 3, 2, stride=2),
        lambda: [layers.Conv3DTranspose(3, 2, strides=2)],
        VOLUME,
    ),
    Case(
        "batch norm 1-D", lambda: nn.BatchNorm1d(4), lambda: [layers.BatchNormalization(epsilon=1e-5)], (4,)
    ),
    Case(
        "batch norm 1-D, sequence",
        lambda: nn.BatchNorm1d(4),
        lambda: [layers.BatchNormalization(epsilon=1e-5)],
        SEQUENCE,
    ),
    Case(
        "batch norm 2-D",
        lambda: nn.BatchNorm2d(4, eps=1e-3),
        lambda: [layers.BatchNormalization()],
        PICTURE,
    ),
    Case(
        "batch norm 3-D, bare",
        lambda: nn.BatchNorm3d(2, affine=False),
        lambda: [layers.BatchNormalization(epsilon=1e-5, center=False, scale=False)],
        VOLUME,
    ),
    Case(
        "layer norm",
        lambda: nn.LayerNorm(4),
        lambda: [layers.LayerNormalization(epsilon=1e-5)],
        SEQUENCE,
        **ROW,
    ),
    Case(
        "layer norm over time and features",
        lambda: nn.LayerNorm((9, 4)),
        lambda: [layers.LayerNormalization(axis=(1, 2), epsilon=1e-5)],
        SEQUENCE,
        **ROW,
    ),
    Case(
        "layer norm over channels and time",
        lambda: nn.LayerNorm((4, 9)),
        lambda: [layers.LayerNormalization(axis=(1, 2), epsilon=1e-5)],
        SEQUENCE,
    ),
    Case(
        "layer norm over channels and space",
        lambda: nn.LayerNorm((4, 8, 7)),
        lambda: [layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-5)],
        PICTURE,
    ),
    Case(
        "RMS norm",
        lambda: nn.RMSNorm(4, eps=1e-6),
        lambda: [layers.RMSNormalization(epsilon=1e-6)],
        SEQUENCE,
        **ROW,
    ),
    Case(
        "group norm",
        lambda: nn.GroupNorm(2, 4),
        lambda: [layers.GroupNormalization(2, epsilon=1e-5)],
        PICTURE,
    ),
    Case(
        "instance norm",
        lambda: nn.InstanceNorm2d(4, affine=True),
        lambda: [layers.GroupNormalization(-1, epsilon=1e-5)],
        PICTURE,
    ),
    Case("embedding", lambda: nn.Embedding(7, 4), lambda: [layers.Embedding(7, 4)], (5,), whole=True, **ROW),
    Case(
        "PReLU of a row",
        lambda: nn.PReLU(4),
        lambda: [layers.PReLU()],
        (4,),
    ),
    Case(
        "PReLU of a picture",
        lambda: nn.PReLU(4),
        lambda: [layers.PReLU(shared_axes=(1, 2))],
        PICTURE,
    ),
    *(
        Case(
            f"{name}{', no bias' * (not bias)}",
            lambda torch_kind=torch_kind, bias=bias: states(torch_kind(4, 3, batch_first=True, bias=bias)),
            lambda keras_kind=keras_kind, bias=bias: [keras_kind(3, return_sequences=True, use_bias=bias)],
            SEQUENCE,
            **ROW,
        )
        for name, torch_kind, keras_kind in (
            ("SimpleRNN", nn.RNN, layers.SimpleRNN),
            ("LSTM", nn.LSTM, layers.LSTM),
            ("GRU", nn.GRU, layers.GRU),
        )
        for bias in (True, False)
    ),
    Case(
        "SimpleRNN, relu",
        lambda: states(nn.RNN(4, 3, batch_first=True, nonlinearity="relu")),
        lambda: [layers.SimpleRNN(3, return_sequences=True, activation="relu")],
        SEQUENCE,
        **ROW,
    ),
    Case(
        "RNN of an LSTM cell",
        lambda: states(nn.LSTM(4, 3, batch_first=True)),
        lambda: [layers.RNN(layers.LSTMCell(3), return_sequences=True)],
        SEQUENCE,
        **ROW,
    ),
    Case(
        "LSTM of two layers",
        lambda: states(nn.LSTM(4, 3, num_layers=2, batch_first=True)),
        lambda: [layers.LSTM(3, return_sequences=True), layers.LSTM(3, return_sequences=True)],
        SEQUENCE,
        **ROW,
    ),
    Case(
        "bidirectional LSTM",
        lambda: states(nn.LSTM(4, 3, batch_first=True, bidirectional=True)),
        lambda: [layers.Bidirectional(layers.LSTM(3, return_sequences=True))],
        SEQUENCE,
        **ROW,
    ),
    Case(
        "bidirectional GRU of two layers",
        lambda: states(nn.GRU(4, 3, num_layers=2, batch_first=True, bidirectional=True)),
        lambda: [layers.Bidirectional(layers.GRU(3, return_sequences=True)) for _ in range(2)],
        SEQUENCE,
        **ROW,
    ),
    # Of a width of 4 a head: Keras rounds 1 / √width to single precision, which only then is exact.
    Case(
        "attention",
        lambda: attending(nn.MultiheadAttention(8, 2, batch_first=True)),
        lambda: [layers.MultiHeadAttention(2, 4)],
        (5, 8),
        beside=(6, 8),
        **ROW,
    ),
    Case(
        "attention, no bias",
        lambda: attending(nn.MultiheadAttention(8, 2, batch_first=True, bias=False)),
        lambda: [layers.MultiHeadAttention(2, 4, use_bias=False)],
        (5, 8),
        beside=(6, 8),
        **ROW,
    ),
    Case(
        "attention, keys of another width",
        lambda: attending(nn.MultiheadAttention(8, 2, batch_first=True, kdim=3, vdim=3)),
        lambda: [layers.MultiHeadAttention(2, 4)],
        (5, 8),
        beside=(6, 3),
        **ROW,
    ),
]

# The least and most that rounding may do: measured errors are under a tenth of it.
BOUNDS = {"float64": 1e-10, "float32": 1e-5}


def assert_same(found: np.ndarray, expected: np.ndarray, dtype: str = "float64") -> None:
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=BOUNDS[dtype] * np.abs(expected).max())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layer_does_the_same_in_the_other_framework(case):
    source, target = case.torch_model(), case.keras_model()
    explain.port(source, target)
    assert_same(keras_output(case, target), torch_output(case, source))
    source, target = case.keras_model(), case.torch_model()
    before = torch_output(case, target)
    explain.port(source, target)
    assert_same(torch_output(case, target), keras_output(case, source))
    assert not np.allclose(before, torch_output(case, target))


@pytest.mark.parametrize("case", CASES[::5], ids=lambda case: case.name)
def test_layer_does_the_same_in_single_precision(case):
    # From double to single precision: what the target holds is rounded once.
    source, target = case.torch_model("float64"), case.keras_model("float32")
    explain.port(source, target)
    assert_same(keras_output(case, target), torch_output(case, source), "float32")
    source, target = case.keras_model("float32"), case.torch_model("float32")
    explain.port(source, target)
    assert_same(torch_output(case, target), keras_output(case, source), "float32")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layer_does_the_same_in_its_own_framework(case):
    source, target = case.torch_model(), scattered(case.torch_model(), 9)
    explain.port(source, target)
    assert_same(torch_output(case, target), torch_output(case, source))
    source, target = case.keras_model(), scattered(case.keras_model(), 9)
    explain.port(source, target)
    assert_same(keras_output(case, target), keras_output(case, source))


@pytest.mark.parametrize(
    ("with_bias", "without", "shape"),
    [
        (lambda: nn.Linear(4, 3), lambda: [layers.Dense(3, use_bias=False)], (4,)),
        (lambda: nn.Conv2d(4, 3, 2), lambda: [layers.Conv2D(3, 2, use_bias=False)], PICTURE),
        (lambda: nn.BatchNorm2d(4), lambda: [layers.BatchNormalization(epsilon=1e-5, center=False)], PICTURE),
        (lambda: nn.BatchNorm2d(4), lambda: [layers.BatchNormalization(epsilon=1e-5, scale=False)], PICTURE),
        (
            lambda: nn.GroupNorm(2, 4),
            lambda: [layers.GroupNormalization(2, epsilon=1e-5, center=False, scale=False)],
            PICTURE,
        ),
        (
            lambda: states(nn.GRU(4, 3, batch_first=True)),
            lambda: [layers.GRU(3, use_bias=False, return_sequences=True)],
            SEQUENCE,
        ),
    ],
    ids=["dense", "convolution", "norm without center", "norm without scale", "group norm", "gru"],
)
def test_what_only_one_has_is_neutral_or_refused(with_bias, without, shape):
    case = Case("", with_bias, without, shape, channels_first=shape is PICTURE)
    target = case.torch_model()
    if "GRU" in repr(target):
        case = Case(
            "", with_bias, lambda: [layers.GRU(3, use_bias=False, return_sequences=True)], shape, **ROW
        )
    source = case.keras_model()
    explain.port(source, target)
    assert_same(torch_output(case, target), keras_output(case, source))
    # Back: what the target lacks is neutral, and goes; then it is not.
    back = case.keras_model()
    explain.port(target, back)
    assert_same(keras_output(case, back), keras_output(case, source))
    with pytest.raises(explain.errors.PortError, match="has no place"):
        explain.port(case.torch_model(), back)
    assert_same(keras_output(case, back), keras_output(case, source))
