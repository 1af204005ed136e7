"""The report of a migration check as a table for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from explain.migration.presentation.report_text import (
    STAGE_TITLES,
    divergence_sentence,
    error_text,
    figure_words,
    is_first_divergence,
    names_of,
    verdict,
    verdict_sentence,
    verdict_text,
)
from explain.migration.report import STAGES, MigrationReport, Row
from explain.results.names import printable

# Width of sentences, in characters.
_WIDTH = 100
_NAME_WIDTH = 36
_NOTE_WIDTH = 44

# If there are more layers, show only the first and last few, those that differ and those near the first divergence.
MOST_LAYERS = 40
_NEIGHBOURS = 3

_Cells = tuple[str, str, str, str, str, str]
_HEADINGS = ("error", "tolerance", "verdict", "")
_TO_THE_RIGHT = (False, False, True, True, False, False)


def as_text(report: MigrationReport) -> str:
    """Write a report as a table.

    First the verdict, then the first divergence with its cause, then every comparison by stage.

    Parameters
    ----------
    report : MigrationReport
        The report.

    Returns
    -------
    str
        Plain text without colours. A character that cannot be printed becomes a question mark.

    Examples
    --------
    >>> row = Row("outputs", "", "", 3e-7, 1e-4, True)
    >>> print(as_text(MigrationReport("Net (PyTorch)", "Net (TensorFlow)", True, None, None, "", "", (row,), 8)))
    Passed: Net (PyTorch) and Net (TensorFlow) agree on 8 examples.
    <BLANKLINE>
                      error  tolerance  verdict
    Outputs, relative L2
      all examples  3.0e-07    1.0e-04  passed
    """
    lines = _sentences(f"{verdict(report)}: {verdict_sentence(report)}")
    if report.first_divergence is not None or report.cause is not None:
        lines += ["", *_explanation(report)]
    lines += ["", *_table(report)]
    if report.notes:
        lines += ["", "Worth knowing:", *(line for note in report.notes for line in _sentences(note, "  "))]
    if report.versions:
        written = ", ".join(f"{name} {version}" for name, version in report.versions.items())
        lines += ["", *_sentences(f"Made with {written}.")]
    return "\n".join(line.rstrip() for line in lines)


def rows_shown(report: MigrationReport) -> list[Row | int]:
    """Choose the rows to show, in their order; a number stands for as many rows left out.

    Examples
    --------
    >>> rows = tuple(Row("layers", f"conv{i}", f"conv{i}", 1e-7, 1e-4, True) for i in range(100))
    >>> shown = rows_shown(MigrationReport("a", "b", True, None, None, "", "", rows, 8))
    >>> [one if isinstance(one, int) else one.a for one in shown]
    ['conv0', 'conv1', 'conv2', 94, 'conv97', 'conv98', 'conv99']
    """
    shown: list[Row | int] = []
    for stage in STAGES:
        rows = report.of_stage(stage)
        kept = _kept_layers(report, rows) if stage == "layers" else set(range(len(rows)))
        for index, row in enumerate(rows):
            if index in kept:
                shown.append(row)
            elif shown and isinstance(shown[-1], int):
                shown[-1] += 1
            else:
                shown.append(1)
    return shown


def _kept_layers(report: MigrationReport, rows: Sequence[Row]) -> set[int]:
    if len(rows) <= MOST_LAYERS:
        return set(range(len(rows)))
    ends = {*range(_NEIGHBOURS), *range(len(rows) - _NEIGHBOURS, len(rows))}
    kept = ends | {index for index, row in enumerate(rows) if row.passed is not True}
    for index, row in enumerate(rows):
        if is_first_divergence(report, row):
            kept |= set(range(max(0, index - _NEIGHBOURS), min(len(rows), index + _NEIGHBOURS + 1)))
    # A line that reports one omitted row takes as much space as the row.
    return kept | {index for index in range(len(rows)) if {index - 1, index + 1} <= kept}


def _explanation(report: MigrationReport) -> list[str]:
    lines = _sentences(divergence_sentence(report))
    if report.cause is not None:
        lines += _sentences(f"Likely cause: {report.cause}. {report.evidence}")
    elif report.evidence:
        lines += _sentences(report.evidence)
    if report.remedy:
        lines += _sentences(f"What to do: {report.remedy}")
    return lines


def _table(report: MigrationReport) -> list[str]:
    """Write the rows by stage, in columns of one width for all stages."""
    shown = rows_shown(report)
    cells = [None if isinstance(one, int) else _cells(report, one) for one in shown]
    whole: list[_Cells] = [one for one in cells if one is not None]
    has_two_names = any(one[1] for one in whole)
    header: _Cells = ("a" if has_two_names else "", "b" if has_two_names else "", *_HEADINGS)
    widths = [max(len(one[column]) for one in (header, *whole)) for column in range(5)]
    lines, stage = [_aligned(header, widths)], ""
    for one, written in zip(shown, cells, strict=True):
        if isinstance(one, int) or written is None:
            lines.append(f"  … {one} more layers, none of which differs")
            continue
        if one.stage != stage:
            stage = one.stage
            title, measure = STAGE_TITLES[one.stage]
            lines.append(f"{title}, {measure}")
        first, *others = textwrap.wrap(written[-1], _NOTE_WIDTH) or [""]
        lines.append(_aligned((*written[:-1], first), widths))
        lines += [_aligned(("", "", "", "", "", other), widths) for other in others]
    return lines


def _cells(report: MigrationReport, row: Row) -> _Cells:
    """Write the cells of one row: two names, error, tolerance, verdict, notes."""
    a, b = (_shortened(printable(name)) for name in names_of(row))
    notes = ["first divergence"] if is_first_divergence(report, row) else []
    notes += [*([row.note] if row.note else []), *figure_words(row)]
    return (
        a or "all examples",
        "" if a == b else b,
        error_text(row.error),
        error_text(row.tolerance),
        verdict_text(row),
        printable("; ".join(notes)),
    )


def _aligned(cells: _Cells, widths: Sequence[int]) -> str:
    """Align cells in columns, numbers to the right."""
    written = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, _TO_THE_RIGHT, strict=False)
    ]
    # The second column is empty if no row has two names.
    kept = [cell for cell, width in zip(written, widths, strict=True) if width]
    return "  " + "  ".join([*kept, cells[-1]])


def _sentences(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        printable(text), _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def _shortened(name: str) -> str:
    """Cut the beginning of a long name: two layers of one block differ at the end."""
    return name if len(name) <= _NAME_WIDTH else "…" + name[1 - _NAME_WIDTH :]
