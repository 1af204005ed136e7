"""The marks of figures of metrics, which differ in shape as well as in colour, and the legend that explains them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explain.render.colours import MARK, SECOND_MARK
from explain.render.parts.lines import SMALL
from explain.render.parts.sheet import MUTED, Sheet, line_height, text_width

BEST: dict[str, Any] = {"marker": "o", "s": 26, "facecolors": MARK, "edgecolors": MARK, "linewidths": 1.0}
OTHER: dict[str, Any] = {"marker": "o", "s": 26, "facecolors": "white", "edgecolors": MARK, "linewidths": 1.0}
NO_BEST: dict[str, Any] = {
    "marker": "s",
    "s": 20,
    "facecolors": MUTED,
    "edgecolors": MUTED,
    "linewidths": 1.0,
}
EXAMPLE: dict[str, Any] = {"marker": "o", "s": 8, "facecolors": MARK, "alpha": 0.35, "linewidths": 0}
CHOSEN: dict[str, Any] = {
    "marker": "D",
    "s": 22,
    "facecolors": SECOND_MARK,
    "edgecolors": "white",
    "linewidths": 0.6,
}
BAR: dict[str, Any] = {"color": MARK, "linewidth": 1.8, "solid_capstyle": "butt"}
MEAN_CURVE: dict[str, Any] = {"color": MARK, "linewidth": 1.9}
THIN_CURVE: dict[str, Any] = {"color": MARK, "linewidth": 0.6, "alpha": 0.25}
CHOSEN_CURVE: dict[str, Any] = {"color": SECOND_MARK, "linewidth": 1.5, "linestyle": (0, (4, 1.5))}
FIRST_CURVE: dict[str, Any] = {"color": MUTED, "linewidth": 1.0, "linestyle": (0, (2, 1.5))}

# Numbers beside ticks are easy to count on with these steps.
TICK_STEPS = (1, 2, 2.5, 5, 10)

Entry = tuple[dict[str, Any], str]

_SAMPLE = 0.24
_WORDS_GAP = 0.08
_APART = 0.3


def legend(sheet: Sheet, left: float, top: float, width: float, entries: Sequence[Entry]) -> float:
    """Explain marks and lines, in as many lines of text as they need; give the top of what follows.

    Parameters
    ----------
    sheet : Sheet
        Where to write.
    left, top, width : float
        The place, in inches.
    entries : sequence of (dict, str)
        The style of a mark, or of a line, and its words.

    Examples
    --------
    >>> sheet = Sheet(4, 1)
    >>> round(legend(sheet, 0.1, 0.1, 3.8, [(BEST, "best"), (OTHER, "another")]), 2)
    0.26
    """
    for line in _in_lines(entries, width):
        axes = sheet.axes(left, top, width, line_height(SMALL))
        axes.set_xlim(0, width)
        axes.set_ylim(0, 1)
        axes.axis("off")
        at = 0.0
        for style, words in line:
            if "marker" in style:
                axes.scatter([at + _SAMPLE / 2], [0.5], clip_on=False, **style)
            else:
                axes.plot([at, at + _SAMPLE], [0.5, 0.5], **style)
            sheet.write(left + at + _SAMPLE + _WORDS_GAP, top, words, SMALL, color=MUTED)
            at += _wide(words)
        top += line_height(SMALL) + 0.02
    return top


def legend_height(width: float, entries: Sequence[Entry]) -> float:
    """Give the height in inches that `legend` will take.

    Examples
    --------
    >>> legend_height(1.0, [(BEST, "best"), (OTHER, "another")]) > legend_height(4.0, [(BEST, "best")])
    True
    """
    return len(_in_lines(entries, width)) * (line_height(SMALL) + 0.02)


def _wide(words: str) -> float:
    return _SAMPLE + _WORDS_GAP + text_width(words, SMALL) + _APART


def _in_lines(entries: Sequence[Entry], width: float) -> list[list[Entry]]:
    lines: list[list[Entry]] = []
    used = width
    for entry in entries:
        needed = _wide(entry[1])
        if not lines or used + needed - _APART > width:
            lines.append([])
            used = 0.0
        lines[-1].append(entry)
        used += needed
    return lines
