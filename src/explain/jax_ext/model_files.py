"""Keras models from files where Keras runs on JAX; no code of a file runs when it is read."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax
import keras

from explain.errors import InputError
from explain.keras.stored import whole_models
from explain.keras.stored.named_tensors import write_tensors


def load_model(path: Path, file_format: str = "keras", device: str | None = None) -> Any:
    """Read a ``.keras`` or ``.h5`` file in Keras's safe mode; its weights are put on `device`, such as ``"gpu"``."""
    with nullcontext() if device is None else jax.default_device(_device(device)):
        return whole_models.read_model(keras, path, file_format)


def load_weights(model: Any, path: Path, file_format: str) -> Any:
    """Write the weights in a file to a Keras model."""
    if file_format == "safetensors":
        return write_tensors(model, path)
    return whole_models.write_weights(model, path, file_format)


def _device(name: str) -> Any:
    kind, _, number = name.partition(":")
    try:
        return jax.devices(kind)[int(number or 0)]
    except (RuntimeError, ValueError, IndexError) as cause:
        raise InputError(
            f"device={name!r} is none that JAX has here: give one of {', '.join(map(str, jax.devices()))}."
        ) from cause
