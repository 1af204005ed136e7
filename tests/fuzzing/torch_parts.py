"""Parts of PyTorch models, each written in one of the forms in which people write it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from fuzzing.parts import Parts
from fuzzing.program import Layout, Program, Value
from torch import nn
from torch.nn import functional

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": torch.relu,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.1),
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "relu6": functional.relu6,
    "hardswish": functional.hardswish,
}
MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
}
_IN_PLACE = {"relu": torch.relu_, "tanh": torch.tanh_, "sigmoid": torch.sigmoid_}


class _OverChannels(nn.Module):
    """A norm over the last axis, of a channels-first map."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class _Attention(nn.Module):
    """Attention written by hand."""

    def __init__(self, width: int, fused: bool) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.fused = fused

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.q(x), self.k(x), self.v(x)
        if self.fused:
            return functional.scaled_dot_product_attention(q, k, v)
        return torch.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, -1) @ v


class _First(nn.Module):
    """The first of several results of a layer, which is called with given arguments."""

    def __init__(self, layer: nn.Module, calls: int) -> None:
        super().__init__()
        self.layer, self.calls = layer, calls

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(*[x] * self.calls)[0]


class TorchParts(Parts):
    """The operations of PyTorch."""

    framework = "torch"

    def tensor(self, array: np.ndarray) -> Any:
        found = torch.tensor(array)
        return found.to(getattr(torch, self.dtype)) if found.is_floating_point() else found

    def channel_axis(self, value: Value) -> int:
        return 1 if value.layout == "grid" else len(value.shape) - 1

    def _ready(self, layer: nn.Module) -> nn.Module:
        """Draw what layers start with at zero or one."""
        layer = layer.to(getattr(torch, self.dtype))
        for module in layer.modules():
            if "Norm" in type(module).__name__:
                for name, tensor in [
                    *module.named_parameters(recurse=False),
                    *module.named_buffers(recurse=False),
                ]:
                    if tensor.is_floating_point():
                        low, high = (0.6, 1.4) if name in ("weight", "running_var") else (-0.3, 0.3)
                        drawn = torch.tensor(self.rng.uniform(low, high, tuple(tensor.shape)))
                        with torch.no_grad():
                            tensor.copy_(drawn)
        return layer.eval()

    def layer(
        self, layer: nn.Module, value: Value, sort: Any, layout: Layout | None = None, **more: Any
    ) -> Value:
        layer = self._ready(layer)
        return self.add_operation(layer, (value,), sort, layout or value.layout, layer=layer, **more)

    def function(
        self,
        call: Callable[..., Any],
        values: Sequence[Value],
        sort: Any,
        layout: Layout | None = None,
        **more: Any,
    ) -> Value:
        return self.add_operation(call, values, sort, layout or values[0].layout, **more)

    # --- affine -------------------------------------------------------------------------------------------

    def conv(
        self, value: Value, channels: int, kernel: int, stride: int = 1, groups: int = 1, plain: bool = False
    ) -> Value:
        of_rank = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[len(self.sides(value))]
        padding = 0 if self.chance(0.25) and min(self.sides(value)) > kernel else kernel // 2
        made = of_rank(
            self.channels(value), channels, kernel, stride, padding, groups=groups, bias=self.chance(0.8)
        )
        if not plain and self.chance(0.08):
            made = nn.utils.parametrizations.weight_norm(made)
        return self.layer(made, value, "affine")

    def linear(self, value: Value, width: int, plain: bool = False) -> Value:
        return self.layer(nn.Linear(self.channels(value), width, bias=self.chance(0.9)), value, "affine")

    def flatten(self, value: Value) -> Value:
        form = self.one_of(("module", "flatten", "view", "reshape"))
        if form == "module":
            return self.layer(nn.Flatten(), value, "affine", "vector")
        call = {
            "flatten": lambda x: torch.flatten(x, 1),
            "view": lambda x: x.contiguous().view(x.size(0), -1),
            "reshape": lambda x: x.reshape(len(x), -1),
        }[form]
        return self.function(call, (value,), "affine", "vector")

    def to_steps(self, value: Value) -> Value:
        """(N, C, places…) to (N, places, C)."""
        return self.function(lambda x: x.flatten(2).transpose(1, 2), (value,), "affine", "steps")

    def to_grid(self, value: Value, sides: tuple[int, ...]) -> Value:
        """(N, T, C) to (N, C, places…)."""
        return self.function(
            lambda x: x.transpose(1, 2).unflatten(2, sides) if len(sides) > 1 else x.transpose(1, 2),
            (value,),
            "affine",
            "grid",
        )

    def add(self, one: Value, other: Value) -> Value:
        """Add two results, of which the first is used nowhere else."""
        before = self.program.operations[one.index]
        # Only the results of these are not needed again for their gradients.
        may_change = before is not None and before.sort == "affine" and bool(before.layer)
        in_place = torch.Tensor.add_ if may_change and self.chance(0.4) else None
        return self.function(torch.add, (one, other), "affine", as_written=in_place)

    def concatenate(self, values: Sequence[Value]) -> Value:
        axis = self.channel_axis(values[0])
        return self.function(lambda *x: torch.cat(x, axis), values, "affine")

    def split(self, value: Value, parts: int) -> list[Value]:
        axis = self.channel_axis(value)
        width = value.shape[axis] // parts
        return [
            self.function(lambda x, part=part: x.split(width, axis)[part], (value,), "affine")
            for part in range(parts)
        ]

    def transposed_conv(self, value: Value, channels: int) -> Value:
        made = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[len(self.sides(value))]
        return self.layer(made(self.channels(value), channels, 2, 2), value, "affine")

    def with_channel(self, value: Value) -> Value:
        """Add an axis of one channel."""
        return self.function(lambda x: x.unsqueeze(1), (value,), "affine", "grid")

    def squeezed(self, value: Value) -> Value:
        """Take the class axis of length one off."""
        return self.function(lambda x: x.squeeze(-1), (value,), "affine")

    def time_first(self, value: Value) -> Value:
        """What the model does first to an input whose first axis is time."""
        return self.function(lambda x: x, (value,), "affine", as_written=lambda x: x.transpose(0, 1))

    def spectrum(self, value: Value) -> Value:
        """The sizes of the frequencies along the steps."""
        return self.function(lambda x: torch.fft.rfft(x, dim=1).abs(), (value,), "other", "steps")

    def greater(self, one: Value, other: Value) -> Value:
        return self.function(torch.maximum, (one, other), "maximum")

    def upsample(self, value: Value) -> Value:
        return self.layer(nn.Upsample(scale_factor=2, mode="nearest"), value, "affine")

    def dropout(self, value: Value) -> Value:
        if self.chance(0.5):
            return self.layer(nn.Dropout(0.5), value, "affine")
        return self.function(lambda x: functional.dropout(x, 0.5, training=False), (value,), "affine")

    def scaled(self, value: Value, factor: float, shift: float) -> Value:
        return self.function(lambda x: x * factor + shift, (value,), "affine")

    def mean_over(self, value: Value, axes: tuple[int, ...], layout: Layout) -> Value:
        return self.function(lambda x: x.mean(axes), (value,), "affine", layout)

    # --- pools --------------------------------------------------------------------------------------------

    def pool(self, value: Value, kind: str, size: int, stride: int, padding: int) -> Value:
        rank = len(self.sides(value))
        if kind == "max" and rank == 2 and self.chance(0.3):
            return self.function(
                lambda x: functional.max_pool2d(x, size, stride, padding), (value,), "maximum"
            )
        if kind == "power":
            return self.layer(
                {1: nn.LPPool1d, 2: nn.LPPool2d, 3: nn.LPPool3d}[rank](2, size, stride), value, "other"
            )
        made = {
            ("max", 1): nn.MaxPool1d,
            ("max", 2): nn.MaxPool2d,
            ("max", 3): nn.MaxPool3d,
            ("mean", 1): nn.AvgPool1d,
            ("mean", 2): nn.AvgPool2d,
            ("mean", 3): nn.AvgPool3d,
        }[kind, rank](size, stride, padding)
        return self.layer(made, value, "maximum" if kind == "max" else "affine")

    def global_pool(self, value: Value, kind: str) -> Value:
        """A grid or steps to a vector."""
        rank = len(self.sides(value))
        axes = tuple(range(2, 2 + rank)) if value.layout == "grid" else tuple(range(1, 1 + rank))
        if kind == "max":
            return self.function(lambda x: x.amax(axes), (value,), "maximum", "vector")
        if value.layout == "grid" and self.chance(0.6):
            made = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}[rank](1)
            return self.flatten(self.layer(made, value, "affine"))
        return self.mean_over(value, axes, "vector")

    # --- norms --------------------------------------------------------------------------------------------

    def norm(self, value: Value, kind: str) -> Value:
        channels = self.channels(value)
        if value.layout == "grid":
            rank = len(self.sides(value))
            made: nn.Module = {
                "batch": lambda: {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[rank](channels),
                "layer": lambda: _OverChannels(nn.LayerNorm(channels)),
                "group": lambda: nn.GroupNorm(2 if channels % 2 == 0 else 1, channels),
                "instance": lambda: {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[rank](
                    channels, affine=True
                ),
                "rms": lambda: _OverChannels(nn.RMSNorm(channels)),
            }[kind]()
            if kind == "layer" and self.chance(0.4):
                made = nn.LayerNorm([channels, *self.sides(value)])
        elif kind == "batch" and value.layout == "vector":
            made = nn.BatchNorm1d(channels)
        else:
            made = nn.RMSNorm(channels) if kind == "rms" else nn.LayerNorm(channels)
        return self.layer(
            made,
            value,
            "affine"
            if isinstance(made, nn.modules.batchnorm._BatchNorm)
            and not isinstance(made, nn.modules.instancenorm._InstanceNorm)
            else "other",
        )

    def normalised(self, value: Value) -> Value:
        axis = self.channel_axis(value)
        return self.function(lambda x: functional.normalize(x, dim=axis), (value,), "other")

    # --- pointwise, gates, products -----------------------------------------------------------------------

    def act(self, value: Value, kind: str, alone: bool = False) -> Value:
        """Apply a pointwise function; `alone` says that the operand is used nowhere else."""
        form = self.rng.random()
        call = FUNCTIONS[kind]
        if form < 0.5:
            made = nn.ReLU(inplace=True) if kind == "relu" and alone and self.chance(0.4) else MODULES[kind]()
            if getattr(made, "inplace", False):
                return self.add_operation(
                    call, (value,), "pointwise", value.layout, layer=made, as_written=made, activation=kind
                )
            return self.layer(made, value, "pointwise", activation=kind)
        if kind == "relu" and form > 0.9:
            return self.function(lambda x: x.clamp(min=0), (value,), "pointwise", activation=kind)
        in_place = _IN_PLACE.get(kind) if alone and form < 0.65 else None
        return self.function(call, (value,), "pointwise", as_written=in_place, activation=kind)

    def gate(self, signal: Value, gate: Value) -> Value:
        """Multiply a signal by a gate in [0, 1]."""
        return self.function(torch.mul, (signal, gate), "gate")

    def gate_of_places(self, signal: Value, gate: Value) -> Value:
        """Multiply each channel of a grid by a number of a vector."""
        rank = len(self.sides(signal))
        return self.function(lambda x, g: x * g.reshape(*g.shape, *[1] * rank), (signal, gate), "gate")

    def product(self, one: Value, other: Value) -> Value:
        return self.function(torch.mul, (one, other), "other")

    # --- attention, recurrence, embeddings ----------------------------------------------------------------

    def attention(self, value: Value) -> Value:
        width = self.channels(value)
        kind = self.one_of(("by_hand", "fused", "module", "encoder"))
        if kind == "module":
            return self.layer(_First(nn.MultiheadAttention(width, 1, batch_first=True), 3), value, "other")
        if kind == "encoder":
            made = nn.TransformerEncoderLayer(
                width, 2 if width % 2 == 0 else 1, 6, 0.1, batch_first=True, norm_first=self.chance(0.5)
            )
            return self.layer(made, value, "other", hides_relu=True)
        return self.layer(_Attention(width, kind == "fused"), value, "other")

    def recurrent(self, value: Value, width: int) -> Value:
        made = self.one_of((nn.RNN, nn.LSTM, nn.GRU))(self.channels(value), width, batch_first=True)
        return self.layer(_First(made, 1), value, "other")

    def last_step(self, value: Value) -> Value:
        return self.function(lambda x: x[:, -1], (value,), "affine", "vector")

    def weighted_steps(self, value: Value) -> Value:
        """Attention over time: a softmax over the steps weighs them."""
        score = self._ready(nn.Linear(self.channels(value), 1))
        return self.add_operation(
            lambda x: (torch.softmax(score(x), 1) * x).sum(1), (value,), "other", "vector", inside=(score,)
        )

    def embedding(self, ids: Value, tokens: int, width: int) -> tuple[Value, Any]:
        made = self._ready(nn.Embedding(tokens, width, padding_idx=0 if self.chance(0.3) else None))
        return self.add_operation(
            made, (ids,), "other", "steps" if len(ids.shape) > 1 else "vector", layer=made
        ), made

    def positions(self, value: Value) -> Value:
        """Add a learnt vector of each place."""
        made = self._ready(nn.Embedding(value.shape[1], value.shape[2]))
        return self.add_operation(
            lambda x: x + made(torch.arange(x.shape[1])), (value,), "affine", "steps", inside=(made,)
        )

    def tied(self, value: Value, embedding: Any) -> Value:
        """The likeness of a vector to each row of an embedding."""
        return self.function(lambda x: x @ embedding.weight.T, (value,), "affine", "vector")

    # --- folds --------------------------------------------------------------------------------------------

    def folded(self, value: Value) -> tuple[Value, int]:
        """Fold the second axis, of time, into the batch: frame t of example n is row n T + t."""
        frames = value.shape[1]
        return self.function(lambda x: x.flatten(0, 1), (value,), "affine", "grid"), frames

    def unfolded(self, value: Value, frames: int) -> Value:
        """Give the vectors of folded frames as steps."""
        return self.function(lambda x: x.unflatten(0, (-1, frames)), (value,), "affine", "steps")

    def views(self, value: Value, stacked: bool) -> tuple[Value, int]:
        """Fold an input and its mirror image into the batch, all examples first or view by view."""
        if stacked:
            return self.function(
                lambda x: torch.stack([x, x.flip(-1)], 1).flatten(0, 1), (value,), "affine", "grid"
            ), 2
        return self.function(lambda x: torch.cat([x, x.flip(-1)]), (value,), "affine", "grid"), 2

    def mean_of_views(self, value: Value, stacked: bool) -> Value:
        call = (lambda x: x.unflatten(0, (-1, 2)).mean(1)) if stacked else (lambda x: sum(x.chunk(2)) / 2)
        return self.function(call, (value,), "affine")

    def dependent(self, value: Value) -> Value:
        """Take the mean of the batch off."""
        return self.function(lambda x: x - x.mean(0, keepdim=True), (value,), "affine")

    # --- ends ---------------------------------------------------------------------------------------------

    def softmax(self, value: Value, log: bool, module: bool) -> Value:
        axis = self.channel_axis(value)
        if module:
            made = nn.LogSoftmax(dim=axis) if log else nn.Softmax(dim=axis)
            return self.add_operation(made, (value,), "other", value.layout, layer=made)
        call = torch.log_softmax if log else torch.softmax
        return self.function(lambda x: call(x, axis), (value,), "other")

    def sigmoid(self, value: Value, module: bool) -> Value:
        if module:
            return self.layer(nn.Sigmoid(), value, "pointwise", activation="sigmoid")
        return self.function(torch.sigmoid, (value,), "pointwise", activation="sigmoid")

    def dense_with_end(self, value: Value, width: int, end: str) -> tuple[Value, Value]:
        logits = self.linear(value, width)
        if end == "sigmoid":
            return self.sigmoid(logits, True), logits
        return self.softmax(logits, end == "log_softmax", True), logits

    def built(self, program: Program, form: str) -> nn.Module:
        """Give the model, in one of the forms that people write."""
        if form == "sequential" and self.chain and len(program.outputs) == 1:
            return nn.Sequential(OrderedDict(self.layers)).eval()
        return _Net(self.layers, program, form).eval()


class _Net(nn.Module):
    """A module of one's own with a `forward` of one's own."""

    def __init__(self, layers: dict[str, nn.Module], program: Program, form: str) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._program, self._form = program, form

    def forward(self, *inputs: torch.Tensor) -> Any:
        found = self._program.model(inputs)
        if len(found) == 1:
            return found[0]
        if self._form == "dict":
            return {f"head{index}": one for index, one in enumerate(found)}
        return tuple(found)


class TorchPasses:
    """Passes of a program by plain autograd."""

    def __init__(self, program: Program, dtype: str) -> None:
        self.program, self.dtype = program, getattr(torch, dtype)

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        found = torch.tensor(array)
        return found.to(self.dtype) if found.is_floating_point() else found

    def results(
        self, inputs: Sequence[np.ndarray], replaced: dict[int, np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Give every result as an array."""
        with torch.no_grad():
            moved = {index: self.tensor(array) for index, array in (replaced or {}).items()}
            return [one.numpy() for one in self.program.by_hand([self.tensor(one) for one in inputs], moved)]

    def gradients(
        self,
        inputs: Sequence[np.ndarray],
        replaced: dict[int, np.ndarray],
        to: Sequence[int],
        score: Callable[[list[Any]], Any],
        pointwise: Callable[[str, Any], Any] | None = None,
        gate: Callable[[Any], Any] | None = None,
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Give the scores and their gradients to some results, which may be replaced ones."""
        moved = {index: self.tensor(array) for index, array in replaced.items()}
        given = [self.tensor(one) for one in inputs]
        for one in (*moved.values(), *given):
            if one.is_floating_point():
                one.requires_grad_()
        values = self.program.by_hand(given, moved, pointwise, gate)
        scores = score(values)
        ends = [values[index] for index in to]
        if not to or not scores.requires_grad:
            return scores.detach().numpy(), [np.zeros(one.shape) for one in ends]
        usable = [one for one in ends if one.requires_grad]
        found = iter(torch.autograd.grad(scores.sum(), usable, allow_unused=True) if usable else ())
        slopes = [next(found) if one.requires_grad else None for one in ends]
        return scores.detach().numpy(), [
            np.zeros(end.shape) if slope is None else slope.numpy()
            for end, slope in zip(ends, slopes, strict=True)
        ]

    softmax = staticmethod(lambda x, axis: torch.softmax(x, axis))
    log_softmax = staticmethod(lambda x, axis: torch.log_softmax(x, axis))
    sigmoid = staticmethod(torch.sigmoid)
    log_sigmoid = staticmethod(functional.logsigmoid)
    log = staticmethod(torch.log)
    detach = staticmethod(lambda x: x.detach())
    functions = FUNCTIONS

    def picked(self, tensor: torch.Tensor, indices: np.ndarray) -> torch.Tensor:
        """Give one element of each row, by an index of shape (rows, axes)."""
        return tensor[(torch.arange(len(tensor)), *torch.tensor(indices).T)]

    def where(self, condition: Any, one: Any, other: Any) -> Any:
        return torch.where(condition, one, other)

    def with_gradient(
        self, forward: Callable[[Any], Any], backward: Callable[[Any, Any], Any]
    ) -> Callable[[Any], Any]:
        """Give a function with a gradient of one's own: `backward` takes the operand and the incoming gradient."""

        class Own(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
                ctx.save_for_backward(x)
                return forward(x)

            @staticmethod
            def backward(ctx: Any, incoming: torch.Tensor) -> torch.Tensor:
                return backward(ctx.saved_tensors[0], incoming)

        return Own.apply
