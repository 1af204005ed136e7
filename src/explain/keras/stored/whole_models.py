"""Whole models and weights from Keras's own files, whatever framework Keras runs on; runs no code of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explain.errors import ModelFileError
from explain.keras.stored.arrays import check_arrays, is_whole_model, weight_arrays

_SUFFIXES = {"keras": (".keras",), "hdf5": (".h5", ".hdf5")}
# Keras itself does not read what it wrote.
_NO_OPERATORS = " Operators, such as x[:, 1:], do not survive in .h5: save a model that has them as .keras."
_NEEDS_CODE = (
    "Layers of your own, and Lambda layers, need code that the file must not bring: register the classes with "
    "keras.saving.register_keras_serializable before you load it, or give factory='package.module:function', a "
    "function that builds the model, and its weights alone are read."
)


def read_model(keras: Any, path: Path, file_format: str) -> Any:
    """Read a whole model in Keras's safe mode.

    Parameters
    ----------
    keras : module
        Keras, as the extension of a framework imports it.
    path : pathlib.Path
        A file that ``model.save`` wrote.
    file_format : {"keras", "hdf5"}
        What it contains.

    Returns
    -------
    keras.Model
        The model; not compiled, since it is not trained.

    Raises
    ------
    ModelFileError
        If it holds weights alone, is damaged, or contains a function that would run, or a class that is not registered
        with Keras.
    """
    _check_suffix(path, file_format)
    check_arrays(path, file_format)
    if file_format == "hdf5" and not is_whole_model(path):
        raise ModelFileError(
            f"{path} holds weights and no model around them: give factory='package.module:function', a function that "
            "builds the model, or save the whole model, model.save('model.keras')."
        )
    try:
        return keras.models.load_model(str(path), safe_mode=True, compile=False)
    # A damaged archive, an unknown class and a layer that cannot be built raise different exceptions.
    except Exception as cause:
        operators = _NO_OPERATORS if file_format == "hdf5" else ""
        raise ModelFileError(
            f"{path} cannot be read in Keras's safe mode ({_reason(cause)}). {_NEEDS_CODE}{operators}"
        ) from cause


def write_weights(model: Any, path: Path, file_format: str) -> Any:
    """Write the weights in a Keras file to a model: each has its place, and each place a weight.

    Parameters
    ----------
    model : keras.Model
        Built.
    path : pathlib.Path
        A file that ``model.save`` or ``model.save_weights`` wrote.
    file_format : {"keras", "hdf5"}
        What it contains.

    Raises
    ------
    ModelFileError
        If the weights are not those of the model; the model may then have some of them.
    """
    check_built(model, path)
    check_arrays(path, file_format)
    stored = list(weight_arrays(path, file_format))
    own = [(one.path, tuple(one.shape)) for one in model.weights]
    missing = Counter(shape for _, shape in own)
    surplus = Counter(shape for _, shape in stored)
    missing, surplus = missing - surplus, surplus - missing
    if missing or surplus:
        places = list(_named(missing, own))
        unused = list(_named(surplus, stored))
        raise ModelFileError(
            f"{path} does not hold the weights of the {type(model).__name__} that factory builds: "
            + "; ".join(
                f"{words} {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}"
                for words, names in (("it lacks", places), ("the model has no place for", unused))
                if names
            )
            + ". Build the model exactly as it was when the file was saved."
        )
    try:
        model.load_weights(str(path))
    except Exception as cause:
        raise ModelFileError(
            f"{path} does not hold the weights of the {type(model).__name__} that factory builds "
            f"({_reason(cause)}): its layers must be of the same kinds as those of the model that was saved."
        ) from cause
    return model


def check_built(model: Any, path: Path) -> None:
    """Refuse a model whose weights have no shape yet."""
    if not getattr(model, "built", True) or not model.weights:
        raise ModelFileError(
            f"{path} cannot be given to the {type(model).__name__} that factory builds, which has no weights yet: "
            "begin it with keras.Input(shape), or call it once on a batch before the factory returns it."
        )


def _named(counts: Counter[tuple[int, ...]], named: list[tuple[str, tuple[int, ...]]]) -> Iterator[str]:
    """Name as many arrays of each shape as there are too many of it; the last ones, since layers were added there."""
    left = Counter(counts)
    for name, shape in reversed(named):
        if left[shape] > 0:
            left[shape] -= 1
            yield f"{name} {shape}"


def _check_suffix(path: Path, file_format: str) -> None:
    suffixes = _SUFFIXES[file_format]
    if path.suffix.lower() not in suffixes:
        raise ModelFileError(
            f"{path} is {'a .keras archive' if file_format == 'keras' else 'an HDF5 file'}, which Keras reads under "
            f"the suffix {' or '.join(suffixes)} alone: rename it to {path.with_suffix(suffixes[0]).name}."
        )


def _reason(cause: Exception) -> str:
    """Give the first sentence of an error of Keras: later ones may advise to switch its safety off."""
    line = str(cause).strip().partition("\n")[0]
    sentence = line.partition(". ")[0].rstrip(".")
    return f"{type(cause).__name__}: {sentence[:300]}"
