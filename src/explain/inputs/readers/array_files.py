"""Arrays from .npy and .npz files, never unpickled, and no larger than the file or the memory allows."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from explain.errors import InputError
from explain.inputs.readers.limits import check_bytes

Array = npt.NDArray[Any]
# The entry of an archive that makes it a saved attribution; results/attribution_file.py writes it.
_HEADER = "header"
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(stream: IO[bytes], name: str, size: int | None = None) -> Array:
    """Read the array of a .npy file.

    Parameters
    ----------
    stream : binary stream
        At the beginning of the file.
    name : str
        What messages call it.
    size : int, optional
        The bytes that the file has, if known: what a header declares beyond them is not reserved.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    InputError
        If it is no such file, is damaged, holds Python objects, or is too large.

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO()
    >>> np.save(stream, np.arange(3))
    >>> read_npy(io.BytesIO(stream.getvalue()), "a.npy").tolist()
    [0, 1, 2]
    """
    try:
        version = np.lib.format.read_magic(stream)
        shape, in_columns, dtype = _READERS[version](stream)
    except (ValueError, EOFError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError) as cause:
        # Not NumPy's own words, which recommend unsafe loading.
        raise InputError(
            f"{name} is not a .npy file of numbers: its beginning is none that numpy.save writes. Write one with "
            "numpy.save(path, x)."
        ) from cause
    if dtype.hasobject or dtype.names is not None:
        raise InputError(
            f"{name} holds {'Python objects' if dtype.hasobject else 'records'}, not an array of numbers; objects are "
            "never read, since that could run code of the file. Save numbers: numpy.save(path, x.astype('float32')); "
            "for rows of different length pad them first."
        )
    count = math.prod(shape)
    needed = count * dtype.itemsize
    check_bytes(needed, name, f"an array of shape {shape} and dtype {dtype}")
    if min(shape, default=0) < 0 or (size is not None and needed > size):
        raise InputError(
            f"{name} is damaged: its header declares an array of shape {shape} and dtype {dtype}, and the file has "
            f"{size} bytes. Write it again with numpy.save(path, x)."
        )
    content = stream.read(needed)
    if len(content) < needed:
        raise InputError(
            f"{name} ends too early: {needed} bytes are declared and {len(content)} are there. Write it again with "
            "numpy.save(path, x)."
        )
    values = np.frombuffer(content, dtype=dtype, count=count) if needed else np.zeros(count, dtype)
    return np.array(values.reshape(shape, order="F" if in_columns else "C"))


def read_npz(source: Path | IO[bytes], name: str) -> dict[str, Array]:
    """Read the arrays of a .npz file by their names.

    Raises
    ------
    InputError
        If it is no such archive, is damaged, is a saved attribution, or is too large.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            names = [entry.filename.removesuffix(".npy") for entry in entries]
            if _HEADER in names:
                raise InputError(
                    f"{name} is a saved attribution, a result and not an input: explain.load reads it, and "
                    f"explain show {name} draws it."
                )
            check_bytes(sum(entry.file_size for entry in entries), name, f"{len(entries)} arrays")
            found = {}
            for key, entry in zip(names, entries, strict=True):
                if not entry.filename.endswith(".npy") or key in found:
                    raise InputError(
                        f"{name} is a zip file with the entry {entry.filename!r}, not an archive of arrays. Write one "
                        "with numpy.savez(path, x)."
                    )
                with archive.open(entry) as stream:
                    found[key] = read_npy(stream, f"{name}[{key!r}]", entry.file_size)
    except InputError:
        raise
    # A damaged archive may raise anything: zlib.error, RuntimeError for one with a password.
    except Exception as cause:
        if isinstance(cause, OSError) and cause.errno is not None:
            raise
        raise InputError(
            f"{name} cannot be read as an archive of arrays ({cause}). Write one with numpy.savez(path, x)."
        ) from cause
    if not found:
        raise InputError(f"{name} is an archive without arrays. Write one with numpy.savez(path, x).")
    return found
