"""Paragraphs of text on a sheet: their style, their height, and writing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explain.render.parts.sheet import MUTED, Sheet, Weight, line_height, wrap

CAPTION_WIDTH = 1.72
SMALL = 7.5
SEPARATOR = "  ·  "


@dataclass(frozen=True)
class Line:
    """One paragraph: its text, size in points, weight and colour, and the most lines that it may take."""

    text: str
    size: float = 8.0
    weight: Weight = "normal"
    color: str = MUTED
    most: int = 3


def write_lines(
    sheet: Sheet, left: float, top: float, lines: Sequence[Line], width: float = CAPTION_WIDTH
) -> float:
    """Write paragraphs below each other, wrapped to `width` inches; give the top of a next paragraph."""
    for line in lines:
        for text in wrap(line.text, width, line.size, weight=line.weight, most=line.most):
            top = sheet.write(left, top, text, line.size, color=line.color, weight=line.weight)
    return top


def lines_height(lines: Sequence[Line], width: float = CAPTION_WIDTH) -> float:
    """Give the height in inches that `write_lines` will take."""
    return sum(
        line_height(line.size) * len(wrap(line.text, width, line.size, weight=line.weight, most=line.most))
        for line in lines
    )
