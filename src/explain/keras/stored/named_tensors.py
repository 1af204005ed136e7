"""Weights of a Keras model from a safetensors file, whose tensors have the paths of its variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from explain.errors import ModelFileError
from explain.keras.stored.whole_models import check_built


def write_tensors(model: Any, path: Path) -> Any:
    """Write the tensors in a safetensors file to the variables of a Keras model: all or none.

    Parameters
    ----------
    model : keras.Model
        Built.
    path : pathlib.Path
        A file whose tensors have the names ``variable.path`` of the model's weights, ``dense/kernel``, as
        ``safetensors.numpy.save_file({one.path: one.numpy() for one in model.weights}, ...)`` writes it. The name of
        the model itself, which may be before all of them, does not count.

    Raises
    ------
    ModelFileError
        If it is damaged, or names or shapes differ; names that Keras gave, such as ``dense_1``, count the layers that
        were made before.
    """
    from safetensors.numpy import load_file

    check_built(model, path)
    try:
        tensors = load_file(path)
    except Exception as cause:
        raise ModelFileError(
            f"{path} is a damaged safetensors file ({cause}): copy or save it again."
        ) from cause
    own = f"{model.name}/"
    places = {one.path.removeprefix(own): one for one in model.weights}
    if len(places) < len(model.weights):
        raise ModelFileError(
            f"{path} cannot be given to the {type(model).__name__} that factory builds, two of whose weights have the "
            "same path: name its layers apart."
        )
    tensors = _without_model(tensors, set(places))
    missing, surplus = sorted(places.keys() - tensors.keys()), sorted(tensors.keys() - places.keys())
    if missing or surplus:
        raise ModelFileError(
            f"{path} does not hold the weights of the {type(model).__name__} that factory builds: it lacks "
            f"{_some(missing)}; the model has no place for {_some(surplus)}. For Keras the names of the tensors must "
            "be the paths of the variables, such as dense/kernel, as model.weights gives them: save "
            "{one.path: one.numpy() for one in model.weights} of a model whose layers have names of your own, since "
            "Keras numbers others anew, or save model.save_weights('model.weights.h5')."
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


def _without_model(tensors: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    """Give tensors without the name of the model that is before the paths of all of them."""
    first = {name.partition("/")[0] for name in tensors}
    if tensors.keys() == wanted or len(first) != 1 or first & tensors.keys():
        return tensors
    return {name.partition("/")[2]: tensor for name, tensor in tensors.items()}


def _some(names: list[str]) -> str:
    return (", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")) or "nothing"
