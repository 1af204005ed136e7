"""Families of models as people port them: one model in each framework, the same numbers in both, and the ways to err.

Weights are drawn once, in the names and axes of PyTorch, and written into either model by this file's own means, so
that what is tested here does not rest on `explain.port`. A mistake is a model built with other settings, or weights.
"""

from __future__ import annotations

import copy
import functools
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import keras
import numpy as np
import torch
from torch import nn
from torch.nn import functional

Array = np.ndarray
Side = Literal["torch", "keras"]
PartKind = Literal["conv", "depthwise", "dense", "batch_norm", "layer_norm", "lstm", "gru"]
Style = Literal["same", "valid", "around"]
Weights = dict[str, dict[str, Array]]

# What may be done to an input before the first layer.
RESCALE, REVERSE, TRANSPOSE = "rescaling", "reverse", "transpose"
EXAMPLES = 12


@dataclass(frozen=True)
class Part:
    """A layer with weights that the two models have in common.

    Parameters
    ----------
    kind : str
        What it does.
    torch, keras : str
        Its name in either model.
    flattened : tuple of int, optional
        Of a layer that reads what was flattened: (channels, *space) as PyTorch flattens them.
    level : int
        Of a `torch.nn.LSTM` of several layers, which of them.
    both_ways : bool
        Whether it reads a sequence from its end too.
    also_torch, also_keras : tuple of str
        Other layers at which the same divergence may rightly be seen first: the activation, where the other model has
        it inside its layer; the second layer of a `torch.nn.LSTM`, which does not show what its first one gives.
    size : float
        Deviation of what a convolution or dense layer gives.
    """

    kind: PartKind
    torch: str
    keras: str
    flattened: tuple[int, ...] | None = None
    level: int = 0
    both_ways: bool = False
    also_torch: tuple[str, ...] = ()
    also_keras: tuple[str, ...] = ()
    size: float = 1.0

    @property
    def key(self) -> str:
        """The name under which its weights and settings are kept: that of the layer in Keras, whatever it is inside."""
        return self.keras.rsplit("/", 1)[-1]

    def names(self, side: Side) -> tuple[str, ...]:
        """Where a divergence that begins in it may rightly be seen."""
        return (self.torch, *self.also_torch) if side == "torch" else (self.keras, *self.also_keras)


