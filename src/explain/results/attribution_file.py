"""The file of an attribution: a ``.npz`` archive of arrays and one JSON header, without pickle."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from explain.errors import AttributionFileError
from explain.files.atomic_write import replace_file
from explain.inputs.display import Display
from explain.inputs.text.tokens import Text

FORMAT = "explain-attribution"
FORMAT_VERSION = 7

# The fields that are arrays; the rest is plain data and goes into the file as JSON.
_ARRAYS = (
    "values",
    "inputs",
    "baseline",
    "scores",
    "predicted",
    "delta",
    "relative_delta",
    "steps",
    "map_error",
    "mask",
    "history",
)

_REMEDY = "Give a file that Attribution.save wrote; if it was truncated in transfer, copy it again."


def write_fields(path: str | os.PathLike[str], fields: Mapping[str, Any]) -> Path:
    """Write the fields of an `explain.results.attribution.Attribution` to a file, whole or not at all.

    Parameters
    ----------
    path
        As for `Attribution.save`.
    fields : Mapping
        Every field by its name.

    Returns
    -------
    pathlib.Path
        The file. The same fields give the same bytes.
    """
    target = Path(path)
    if target.suffix != ".npz":
        target = target.with_name(target.name + ".npz")
    arrays = {name: fields[name] for name in _ARRAYS if fields[name] is not None}
    plain = {name: value for name, value in fields.items() if name not in _ARRAYS}
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **plain,
        "display": fields["display"].to_json(),
        "texts": [text.to_json() for text in fields["texts"]],
    }
    text = json.dumps(header, default=_plain, sort_keys=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    np.savez_compressed(stream, header=np.array(text), **arrays)
    replace_file(target, stream.getvalue())
    return target


def read_fields(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the fields that `write_fields` wrote. Call it inside `checked_content`, which reports wrong content.

    Parameters
    ----------
    path
        As for `explain.load`.

    Returns
    -------
    dict
        The fields by name; a field that the file does not have is missing.

    Raises
    ------
    AttributionFileError
        If the file is no archive, is damaged, or has a newer format.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    if path.exists() and not zipfile.is_zipfile(path):
        # Checked first: for any other kind of file, NumPy's own message recommends unsafe loading.
        raise AttributionFileError(f"{path} is not a saved attribution: it is no .npz archive. {_REMEDY}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise
    # A damaged archive may raise anything: zlib.error, NotImplementedError for a flipped compression flag...
    except Exception as cause:
        raise AttributionFileError(
            f"{path} cannot be read as a saved attribution ({cause}). {_REMEDY}"
        ) from cause
    header = json.loads(str(arrays.pop("header")))
    if header.pop("format") != FORMAT:
        raise KeyError("format")
    version = header.pop("format_version")
    if version > FORMAT_VERSION:
        raise AttributionFileError(
            f"{path} has format version {version}; this explain reads up to {FORMAT_VERSION}. "
            "Upgrade explain-toolkit to read it."
        )
    header["display"] = Display.from_json(header["display"])
    for name in ("target", "neuron"):
        entries = header.get(name, ())
        header[name] = tuple(tuple(one) if isinstance(one, list) else one for one in entries)
    header["notes"] = tuple(header["notes"])
    header["together"] = tuple(header.get("together", ()))
    header["texts"] = tuple(Text.from_json(text) for text in header.get("texts", ()))
    # A name in both is an error.
    return dict(**header, **arrays)


@contextmanager
def checked_content(path: str | os.PathLike[str]) -> Iterator[None]:
    """Convert errors that wrong content of a file causes into `AttributionFileError`."""
    try:
        yield
    except AttributionFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise AttributionFileError(f"{path} is not a saved attribution ({cause!r}). {_REMEDY}") from cause


def _plain(value: Any) -> Any:
    """Convert values that JSON does not support: NumPy scalars, arrays and mappings."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be saved as plain data: {value!r}")
