"""Recognises Keras models and layers by their classes; does not import Keras."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any


def is_keras_model(model: object) -> bool:
    """Tell by its class whether an object is a `keras.Model`."""
    kind: Any = type(model)
    return _derives(kind, "Model")


def derives_from(layer: object, name: str) -> bool:
    """Tell whether a layer's class is, or derives from, the class of that name in Keras."""
    kind: Any = type(layer)
    return _derives(kind, name)


# Cached, since every explanation checks the same few classes several times.
@lru_cache(maxsize=512)
def _derives(kind: Any, name: str) -> bool:
    return any(base.__name__ == name and base.__module__.split(".")[0] == "keras" for base in kind.__mro__)


def keras_backend() -> str | None:
    """Give the name of the framework that Keras runs on; None if Keras is not imported."""
    keras = sys.modules.get("keras")
    return None if keras is None else str(keras.config.backend())


def class_name(layer: object) -> str:
    """Give the name of a layer's Keras class, or of the Keras class that the layer's class derives from.

    Examples
    --------
    >>> class_name(3)
    ''
    """
    for base in type(layer).__mro__:
        if base.__module__.split(".")[0] == "keras":
            return base.__name__
    return ""


def layers_of(model: Any) -> list[Any]:
    """Give every layer of a model, including nested layers; the model itself comes first."""
    return list(model._flatten_layers())


def seed_states(layers: Sequence[Any]) -> list[Any]:
    """Give the variables that store the seeds of the layers' random draws."""
    generators = [generator for layer in layers for generator in vars(layer).values()]
    return [
        generator.state.value
        for generator in generators
        if any(base.__name__ == "SeedGenerator" for base in type(generator).__mro__)
    ]
