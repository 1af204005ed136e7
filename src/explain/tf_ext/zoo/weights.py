"""Reads and loads the tensors of a Keras model of the zoo; `explain.torch_ext.zoo.weights` does so in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np

from explain.inputs.examples import Array
from explain.running.random_state import preserved_random_state


def parameters(model: keras.Model) -> dict[str, Array]:
    """Give every tensor of a model as a NumPy copy, named ``LAYER/WEIGHT``.

    Examples
    --------
    >>> layers = [keras.Input((3,)), keras.layers.Dense(2, name="fc")]
    >>> parameters(keras.Sequential(layers))["fc/kernel"].shape
    (3, 2)
    """
    return {
        f"{layer.name}/{weight.name}": np.array(keras.ops.convert_to_numpy(weight))
        for layer in model.layers
        for weight in layer.weights
    }


def load(build: Callable[[str], keras.Model], tensors: Mapping[str, Array], dtype: str) -> keras.Model:
    """Build a model with given parameters, named ``LAYER/WEIGHT`` and cast to `dtype`."""
    # Keras draws the seeds of its initialisers from Python's `random`.
    with preserved_random_state():
        model = build(dtype)
    for layer in model.layers:
        for weight in layer.weights:
            weight.assign(tensors[f"{layer.name}/{weight.name}"].astype(dtype))
    return model
