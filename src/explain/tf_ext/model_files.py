"""Keras models and SavedModels from files; no code of a file runs when it is read."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from explain.errors import InputError
from explain.keras.stored import whole_models
from explain.keras.stored.named_tensors import write_tensors
from explain.tf_ext.saved_models import read_saved_model


def load_model(path: Path, file_format: str = "keras", device: str | None = None) -> Any:
    """Read a ``.keras`` or ``.h5`` file in Keras's safe mode, or a SavedModel.

    Parameters
    ----------
    path : pathlib.Path
        A file that ``model.save`` wrote, or the folder of a SavedModel.
    file_format : {"keras", "hdf5", "saved_model"}
        What it contains.
    device : str, optional
        Where the weights are, for example ``"GPU:0"``.

    Returns
    -------
    object
        A `keras.Model`, or what `tf.saved_model.load` gives.

    Raises
    ------
    ModelFileError
        If it is damaged, or would run code.
    InputError
        If there is no such device.
    """
    with _on(device):
        if file_format == "saved_model":
            return read_saved_model(path)
        return whole_models.read_model(keras, path, file_format)


def load_weights(model: Any, path: Path, file_format: str) -> Any:
    """Write the weights in a file to a Keras model."""
    if file_format == "safetensors":
        return write_tensors(model, path)
    return whole_models.write_weights(model, path, file_format)


def _on(device: str | None) -> AbstractContextManager[Any]:
    """Give a context in which variables are made on a device; refuse one that is not there."""
    if device is None:
        return nullcontext()
    name = device.upper().replace("CUDA", "GPU")
    kind, _, number = name.partition(":")
    there = [one.name.removeprefix("/physical_device:") for one in tf.config.list_physical_devices()]
    if f"{kind}:{number or 0}" not in there:
        raise InputError(
            f"device={device!r} is none that TensorFlow has here: give one of {', '.join(map(repr, there))}."
        )
    context: AbstractContextManager[Any] = tf.device(name)
    return context
