"""A comparison as a part of a page: its figures as a table, and both maps of the least similar examples."""

from __future__ import annotations

import html
from collections.abc import Iterable

import numpy as np

from explain.render.notebook import image_html, reason
from explain.results.comparison import FIGURES, TITLES, Comparison, figure_text

# How many examples the table and the picture have.
MOST_IN_TABLE = 10
MOST_IN_PICTURE = 2

_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif"
_QUIET = "opacity:.75;font-size:.85em"
_CELL = "text-align:right;padding:.2em 0 .2em 1.4em;background:none;font-variant-numeric:tabular-nums"
_RULE = "border-top:1px solid rgba(128,128,128,.45)"


def comparison_html(comparison: Comparison) -> str:
    """Write how similar two attributions are, the least similar examples first, with a picture if there are maps.

    Parameters
    ----------
    comparison : Comparison
        From `explain.compare`; one that was made by hand has no maps.

    Returns
    -------
    str
        One ``<div class="explain-comparison">`` that needs no other file. All text is escaped.

    Examples
    --------
    >>> one = np.ones(1)
    >>> page = comparison_html(Comparison(0.25 * one, one, one, one, np.nan * one, labels=("a", "<b>")))
    >>> "0.250" in page, "&lt;b&gt;" in page
    (True, True)
    """
    order = np.argsort(-comparison.relative_l2, kind="stable")[:MOST_IN_TABLE]
    count = len(comparison)
    title = html.escape(" and ".join(comparison.labels))
    about = f"{count:,} example{'' if count == 1 else 's'}"
    if count > 1:
        about += ", the least similar first"
    if count > len(order):
        about += f"; {count - len(order):,} more are left out"
    rows = [_row(str(int(example)), comparison.texts(int(example)).values()) for example in order]
    if count > 1:
        means = (figure_text(name, value) for name, value in comparison.mean.items())
        rows.append(_row("mean", means, f"font-weight:600;{_RULE}"))
    titles = ("example", *(TITLES[name] for name in FIGURES))
    heads = "".join(f'<th style="{_CELL};font-weight:600">{html.escape(one)}</th>' for one in titles)
    parts = [
        f'<div style="font-weight:600;font-size:1.1em">{title}</div>',
        f'<div style="{_QUIET}">{about}</div>',
        f'<table style="border-collapse:collapse;margin:.6em 0;font-size:.95em"><thead><tr>{heads}</tr></thead>',
        f"<tbody>{''.join(rows)}</tbody></table>",
    ]
    if comparison.differences:
        listed = "".join(f"<li>{html.escape(one)}</li>" for one in comparison.differences)
        parts.append(
            f'<div style="{_QUIET}">differing, as they may:<ul style="margin:.2em 0 .6em">{listed}</ul></div>'
        )
    parts.append(_picture(comparison, [int(example) for example in order]))
    return f'<div class="explain-comparison" style="{_FONT}">{"".join(parts)}</div>'


def _row(name: str, texts: Iterable[str], style: str = "") -> str:
    cells = "".join(
        f'<td style="{_CELL};{style or _RULE}">{html.escape(text)}</td>' for text in (name, *texts)
    )
    return f'<tr style="background:none">{cells}</tr>'


def _picture(comparison: Comparison, order: list[int]) -> str:
    """Draw both maps of the least similar examples; the table stays if they cannot be drawn."""
    if comparison.attributions is None:
        return ""
    from explain.render.pair import plot_pair

    shown = order[:MOST_IN_PICTURE]
    try:
        figure = plot_pair(*comparison.attributions, comparison=comparison, examples=shown, difference=True)
    except Exception as cause:
        return f'<div style="{_QUIET}">The maps are not drawn: {html.escape(reason(cause))}</div>'
    return image_html(figure, f"Both maps of examples {', '.join(map(str, shown))}, and their difference.")
