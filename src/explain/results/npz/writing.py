"""Writes a result to an ``.npz`` file, whole or not at all."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from explain.files.atomic_write import replace_file
from explain.results.npz.kind import SUFFIX, FileKind, is_file, name_of

_PICTURES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp", ".gif", ".eps", ".tif", ".tiff")
_SEPARATORS = ("/", "\\") if os.name == "nt" else ("/",)


def write_archive(
    kind: FileKind,
    target: str | os.PathLike[str] | IO[bytes],
    header: Mapping[str, Any],
    arrays: Mapping[str, Any],
    *,
    in_order: bool = False,
) -> Path | None:
    """Write plain data and arrays to a file; the same content gives the same bytes.

    Parameters
    ----------
    kind : FileKind
        The kind of result.
    target : str, os.PathLike or binary file
        The name of the file, to which a suffix is added if it has none; or a file that is open for bytes.
    header : Mapping
        Plain data; NumPy scalars and arrays in it become numbers and lists.
    arrays : Mapping of str to numpy.ndarray
        The arrays by their names in the archive.
    in_order : bool
        Whether the entries of the header keep their order, as they are shown in it; else they are sorted by name.

    Returns
    -------
    pathlib.Path, optional
        The file; None for a file that was already open.

    Raises
    ------
    ExplainError
        Of the class that the kind has for names, if `target` is not the name of an ``.npz`` file, nor a binary file.

    Examples
    --------
    >>> from explain.results.attribution_file import KIND
    >>> stream = io.BytesIO()
    >>> write_archive(KIND, stream, {"method": "saliency"}, {"values": np.ones(2)})
    >>> stream.getvalue()[:2]
    b'PK'
    """
    path = None if is_file(target) else _path_to_write(kind, target)
    if path is None and isinstance(target, io.TextIOBase):
        error = kind.error_of_name
        raise error("The file is open for text: open it with mode='wb' and save again.")
    whole = {**header, "format": kind.format, "format_version": kind.version}
    text = json.dumps(whole, default=_plain, sort_keys=not in_order)
    stream = io.BytesIO()
    np.savez_compressed(stream, header=np.array(text), **arrays)
    if path is None:
        cast("IO[bytes]", target).write(stream.getvalue())
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, stream.getvalue())
    return path


def _path_to_write(kind: FileKind, given: Any) -> Path:
    """Give the path of the ``.npz`` file to write."""
    error = kind.error_of_name
    name = name_of(given, error)
    path = Path(name)
    if path.name in ("", "..") or name.endswith(_SEPARATORS):
        raise error(
            f"path={name!r} names a folder: give the name of a file in it, such as {str(path / 'a.npz')!r}."
        )
    if path.suffix.lower() == SUFFIX:
        return path
    if not path.suffix:
        return path.with_name(path.name + SUFFIX)
    is_picture = path.suffix.lower() in _PICTURES
    picture = f" For a picture, use {kind.picture}.savefig({name!r})." if is_picture else ""
    raise error(
        f"path={name!r} ends in {path.suffix!r}, but {kind.noun}s are saved as {SUFFIX}: give "
        f"{str(path.with_name(path.name + SUFFIX if not picture else path.stem + SUFFIX))!r}.{picture}"
    )


def _plain(value: Any) -> Any:
    """Convert values that JSON does not support: NumPy scalars, arrays and mappings."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be saved as plain data: {value!r}")
