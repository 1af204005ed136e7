"""The arrays in Keras's files, looked at before Keras reads them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from explain.errors import ModelFileError

# Arrays of zeros are packed by as much at most.
_MOST_UNPACKED, _LEAST_LIMIT = 1000, 1 << 28


@contextmanager
def _stored(path: Path, file_format: str) -> Iterator[Any]:
    """Open the HDF5 file of a Keras file for reading."""
    # Keras brings it.
    import h5py

    try:
        if file_format == "hdf5":
            with h5py.File(path, "r") as stored:
                yield stored
            return
        with zipfile.ZipFile(path) as archive:
            name = next(one for one in archive.namelist() if one.endswith(".weights.h5"))
            with archive.open(name) as inner, h5py.File(inner, "r") as stored:
                yield stored
    except ModelFileError:
        raise
    # Damage anywhere in the file raises errors of several kinds.
    except Exception as cause:
        raise ModelFileError(
            f"{path} is damaged or cut off ({str(cause).partition(chr(10))[0]}): copy or save the model again."
        ) from cause


def check_arrays(path: Path, file_format: str) -> None:
    """Refuse arrays that are read from other files, or that would fill the memory.

    Raises
    ------
    ModelFileError
        If there is such an array, or the file is damaged.
    """
    import h5py

    with _stored(path, file_format) as stored:
        stack = [stored]
        while stack:
            group = stack.pop()
            for name in group:
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    raise _foreign(path, f"{group.name}/{name}")
                # A link that leads back up would never end.
                if isinstance(link, h5py.SoftLink):
                    continue
                one = group[name]
                if isinstance(one, h5py.Group):
                    stack.append(one)
                elif isinstance(one, h5py.Dataset):
                    _check_array(path, one)


def _check_array(path: Path, one: Any) -> None:
    if one.external or one.is_virtual:
        raise _foreign(path, one.name)
    if one.nbytes > max(_LEAST_LIMIT, _MOST_UNPACKED * one.id.get_storage_size()):
        raise ModelFileError(
            f"{path} has an array {one.name} that declares {one.nbytes:,} bytes, and holds "
            f"{one.id.get_storage_size():,}: it would fill the memory. Get the model from its source again."
        )


def _foreign(path: Path, name: str) -> ModelFileError:
    return ModelFileError(
        f"{path} has an array {name} whose values are in another file, which no model of Keras has: get the model "
        "from its source again."
    )


def is_whole_model(path: Path) -> bool:
    """Tell whether an HDF5 file states a model beside its weights."""
    with _stored(path, "hdf5") as stored:
        return "model_config" in stored.attrs


def weight_arrays(path: Path, file_format: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the name and shape of every weight in a Keras file: the optimizer's state and random seeds are none."""
    import h5py

    with _stored(path, file_format) as stored:
        found: list[tuple[str, tuple[int, ...]]] = []

        def note(name: str, one: Any) -> None:
            is_state = name.startswith(("optimizer/", "optimizer_weights/")) or "seed_generator" in name
            if isinstance(one, h5py.Dataset) and not is_state:
                found.append((name.removeprefix("model_weights/"), tuple(one.shape)))

        stored.visititems(note)
    yield from found
