"""The weight files: one safetensors file per model, checked against the table of seed models on reading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import DataError
from explain.files.atomic_write import replace_file
from explain.files.json_text import read_json
from explain.zoo.layers import Framework, Shapes, convert, shapes
from explain.zoo.model_row import SeedModel

Array = npt.NDArray[Any]

# All metadata is one entry: safetensors writes several entries in an order that changes from run to run.
_METADATA_KEY = "explain"


def shipped(model: SeedModel, suffix: str) -> Traversable:
    """Give a file that ships with the package: the weights (``".safetensors"``) or the card (``".md"``)."""
    return resources.files("explain.zoo") / "weights" / f"{model.name}{suffix}"


def read_weights(model: SeedModel, content: bytes, origin: str) -> dict[str, npt.NDArray[np.float32]]:
    """Read the tensors of a weight file.

    Parameters
    ----------
    model : SeedModel
        The model whose weights the file should hold.
    content : bytes
        The content of the file.
    origin : str
        The name of the file in error messages.

    Returns
    -------
    dict of str to numpy.ndarray of float32
        Every parameter under the name and in the shape of the model's native framework.

    Raises
    ------
    DataError
        If the content is not a safetensors file, a tensor is missing or unexpected, or a tensor has another shape or
        dtype than the model's.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
    except SafetensorError as cause:
        raise DataError(f"{origin} is not a safetensors file ({cause}). {_REMEDY}") from cause
    check_tensors(tensors, shapes(model.layers, model.native), origin)
    return tensors


def read_metadata(content: bytes, origin: str) -> dict[str, Any]:
    """Read the training metadata of a weight file; `content` and `origin` are as in `read_weights`.

    Returns
    -------
    dict
        ``name``, ``seed``, ``epochs``, ``device``, ``test_accuracy`` (in [0, 1]), ``test_examples``,
        ``versions`` and ``command``; for a model of the made data, also what
        `explain.zoo.training.held_out.shortcut_figures` gives.

    Raises
    ------
    DataError
        If the file has no such metadata.
    """
    try:
        header = read_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata: dict[str, Any] = read_json(header["__metadata__"][_METADATA_KEY])
    except (ValueError, KeyError, TypeError) as cause:
        raise DataError(
            f"{origin} does not say how its weights were trained ({cause!r}). {_REMEDY}"
        ) from cause
    return metadata


def check_tensors(tensors: Mapping[str, Array], expected: Shapes, origin: str) -> None:
    """Raise `DataError` unless the tensors have the names, the shapes and the dtype of the model's."""
    faults = [f"{name} is missing" for name in expected if name not in tensors]
    faults += [f"{name} does not belong there" for name in tensors if name not in expected]
    for name, tensor in tensors.items():
        if name in expected and tensor.shape != expected[name]:
            faults.append(f"{name} has shape {tensor.shape}, not {expected[name]}")
        elif name in expected and tensor.dtype != np.float32:
            faults.append(f"{name} is {tensor.dtype}, not float32")
    if faults:
        raise DataError(f"{origin} holds other weights than the model's: {'; '.join(faults)}. {_REMEDY}")


def weights_for(model: SeedModel, framework: Framework) -> dict[str, Array]:
    """Give the shipped weights of a seed model with a framework's names and shapes.

    Examples
    --------
    >>> from explain.zoo.seed_models import seed_model
    >>> weights_for(seed_model("cifar_net"), "tensorflow")["conv1/kernel"].shape
    (5, 5, 3, 6)
    """
    source = shipped(model, ".safetensors")
    try:
        content = source.read_bytes()
    except FileNotFoundError as cause:
        raise DataError(f"{source} is missing. {_REMEDY}") from cause
    tensors = read_weights(model, content, str(source))
    return convert(model.layers, tensors, model.native, framework)


def write_weights(
    path: Path, model: SeedModel, tensors: Mapping[str, Array], metadata: Mapping[str, Any]
) -> None:
    """Write a weight file under a temporary name and rename it; the same content gives the same bytes.

    Parameters
    ----------
    path : pathlib.Path
        The file to write.
    model : SeedModel
        The model that the weights belong to.
    tensors : Mapping of str to numpy.ndarray of float32
        Every parameter under the name and in the shape of the model's native framework.
    metadata : Mapping
        The training metadata, as `read_metadata` returns them.

    Raises
    ------
    DataError
        If the tensors do not have the model's names, shapes and dtype.
    """
    from safetensors.numpy import save

    check_tensors(tensors, shapes(model.layers, model.native), str(path))
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, save(contiguous, {_METADATA_KEY: json.dumps(metadata, sort_keys=True)}))


_REMEDY = (
    "Install explain-toolkit again, or train the model with `python gallery/train.py` in its repository."
)
