"""A report read back from its JSON file."""

from __future__ import annotations

import binascii
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explain.errors import ExplainError, ReportError
from explain.files.json_text import read_json
from explain.public_calls.callers_line import at_callers_line
from explain.reports.record import FORMAT, FORMAT_VERSION, attributions_of, inputs_digests
from explain.results.attribution import Attribution

# What a call gave, from its results by the names of the inputs.
_AS_GIVEN: Mapping[str, Callable[[Mapping[str, Attribution]], Any]] = {
    "one": lambda named: next(iter(named.values())),
    "tuple": lambda named: tuple(named.values()),
    "list": lambda named: list(named.values()),
    "dict": dict,
    "partial": dict,
}


@dataclass(frozen=True, eq=False)
class Report:
    """What a report holds.

    Attributes
    ----------
    path : pathlib.Path
        Its JSON file.
    record : Mapping
        Its content as plain data.
    calls : tuple of Mapping of str to Attribution
        The results of each call, by the names of the model's inputs.
    """

    path: Path
    record: Mapping[str, Any]
    calls: tuple[Mapping[str, Attribution], ...]

    @property
    def results(self) -> tuple[Any, ...]:
        """What each call of `explain.attribute` gave: an attribution, or several in the structure of the inputs."""
        pairs = zip(self.record["calls"], self.calls, strict=True)
        return tuple(_AS_GIVEN[call["structure"]](named) for call, named in pairs)


@at_callers_line
def read(path: str | os.PathLike[str]) -> Report:
    """Read a report.

    Parameters
    ----------
    path : str or os.PathLike
        Its ``.json`` file; or the ``.html`` or ``.pdf`` beside that, whose name is the same but for the suffix.

    Raises
    ------
    explain.errors.ReportError
        If the file is missing, damaged, no report, or of a newer version; or if the inputs in it are not those whose
        fingerprints it states.

    Examples
    --------
    >>> import tempfile, numpy as np, explain
    >>> x = np.ones((1, 2), np.float32)
    >>> a = explain.Attribution(values=x, inputs=x, layout="NC", method="saliency", scores=np.ones(1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = explain.report(a, f"{folder}/report.json")
    ...     explain.reports.read(f"{folder}/report.json").results[0] == a
    True
    """
    given = Path(path)
    file = given if given.suffix.lower() == ".json" else given.with_suffix(".json")
    try:
        content = file.read_bytes()
    except OSError as cause:
        beside = f", which is the JSON beside {given.name}" if file != given else ""
        raise ReportError(
            f"{file}{beside}, cannot be read ({cause.strerror}): give the .json file that explain.report wrote."
        ) from cause
    try:
        record = read_json(content.decode("utf-8"))
        if record["format"] != FORMAT:
            raise ValueError(f"it is a {record['format']!r}")
        newer = record["format_version"] > FORMAT_VERSION
        calls = () if newer else tuple(attributions_of(call) for call in record["calls"])
        stated = [one["inputs_sha256"] for call in record["calls"] for one in call["results"]]
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, ExplainError) as cause:
        raise ReportError(
            f"{file} cannot be read as a report ({cause}): give the .json file that explain.report wrote."
        ) from cause
    if newer:
        raise ReportError(
            f"{file} has format version {record['format_version']}; this explain reads up to {FORMAT_VERSION}: upgrade "
            "explain-toolkit to read it."
        )
    if given.suffix.lower() == ".html":
        _check_page(given, hashlib.sha256(content).hexdigest())
    held = [inputs_digests(one) for call in calls for one in call.values()]
    if held != stated:
        raise ReportError(
            f"{file} has been changed: its inputs do not have the fingerprints that it states. Take the file as it was "
            "written."
        )
    return Report(file, record, calls)


def _check_page(page: Path, stated: str) -> None:
    """Refuse a page that was not written with the JSON beside it."""
    try:
        is_of = stated in page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise ReportError(
            f"{page} cannot be read ({cause}): give the page that explain.report wrote."
        ) from cause
    if not is_of:
        raise ReportError(
            f"{page} was not written with {page.with_suffix('.json').name} beside it: it states another SHA-256. Put "
            "the two files of one report together."
        )
