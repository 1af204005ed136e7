"""The file of an attribution: a ``.npz`` archive of arrays and one JSON header, without pickle."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import numpy as np
import psutil

from explain.errors import AttributionFileError, ExplainError, InputError, MissingFileError
from explain.files.atomic_write import replace_file
from explain.files.json_text import read_json
from explain.inputs.display import Display, shortened
from explain.inputs.layout import Layout
from explain.inputs.text.tokens import Text

FORMAT = "explain-attribution"
FORMAT_VERSION = 8

Made = TypeVar("Made")

_SUFFIX = ".npz"
_PICTURES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp", ".gif", ".eps", ".tif", ".tiff")
_SEPARATORS = ("/", "\\") if os.name == "nt" else ("/",)

# The fields that are arrays; the rest is plain data and goes into the file as JSON.
ARRAYS = (
    "values",
    "inputs",
    "baseline",
    "scores",
    "predicted",
    "delta",
    "relative_delta",
    "steps",
    "map_error",
    "nodes",
    "mask",
    "history",
)

_REMEDY = (
    "Give a file that Attribution.save wrote, or read a model with explain.load_model; if the file was truncated in "
    "transfer, copy it again."
)


def write_fields(target: str | os.PathLike[str] | IO[bytes], fields: Mapping[str, Any]) -> Path | None:
    """Write the fields of an `explain.results.attribution.Attribution` to a file, whole or not at all.

    Parameters
    ----------
    target
        As for `Attribution.save`.
    fields : Mapping
        Every field by its name.

    Returns
    -------
    pathlib.Path, optional
        The file; None for a file that was already open. The same fields give the same bytes.

    Raises
    ------
    InputError
        If `target` is not the name of an ``.npz`` file, nor a binary file.
    """
    path = None if _is_file(target) else _path_to_write(target)
    if path is None and isinstance(target, io.TextIOBase):
        raise InputError("The file is open for text: open it with mode='wb' and save again.")
    arrays = {name: fields[name] for name in ARRAYS if fields[name] is not None}
    plain = {name: value for name, value in fields.items() if name not in ARRAYS}
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **plain,
        "display": fields["display"].to_json(),
        "texts": [text.to_json() for text in fields["texts"]],
    }
    text = json.dumps(header, default=_plain, sort_keys=True)
    stream = io.BytesIO()
    np.savez_compressed(stream, header=np.array(text), **arrays)
    if path is None:
        cast("IO[bytes]", target).write(stream.getvalue())
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, stream.getvalue())
    return path


def _is_file(given: object) -> bool:
    return hasattr(given, "read") or hasattr(given, "write")


def _name_of(path: Any, error: type[ExplainError]) -> str:
    try:
        return os.fsdecode(path)
    except TypeError as cause:
        raise error(
            f"path={shortened(path)} is a {type(path).__name__}: give the name of an .npz file, or a file that is "
            "open in binary mode."
        ) from cause


def _path_to_write(given: Any) -> Path:
    """Give the path of the ``.npz`` file to write."""
    name = _name_of(given, InputError)
    path = Path(name)
    if path.name in ("", "..") or name.endswith(_SEPARATORS):
        raise InputError(
            f"path={name!r} names a folder: give the name of a file in it, such as {str(path / 'a.npz')!r}."
        )
    if path.suffix.lower() == _SUFFIX:
        return path
    if not path.suffix:
        return path.with_name(path.name + _SUFFIX)
    picture = (
        "" if path.suffix.lower() not in _PICTURES else f" For a picture, use a.plot().savefig({name!r})."
    )
    raise InputError(
        f"path={name!r} ends in {path.suffix!r}, and an attribution is saved as {_SUFFIX}: give "
        f"{str(path.with_name(path.name + _SUFFIX if not picture else path.stem + _SUFFIX))!r}.{picture}"
    )


def _content(source: Any) -> tuple[bytes, str]:
    """Read a file: its bytes, and its name for messages."""
    if _is_file(source):
        return _content_of_open(source)
    path = Path(_name_of(source, AttributionFileError))
    added = path.with_name(path.name + _SUFFIX) if path.name else path
    if path.suffix.lower() != _SUFFIX and not path.is_file() and added.is_file():
        # As `save` adds the suffix.
        path = added
    if path.is_dir():
        files = sorted(one.name for one in path.glob(f"*{_SUFFIX}"))
        inside = (
            f"it has {shortened(tuple(files))[1:-1].rstrip(',')}" if files else f"it has no {_SUFFIX} file"
        )
        raise AttributionFileError(
            f"{path} is a folder, not a saved attribution: give a file in it ({inside})."
        )
    if not path.exists():
        either = f" nor {added}" if not path.suffix else ""
        raise MissingFileError(
            f"There is no file {path}{either} (in {Path.cwd()}): give the path that Attribution.save returned."
        )
    return path.read_bytes(), str(path)


def _content_of_open(file: Any) -> tuple[bytes, str]:
    name = str(getattr(file, "name", f"the {type(file).__name__}"))
    if isinstance(file, io.TextIOBase):
        raise AttributionFileError(f"{name} is open for text: open it with mode='rb' and load again.")
    try:
        content = file.read()
    except (AttributeError, io.UnsupportedOperation) as cause:
        raise AttributionFileError(f"{name} is not open for reading: open it with mode='rb'.") from cause
    if isinstance(content, bytes) and not content:
        raise AttributionFileError(
            f"There is nothing to read in {name} at its present position: if it was just written, call its seek(0)."
        )
    return content, name


def read_fields(source: str | os.PathLike[str] | IO[bytes], make: Callable[..., Made]) -> Made:
    """Read the fields that `write_fields` wrote, and make a result of them.

    Parameters
    ----------
    source
        As for `explain.load`.
    make : callable
        Takes the fields by name; a field that the file does not have is missing.

    Returns
    -------
    object
        What `make` gives.

    Raises
    ------
    AttributionFileError
        If the file is no archive, is damaged, has other content or a newer format.
    MissingFileError
        If there is no such file.
    """
    content, name = _content(source)
    try:
        found = make(**_fields_in(content, name))
        _check_fields(vars(found))
    except AttributionFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise AttributionFileError(f"{name} is not a saved attribution ({cause!r}). {_REMEDY}") from cause
    return found


def _fields_in(content: bytes, name: str) -> dict[str, Any]:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        # Checked first: for any other kind of file, NumPy's own message recommends unsafe loading.
        raise AttributionFileError(f"{name} is not a saved attribution: it is no .npz archive. {_REMEDY}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            size = sum(part.file_size for part in parts.infolist())
        free = psutil.virtual_memory().available
        if size > free:
            # A small archive may state, and fill, any amount of memory.
            raise AttributionFileError(
                f"{name} has {len(content) / 1e9:.3g} GB and would take {size / 1e9:.3g} GB, more than the "
                f"{free / 1e9:.3g} GB of free memory. If you know the file, free memory, or save it in parts (a[:100])."
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except AttributionFileError:
        raise
    # A damaged archive may raise anything: zlib.error, NotImplementedError for a flipped compression flag...
    except Exception as cause:
        raise AttributionFileError(
            f"{name} cannot be read as a saved attribution ({cause}). {_REMEDY}"
        ) from cause
    if "header" not in arrays:
        raise AttributionFileError(
            f"{name} is not a saved attribution: it lacks the header that Attribution.save writes. {_REMEDY}"
        )
    header = read_json(str(arrays.pop("header")))
    if header.pop("format") != FORMAT:
        raise KeyError("format")
    version = header.pop("format_version")
    if version > FORMAT_VERSION:
        raise AttributionFileError(
            f"{name} has format version {version}; this explain reads up to {FORMAT_VERSION}. "
            "Upgrade explain-toolkit to read it."
        )
    header["display"] = Display.from_json(header["display"])
    for one_each in ("target", "neuron"):
        entries = header.get(one_each, ())
        header[one_each] = tuple(tuple(one) if isinstance(one, list) else one for one in entries)
    header["notes"] = tuple(header["notes"])
    header["together"] = tuple(header.get("together", ()))
    header["texts"] = tuple(Text.from_json(text) for text in header.get("texts", ()))
    # A name in both is an error.
    return dict(**header, **arrays)


def _check_fields(fields: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless the parts of a file fit together: others would fail only later, in a picture."""
    values, inputs = fields["values"], fields["inputs"]
    layout = Layout(fields["layout"])
    layout.check(values)
    if values.shape != inputs.shape:
        raise ValueError(f"values {values.shape} and inputs {inputs.shape} differ in shape")
    count = values.shape[layout.batch_axis]
    for name in ("scores", "delta", "relative_delta", "steps", "map_error"):
        array = fields[name]
        if array is None:
            continue
        if array.shape != (count,) or array.dtype.kind not in ("iu" if name == "steps" else "iuf"):
            raise ValueError(
                f"{name} should have one number for each example, shape {(count,)}: it has shape {array.shape} and "
                f"dtype {array.dtype}"
            )
    nodes = fields["nodes"]
    if nodes is not None and (nodes.shape[:2] != (count, 2) or nodes.ndim != 3 or nodes.dtype.kind != "f"):
        raise ValueError(
            f"nodes should have shape ({count}, 2, K): they have shape {nodes.shape} and dtype {nodes.dtype}"
        )
    tokens = [len(text.tokens) for text in fields["texts"]]
    if tokens and (len(tokens) != count or max(tokens) > values.size // count):
        raise ValueError(f"texts have {tokens} tokens, which do not fit values of shape {values.shape}")


def _plain(value: Any) -> Any:
    """Convert values that JSON does not support: NumPy scalars, arrays and mappings."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be saved as plain data: {value!r}")
