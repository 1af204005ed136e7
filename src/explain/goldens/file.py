"""The golden file: an explanation in one canonical layout, the request, and how the explanation was made."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import GoldenError
from explain.files.atomic_write import replace_file
from explain.files.json_text import read_json
from explain.fingerprints import digest
from explain.inputs.layout import Layout
from explain.results.attribution import Attribution
from explain.results.view import input_name

FORMAT, FORMAT_VERSION = "explain golden", 2

_DIGITS = 16

# The largest allowed size in bytes: a file from an unknown source may declare more than fits into memory.
_LARGEST = 2**31


@dataclass(frozen=True, eq=False)
class Golden:
    """An explanation that later ones are compared with.

    Attributes
    ----------
    values : numpy.ndarray of float32
        Batch first and channels last, whatever the framework.
    question : Mapping
        The request: method, options, score, seed, inputs…
    made_by : Mapping
        How the explanation was made: framework, versions, model, its fingerprint, targets, and
        the steps and rule of an integral, or its nodes.
    """

    values: npt.NDArray[np.float32]
    question: Mapping[str, Any]
    made_by: Mapping[str, Any]

    def __len__(self) -> int:
        """Give the number of examples."""
        return len(self.values)

    def to_bytes(self) -> bytes:
        """Give the content of the file: an ``.npz`` of arrays and JSON, the same bytes for the same explanation.

        Examples
        --------
        >>> golden = Golden(np.ones((1, 2), np.float32), {"method": "saliency"}, {})
        >>> golden.to_bytes() == golden.to_bytes()
        True
        """
        header = {
            "format": FORMAT,
            # What an older explain reads stays as it is.
            "format_version": 1 if self.made_by.get("nodes") is None else FORMAT_VERSION,
            "question": dict(self.question),
            "made_by": dict(self.made_by),
        }
        text = json.dumps(header, sort_keys=True, default=_plain)
        stream = io.BytesIO()
        np.savez_compressed(stream, header=np.array(text), values=self.values)
        return stream.getvalue()

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, self.to_bytes())


def read_golden(path: Path) -> Golden:
    """Read a golden; no code of the file is run.

    Raises
    ------
    GoldenError
        If the file is not a golden, is cut off, or has a newer format.
    FileNotFoundError
        If there is no file.
    """
    remedy = "Restore it from the last commit, or write it again with pytest --explain-update."
    if path.exists() and not zipfile.is_zipfile(path):
        raise GoldenError(f"{path} is not a golden explanation: it is no .npz archive. {remedy}")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(one.file_size for one in archive.infolist())
        if size > _LARGEST:
            raise GoldenError(
                f"{path} declares a size of {size} bytes, more than any golden explanation has. {remedy}"
            )
        with np.load(path, allow_pickle=False) as arrays:
            header, values = read_json(str(arrays["header"])), arrays["values"]
        if header["format"] != FORMAT:
            raise ValueError(f"it is a {header['format']!r}")
        if header["format_version"] > FORMAT_VERSION:
            raise GoldenError(
                f"{path} has format version {header['format_version']}; this explain reads up to {FORMAT_VERSION}. "
                "Upgrade explain-toolkit to read it."
            )
        if values.dtype != np.float32 or values.ndim < 2 or not np.isfinite(values).all():
            raise ValueError(
                f"its values are of dtype {values.dtype} and shape {values.shape}, or not finite"
            )
        return Golden(values, dict(header["question"]), dict(header["made_by"]))
    except (FileNotFoundError, GoldenError):
        raise
    # A damaged archive may raise anything: zlib.error, NotImplementedError for a flipped compression flag...
    except Exception as cause:
        raise GoldenError(f"{path} cannot be read as a golden explanation ({cause}). {remedy}") from cause


def golden_of(
    attribution: Attribution, asked: Mapping[str, Any], weights: str, x: npt.NDArray[Any] | None = None
) -> Golden:
    """Make a golden from an explanation.

    Parameters
    ----------
    attribution : Attribution
        The explanation.
    asked : Mapping
        The options of the method as the caller gave them, and the target: the caller's, or the predicted class.
    weights : str
        The fingerprint of the model, see `explain.fingerprint`.
    x : numpy.ndarray, optional
        The input of the model, batch first and channels last, if a layer's output is explained.

    Returns
    -------
    Golden
        All its data are plain: equal to the golden that is read from its file.
    """
    layout = Layout(attribution.layout)
    inputs: npt.NDArray[Any] | None = layout.to_canonical(attribution.inputs)
    baseline = attribution.baseline
    shape = list(layout.to_canonical(attribution.inputs).shape[1:])
    if input_name(attribution) != "input":
        # The output of a layer is computed by the model, so it is not part of the question.
        inputs, baseline = x, None
    question = {
        "method": attribution.method,
        "score": attribution.score,
        "seed": attribution.seed,
        "examples": len(attribution),
        "shape": shape,
        "inputs": None if inputs is None else [_short_digest([one]) for one in inputs],
        "padding": "" if attribution.mask is None else _short_digest([attribution.mask]),
        "baseline": dict(attribution.baseline_rule)
        | ({} if baseline is None else {"values": _short_digest([layout.to_canonical(baseline)])}),
        **({"reduce": attribution.reduce} if attribution.reduce else {}),
        **asked,
    }
    made_by = {
        "framework": attribution.framework,
        "model": attribution.model,
        "layer": attribution.layer,
        "weights": weights,
        "targets": list(attribution.target),
        "predicted": None if attribution.predicted is None else attribution.predicted.tolist(),
        "steps": None if attribution.steps is None else attribution.steps.tolist(),
        "rule": attribution.rule,
        **({} if attribution.nodes is None else {"nodes": attribution.nodes.tolist()}),
        "batch_size": attribution.batch_size,
        "engine": attribution.engine,
        "versions": dict(attribution.versions),
    }
    values = np.ascontiguousarray(layout.to_canonical(attribution.values), np.float32)
    plain: dict[str, dict[str, Any]] = json.loads(
        json.dumps({"question": question, "made_by": made_by}, default=_plain)
    )
    return Golden(values, plain["question"], plain["made_by"])


def _short_digest(arrays: list[npt.NDArray[Any]]) -> str:
    """Give enough of a digest to avoid collisions, and few enough digits to read."""
    return digest(arrays)[:_DIGITS]


def _plain(value: Any) -> Any:
    """Convert a value to a type that JSON supports."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _short_digest([value])
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
