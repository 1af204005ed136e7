"""The figure of pairs of images, and of pairs of sequences drawn as images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from explain.render.arguments import Drawn
from explain.render.kinds.image import (
    COLORBAR_ROOM,
    COLORBAR_WIDTH,
    LEAST_BAR,
    TIME_ROOM,
    bar_height,
    input_heading,
    input_pictures,
    map_size,
)
from explain.render.parts.caption import PAIR_GAP, SMALL, Line, head, pair_lines, similarity_lines, under_maps
from explain.render.parts.drawing import draw_colorbar, draw_heatmap, draw_picture, label_time
from explain.render.parts.page import GAP, MARGIN, Heading, Row, compose, place_columns
from explain.render.parts.sheet import Sheet, line_height, wrap
from explain.results.view import input_name, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Between a map and the words under it.
WORDS_GAP = 0.04
# Score and delta fit on one line under a map of this width, and so do steps and the map's error on two.
LEAST_COLUMN = 1.55


def plot_image_pairs(drawn: Drawn) -> Figure:
    """Draw input, map and map in each row, and their difference if there is one, on one scale."""
    rows_as_time = view(drawn.first) == "rows"
    pictures = input_pictures(drawn)
    width, height = map_size(drawn)
    names = [input_heading(pictures, input_name(drawn.first)), *drawn.labels]
    room = TIME_ROOM if rows_as_time else 0.0
    (input_left, *lefts), right = place_columns(
        names, [width] * len(names), rooms=(0.0, room, *[0.0] * (len(names) - 2)), least=LEAST_COLUMN
    )
    column = lefts[1] - lefts[0] - GAP
    bar_left = right + GAP + 0.04
    middles = [left + width / 2 for left in lefts]
    lines_under = under_maps(drawn.attributions, drawn.examples, column)
    unders = {
        example: _words_under(drawn, example, middles, column, lines_under[example])
        for example in drawn.examples
    }

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        example, scale = drawn.examples[index], drawn.scales[index]
        draw_picture(sheet.axes(input_left, top, width, height), pictures[index])
        for which, left in enumerate(lefts):
            numbers = drawn.maps[which][example]
            panel = sheet.axes(left, top, width, height)
            draw_heatmap(panel, numbers, scale)
            if rows_as_time and which == 0:
                label_time(panel, len(numbers))
        below = top + height + WORDS_GAP
        for word in unders[example]:
            color = word.line.color
            sheet.write(word.middle, below + word.top, word.text, word.line.size, color=color, align="center")
        if not drawn.shared:
            cax = sheet.axes(bar_left, top, COLORBAR_WIDTH, bar_height([top], height))
            draw_colorbar(cax, scale, *(maps[example] for maps in drawn.maps), label="attribution")

    def row_height(example: int) -> float:
        bottom = max(word.top for word in unders[example]) + line_height(SMALL)
        return max(height + WORDS_GAP + bottom, LEAST_BAR)

    rows = [
        Row(
            pair_lines(drawn.attributions, example),
            row_height(example),
            partial(draw_row, index),
        )
        for index, example in enumerate(drawn.examples)
    ]
    sheet, tops = compose(
        header=head(drawn.attributions, len(drawn.examples)),
        headings=[Heading(name, left, width) for name, left in zip(names, (input_left, *lefts), strict=True)],
        rows=rows,
        width=bar_left + COLORBAR_WIDTH + COLORBAR_ROOM + MARGIN,
        notes=drawn.notes,
    )
    if drawn.shared:
        cax = sheet.axes(bar_left, tops[0], COLORBAR_WIDTH, bar_height(tops, height))
        words = drawn.scale_words("" if rows_as_time else "channels")
        draw_colorbar(cax, drawn.scales[0], *drawn.shown_maps(), label=words)
    return sheet.figure


@dataclass(frozen=True)
class _Words:
    """One line of words under a pair: its middle, how far down it is, and how it looks."""

    middle: float
    top: float
    text: str
    line: Line


def _words_under(
    drawn: Drawn,
    example: int,
    middles: Sequence[float],
    column: float,
    lines_under: Sequence[Sequence[Line]],
) -> list[_Words]:
    """Place the words under each map of a pair and, below them, those under both; none under their difference."""
    placed: list[_Words] = []
    step = line_height(SMALL)
    middles = middles[: len(lines_under)]
    for middle, lines in zip(middles, lines_under, strict=True):
        wrapped = [(text, line) for line in lines for text in wrap(line.text, column, line.size)]
        placed += [_Words(middle, row * step, text, line) for row, (text, line) in enumerate(wrapped)]
    if drawn.comparison is not None:
        top = max(word.top for word in placed) + step + PAIR_GAP
        centre = sum(middles) / len(middles)
        both = similarity_lines(drawn.comparison, example, 2 * column + GAP)
        placed += [_Words(centre, top + row * step, line.text, line) for row, line in enumerate(both)]
    return placed
