"""The file of an evaluation: an ``.npz`` archive of arrays and one JSON header, without pickle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar, cast, get_args

import numpy as np

from explain.errors import EvaluationError
from explain.metrics.results.measurement import Better, Measurement
from explain.results.npz.kind import FileKind
from explain.results.npz.reading import Arrays, read_archive
from explain.results.npz.writing import write_archive

Made = TypeVar("Made")

KIND = FileKind(
    format="explain-evaluation",
    version=1,
    noun="evaluation",
    written_by="Evaluation.save",
    error=EvaluationError,
    error_of_name=EvaluationError,
    remedy="Give a file that Evaluation.save wrote; explain.load reads an attribution, Benchmark.load a benchmark. If "
    "the file was truncated in transfer, copy it again.",
    smaller="save an evaluation of fewer examples or metrics",
    picture="evaluation.plot()",
)

# The parts of a measurement that are arrays, with the number of their axes.
_ARRAYS = {"values": 1, "curve": 2, "positions": 1}
_TEXTS = ("method", "framework", "model", "score", "layout")


def write(fields: Mapping[str, Any], path: str | os.PathLike[str] | IO[bytes]) -> Path:
    """Write an evaluation to a file, whole or not at all; the attribution is left out.

    Parameters
    ----------
    fields : Mapping
        The fields of an `explain.metrics.results.evaluation.Evaluation` by name.
    path : str or os.PathLike
        The name of the file; the suffix ``.npz`` is added if it has none.

    Returns
    -------
    pathlib.Path
        The file. The same fields give the same bytes.

    Raises
    ------
    EvaluationError
        If the name has another suffix, or is that of a folder.

    Examples
    --------
    >>> import tempfile
    >>> from explain.metrics.results.evaluation import Evaluation
    >>> one = Evaluation({"deletion": Measurement("deletion", np.array([0.5]), "lower")})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(vars(one), f"{folder}/a").name
    'a.npz'
    """
    return cast(Path, write_archive(KIND, path, *to_parts(fields), in_order=True))


def read(path: str | os.PathLike[str] | IO[bytes], make: Callable[..., Made]) -> Made:
    """Read the fields that `write` wrote, and make an evaluation of them.

    Parameters
    ----------
    path : str or os.PathLike
        The file; its suffix may be left out.
    make : callable
        Takes the fields by name.

    Returns
    -------
    object
        What `make` gives.

    Raises
    ------
    EvaluationError
        If the file is no archive, is damaged, has other content or a newer format.
    MissingFileError
        If there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> from explain.metrics.results.evaluation import Evaluation
    >>> one = Evaluation({"deletion": Measurement("deletion", np.array([0.5]), "lower")})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read(write(vars(one), f"{folder}/a"), Evaluation)
    Evaluation(method='', model='', n=1, deletion=0.5)
    """

    def made(header: dict[str, Any], arrays: Arrays) -> Made:
        fields = from_parts(header, arrays)
        refuse_unread(arrays)
        return make(**fields)

    return read_archive(KIND, path, made)


def to_parts(fields: Mapping[str, Any], prefix: str = "") -> tuple[dict[str, Any], Arrays]:
    """Divide an evaluation into plain data and arrays, whose names begin with `prefix`.

    Examples
    --------
    >>> plain, arrays = to_parts({"measurements": {"a": Measurement("a", np.array([0.5]), "lower")}}, "first.")
    >>> plain["measurements"][0]["name"], list(arrays)
    ('a', ['first.0.values'])
    """
    plain = {name: value for name, value in fields.items() if name not in ("measurements", "attribution")}
    measurements, arrays = [], {}
    for place, (name, one) in enumerate(fields["measurements"].items()):
        own = {key: value for key, value in vars(one).items() if key not in _ARRAYS}
        # JSON has text as the names of entries.
        own["left_out"] = [[int(example), reason] for example, reason in one.left_out.items()]
        measurements.append({**own, "name": name})
        for key in _ARRAYS:
            if (array := getattr(one, key)) is not None:
                arrays[f"{prefix}{place}.{key}"] = array
    return {**plain, "measurements": measurements}, arrays


def from_parts(plain: Mapping[str, Any], arrays: Arrays, prefix: str = "") -> dict[str, Any]:
    """Give the fields that `to_parts` divided, and take their arrays out of `arrays`.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        If the parts do not fit together.

    Examples
    --------
    >>> fields = {"measurements": {"a": Measurement("a", np.array([0.5]), "lower")}, "seed": 3}
    >>> from_parts(*to_parts(fields))["measurements"]["a"].mean
    0.5
    """
    fields = dict(plain)
    found: dict[str, Measurement] = {}
    for place, entry in enumerate(plain["measurements"]):
        own = dict(entry)
        name = own.pop("name")
        given = {key: arrays.pop(f"{prefix}{place}.{key}", None) for key in _ARRAYS}
        if name in found:
            raise ValueError(f"there are two measurements of the name {name!r}")
        found[_text("name", name)] = _measurement(own, given)
    counts = {len(one.values) for one in found.values()}
    if len(counts) > 1:
        raise ValueError(f"the measurements have {sorted(counts)} examples")
    fields["measurements"] = found
    for key in _TEXTS:
        _text(key, fields.get(key, ""))
    fields["target"] = tuple(tuple(one) if isinstance(one, list) else one for one in fields.get("target", ()))
    fields["notes"] = tuple(_text("notes", note) for note in fields.get("notes", ()))
    fields["versions"] = {key: _text("versions", one) for key, one in fields.get("versions", {}).items()}
    if not isinstance(fields.get("seed", 0), int) or fields.get("seed", 0) < 0:
        raise ValueError(f"seed is {fields['seed']!r}")
    return fields


def refuse_unread(arrays: Arrays) -> None:
    """Raise `ValueError` if arrays are left that belong to nothing.

    Examples
    --------
    >>> refuse_unread({})
    """
    if arrays:
        raise ValueError(f"it has arrays that belong to nothing: {', '.join(sorted(arrays))}")


def _measurement(own: dict[str, Any], arrays: Mapping[str, Any]) -> Measurement:
    """Make a measurement whose parts fit together: others would fail only later, in a figure."""
    for key, axes in _ARRAYS.items():
        array = arrays[key]
        if array is None and key == "values":
            raise ValueError("a measurement has no values")
        if array is not None and (array.ndim != axes or array.dtype != np.float64):
            raise ValueError(f"{key} have {array.ndim} axes and dtype {array.dtype}, not {axes} and float64")
    values, curve, positions = (arrays[key] for key in _ARRAYS)
    labels = tuple(_text("labels", label) for label in own["labels"])
    points = None if curve is None else curve.shape[1]
    if curve is not None and len(curve) != len(values):
        raise ValueError(f"there are {len(curve)} curves of {len(values)} examples")
    for key, length in (
        ("positions", None if positions is None else len(positions)),
        ("labels", len(labels) or None),
    ):
        if length is not None and length != points:
            raise ValueError(f"{length} {key} do not fit curves of {points} points")
    if own["better"] not in get_args(Better):
        raise ValueError(f"better is {own['better']!r}")
    if not isinstance(own["options"], Mapping) or not isinstance(own["seeded"], bool):
        raise ValueError("the options of a measurement are damaged")
    left_out = _left_out(own["left_out"], values)
    fields = {**own, "metric": _text("metric", own["metric"]), "labels": labels, "left_out": left_out}
    return Measurement(**fields, **arrays)


def _left_out(pairs: Sequence[Sequence[Any]], values: Any) -> dict[int, str]:
    found = {}
    for example, reason in pairs:
        # A bool would select as well, but is no number of an example.
        if type(example) is not int or not 0 <= example < len(values) or not np.isnan(values[example]):
            raise ValueError(f"example {example!r} is left out, but is not one without a value")
        found[example] = _text("left_out", reason)
    return found


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} has {value!r}, which is no text")
    return value
