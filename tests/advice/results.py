"""Results: their examples, their files, what they are exported to, drawn as and compared with."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import made_attributions
import numpy as np
from advice.advice import Advice

import explain
from explain.errors import (
    AttributionFileError,
    ComparisonError,
    ExampleIndexError,
    InputError,
    PackageNotInstalledError,
    RenderError,
)
from explain.results.attribution import Attribution
from explain.results.attribution_file import KIND
from explain.results.exports import MOST_ROWS

A = made_attributions.images(3)
TABLE = made_attributions.table(3)
# A result of too many values for a data frame, which takes no memory.
_SIDE = int(MOST_ROWS**0.5) + 1
_ZEROS = np.broadcast_to(np.ones((), np.float32), (2, _SIDE, _SIDE))
HUGE = Attribution(_ZEROS, _ZEROS, "NHW", "saliency", np.zeros(2))


def in_folder(call: Callable[[Path], Any]) -> Callable[[Any], Any]:
    """Call with an empty folder."""

    def called(kit: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return call(Path(folder))

    return called


def loaded_after(write: Callable[[Path], Any], read: Callable[[Path], Any]) -> Callable[[Any], Any]:
    return in_folder(lambda folder: (write(folder), read(folder))[1])


def newer(folder: Path) -> None:
    with mock.patch("explain.results.attribution_file.KIND", replace(KIND, version=99)):
        A.save(folder / "a.npz")


def damaged(folder: Path) -> None:
    content = bytearray(A.save(folder / "a.npz").read_bytes())
    content[60:200] = bytes(140)
    (folder / "a.npz").write_bytes(content)


def foreign(folder: Path) -> None:
    np.savez(folder / "a.npz", values=np.ones(3))


def other_header(folder: Path) -> None:
    np.savez(folder / "a.npz", header=np.array('{"format": "other"}'))


def filled(folder: Path) -> Any:
    """Load a file where hardly any memory is free."""
    path = A.save(folder / "a")
    with mock.patch("psutil.virtual_memory", return_value=SimpleNamespace(available=1000)):
        return explain.load(path)


def without(package: str, call: Callable[[], Any]) -> Any:
    with mock.patch.dict(sys.modules, {package: None}):
        return call()


def saved_and_loaded(kit: Any) -> Any:
    return in_folder(lambda folder: explain.load(A.save(folder / "a.npz")))(kit)


def buffer(rewind: bool) -> Any:
    stream = io.BytesIO()
    A.save(stream)
    if rewind:
        stream.seek(0)
    return explain.load(stream)


def of_text(folder: Path, mode: str, call: Callable[[Any], Any]) -> Any:
    (folder / "a").write_bytes(b"" if "w" in mode else A.save(folder / "b").read_bytes())
    with open(folder / "a", mode) as file:
        return call(file)


ONCE = ("torch",)

ADVICE = (
    Advice(" needs a copy: leave copy=False out.", InputError, lambda kit: A.__array__(np.float64, copy=False),
           lambda kit: replace(A, values=np.asarray(A, np.float64)), on=ONCE),
    Advice("The attribution has no texts, since no strings were explained", InputError, lambda kit: A.by_word(),
           lambda kit: made_attributions.texts().by_word(), on=ONCE),
    # The index of examples.
    Advice(" is not understood: the index of an attribution selects examples", ExampleIndexError, lambda kit: A[:, 0],
           lambda kit: replace(A[0], values=A.values[:1]), on=ONCE),
    Advice("] does not select examples: ", ExampleIndexError, lambda kit: A["cat"], lambda kit: A[[0, 2]], on=ONCE),
    Advice("] does not select examples (", ExampleIndexError, lambda kit: A[slice("a", "b")],
           lambda kit: A[:2], on=ONCE),
    Advice(" in an attribution of ", ExampleIndexError, lambda kit: A[3], lambda kit: A[-1], on=ONCE),
    Advice(" examples: give one bool for each.", ExampleIndexError, lambda kit: A[[True]],
           lambda kit: A[A.scores > 0], on=ONCE),
    # Files.
    Advice("s are saved as ", InputError, in_folder(lambda folder: A.save(folder / "a.png")),
           in_folder(lambda folder: (A.plot().savefig(folder / "a.png"), explain.load(A.save(folder / "a.npz")))[1]),
           on=ONCE),
    Advice(" names a folder: give the name of a file in it", InputError, in_folder(lambda folder: A.save(f"{folder}/")),
           saved_and_loaded, on=ONCE),
    Advice("open it with mode='wb' and save again.", InputError,
           in_folder(lambda folder: of_text(folder, "w", A.save)),
           in_folder(lambda folder: (of_text(folder, "wb", A.save), explain.load(folder / "a"))[1]), on=ONCE),
    Advice(": give the name of an .npz file, or a file that is ", InputError, lambda kit: A.save(3), saved_and_loaded,
           on=ONCE),
    Advice(": give a file in it (", AttributionFileError,
           in_folder(explain.load), saved_and_loaded, on=ONCE),
    Advice("open it with mode='rb' and load again.", AttributionFileError,
           in_folder(lambda folder: of_text(folder, "r", explain.load)),
           in_folder(lambda folder: of_text(folder, "rb", explain.load)), on=ONCE),
    Advice(" is not open for reading: open it with mode='rb'.", AttributionFileError,
           in_folder(lambda folder: of_text(folder, "wb", explain.load)),
           in_folder(lambda folder: of_text(folder, "rb", explain.load)), on=ONCE),
    Advice("if it was just written, call its seek(0).", AttributionFileError, lambda kit: buffer(False),
           lambda kit: buffer(True), on=ONCE),
    Advice(": it is no ", AttributionFileError,
           loaded_after(lambda folder: (folder / "a.npz").write_text("text"), lambda folder: explain.load(folder / "a")
           ), saved_and_loaded, on=ONCE),
    Advice(": it lacks the header that ", AttributionFileError,
           loaded_after(foreign, lambda folder: explain.load(folder / "a")), saved_and_loaded, on=ONCE),
    Advice(" is not a saved ", AttributionFileError,
           loaded_after(other_header, lambda folder: explain.load(folder / "a")), saved_and_loaded, on=ONCE),
    Advice(" cannot be read as a saved ", AttributionFileError,
           loaded_after(damaged, lambda folder: explain.load(folder / "a")), saved_and_loaded, on=ONCE),
    Advice(" has format version ", AttributionFileError,
           loaded_after(newer, lambda folder: explain.load(folder / "a")), saved_and_loaded, on=ONCE),
    Advice(" GB of free memory. If you know the file", AttributionFileError, in_folder(filled),
           lambda kit: buffer(True), on=ONCE),
    # Exports.
    Advice(" rows. Give a part, such as ", InputError, lambda kit: HUGE.to_dataframe(),
           lambda kit: len(A[:10].to_dataframe()) and HUGE.to_xarray().shape, on=ONCE),
    Advice(", which cannot be imported (", PackageNotInstalledError, lambda kit: without("pandas", A.to_dataframe),
           lambda kit: A.to_dataframe().shape, on=ONCE),
    # What is drawn and compared.
    Advice(": a heatmap needs finite values.", RenderError,
           lambda kit: replace(TABLE, values=TABLE.values * np.inf).plot(), lambda kit: TABLE.plot(), on=ONCE),
    Advice(" is not a rule for merging channels", RenderError, lambda kit: A.plot(channels="max"),
           lambda kit: A.plot(channels="abs_max"), on=ONCE),
    Advice(" axes besides batch and channels: up to 3 can be drawn.", RenderError,
           lambda kit: made_attributions.make(np.ones((1, 2, 3, 4, 5)), "NTDHW").plot(),
           lambda kit: made_attributions.make(np.ones((1, 3, 4, 5)), "NDHW").plot(), on=ONCE),
    Advice(": give one flag a step.", RenderError,
           lambda kit: replace(made_attributions.rows(1), mask=np.ones((1, 3), bool)).plot(),
           lambda kit: replace(made_attributions.rows(1), mask=np.ones((1, 10), bool)).plot(), on=ONCE),
    Advice(": give two Attributions, as ", ComparisonError, lambda kit: explain.compare(A, A.values),
           lambda kit: explain.compare(A, A), on=ONCE),
    Advice(" has no examples: there is nothing to compare.", ComparisonError, lambda kit: explain.compare(A[:0], A[:0]),
           lambda kit: explain.compare(A, A), on=ONCE),
    Advice(" examples cannot be compared. Leave them out", ComparisonError,
           lambda kit: explain.compare(replace(A, values=A.values * np.nan), A),
           lambda kit: explain.compare(A[1:], A[1:]), on=ONCE),
    Advice(". Explain the same x with the same target= and score= for both.", ComparisonError,
           lambda kit: explain.compare(A[:1], A[1:2]), lambda kit: explain.compare(A[:1], A[:1]), on=ONCE),
)  # fmt: skip
