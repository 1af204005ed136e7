"""Weights of a Keras model from a safetensors file, whose tensors have the paths of its variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from explain.errors import ModelFileError


def write_tensors(model: Any, path: Path) -> Any:
    """Write the tensors in a safetensors file to the variables of a Keras model: all or none.

    Parameters
    ----------
    model : keras.Model
        Built.
    path : pathlib.Path
        A file whose tensors have the names ``variable.path`` of the model's weights, ``dense/kernel``, as
        ``safetensors.numpy.save_file({one.path: one.numpy() for one in model.weights}, ...)`` writes it.

    Raises
    ------
    ModelFileError
        If it is damaged, or names or shapes differ.
    """
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except Exception as cause:
        raise ModelFileError(
            f"{path} is a damaged safetensors file ({cause}): copy or save it again."
        ) from cause
    places = {one.path: one for one in model.weights}
    missing, surplus = sorted(places.keys() - tensors.keys()), sorted(tensors.keys() - places.keys())
    if missing or surplus:
        raise ModelFileError(
            f"{path} does not hold the weights of the {type(model).__name__} that factory builds: it lacks "
            f"{_some(missing)}; the model has no place for {_some(surplus)}. For Keras the names of the tensors must "
            "be the paths of the variables, such as dense/kernel, as model.weights gives them: save "
            "{one.path: one.numpy() for one in model.weights}, or explain.port the weights of a PyTorch model."
        )
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != tuple(places[name].shape):
            raise ModelFileError(
                f"{path} has {name} of shape {tuple(tensor.shape)}, and the model that factory builds has "
                f"{tuple(places[name].shape)}: build the model exactly as it was when the file was saved."
            )
    for name, place in places.items():
        place.assign(np.asarray(tensors[name]))
    return model


def _some(names: list[str]) -> str:
    return (", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")) or "nothing"
