"""Recognises Keras models and layers by their classes; does not import Keras."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from explain.backends.embeddings.readers import is_embedding
from explain.files.json_text import read_json


def is_keras_model(model: object) -> bool:
    """Tell by its class whether an object is a `keras.Model`."""
    kind: Any = type(model)
    return _derives(kind, "Model")


def derives_from(layer: object, name: str) -> bool:
    """Tell whether a layer's class is, or derives from, the class of that name in Keras."""
    kind: Any = type(layer)
    return _derives(kind, name)


# Keras 3, and Keras 2 under its own name, which runs on TensorFlow alone.
_PACKAGES = ("keras", "tf_keras")


# Cached, since every explanation checks the same few classes several times.
@lru_cache(maxsize=512)
def _derives(kind: Any, name: str) -> bool:
    return any(base.__name__ == name and _is_of_keras(base) for base in kind.__mro__)


def _is_of_keras(kind: Any) -> bool:
    return kind.__module__.split(".")[0] in _PACKAGES


def keras_backend(model: object) -> str | None:
    """Give the name of the framework that the Keras of a model runs on; None if Keras is not imported."""
    if any(base.__module__.split(".")[0] == "tf_keras" for base in type(model).__mro__):
        return "tensorflow"
    keras = sys.modules.get("keras")
    return None if keras is None else str(keras.config.backend())


def configured_backend() -> str:
    """Give the framework that Keras runs on, or would run on, without importing it."""
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "config"):
        return str(keras.config.backend())
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    home = os.environ.get("KERAS_HOME")
    settings = (Path(home) if home else Path.home() / ".keras") / "keras.json"
    with suppress(OSError, ValueError):
        stated = read_json(settings.read_text(encoding="utf-8")).get("backend")
        if isinstance(stated, str):
            return stated
    return "tensorflow"


def keras_formats(framework: str) -> tuple[str, ...]:
    """Give the formats of files from which Keras reads models of a framework: none where it runs on another."""
    return ("keras", "hdf5") if configured_backend() == framework else ()


def class_name(layer: object) -> str:
    """Give the name of a layer's Keras class, or of the Keras class that the layer's class derives from.

    Examples
    --------
    >>> class_name(3)
    ''
    """
    for base in type(layer).__mro__:
        if _is_of_keras(base):
            return base.__name__
    return ""


def layers_of(model: Any) -> list[Any]:
    """Give every layer of a model, including nested layers; the model itself comes first."""
    return list(model._flatten_layers())


def direct_layers(layer: Any) -> list[Any]:
    """Give the layers that a layer stores, in their order."""
    own = getattr(layer, "_layers", None)
    return list(layer._flatten_layers(recursive=False, include_self=False) if own is None else own)


def named_layers(model: Any) -> Mapping[str, Any]:
    """Give the layers of a model by name, without the model itself; a nested layer by both names, ``"outer/inner"``."""
    found: dict[str, Any] = {}

    def walk(layer: Any, path: str) -> None:
        for inner in direct_layers(layer):
            name = f"{path}{inner.name}"
            # A layer may be stored in two places, or have the same name as another layer.
            if any(inner is other for other in found.values()):
                continue
            while name in found:
                name += "_"
            found[name] = inner
            # A recurrent layer's cell takes one step, not the whole sequence; one of the two layers in a
            # Bidirectional returns its steps from last to first.
            if not hasattr(inner, "cell") and not hasattr(inner, "backward_layer"):
                walk(inner, f"{name}/")

    walk(model, "")
    return found


def has_channels_last(layer: Any, before: bool) -> bool:
    """Tell whether the output of a layer has its channels last, from whether its input has."""
    data_format = getattr(layer, "data_format", None)
    if data_format is not None:
        return bool(data_format != "channels_first")
    return before or is_embedding(layer)


def fixes_axes(layer: Any) -> bool:
    """Tell whether the operation of a layer determines which of its axes are space."""
    return getattr(layer, "data_format", None) is not None or is_embedding(layer)


def batch_axis_of(layer: Any) -> None:
    """Give no axis: the layers of Keras take the examples first, and no two orders are possible."""


def seed_states(layers: Sequence[Any]) -> list[Any]:
    """Give the variables that store the seeds of the layers' random draws."""
    generators = [generator for layer in layers for generator in vars(layer).values()]
    return [
        generator.state
        for generator in generators
        if any(base.__name__ == "SeedGenerator" for base in type(generator).__mro__)
    ]


def n_trained(layer: Any) -> int:
    """Count the numbers that training changes in a layer and the layers inside it, of Keras or of PyTorch.

    Frozen ones count; statistics of a normalisation do not.

    Examples
    --------
    >>> n_trained(None)
    0
    """
    if callable(getattr(layer, "_flatten_layers", None)):
        own = (one for inner in layer._flatten_layers() for one in trained_variables(inner))
        return sum(math.prod(one.shape) for one in {id(one): one for one in own}.values())
    if callable(getattr(layer, "parameters", None)):
        # A tensor that several layers share is given once. Lazy ones have no shape yet.
        return sum(
            0 if type(one).__name__.startswith("Uninit") else one.numel() for one in layer.parameters()
        )
    return 0


def trained_variables(layer: Any) -> Sequence[Any]:
    """Give the variables of a layer itself that training changes, frozen ones too; of a module of TensorFlow all."""
    # Keras 2 calls them weights.
    names = ("_trainable_variables", "_trainable_weights", "trainable_variables")
    return list(next((getattr(layer, name) for name in names if hasattr(layer, name)), ()))


def dtype_name(variable: Any) -> str:
    """Give the name of the dtype of a variable of Keras, or of the framework that it runs on, such as ``"float32"``."""
    return str(getattr(variable.dtype, "name", variable.dtype))
