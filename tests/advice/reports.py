"""Messages of reports: what cannot be written, what is no report, and what a report does not hold."""

# fmt: off
from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from advice.advice import Advice

import explain
from explain.errors import InputError, PackageNotInstalledError, ReportError

ONCE = ("torch",)

X = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)


def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


NET = net()
A = explain.attribute(NET, X, "saliency")


def in_folder(call: Callable[[Path], Any]) -> Callable[[Any], Any]:
    """Make a call in a folder of its own."""

    def called(kit: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return call(Path(folder))

    return called


def reported(name: str = "report.html", results: Any = A, **arguments: Any) -> Callable[[Any], Any]:
    return in_folder(lambda folder: len(explain.report(results, folder / name, **arguments)))


def with_card(name: str, content: bytes | None) -> Callable[[Any], Any]:
    def call(folder: Path) -> Any:
        if content is not None:
            (folder / name).write_bytes(content)
        return len(explain.report(A, folder / "report.html", card=folder / name))

    return in_folder(call)


def without(package: str, call: Callable[[], Any]) -> Any:
    with patch.dict(sys.modules, {package: None}):
        return call()


def verified(change: Callable[[Path], Any] = lambda folder: None, model: Any = NET, name: str = "report.html",
             source: Any = None) -> Callable[[Any], Any]:
    """Write a report, change its files, and verify it."""

    def call(folder: Path) -> Any:
        explain.report(A, folder / "report.html", model=NET, source=source)
        change(folder)
        return explain.reports.verify(folder / name, model).passed or None

    return in_folder(call)


def record(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    def changed(folder: Path) -> None:
        file = folder / "report.json"
        content = json.loads(file.read_text("utf-8"))
        change(content)
        file.write_text(json.dumps(content), encoding="utf-8")

    return changed


def digests(content: dict[str, Any]) -> None:
    content["calls"][0]["results"][0]["inputs_sha256"][0] = "0" * 64


ADVICE = [
    Advice(": give a page (.html), a PDF (.pdf), or .json ", ReportError, reported("report.doc"), reported(), on=ONCE),
    Advice(": give a model card in Markdown, such as the README.md of the model.", ReportError,
           with_card("card.docx", b"x"), with_card("card.md", b"# Use"), on=ONCE),
    Advice("): give a Markdown file in UTF-8.", ReportError, with_card("card.md", b"\xff\xfe\xff"),
           with_card("card.md", b"# Use"), on=ONCE),
    Advice("A PDF needs weasyprint, which cannot be imported (", PackageNotInstalledError,
           lambda kit: without("weasyprint", lambda: reported("report.pdf")(kit)), reported(), on=ONCE),
    Advice("results is an empty list: give what ", InputError, reported(results=[]), reported(results=[A]), on=ONCE),
    Advice("results has an entry that is ", InputError, reported(results=["a.npz"]), reported(results=[A]), on=ONCE),
    Advice(": give one model for all, or one for each.", InputError, reported(model=[NET, NET]),
           reported(model=[NET]), on=ONCE),
    Advice(" is a file of yours that the report's data would replace", ReportError,
           in_folder(lambda folder: ((folder / "report.json").write_text("{}"),
                                     explain.report(A, folder / "report.html"))), reported(), on=ONCE),
    Advice("): give the .json file that explain.report wrote.", ReportError,
           verified(lambda folder: (folder / "report.json").unlink(), name="report.json"), verified(), on=ONCE),
    Advice(" cannot be read as a report (", ReportError,
           verified(lambda folder: (folder / "report.json").write_text("[]"), name="report.json"), verified(), on=ONCE),
    Advice("; this explain reads up to ", ReportError,
           verified(record(lambda content: content.update(format_version=99)), name="report.json"), verified(),
           on=ONCE),
    Advice(" has been changed: its inputs do not have the fingerprints", ReportError,
           verified(record(digests), name="report.json"), verified(), on=ONCE),
    Advice("): give the page that explain.report wrote.", ReportError,
           verified(lambda folder: (folder / "report.html").write_bytes(b"\xff")), verified(), on=ONCE),
    Advice(" was not written with ", ReportError, verified(record(digests)), verified(), on=ONCE),
    Advice(": give one model for all, or one ", ReportError, verified(model=[NET, NET]), verified(model=[NET]),
           on=ONCE),
    Advice(": give the model, explain.reports.verify(path, model).", ReportError, verified(model=None), verified(),
           on=ONCE),
]
