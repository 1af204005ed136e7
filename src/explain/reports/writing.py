"""`explain.report`: results as a page that can be filed, and the same as JSON or PDF."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explain.errors import PackageNotInstalledError, ReportError
from explain.files.atomic_write import replace_file
from explain.files.json_text import read_json
from explain.public_calls.callers_line import at_callers_line
from explain.reports.model_card import read_card
from explain.reports.page import as_html
from explain.reports.record import FORMAT, Section, record_of, sections_of
from explain.results.names import method_name

SUFFIXES = (".html", ".json", ".pdf")


@at_callers_line
def report(
    results: Any,
    path: str | os.PathLike[str],
    *,
    model: Any = None,
    source: str | os.PathLike[str] | None = None,
    factory: str | None = None,
    card: str | os.PathLike[str] | None = None,
    title: str | None = None,
) -> tuple[Path, ...]:
    """Write a report of explanations that can be filed: what was explained, how, of which model, and how to repeat it.

    The page needs no other file, no network and no script. It has inputs and maps, scores, errors, warnings, every
    option, versions, the fingerprints of models and inputs, and lines of Python that make the calls again. The JSON
    file beside it has the same, with every value; `explain.reports.verify` reads it and says whether it still holds.

    Parameters
    ----------
    results : Attribution, a tuple or dict of them, or a list of these
        What `explain.attribute` gave; in a list, what several calls gave.
    path : str or os.PathLike
        The file: ``.html``, ``.pdf`` (needs the extra ``pdf``), or ``.json`` alone. Beside a page or a PDF, the
        ``.json`` of the same name is written.
    model : object, or a list, optional
        The model, or one for each call, for its fingerprint. Without it the report says that the model is not
        identified.
    source : str or os.PathLike, optional
        From where the model is read, as `explain.load_model` takes it; for the lines that repeat the calls. The
        SHA-256 of a file is stated too.
    factory : str, optional
        For weights: the function that builds their model, as `explain.load_model` takes it.
    card : str or os.PathLike, optional
        A Markdown file with a model card, for a section of its own.
    title : str, optional
        The heading.

    Returns
    -------
    tuple of pathlib.Path
        The files that were written, each whole or not at all; the one of `path` first.

    Raises
    ------
    explain.errors.ReportError
        If the suffix is unknown, the card cannot be read, or the ``.json`` beside the page would replace a file that
        is no report.
    explain.errors.InputError
        If there is no result, or the models are not as many as the calls.
    explain.errors.PackageNotInstalledError
        If a PDF is asked for and weasyprint cannot be imported.

    Notes
    -----
    If the environment variable ``SOURCE_DATE_EPOCH`` is set, the report has that time, in seconds since 1970, as its
    date, so that the same results give the same bytes.

    Examples
    --------
    >>> import tempfile, explain
    >>> model = explain.zoo.load("names_rnn", framework="torch")
    >>> x = explain.zoo.samples("names_rnn", framework="torch").x[:2]
    >>> a = explain.attribute(model, x, method="ig")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [file.name for file in explain.report(a, f"{folder}/report.html", model=model)]
    ['report.html', 'report.json']
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise ReportError(
            f"path={str(file)!r} does not end in {', '.join(SUFFIXES)}: give a page (.html), a PDF (.pdf), or .json "
            "for the data alone."
        )
    if file.suffix.lower() == ".pdf":
        _check_weasyprint()
    sections = sections_of(results, model)
    data = file.with_suffix(".json")
    if data != file:
        _refuse_other_data(data)
    record = record_of(
        sections,
        title=title or _title(sections),
        source="" if source is None else os.fspath(source),
        factory=factory or "",
        card="" if card is None else read_card(card),
        file=data.name,
    )
    content = (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()
    contents = {data: content}
    if file != data:
        page = as_html(record, sections, data.name, hashlib.sha256(content).hexdigest())
        contents = {file: _pdf(page) if file.suffix.lower() == ".pdf" else page.encode(), **contents}
    file.parent.mkdir(parents=True, exist_ok=True)
    return _written(contents)


def _written(contents: Mapping[Path, bytes]) -> tuple[Path, ...]:
    for file, content in contents.items():
        replace_file(file, content)
    return tuple(contents)


def _refuse_other_data(data: Path) -> None:
    """Refuse to replace a file that the caller has not named and that is no report."""
    if not data.exists():
        return
    try:
        is_report = read_json(data.read_text(encoding="utf-8"))["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        is_report = False
    if not is_report:
        raise ReportError(
            f"{data} is a file of yours that the report's data would replace: give the report another name, or move "
            "that file."
        )


def _title(sections: list[Section]) -> str:
    names = dict.fromkeys(method_name(section.first.method) for section in sections)
    models = dict.fromkeys(section.first.model for section in sections)
    return f"{', '.join(names)} of {', '.join(models)}"


def _check_weasyprint() -> None:
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as cause:  # An OSError where Pango, a library of the system, is missing.
        raise PackageNotInstalledError(
            f'A PDF needs weasyprint, which cannot be imported ({cause}): run pip install "explain-toolkit[pdf]", and '
            "install Pango (Debian's libpango-1.0-0 and libpangoft2-1.0-0). Or write .html and print that."
        ) from cause


def _pdf(page: str) -> bytes:
    import weasyprint

    # The page has its pictures in itself: no other file and no network is to be asked.
    alone = weasyprint.urls.URLFetcher(allowed_protocols=("data",), fail_on_errors=True)
    found: bytes = weasyprint.HTML(string=page, url_fetcher=alone).write_pdf()
    return found
