"""What a report states, as plain data: models, results, their values, and how to repeat them."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from explain.algorithms.catalogue import find_method
from explain.errors import InputError
from explain.explanation.again.arguments import missing_arguments
from explain.fingerprints import digest, fingerprint
from explain.inputs.layout import Layout
from explain.render.tables.summary import summary
from explain.reports.repetition import code_of
from explain.results.attribution import Attribution, load
from explain.version import VERSION

FORMAT, FORMAT_VERSION = "explain report", 1
SCHEMA = "https://raw.githubusercontent.com/explain-toolkit/explain/main/src/explain/reports/schema.json"

NOT_IDENTIFIED = "The model is not identified: no model was given with the results."
_NO_WEIGHTS = "Its weights cannot be read, so it has no fingerprint."


@dataclass(frozen=True, eq=False)
class Section:
    """What one call of `explain.attribute` gave, and the model that it explains.

    Attributes
    ----------
    results : Mapping of str to Attribution
        One for each input of the model, by its name or place.
    structure : {"one", "tuple", "list", "dict", "partial"}
        How the call gave them; a partial one has inputs without a result.
    model : object, optional
        The model; None if it is not known.
    """

    results: Mapping[str, Attribution]
    structure: str = "one"
    model: Any = None

    @property
    def first(self) -> Attribution:
        """One of the results: what concerns the call is the same in all."""
        return next(iter(self.results.values()))


def sections_of(results: Any, model: Any) -> list[Section]:
    """Arrange results and models as they were given.

    Parameters
    ----------
    results : Attribution, a tuple or dict of them, or a list of these
        What `explain.attribute` gave, once or several times.
    model : object, or a list
        One model for all, or one for each entry of a list of results.

    Raises
    ------
    InputError
        If there is no result, or the lists have different lengths.
    """
    calls = _calls(results)
    if isinstance(model, list) and len(model) != len(calls):
        raise InputError(
            f"model is a list of {len(model)} for {len(calls)} result{'s' if len(calls) > 1 else ''}: give one model "
            "for all, or one for each."
        )
    models = model if isinstance(model, list) else [model] * len(calls)
    return [Section(*_named(call), one) for call, one in zip(calls, models, strict=True)]


def record_of(
    sections: Sequence[Section],
    *,
    title: str,
    source: str,
    factory: str,
    card: str,
    file: str,
) -> dict[str, Any]:
    """Give the content of a report as plain data, which `schema.json` describes.

    Parameters
    ----------
    sections : sequence of Section
        The calls.
    title, card : str
        The title, and the text of the model card, which may be empty.
    source, factory : str
        From where `explain.load_model` reads the model, as its arguments; empty if that is not known.
    file : str
        The name of the JSON file that the content is for.
    """
    known: dict[tuple[int, str, str], dict[str, Any]] = {}
    calls = []
    for place, section in enumerate(sections):
        # Models that were not given are told apart by what their results say of them.
        which = (id(section.model), section.first.model, section.first.framework)
        if which not in known:
            known[which] = _model(section, source, factory)
        calls.append(_call(section, known[which], file, place))
    return {
        "$schema": SCHEMA,
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "title": title,
        "written": _now().isoformat(timespec="seconds"),
        "explain": VERSION,
        "environment": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "model_card": card or None,
        "calls": calls,
    }


def attributions_of(call: Mapping[str, Any]) -> dict[str, Attribution]:
    """Read the attributions of one call of a record, by the names of the inputs."""
    found = {}
    for one in call["results"]:
        content = base64.b64decode(one["attribution"]["content"], validate=True)
        loaded = load(io.BytesIO(content))
        found[one["input_name"]] = replace(loaded, fingerprint=call["model"]["fingerprint"] or "")
    return found


def inputs_digests(attribution: Attribution) -> list[str]:
    """Give the SHA-256 of each example's input in canonical axes, so that twins agree."""
    return [digest([one]) for one in Layout(attribution.layout).to_canonical(attribution.inputs)]


def _calls(results: Any) -> list[Any]:
    calls = results if isinstance(results, list) and not (results and _is_one_call(results)) else [results]
    if not calls:
        raise InputError("results is an empty list: give what explain.attribute returned, or a list of that.")
    return calls


def _is_one_call(results: Sequence[Any]) -> bool:
    """Tell whether a list has the results of the inputs of one call: only these have names of inputs."""
    return any(isinstance(one, Attribution) and one.together for one in results)


def _named(call: Any) -> tuple[dict[str, Attribution], str]:
    """Give the results of a call by the names of the inputs, and how the call gave them."""
    if isinstance(call, Attribution):
        return {call.input_name: call}, "one"
    structure = "dict" if isinstance(call, Mapping) else "tuple" if isinstance(call, tuple) else "list"
    if isinstance(call, Mapping):
        items = {str(name): one for name, one in call.items()}
    else:
        items = {
            str(place): one for place, one in enumerate(call if isinstance(call, tuple | list) else [call])
        }
    named = {name: one for name, one in items.items() if one is not None}
    wrong = next((one for one in named.values() if not isinstance(one, Attribution)), None)
    if wrong is not None or not named:
        kind = "empty" if wrong is None else f"of type {type(wrong).__name__}"
        raise InputError(
            f"results has an entry that is {kind}: give what explain.attribute returned, or a list of that; a saved "
            "one is read by explain.load(path)."
        )
    return named, structure if len(named) == len(items) else "partial"


def _model(section: Section, source: str, factory: str) -> dict[str, Any]:
    first = section.first
    found: dict[str, Any] = {
        "class": first.model,
        "framework": first.framework,
        "identified": section.model is not None,
        "fingerprint": None,
        "note": NOT_IDENTIFIED,
        "source": source or None,
        "factory": factory or None,
        "file_sha256": None,
    }
    if section.model is not None:
        weights = fingerprint(section.model)
        found["fingerprint"], found["note"] = weights or None, "" if weights else _NO_WEIGHTS
        if source and Path(source).exists():
            found["file_sha256"] = _file_digest(Path(source))
    return found


def _call(section: Section, model: Mapping[str, Any], file: str, place: int) -> dict[str, Any]:
    row = find_method(section.first.method)
    results, structure = section.results, section.structure
    return {
        "model": dict(model),
        "method": {"name": row.name, "summary": row.summary, "paper": row.paper},
        "structure": structure,
        "results": [
            {
                "input_name": name,
                **summary(one),
                "inputs_sha256": inputs_digests(one),
                "attribution": {
                    "media_type": "application/x-npz",
                    "encoding": "base64",
                    "content": _npz(one),
                },
            }
            for name, one in results.items()
        ],
        "repeat": {
            "code": code_of(results, structure, model, file, place),
            "needs": missing_arguments(results, structure),
        },
    }


def _npz(attribution: Attribution) -> str:
    stream = io.BytesIO()
    attribution.save(stream)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _file_digest(path: Path) -> str:
    """Give the SHA-256 of a file, or of the files of a folder in the order of their names."""
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    found = hashlib.sha256()
    for one in files:
        if path.is_dir():
            found.update(one.relative_to(path).as_posix().encode() + b"\0")
        with one.open("rb") as stream:
            while block := stream.read(2**20):
                found.update(block)
    return found.hexdigest()


def _now() -> datetime:
    """Give the time of writing, or that of the variable by which builds are made repeatable."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(fixed), UTC) if fixed.isdecimal() else datetime.now(UTC)
