"""The figure of pairs of images, and of pairs of sequences drawn as images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explain.render.drawn import Drawn
from explain.render.kinds.image import TIME_ROOM, input_heading, input_pictures, map_size
from explain.render.parts.axes import label_time
from explain.render.parts.colour_bar import LEAST_BAR, BarColumn
from explain.render.parts.example_rows import compose_examples
from explain.render.parts.lines import SMALL, Line
from explain.render.parts.page import GAP, Heading, place_columns
from explain.render.parts.pair_caption import PAIR_GAP, similarity_lines, under_maps
from explain.render.parts.panels import draw_heatmap, draw_picture
from explain.render.parts.sheet import Sheet, line_height, wrap
from explain.render.series.clock import clock_of
from explain.results.view import input_name, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The space between a map and the text below it.
WORDS_GAP = 0.04
# Below a map of this width, score and delta fit on one line, and steps and map error on two.
LEAST_COLUMN = 1.55


def plot_image_pairs(drawn: Drawn) -> Figure:
    """Draw the input, both maps and, if there is one, their difference in each row, on one scale."""
    rows_as_time = view(drawn.first) == "rows"
    pictures = input_pictures(drawn)
    clock = clock_of(drawn.first.display, drawn.first.layout, drawn.maps[0].shape[1])
    width, height = map_size(drawn)
    names = [input_heading(pictures, input_name(drawn.first)), *drawn.labels]
    room = TIME_ROOM if rows_as_time else 0.0
    (input_left, *lefts), right = place_columns(
        names, [width] * len(names), rooms=(0.0, room, *[0.0] * (len(names) - 2)), least=LEAST_COLUMN
    )
    column = lefts[1] - lefts[0] - GAP
    bars = BarColumn(drawn, right, height, "" if rows_as_time else "channels")
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
            draw_heatmap(panel, numbers, scale, rows=rows_as_time)
            if rows_as_time and which == 0:
                label_time(panel, len(numbers), clock.name, clock.unit)
        below = top + height + WORDS_GAP
        for word in unders[example]:
            color = word.line.color
            sheet.write(word.middle, below + word.top, word.text, word.line.size, color=color, align="center")
        bars.draw_row(sheet, top, index)

    def row_height(index: int) -> float:
        bottom = max(word.top for word in unders[drawn.examples[index]]) + line_height(SMALL)
        return max(height + WORDS_GAP + bottom, LEAST_BAR)

    page = compose_examples(
        drawn,
        draw_row,
        height=row_height,
        headings=[
            *(Heading(name, left, width) for name, left in zip(names, (input_left, *lefts), strict=True)),
            *bars.headings,
        ],
        width=bars.page_width,
    )
    return page.sheet.figure


@dataclass(frozen=True)
class _Words:
    """One line of text below a pair: its centre, its distance from the top, and its style."""

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
    """Place the text below each map of a pair, then the text for both; nothing below their difference."""
    placed: list[_Words] = []
    step = line_height(SMALL)
    middles = middles[: len(lines_under)]
    for middle, lines in zip(middles, lines_under, strict=True):
        wrapped = [(text, line) for line in lines for text in wrap(line.text, column, line.size)]
        placed += [_Words(middle, row * step, text, line) for row, (text, line) in enumerate(wrapped)]
    both = similarity_lines(drawn.comparison, example, 2 * column + GAP)
    top = max(word.top for word in placed) + step + PAIR_GAP
    centre = sum(middles) / len(middles)
    placed += [_Words(centre, top + row * step, line.text, line) for row, line in enumerate(both)]
    return placed
