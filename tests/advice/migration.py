"""Comparing and porting models of both frameworks."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from advice.advice import Advice
from advice.models import SERIES, TABLE, TENSORFLOW, TORCH, linear, module, perceptron

import explain
from explain.errors import (
    InputError,
    MigrationError,
    ModelCallError,
    ModelNotBuiltError,
    OptionError,
    PortError,
    PortWarning,
    ScoreError,
)
from explain.migration import load_report

PICTURES = np.random.default_rng(0).uniform(size=(3, 6, 6, 2)).astype(np.float32)


def keras_model(shape: tuple[int, ...], *parts: Any) -> Any:
    import keras

    return keras.Sequential([keras.Input(shape), *parts])


def layers() -> Any:
    import keras

    return keras.layers


def port(kit: Any, source: Any, target: Any, *arguments: Any, **keywords: Any) -> Any:
    return explain.port(source, target, *arguments, **keywords)


def check(a: Any, b: Any, x: Any = TABLE, **keywords: Any) -> Any:
    return explain.check_migration(a, b, x, **{"methods": "saliency", **keywords})


def functions(**keywords: Any) -> Any:
    """A function of one output and one of two, which name it."""
    asked = {"methods": "occlusion", "framework": "numpy", "framework_b": "numpy", **keywords}
    return check(lambda x: x * x, lambda x: {"logits": x * x, "sum": x.sum(1)}, **asked)


def dense(kit: Any, bias: bool = True, dtype: str = "float32") -> Any:
    return kit.torch.nn.Linear(4, 3, bias=bias, dtype=getattr(kit.torch, dtype))


def twin(bias: bool = True, dtype: str = "float32") -> Any:
    return keras_model((4,), layers().Dense(3, use_bias=bias, dtype=dtype))


def pair(kit: Any) -> Any:
    """Two layers of one kind and shape, with the names ``first`` and ``second``."""
    nn = kit.torch.nn
    return nn.Sequential(*[nn.Linear(4, 4), nn.Linear(4, 4)])


def named(*names: str, units: int = 4) -> Any:
    return keras_model((4,), *(layers().Dense(units, name=name) for name in names))


def spectral(kit: Any, removed: bool) -> Any:
    nn = kit.torch.nn
    model = nn.utils.spectral_norm(nn.Linear(4, 3))
    return nn.utils.remove_spectral_norm(model) if removed else model


def parametrized(kit: Any, removed: bool) -> Any:
    nn = kit.torch.nn
    model = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3))
    if removed:
        nn.utils.parametrize.remove_parametrizations(model, "weight")
    return model


def quantised(kit: Any, plain: bool) -> Any:
    import warnings

    nn, torch = kit.torch.nn, kit.torch
    model = nn.Sequential(nn.Linear(4, 3)).eval()
    if plain:
        return model
    with warnings.catch_warnings(action="ignore"):
        return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def quantised_twin(plain: bool) -> Any:
    model = twin()
    if not plain:
        model.layers[0].quantize("int8")
    return model


def of_keras_2() -> Any:
    """A model that stands in for one of Keras 2, which its package tells and which is not installed here."""
    import keras

    class Old(keras.Sequential):
        __module__ = "tf_keras.src.engine.sequential"

    return Old([keras.Input((4,)), keras.layers.Dense(3)])


def tied(kit: Any, together: bool) -> Any:
    nn = kit.torch.nn
    model = nn.ModuleDict({"embedding": nn.Embedding(7, 4), "head": nn.Linear(4, 7, bias=False)})
    if together:
        model["head"].weight = model["embedding"].weight
    return model


def flattening(kit: Any) -> Any:
    nn = kit.torch.nn
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(48, 5))
    return module(kit, lambda self, x: self.fc(self.conv(x).flatten(1)), conv=model[0], fc=model[2])


def reshaping(flatten: Any = None) -> Any:
    """A subclassed Keras model, which states no flattened map unless a layer flattens it."""
    import keras
    import tensorflow as tf

    class Reshaping(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = keras.layers.Conv2D(3, 3), keras.layers.Dense(5)
            self.flatten = flatten

        def call(self, x):
            maps = self.conv(x)
            return self.fc(self.flatten(maps) if self.flatten else tf.reshape(maps, (len(x), -1)))

    model = Reshaping()
    model(PICTURES)
    return model


def flattened(*between: Any) -> Any:
    return keras_model((6, 6, 2), layers().Conv2D(3, 3), *between, layers().Flatten(), layers().Dense(5))


def own(kit: Any, *names: str) -> Any:
    """A module with parameters of its own, all of one shape."""
    model = module(kit, lambda self, x: x)
    for name in names:
        setattr(model, name, kit.torch.nn.Parameter(kit.torch.ones(4)))
    return model


def norm(bias: bool) -> Any:
    return keras_model((4,), layers().LayerNormalization(epsilon=1e-5, center=bias))


def failing(kit: Any, fails: bool) -> Any:
    def forward(self: Any, x: Any) -> Any:
        if fails:
            raise ValueError("of the user's own")
        return self.fc(x)

    return module(kit, forward, fc=kit.torch.nn.Linear(4, 3))


def saved(kit: Any, spoiled: bool) -> Any:
    model = linear(kit)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        check(model, model).save(path)
        if spoiled:
            path.write_text(json.dumps({"format": 0}))
        return load_report(path)


def rows(kit: Any, summed: bool) -> Any:
    return kit.function(lambda x: x.sum(0) if summed else x.sum(1))


def elsewhere(kit: Any) -> Any:
    other = SimpleNamespace(name="elsewhere")
    with mock.patch("explain.migration.porting.transfer.extension_for", return_value=other):
        return explain.port(dense(kit), dense(kit))


def trained_norm(kit: Any) -> Any:
    model = kit.torch.nn.LayerNorm(4)
    with kit.torch.no_grad():
        model.bias.fill_(0.5)
    return model


def filled(kit: Any, value: float, dtype: str = "float32") -> Any:
    model = dense(kit, dtype=dtype)
    with kit.torch.no_grad():
        model.weight.fill_(value)
    return model


def between(kit: Any, activation: str) -> Any:
    """The layers of `perceptron`, with another activation by a function, of which a port cannot know."""
    return module(
        kit,
        lambda self, x: self.second(getattr(kit, activation)(self.first(x))),
        first=kit.torch.nn.Linear(4, 3),
        second=kit.torch.nn.Linear(3, 3),
    )


def called(kit: Any, model: Any) -> Any:
    model(kit.tensor(TABLE))
    return model


def instance_norm(kit: Any, statistics: bool) -> Any:
    nn = kit.torch.nn
    return nn.Sequential(nn.Conv1d(4, 3, 1), nn.InstanceNorm1d(3, track_running_stats=statistics))


def twin_lstm() -> Any:
    return keras_model((5, 4), layers().LSTM(3))


def estimator() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(TABLE, [0, 1])


ADVICE = [
    Advice(
        ", which this call cannot take apart: give ",
        MigrationError,
        lambda kit: check(partial(linear(kit)), linear(kit)),
        lambda kit: check(linear(kit), linear(kit)),
    ),
    # check.py, measurement
    Advice(
        " is given without output: say to which output of model_a it corresponds, for ",
        OptionError,
        lambda kit: functions(output_b="logits"),
        lambda kit: functions(output=0, output_b="logits"),
        TORCH,
    ),
    Advice(
        " is no output of the model, which has ",
        ScoreError,
        lambda kit: functions(output=0, output_b="classes"),
        lambda kit: [functions(output=0, output_b=one) for one in ("logits", 0)],
        TORCH,
    ),
    # migration/check.py, measurement
    Advice(
        ", which is none of ",
        OptionError,
        lambda kit: check(linear(kit), linear(kit), tolerances={"output": 1.0}),
        lambda kit: check(linear(kit), linear(kit), tolerances={"outputs": 1.0}),
        TORCH,
    ),
    Advice(
        " should be a number of at least 0.",
        OptionError,
        lambda kit: check(linear(kit), linear(kit), tolerances={"outputs": -1.0}),
        lambda kit: check(linear(kit), linear(kit), tolerances={"outputs": 0.0}),
        TORCH,
    ),
    Advice(
        ": give the same examples, in the same order.",
        InputError,
        lambda kit: check(linear(kit), linear(kit), x_b=TABLE[:1]),
        lambda kit: check(linear(kit), linear(kit), x_b=TABLE),
        TORCH,
    ),
    Advice(
        ": say which is which with layout= and ",
        InputError,
        lambda kit: check(rows(kit, False), rows(kit, False), SERIES, layout_b="NHW", methods=None),
        lambda kit: [
            check(rows(kit, False), rows(kit, False), SERIES, layout="NHW", layout_b="NHW", methods=None),
            check(rows(kit, False), rows(kit, False), SERIES, x_b=SERIES, methods=None),
        ],
        TORCH,
    ),
    Advice(
        "have one row for each example. Is layout= right?",
        MigrationError,
        lambda kit: check(rows(kit, True), rows(kit, True), SERIES, methods=None),
        lambda kit: check(
            rows(kit, True), rows(kit, True), SERIES, layout="TNC", layout_b="TNC", methods=None
        ),
        TORCH,
    ),
    Advice(
        " is no model: give one model, such as ",
        MigrationError,
        lambda kit: check(linear(kit), 3),
        lambda kit: check(linear(kit), linear(kit)),
        TORCH,
    ),
    Advice(
        " is no migration report that can be read (",
        MigrationError,
        lambda kit: saved(kit, spoiled=True),
        lambda kit: saved(kit, spoiled=False),
        TORCH,
    ),
    # migration/porting
    Advice(
        " does not read the layers of its models: it needs the methods ",
        PortError,
        elsewhere,
        lambda kit: port(kit, dense(kit), dense(kit)),
        TORCH,
    ),
    Advice(
        "times the ",
        PortError,
        lambda kit: port(kit, flattening(kit), reshaping()),
        lambda kit: [
            port(kit, flattening(kit), reshaping(), x=np.moveaxis(PICTURES, -1, 1)),
            port(kit, flattening(kit), reshaping(layers().Flatten())),
        ],
        TORCH,
    ),
    Advice(
        "unknown order: flatten it by a Flatten layer directly after the last convolution or pool.",
        PortError,
        lambda kit: port(kit, flattened(), flattened(layers().Reshape((6, 8)))),
        lambda kit: port(kit, flattened(), flattened()),
        TORCH,
    ),
    Advice(
        " of the target to several layers of the source: name it once.",
        PortError,
        lambda kit: port(kit, pair(kit), named("a", "b"), {"0": "a", "1": "a"}),
        lambda kit: port(kit, pair(kit), named("a", "b"), {"0": "a", "1": "b"}),
        TORCH,
    ),
    Advice(
        " that holds parameters: ",
        PortError,
        lambda kit: port(kit, pair(kit), named("a", "b"), {"0": "c"}),
        lambda kit: port(kit, pair(kit), named("a", "b"), {"0": "a"}),
        TORCH,
    ),
    Advice(
        "}: they do not fit each other. ",
        PortError,
        lambda kit: port(kit, pair(kit), named("a", "b", units=3), {"0": "b"}),
        lambda kit: port(kit, pair(kit), named("a", "b"), {"0": "b"}),
        TORCH,
    ),
    Advice(
        "create it with one.",
        PortError,
        lambda kit: port(kit, trained_norm(kit), norm(bias=False)),
        lambda kit: port(kit, trained_norm(kit), norm(bias=True)),
        TORCH,
    ),
    Advice(
        " in the source has values that are not finite.",
        PortError,
        lambda kit: port(kit, filled(kit, np.nan), twin()),
        lambda kit: port(kit, filled(kit, 1.0), twin()),
        TORCH,
    ),
    Advice(
        "goes where is unclear. Give them the same names.",
        PortError,
        lambda kit: port(kit, own(kit, "a", "b"), own(kit, "c", "d")),
        lambda kit: port(kit, own(kit, "a", "b"), own(kit, "a", "b")),
        TORCH,
    ),
    Advice(
        "Neither model has layers that hold parameters.",
        PortError,
        lambda kit: port(kit, kit.torch.nn.ReLU(), kit.torch.nn.ReLU()),
        lambda kit: port(kit, dense(kit), dense(kit)),
        TORCH,
    ),
    Advice(
        "the models compute something else between their layers, or a layer was paired with the wrong one.",
        PortWarning,
        lambda kit: port(kit, perceptron(kit), between(kit, "tanh"), x=TABLE),
        lambda kit: [
            port(kit, perceptron(kit), between(kit, "relu"), x=TABLE),
            check(perceptron(kit), between(kit, "tanh")),
        ],
        TORCH,
    ),
    # parameters
    Advice(
        ", in which some of the values given are infinite.",
        PortError,
        lambda kit: port(kit, filled(kit, 1e300, "float64"), twin()),
        lambda kit: port(kit, filled(kit, 1e300, "float64"), twin(dtype="float64")),
        TORCH,
    ),
    Advice(
        "are tied in this model and not in the other one.",
        PortError,
        lambda kit: port(kit, tied(kit, together=False), tied(kit, together=True)),
        lambda kit: port(kit, tied(kit, together=False), tied(kit, together=False)),
        TORCH,
    ),
    Advice(
        "parametrize.remove_parametrizations",
        PortError,
        lambda kit: port(kit, twin(), parametrized(kit, removed=False)),
        lambda kit: port(kit, twin(), parametrized(kit, removed=True)),
        TORCH,
    ),
    Advice(
        "The model failed on x while its layers' calls were recorded: ",
        ModelCallError,
        lambda kit: port(kit, failing(kit, fails=True), twin(), x=TABLE),
        lambda kit: port(kit, failing(kit, fails=False), twin(), x=TABLE),
        TORCH,
    ),
    Advice(
        " is a lazy module whose shape is not known yet: call ",
        ModelNotBuiltError,
        lambda kit: port(kit, kit.torch.nn.LazyLinear(3), twin()),
        lambda kit: port(kit, called(kit, kit.torch.nn.LazyLinear(3)), twin()),
        TORCH,
    ),
    Advice(
        " with running statistics, which no other ",
        PortError,
        lambda kit: port(kit, instance_norm(kit, True), instance_norm(kit, True)),
        lambda kit: port(kit, instance_norm(kit, False), instance_norm(kit, False)),
        TORCH,
    ),
    Advice(
        " projects its state, which no Keras layer does: it does not ",
        PortError,
        lambda kit: port(kit, kit.torch.nn.LSTM(4, 3, proj_size=2), twin_lstm()),
        lambda kit: port(kit, kit.torch.nn.LSTM(4, 3), twin_lstm()),
        TORCH,
    ),
    Advice(
        " is quantised: its parameters are not plain ",
        PortError,
        lambda kit: port(kit, quantised(kit, plain=False), twin()),
        lambda kit: port(kit, quantised(kit, plain=True), twin()),
        TORCH,
    ),
    Advice(
        " has a weight that a hook computes before each call (weight_norm, ",
        PortError,
        lambda kit: port(kit, spectral(kit, removed=False), twin()),
        lambda kit: port(kit, spectral(kit, removed=True), twin()),
        TORCH,
    ),
    Advice(
        ", whose layers cannot be distinguished: give the torch.nn.Module ",
        PortError,
        lambda kit: port(kit, kit.torch.jit.trace(dense(kit), kit.tensor(TABLE)), twin()),
        lambda kit: port(kit, dense(kit), twin()),
        TORCH,
    ),
    Advice(
        ", whose layers cannot be distinguished: give the ",
        PortError,
        lambda kit: port(kit, kit.tf.function(twin()), twin()),
        lambda kit: port(kit, twin(), twin()),
        TENSORFLOW,
    ),
    Advice(
        ") is quantised or has LoRA weights beside its kernel: its ",
        PortError,
        lambda kit: port(kit, quantised_twin(plain=False), twin()),
        lambda kit: port(kit, quantised_twin(plain=True), twin()),
        TENSORFLOW,
    ),
    Advice(
        ") recomputes its layer's kernel in training: replace ",
        PortError,
        lambda kit: port(kit, keras_model((4,), layers().SpectralNormalization(layers().Dense(3))), twin()),
        lambda kit: port(kit, keras_model((4,), layers().Dense(3)), twin()),
        TENSORFLOW,
    ),
    Advice(
        " of Keras 2 (tf_keras), whose layers are not read: ",
        PortError,
        lambda kit: port(kit, of_keras_2(), twin()),
        lambda kit: port(kit, keras_model((4,), layers().Dense(3)), twin()),
        TENSORFLOW,
    ),
    Advice(
        ", whose layers cannot be accessed: give a ",
        PortError,
        lambda kit: port(kit, estimator(), twin()),
        lambda kit: port(kit, dense(kit), twin()),
        TORCH,
    ),
]
