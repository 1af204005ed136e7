"""The file of an attribution: a ``.npz`` archive of arrays and one JSON header, without pickle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

from explain.errors import AttributionFileError, InputError
from explain.inputs.display import Display
from explain.inputs.layout import Layout
from explain.inputs.text.tokens import Text
from explain.results.npz.kind import FileKind
from explain.results.npz.reading import Arrays, read_archive
from explain.results.npz.writing import write_archive

Made = TypeVar("Made")

KIND = FileKind(
    format="explain-attribution",
    version=9,
    noun="attribution",
    written_by="Attribution.save",
    error=AttributionFileError,
    error_of_name=InputError,
    remedy="Give a file that Attribution.save wrote, or read a model with explain.load_model; if the file was "
    "truncated in transfer, copy it again.",
    smaller="save it in parts (a[:100])",
    picture="a.plot()",
)

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
    arrays = {name: fields[name] for name in ARRAYS if fields[name] is not None}
    header = {
        **{name: value for name, value in fields.items() if name not in ARRAYS},
        "display": fields["display"].to_json(),
        "texts": [text.to_json() for text in fields["texts"]],
    }
    return write_archive(KIND, target, header, arrays)


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

    def checked(header: dict[str, Any], arrays: Arrays) -> Made:
        found = make(**_fields_in(header, arrays))
        _check_fields(vars(found))
        return found

    return read_archive(KIND, source, checked)


def _fields_in(header: dict[str, Any], arrays: Arrays) -> dict[str, Any]:
    header["display"] = Display.from_json(header["display"])
    for one_each in ("target", "neuron"):
        entries = header.get(one_each, ())
        header[one_each] = tuple(tuple(one) if isinstance(one, list) else one for one in entries)
    header["notes"] = tuple(header["notes"])
    header["together"] = tuple(header.get("together", ()))
    header["checks"] = tuple(dict(one) for one in header.get("checks", ()))
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
