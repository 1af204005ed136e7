"""Maps of layers: their axes, the default layer, several inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from advice.advice import Advice
from advice.models import TABLE, TORCH, attribute, linear
from models import maps

from explain.errors import CancellationWarning, LayerError, OptionError, SharedMapWarning

FRAMES = np.random.default_rng(3).normal(size=(2, 3, 4, 4)).astype(np.float32)
OF_NINE = np.random.default_rng(1).normal(size=(2, 9, 3)).astype(np.float32)


def scaled(kit: Any) -> Any:
    """Its first layer reads a number that each example has beside its table."""
    nn = kit.torch.nn

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.last = nn.Linear(TABLE.shape[1], 3), nn.Linear(3, 2)

        def forward(self, x: Any, scale: Any) -> Any:
            return self.last(kit.tanh(self.inner(x * scale)))

    return Scaled()


def of_each_frame(kit: Any) -> Any:
    """One vector a frame: no layer has places in a frame."""
    if kit.name == "torch":
        nn = kit.torch.nn
        kit.torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(2), nn.Linear(16, 4), nn.Tanh(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(6, 2)
        )
    layers = kit.keras.layers
    kit.keras.utils.set_random_seed(0)
    inner = [
        layers.Reshape((3, 16)),
        layers.Dense(4, "tanh"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2),
    ]
    return kit.keras.Sequential([kit.keras.Input((3, 4, 4)), *inner])


def one_after_the_other(kit: Any) -> Any:
    """A convolution that reads one frame after the other."""
    if kit.name == "torch":
        nn = kit.torch.nn

        class Frames(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                kit.torch.manual_seed(0)
                self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)

            def forward(self, x: Any) -> Any:
                return self.head(sum(self.conv(x[:, time, None]).tanh().mean((2, 3)) for time in range(3)))

        return Frames()
    layers = kit.keras.layers
    kit.keras.utils.set_random_seed(0)
    x, conv = kit.keras.Input((3, 4, 4)), layers.Conv2D(4, 3, activation="tanh", name="conv")
    every = [layers.GlobalAveragePooling2D()(conv(x[:, time, ..., None])) for time in range(3)]
    return kit.keras.Model(x, layers.Dense(2)(layers.Add()(every)))


def read_twice(kit: Any) -> Any:
    """Two calls of a layer read one input, another call the other."""
    nn = kit.torch.nn

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.last = nn.Linear(TABLE.shape[1], 3), nn.Linear(3, 2)

        def forward(self, a: Any, b: Any) -> Any:
            return self.last(self.inner(a) * self.inner(a * a) + self.inner(b).tanh())

    return Twice()


def compared(kit: Any, rows: slice) -> Any:
    scale = np.arange(1, len(TABLE) + 1, dtype=np.float32)[:, None]
    options = {"layer": "inner", "baseline": TABLE[::-1] / 2, "forward_kwargs": {"scale": scale[rows]}}
    return attribute(scaled(kit), TABLE[rows], "deep_lift_shap", **options)


def pictures(kit: Any, seed: int = 0) -> np.ndarray:
    shape = (2, *kit.picture_shape(3, *maps.SIZE))
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def made(kit: Any, name: str, **options: Any) -> Any:
    """A model of `tests/models/maps.py` with seeded weights."""
    if kit.name == "torch":
        kit.torch.manual_seed(0)
        return getattr(maps, name)(**options).eval()
    kit.keras.utils.set_random_seed(0)
    return getattr(maps, f"keras_{''.join(f'_{one.lower()}' if one.isupper() else one for one in name)[1:]}")(
        **options
    )


def own(kit: Any) -> str:
    return "NCHW" if kit.name == "torch" else "NHWC"


def views(kit: Any) -> tuple[Any, Any]:
    return made(kit, "TwoViews", meets_at_once=True), (pictures(kit), pictures(kit, 1))


def sequences() -> np.ndarray:
    """Sequences of several lengths, padded with zeros."""
    x = np.random.default_rng(2).normal(size=(4, 6, 3)).astype(np.float32)
    x[[0, 2], 4:] = 0
    return x


ADVICE = [
    Advice(
        "mask, other inputs or keyword arguments), so the examples have no references in common there. ",
        LayerError,
        lambda kit: compared(kit, slice(0, 2)),
        lambda kit: [compared(kit, slice(0, 1)), compared(kit, slice(1, 2))],
        TORCH,
    ),
    Advice(
        "batch_size=1, so that there is nothing to reorder, or name a layer before or behind the reordering.",
        LayerError,
        lambda kit: attribute(made(kit, "Sorting"), sequences(), "saliency", layer="encoder"),
        lambda kit: attribute(made(kit, "Sorting"), sequences(), "saliency", layer="encoder", batch_size=1),
    ),
    Advice(
        "cannot be told: none follows those of the input, and another size of the input does not tell either. ",
        LayerError,
        lambda kit: attribute(made(kit, "Mixed"), pictures(kit), layer="square"),
        lambda kit: attribute(made(kit, "Mixed"), pictures(kit), layer="square", layer_layout=own(kit)),
    ),
    Advice(
        " letters, N first and C among them.",
        LayerError,
        lambda kit: attribute(made(kit, "Mixed"), pictures(kit), layer="square", layer_layout="NTC"),
        lambda kit: attribute(made(kit, "Mixed"), pictures(kit), layer="square", layer_layout=own(kit)),
    ),
    Advice(
        " is given, but layer is not: say of which layer, for example layer='conv2'.",
        OptionError,
        lambda kit: attribute(made(kit, "Mixed"), pictures(kit), layer_layout=own(kit)),
        lambda kit: attribute(made(kit, "Mixed"), pictures(kit), layer="square", layer_layout=own(kit)),
    ),
    Advice(
        " is not a layout: give one letter per axis of the layer's output, for ",
        OptionError,
        lambda kit: attribute(made(kit, "Mixed"), pictures(kit), layer="square", layer_layout=4),
        lambda kit: attribute(made(kit, "Mixed"), pictures(kit), layer="square", layer_layout=own(kit)),
    ),
    Advice(
        "by more than one way, past every layer that gives a map over space or ",
        LayerError,
        lambda kit: attribute(made(kit, "TwoWays"), pictures(kit), "grad_cam"),
        lambda kit: [
            attribute(made(kit, "TwoWays"), pictures(kit), "layer_cam", layer="right"),
            attribute(made(kit, "TwoWays"), pictures(kit), "integrated_gradients"),
        ],
    ),
    Advice(
        "; no layer before it carries all of it and is one. Use ",
        LayerError,
        lambda kit: attribute(of_each_frame(kit), FRAMES, "grad_cam", layout="NTHW"),
        lambda kit: attribute(of_each_frame(kit), FRAMES, "integrated_gradients", layout="NTHW"),
    ),
    Advice(
        " calls are those for the steps of the input. Name all of ",
        LayerError,
        lambda kit: attribute(
            one_after_the_other(kit), FRAMES, "layer_cam", layer=("conv", 1), layout="NTHW"
        ),
        lambda kit: attribute(one_after_the_other(kit), FRAMES, "layer_cam", layer="conv", layout="NTHW"),
    ),
    Advice(
        ", and this input reaches the calls ",
        LayerError,
        lambda kit: attribute(read_twice(kit), (TABLE, TABLE), layer="inner"),
        lambda kit: attribute(read_twice(kit), (TABLE, TABLE), layer=("inner", 1)),
        TORCH,
    ),
    Advice(
        " per example has more axes than a map over the ",
        LayerError,
        lambda kit: attribute(made(kit, "Patched"), OF_NINE[:, :8], "grad_cam"),
        lambda kit: [
            attribute(made(kit, "Patched"), OF_NINE[:, :8], "layer_cam", layer="scaled", target=1),
            attribute(made(kit, "Patched"), OF_NINE[:, :8], "integrated_gradients"),
        ],
    ),
    Advice(
        "with a map over space or time cancel when they are averaged over its ",
        LayerError,
        lambda kit: attribute(made(kit, "OnlyScores"), OF_NINE, "grad_cam"),
        lambda kit: attribute(made(kit, "OnlyScores"), OF_NINE, "integrated_gradients"),
    ),
    Advice(
        ", and a class activation map needs one: ",
        LayerError,
        lambda kit: attribute(linear(kit), TABLE, "grad_cam"),
        lambda kit: attribute(linear(kit), TABLE, "integrated_gradients"),
    ),
    Advice(
        "axes of space or time: use a method that explains the input, such as method='integrated_gradients'.",
        LayerError,
        lambda kit: attribute(linear(kit), TABLE, "grad_cam", layer="0" if kit.name == "torch" else "dense"),
        lambda kit: attribute(linear(kit), TABLE, "integrated_gradients"),
        TORCH,
    ),
    Advice(
        ": name another layer, or use method='integrated_gradients'.",
        LayerError,
        lambda kit: attribute(made(kit, "TwoWays"), pictures(kit), "grad_cam", layer="head"),
        lambda kit: [
            attribute(made(kit, "TwoWays"), pictures(kit), "layer_cam", layer="left"),
            attribute(made(kit, "TwoWays"), pictures(kit), "integrated_gradients"),
        ],
        TORCH,
    ),
    Advice(
        " cancel when they are averaged over its places, as in front of a softmax over them. ",
        CancellationWarning,
        lambda kit: attribute(made(kit, "AttentionPooled"), OF_NINE, "grad_cam", layer="scores"),
        lambda kit: [
            attribute(made(kit, "AttentionPooled"), OF_NINE, "layer_cam", layer="scores"),
            attribute(made(kit, "AttentionPooled"), OF_NINE, "layer_cam", layer="query"),
        ],
    ),
    Advice(
        ", which other inputs reach too: it shows where ",
        SharedMapWarning,
        lambda kit: attribute(*views(kit), "grad_cam"),
        lambda kit: list(attribute(*views(kit), "integrated_gradients")),
    ),
]
