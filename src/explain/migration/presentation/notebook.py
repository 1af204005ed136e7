"""The report of a migration check as a notebook shows it: the verdict, the cause, and the rows that differ."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence

from explain.migration.presentation.report_text import (
    STAGE_TITLES,
    divergence_sentence,
    error_text,
    facts,
    figure_words,
    is_first_divergence,
    names_of,
    verdict,
    verdict_sentence,
    verdict_text,
)
from explain.migration.report import STAGES, MigrationReport, Row, Stage
from explain.render.notebook import HTML, Bundle, bundle, image_html, reason

# How many of the rows that differ are shown.
MOST_ROWS = 8

_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif"
_QUIET = "opacity:.75;font-size:.85em"
_RULE = "border-top:1px solid rgba(128,128,128,.45)"
_CELL = "padding:.2em 1.4em .2em 0;background:none;vertical-align:top;font-variant-numeric:tabular-nums"
_LEFT, _RIGHT = f"{_CELL};text-align:left", f"{_CELL};text-align:right"
_NUMBERS = ("rows", "beyond", "greatest error", "tolerance", "error")
# Seen on light pages and on dark ones.
_PASSED, _DIFFERS = "#3d8b5f", "#d9601a"


def report_bundle(
    report: MigrationReport, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> Bundle:
    """Give what a notebook shows of a report, and its table for a terminal.

    Examples
    --------
    >>> row = Row("layers", "<b>", "dense", 3e-7, 1e-4, True)
    >>> data, _ = report_bundle(MigrationReport("Net", "Net", True, None, None, "", "", (row,), 8))
    >>> sorted(data), "✓ Passed" in data["text/html"]
    (['text/html', 'text/plain'], True)
    """
    return bundle(report.__repr__, {HTML: lambda: (_page(report), {})}, include, exclude)


def _page(report: MigrationReport) -> str:
    color = _PASSED if report.passed else _DIFFERS
    mark = "✓" if report.passed else "✗"
    parts = [
        f'<div style="border-left:.4em solid {color};padding:.2em 0 .2em .9em">'
        f'<div style="font-weight:600;font-size:1.15em;color:{color}">{mark} {verdict(report)}</div>'
        f"<div>{html.escape(verdict_sentence(report))}</div></div>"
    ]
    sentence = divergence_sentence(report)
    if sentence:
        parts.append(f'<div style="margin:.8em 0 .4em">{html.escape(sentence)}</div>')
    told = facts(report)
    if told:
        rows = (_row(pair, (f"{_LEFT};opacity:.75;white-space:nowrap", _LEFT)) for pair in told)
        parts.append(_table((), rows))
    parts.append(_table(("", "rows", "beyond", "greatest error", "tolerance", "measure"), _stages(report)))
    differing = [row for row in report.rows if row.passed is False]
    if differing:
        parts.append('<div style="font-weight:600;margin-top:1em">What differs</div>')
        headings = (report.model_a, report.model_b, "error", "", "")
        parts.append(_table(headings, (_differing(report, row) for row in differing[:MOST_ROWS])))
        if len(differing) > MOST_ROWS:
            parts.append(f'<div style="{_QUIET}">{len(differing) - MOST_ROWS:,} more rows differ</div>')
        parts.append(_chart(report))
    parts += [f'<div style="{_QUIET};margin-top:.6em">{html.escape(note)}</div>' for note in report.notes]
    parts.append(
        f'<div style="{_QUIET};margin-top:1em">Every row, and the maps of both models in pairs: '
        "<code>report.to_html(&quot;report.html&quot;)</code></div>"
    )
    return f'<div class="explain-migration" style="{_FONT};max-width:60em">{"".join(parts)}</div>'


def _stages(report: MigrationReport) -> Iterable[str]:
    """Write a line for each stage."""
    for stage in STAGES:
        rows = report.of_stage(stage)
        if rows:
            yield _row(_cells_of_stage(report, stage, rows), (_LEFT, *(_RIGHT,) * 4, f"{_LEFT};opacity:.75"))


def _cells_of_stage(report: MigrationReport, stage: Stage, rows: Sequence[Row]) -> tuple[str, ...]:
    title, measure = STAGE_TITLES[stage]
    beyond = sum(row.passed is False for row in rows)
    greatest = max((row.error for row in rows if row.error is not None), default=None)
    tolerance = error_text(getattr(report.tolerances, stage))
    return title, str(len(rows)), str(beyond or "–"), error_text(greatest), tolerance, measure


def _differing(report: MigrationReport, row: Row) -> str:
    a, b = names_of(row)
    words = [
        *(["first divergence"] if is_first_divergence(report, row) else []),
        row.note,
        *figure_words(row),
    ]
    title = STAGE_TITLES[row.stage][0].lower()
    cells = (
        a or title,
        b if row.stage == "layers" or b != a else "",
        error_text(row.error),
        verdict_text(row),
        "; ".join(filter(None, words)),
    )
    return _row(cells, (_LEFT, _LEFT, _RIGHT, f"{_LEFT};color:{_DIFFERS}", f"{_LEFT};opacity:.75"))


def _chart(report: MigrationReport) -> str:
    """Draw the errors of the layers; the rest of the page stays if they cannot be drawn."""
    from explain.migration.presentation.layer_chart import plot_layers

    try:
        chart = plot_layers(report)
        return (
            ""
            if chart is None
            else image_html(chart, f"The errors of the layers. {divergence_sentence(report)}")
        )
    except Exception as cause:
        return f'<div style="{_QUIET}">The chart is not drawn: {html.escape(reason(cause))}</div>'


def _table(headings: Sequence[str], rows: Iterable[str]) -> str:
    cells = "".join(
        f'<th style="{_RIGHT if one in _NUMBERS else _LEFT};font-weight:600">{html.escape(one)}</th>'
        for one in headings
    )
    head = f"<thead><tr>{cells}</tr></thead>" if headings else ""
    style = "border-collapse:collapse;margin:.6em 0;font-size:.95em"
    return f'<table style="{style}">{head}<tbody>{"".join(rows)}</tbody></table>'


def _row(cells: Iterable[str], styles: Sequence[str]) -> str:
    written = "".join(
        f'<td style="{style};{_RULE}">{html.escape(cell)}</td>'
        for cell, style in zip(cells, styles, strict=True)
    )
    return f'<tr style="background:none">{written}</tr>'