@dataclass(frozen=True)
class Settings:
    """How one model is built; with nothing set, as its twin is.

    Parameters
    ----------
    front : tuple of str, optional
        What is done to the input before the first layer; None for what the family does.
    padding : Mapping of str to str
        By the key of a convolution: ``"same"`` as TensorFlow pads, ``"valid"`` not at all, ``"around"`` by half
        the kernel on every side.
    epsilon : Mapping of str to float
        By the key of a norm.
    training : frozenset of str
        The batch norms, by key, that are called as in training.
    untracked : frozenset of str
        Those that keep no statistics, which only PyTorch's can.
    permuted : bool
        Whether a Keras model that flattens in the order of PyTorch does so.
    left_in_training : bool
        Whether a PyTorch model was never told ``eval()``.
    """

    front: tuple[str, ...] | None = None
    padding: Mapping[str, Style] = field(default_factory=dict)
    epsilon: Mapping[str, float] = field(default_factory=dict)
    training: frozenset[str] = frozenset()
    untracked: frozenset[str] = frozenset()
    permuted: bool = True
    left_in_training: bool = False

    # --- PyTorch ---

    def prepared(self, x: torch.Tensor) -> torch.Tensor:
        """The input as the first layer gets it."""
        for step in self.front or ():
            x = {RESCALE: lambda x: x / 255, REVERSE: lambda x: x.flip(1), TRANSPOSE: lambda x: x.mT}[step](x)
        return x

    def torch_conv(
        self,
        name: str,
        before: int,
        after: int,
        side: int,
        stride: int = 1,
        style: Style = "same",
        **how: Any,
    ) -> nn.Module:
        """A convolution over pictures; `name` is its key."""
        style = self.padding.get(name, style)
        if style == "same" and stride > 1:
            return SamePadded(before, after, side, stride, **how)
        return nn.Conv2d(before, after, side, stride, padding=0 if style == "valid" else side // 2, **how)

    def torch_conv1d(
        self, name: str, before: int, after: int, side: int, style: Style = "same", **how: Any
    ) -> nn.Module:
        """The same over sequences."""
        style = self.padding.get(name, style)
        return nn.Conv1d(before, after, side, padding=0 if style == "valid" else side // 2, **how)

    def torch_norm(self, name: str, width: int, epsilon: float = 1e-5, rank: int = 2) -> nn.Module:
        """A batch norm."""
        kind = nn.BatchNorm2d if rank == 2 else nn.BatchNorm1d
        tracked = name not in self.untracked
        return kind(width, eps=self.epsilon.get(name, epsilon), track_running_stats=tracked)

    # --- Keras ---

    def keras_front(self) -> list[Any]:
        """The layers that do it in Keras."""
        layers = {
            RESCALE: lambda: keras.layers.Rescaling(1 / 255, name=RESCALE),
            REVERSE: lambda: ReversedChannels(name=REVERSE),
            TRANSPOSE: lambda: keras.layers.Permute((2, 1, 3), name=TRANSPOSE),
        }
        return [layers[step]() for step in self.front or ()]

    def keras_conv(
        self, name: str, after: int, side: int, stride: int = 1, style: Style = "same", **how: Any
    ) -> list[Any]:
        """A convolution, after the layer that pads for it if it needs one; of no channels after: a depthwise one."""
        layers = keras.layers
        style = self.padding.get(name, style)
        before = []
        if style == "around" and stride > 1:
            before, style = [layers.ZeroPadding2D(side // 2, name=f"{name}_pad")], "valid"
        how |= {"padding": "same" if style == "around" else style, "strides": stride, "name": name}
        kind = layers.Conv2D(after, side, **how) if after else layers.DepthwiseConv2D(side, **how)
        return [*before, kind]

    def keras_norm(self, name: str, epsilon: float = 1e-5, told: bool = False) -> Any:
        """A batch norm; `told`: of a model whose own call says whether it is training, see `keras_training`."""
        kind = AlwaysTraining if name in self.training and not told else keras.layers.BatchNormalization
        return kind(epsilon=self.epsilon.get(name, epsilon), name=name)

    def keras_training(self, name: str) -> dict[str, Any]:
        """What a batch norm is called with by a model that has its own call."""
        return {"training": True} if name in self.training else {}


@keras.saving.register_keras_serializable()
class AlwaysTraining(keras.layers.BatchNormalization):
    """A batch norm that is called as in training, whatever the model is told.

    A functional model's own ``norm(x, training=True)`` would not do: `predict` and ``model(x, training=False)``
    put False in its place.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, training=True, mask=mask)


class SamePadded(nn.Conv2d):
    """A convolution that pads as TensorFlow does, in the manner of ports from there."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lacking = []
        for length, side, stride in zip(
            x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True
        ):
            missing = max((-(-length // stride) - 1) * stride + side - length, 0)
            lacking += [missing // 2, missing - missing // 2]
        return super().forward(functional.pad(x, lacking))


@keras.saving.register_keras_serializable()
class ReversedChannels(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return keras.ops.flip(x, axis=-1)


class Prepared(nn.Module):
    """What is done to an input, as a module."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.settings.prepared(x)


def through(x: Any, *layers: Any) -> Any:
    """Call layers, or lists of them, one after the other."""
    for layer in layers:
        x = through(x, *layer) if isinstance(layer, list) else layer(x)
    return x


@dataclass(frozen=True, eq=False)
class Family:
    """One architecture, in both frameworks.

    Parameters
    ----------
    title : str
        What it is.
    torch, keras : callable
        Give the untrained model with given settings.
    shape : tuple of int
        One example, channels last.
    parts : tuple of Part
        Its layers with weights, in the order in which they are called.
    values : {"picture", "bytes", "sequence"}
        What it reads: pictures from 0 to 1, from 0 to 255, or sequences of standardised numbers.
    channels_first : bool
        Whether its PyTorch model takes the channels before space or time.
    epsilon : float
        That of its norms.
    wrong_padding : Mapping of str to tuple of str
        By the key of a convolution: other paddings with which the model still runs.
    wrapped : bool
        Whether in PyTorch what is done to the input is a module before the model, not a line in it.
    ordered : tuple of int, optional
        Of one whose Keras model brings what it flattens into the order of PyTorch: (channels, *space) of that.
    flattening : dict of str to tuple of str
        Then, the layers of either model in which the order can be seen.
    """

    title: str
    torch: Callable[[Settings], nn.Module]
    keras: Callable[[Settings], Any]
    shape: tuple[int, ...]
    parts: tuple[Part, ...]
    values: Literal["picture", "bytes", "sequence"] = "picture"
    channels_first: bool = True
    epsilon: float = 1e-5
    wrong_padding: Mapping[str, tuple[Style, ...]] = field(default_factory=dict)
    wrapped: bool = False
    ordered: tuple[int, ...] | None = None
    flattening: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def front(self) -> tuple[str, ...]:
        """What it does to its input."""
        return (RESCALE,) if self.values == "bytes" else ()

    @property
    def coloured(self) -> bool:
        """Whether it reads pictures with colours."""
        return self.values != "sequence" and self.shape[-1] == 3

    def generator(self, seed: int, purpose: str = "") -> np.random.Generator:
        """Random numbers of this family, a seed and a purpose alone."""
        return np.random.default_rng([seed, zlib.crc32(f"{self.title} {purpose}".encode())])

    def of_kind(self, *kinds: str) -> list[Part]:
        """The parts of some kinds."""
        return [part for part in self.parts if part.kind in kinds]

    def part(self, key: str) -> Part:
        """The part of that key."""
        return next(part for part in self.parts if part.key == key)

    def settled(self, settings: Settings) -> Settings:
        """Settings with the family's own front where they have none."""
        return settings if settings.front is not None else replace(settings, front=self.front)

    def prefix(self, settings: Settings) -> str:
        """What stands before the names of a PyTorch model's modules."""
        return "1." if self.wrapped and self.settled(settings).front else ""

    def bare_torch(self, settings: Settings = Settings()) -> tuple[nn.Module, nn.Module]:
        """A PyTorch model without its weights: the whole, and the model without what stands before it."""
        settings = self.settled(settings)
        inner = self.torch(settings).eval()
        whole = nn.Sequential(Prepared(settings), inner) if self.prefix(settings) else inner
        return whole.eval(), inner

    def build(self, side: Side, weights: Weights, settings: Settings = Settings()) -> Any:
        """A model with weights, in inference mode but for what `settings` says."""
        settings = self.settled(settings)
        if side == "torch":
            whole, inner = self.bare_torch(settings)
            write_torch(inner, self.parts, weights)
            for name in settings.training:
                inner.get_submodule(self.part(name).torch).train()
            return whole.train() if settings.left_in_training else whole
        model = self.keras(settings)
        write_keras(model, self.parts, weights)
        return model

    def read(self, model: nn.Module) -> Weights:
        """The weights of a PyTorch model."""
        modules = {part: model.get_submodule(part.torch) for part in self.parts}
        return {
            part.key: {name: one.numpy().copy() for name, one in tensors_of(module, part).items()}
            for part, module in modules.items()
        }

    @functools.lru_cache(maxsize=128)  # noqa: B019
    def right(self, side: Side, seed: int) -> Any:
        """The right model, built once a seed: what runs it leaves it as it came."""
        return self.build(side, self.weights(seed))

    def inputs(self, seed: int, count: int = EXAMPLES) -> Array:
        """Examples, channels last, float32."""
        generator = self.generator(seed, "inputs")
        if self.values == "sequence":
            steps = generator.normal(size=(count, *self.shape))
            for step in range(1, self.shape[0]):
                steps[:, step] = 0.7 * steps[:, step - 1] + 0.7 * steps[:, step]
            return steps.astype(np.float32)
        x = pictures(generator, count, self.shape)
        return (np.round(255 * x) if self.values == "bytes" else x).astype(np.float32)

    def laid_out(self, side: Side, x: Array) -> Array:
        """Examples in the layout of a model."""
        return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if side == "torch" and self.channels_first else x

    @functools.lru_cache(maxsize=64)  # noqa: B019
    def weights(self, seed: int) -> Weights:
        """Weights as training leaves them: every layer gives values about as large as one, no two channels alike."""
        return drawn(self, seed)


def pictures(generator: np.random.Generator, count: int, shape: tuple[int, ...]) -> Array:
    """Pictures from 0 to 1: smooth light, a tint that changes over the picture, a little noise."""
    height, width, channels = shape
    rows, columns = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]

    def field_of(deep: int) -> Array:
        waves = np.zeros((count, height, width, deep))
        for _ in range(4):
            turn, along, down = (generator.uniform(-6, 6, size=(count, 1, 1, deep)) for _ in range(3))
            waves += np.sin(turn + along * columns + down * rows)
        return waves / 2

    tint = np.array([0.15, 0.0, -0.12])[:channels] if channels == 3 else 0.0
    light = 0.45 + 0.18 * field_of(1) + 0.1 * field_of(channels) + tint
    return np.clip(light + 0.03 * generator.normal(size=light.shape), 0, 1)


# --- weights ------------------------------------------------------------------------------------------------


def drawn(family: Family, seed: int) -> Weights:
    """Draw weights, layer by layer, so that what each layer gives is of the size that a trained one's has."""
    generator = family.generator(seed, "weights")
    whole, inner = family.bare_torch()
    x = torch.tensor(family.laid_out("torch", family.inputs(seed + 1000, 48)))
    for part in family.parts:
        module = inner.get_submodule(part.torch)
        own = tensors_of(module, part)
        for name, tensor in own.items():
            tensor.copy_(torch.tensor(_first_draw(part, name, tuple(tensor.shape), generator)))
        if part.kind in ("conv", "depthwise", "dense"):
            # Trained kernels look for differences more than for sums.
            around = tuple(range(1, own["weight"].ndim))
            own["weight"].sub_(0.8 * own["weight"].mean(dim=around, keepdim=True))
            deviations = _channels(_watched(whole, module, x)[1], part).std(0)
            own["weight"].mul_(part.size / deviations.square().mean().sqrt())
            spread = torch.tensor(
                np.exp(generator.normal(0, 0.3, size=len(own["weight"]))), dtype=torch.float32
            )
            own["weight"].mul_(spread.reshape(-1, *[1] * (own["weight"].ndim - 1)))
        elif part.kind == "batch_norm":
            reached = _channels(_watched(whole, module, x)[0], part)
            width = reached.shape[-1]
            means, deviations = reached.mean(0).numpy(), reached.std(0).numpy()
            means = means + 0.1 * deviations * generator.normal(size=width)
            variances = 0.02 + deviations**2 * np.exp(generator.normal(0, 0.1, size=width))
            own["running_mean"].copy_(torch.tensor(means))
            own["running_var"].copy_(torch.tensor(variances))
    return family.read(inner)


def _first_draw(part: Part, name: str, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    if part.kind in ("lstm", "gru"):
        hidden = shape[0] // (4 if part.kind == "lstm" else 3)
        return (
            generator.uniform(-1, 1, size=shape)
            * (1.5 if name.startswith("weight") else 0.8)
            / np.sqrt(hidden)
        )
    if part.kind in ("batch_norm", "layer_norm"):
        if name == "weight":
            return generator.uniform(0.6, 1.4, size=shape)
        return np.ones(shape) if name == "running_var" else generator.normal(0, 0.3, size=shape)
    if name == "bias":
        return generator.normal(0, 0.5, size=shape)
    return generator.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))


def _channels(values: torch.Tensor, part: Part) -> torch.Tensor:
    """Values as rows of channels: those of a dense layer are the last axis."""
    return (values if part.kind == "dense" else values.movedim(1, -1)).flatten(0, -2)


@torch.no_grad()
def _watched(model: nn.Module, module: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What reaches a module and what it gives."""
    found: list[Any] = []
    handle = module.register_forward_hook(lambda m, inputs, output: found.append((inputs[0], output)))
    model(x)
    handle.remove()
    return found[0]


def tensors_of(module: nn.Module, part: Part) -> dict[str, torch.Tensor]:
    """The tensors of a part, by PyTorch's names; of a recurrent one without the number of its layer."""
    own = {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    if part.kind in ("lstm", "gru"):
        level = f"_l{part.level}"
        return {n.replace(level, ""): t for n, t in own.items() if n.removesuffix("_reverse").endswith(level)}
    return own


@torch.no_grad()
def write_torch(model: nn.Module, parts: Sequence[Part], weights: Weights) -> None:
    """Give a PyTorch model its weights; a norm that keeps no statistics goes without."""
    for part in parts:
        own = tensors_of(model.get_submodule(part.torch), part)
        assert own.keys() <= weights[part.key].keys()
        for name, tensor in own.items():
            tensor.copy_(torch.tensor(weights[part.key][name]))


def write_keras(model: Any, parts: Sequence[Part], weights: Weights) -> None:
    """Give a Keras model its weights."""
    layers = keras_layers(model)
    for part in parts:
        layers[part.keras].set_weights(as_in_keras(part, weights[part.key]))


def as_in_keras(part: Part, own: Mapping[str, Array]) -> list[Array]:
    """The arrays of a part as its Keras layer takes them."""
    bias = [own["bias"]] if "bias" in own else []
    if part.kind == "conv":
        return [np.moveaxis(own["weight"], (0, 1), (-1, -2)), *bias]
    if part.kind == "depthwise":
        return [np.moveaxis(own["weight"], (0, 1), (-2, -1)), *bias]
    if part.kind == "dense":
        return [last_first(own["weight"], part.flattened).T, *bias]
    if part.kind == "batch_norm":
        return [own[name] for name in ("weight", "bias", "running_mean", "running_var")]
    if part.kind == "layer_norm":
        return [own["weight"], *bias]
    arrays: list[Array] = []
    for way in ("", "_reverse") if part.both_ways else ("",):
        inner, outer, b, c = (own[f"{n}{way}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        inner = last_first(inner, part.flattened)
        if part.kind == "lstm":
            arrays += [inner.T, outer.T, b + c]
        else:
            inner, outer, b, c = (gates(one, (1, 0, 2)) for one in (inner, outer, b, c))
            arrays += [inner.T, outer.T, np.stack([b, c])]
    return arrays


def gates(tensor: Array, order: Sequence[int]) -> Array:
    """A recurrent layer's tensor with its gates in another order."""
    parts = np.split(tensor, len(order))
    return np.concatenate([parts[place] for place in order])


def last_first(weight: Array, flattened: tuple[int, ...] | None) -> Array:
    """A weight (out, in) that reads what was flattened channels first, for what is flattened channels last."""
    if flattened is None:
        return weight
    return np.moveaxis(weight.reshape(len(weight), *flattened), 1, -1).reshape(weight.shape)


def first_last(weight: Array, flattened: tuple[int, ...] | None) -> Array:
    """The way back."""
    if flattened is None:
        return weight
    channels, *space = flattened
    return np.moveaxis(weight.reshape(len(weight), *space, channels), -1, 1).reshape(weight.shape)


# --- models run, by this file's own means -------------------------------------------------------------------


def keras_layers(model: Any) -> dict[str, Any]:
    """The layers of a Keras model by name, one inside another by both names; what a recurrent layer holds left out."""
    found: dict[str, Any] = {}

    def walk(layer: Any, path: str) -> None:
        for inner in layer._layers:
            found[f"{path}{inner.name}"] = inner
            if not hasattr(inner, "cell") and not hasattr(inner, "backward_layer"):
                walk(inner, f"{path}{inner.name}/")

    walk(model, "")
    return found


def run(side: Side, model: Any, x: Array) -> tuple[Array, list[tuple[str, Array]]]:
    """What a model gives, and what each of its layers gives, in the order in which they end; it stays as it was."""
    if side == "torch":
        return _run_torch(copy.deepcopy(model), x)
    return _run_keras(model, x)


@torch.no_grad()
def _run_torch(model: nn.Module, x: Array) -> tuple[Array, list[tuple[str, Array]]]:
    seen: list[tuple[str, Array]] = []

    def note(name: str) -> Callable[..., None]:
        def see(module: nn.Module, inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            seen.append((name, first.numpy().copy()))

        return see

    for name, module in model.named_modules():
        if name:
            module.register_forward_hook(note(name))
    return model(torch.tensor(x)).numpy(), seen


def _run_keras(model: Any, x: Array) -> tuple[Array, list[tuple[str, Array]]]:
    seen: list[tuple[str, Array]] = []
    layers = keras_layers(model)
    with _as_it_was(model):
        for name, layer in layers.items():
            layer.__dict__["call"] = _noting(name, layer.call, seen)
        try:
            output = np.asarray(model(x, training=False))
        finally:
            for layer in layers.values():
                del layer.__dict__["call"]
    return output, seen


def _noting(name: str, own: Callable[..., Any], seen: list[tuple[str, Array]]) -> Callable[..., Any]:
    @functools.wraps(own)
    def call(*arguments: Any, **keywords: Any) -> Any:
        output = own(*arguments, **keywords)
        first = output[0] if isinstance(output, (tuple, list)) else output
        seen.append((name, np.asarray(first)))
        return output

    return call


@contextmanager
def _as_it_was(model: Any) -> Iterator[None]:
    """A batch norm that is called as in training changes its statistics."""
    before = [one.numpy() for one in model.variables]
    yield
    for variable, value in zip(model.variables, before, strict=True):
        variable.assign(value)


def distance(first: Array, second: Array) -> float:
    """Relative L2; infinite for two shapes."""
    if first.shape != second.shape:
        return np.inf
    size = max(np.linalg.norm(first), np.linalg.norm(second), np.finfo(float).tiny)
    return float(np.linalg.norm(first.astype(float) - second) / size)
