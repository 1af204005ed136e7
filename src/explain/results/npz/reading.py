"""Reads a result from an ``.npz`` file: without pickle, and with an error of its own for every damage."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import psutil

from explain.errors import MissingFileError
from explain.files.json_text import read_json
from explain.inputs.display import shortened
from explain.results.npz.kind import SUFFIX, FileKind, is_file, name_of

Made = TypeVar("Made")
Arrays = dict[str, np.ndarray[Any, Any]]


def read_archive(
    kind: FileKind,
    source: str | os.PathLike[str] | IO[bytes],
    make: Callable[[dict[str, Any], Arrays], Made],
) -> Made:
    """Read what `explain.results.npz.writing.write_archive` wrote, and make a result of it.

    Parameters
    ----------
    kind : FileKind
        The kind of result that is expected.
    source : str, os.PathLike or binary file
        The name of the file, whose suffix may be left out; or a file that is open for bytes.
    make : callable
        Takes the header and the arrays. Its `KeyError`, `TypeError`, `ValueError` or `AttributeError` says that they
        do not fit.

    Returns
    -------
    object
        What `make` gives.

    Raises
    ------
    ExplainError
        Of the class of the kind, if the file is no archive, is damaged, has other content or a newer format.
    MissingFileError
        If there is no such file.

    Examples
    --------
    >>> from explain.results.attribution_file import KIND
    >>> from explain.results.npz.writing import write_archive
    >>> stream = io.BytesIO()
    >>> _ = write_archive(KIND, stream, {"method": "saliency"}, {"values": np.ones(2)})
    >>> _ = stream.seek(0)
    >>> read_archive(KIND, stream, lambda header, arrays: (header["method"], arrays["values"].sum().item()))
    ('saliency', 2.0)
    """
    error = kind.error
    content, name = _content(kind, source)
    try:
        return make(*_parts(kind, content, name))
    except error:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise error(f"{name} is not a saved {kind.noun} ({cause!r}). {kind.remedy}") from cause


def _content(kind: FileKind, source: Any) -> tuple[bytes, str]:
    """Read a file: its bytes, and its name for messages."""
    error = kind.error
    if is_file(source):
        return _content_of_open(kind, source)
    path = Path(name_of(source, error))
    added = path.with_name(path.name + SUFFIX) if path.name else path
    if path.suffix.lower() != SUFFIX and not path.is_file() and added.is_file():
        # As writing adds the suffix.
        path = added
    if path.is_dir():
        files = sorted(one.name for one in path.glob(f"*{SUFFIX}"))
        inside = (
            f"it has {shortened(tuple(files))[1:-1].rstrip(',')}" if files else f"it has no {SUFFIX} file"
        )
        raise error(f"{path} is a folder, not a saved {kind.noun}: give a file in it ({inside}).")
    if not path.exists():
        either = f" nor {added}" if not path.suffix else ""
        raise MissingFileError(
            f"There is no file {path}{either} (in {Path.cwd()}): give the path that {kind.written_by} returned."
        )
    return path.read_bytes(), str(path)


def _content_of_open(kind: FileKind, file: Any) -> tuple[bytes, str]:
    error = kind.error
    name = str(getattr(file, "name", f"the {type(file).__name__}"))
    if isinstance(file, io.TextIOBase):
        raise error(f"{name} is open for text: open it with mode='rb' and load again.")
    try:
        content = file.read()
    except (AttributeError, io.UnsupportedOperation) as cause:
        raise error(f"{name} is not open for reading: open it with mode='rb'.") from cause
    if isinstance(content, bytes) and not content:
        raise error(
            f"There is nothing to read in {name} at its present position: if it was just written, call its seek(0)."
        )
    return content, name


def _parts(kind: FileKind, content: bytes, name: str) -> tuple[dict[str, Any], Arrays]:
    """Give the header and the arrays of a file."""
    error = kind.error
    arrays = _arrays(kind, content, name)
    if "header" not in arrays:
        raise error(
            f"{name} is not a saved {kind.noun}: it lacks the header that {kind.written_by} writes. {kind.remedy}"
        )
    header = read_json(str(arrays.pop("header")))
    found = header.pop("format")
    if found != kind.format:
        raise ValueError(f"its format is {shortened(found)}, not {kind.format!r}")
    version = header.pop("format_version")
    if version > kind.version:
        raise error(
            f"{name} has format version {version}; this explain reads up to {kind.version}. "
            "Upgrade explain-toolkit to read it."
        )
    return header, arrays


def _arrays(kind: FileKind, content: bytes, name: str) -> Arrays:
    """Give all that an archive has."""
    error = kind.error
    if not zipfile.is_zipfile(io.BytesIO(content)):
        # Checked first: for any other kind of file, NumPy's own message recommends unsafe loading.
        raise error(f"{name} is not a saved {kind.noun}: it is no {SUFFIX} archive. {kind.remedy}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            size = sum(part.file_size for part in parts.infolist())
        free = psutil.virtual_memory().available
        if size > free:
            # A small archive may state, and fill, any amount of memory.
            raise error(
                f"{name} has {len(content) / 1e9:.3g} GB and would take {size / 1e9:.3g} GB, more than the "
                f"{free / 1e9:.3g} GB of free memory. If you know the file, free memory, or {kind.smaller}."
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {entry: archive[entry] for entry in archive.files}
    except error:
        raise
    # A damaged archive may raise anything: zlib.error, NotImplementedError for a flipped compression flag...
    except Exception as cause:
        raise error(f"{name} cannot be read as a saved {kind.noun} ({cause}). {kind.remedy}") from cause
