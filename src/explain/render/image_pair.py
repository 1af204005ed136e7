"""The figure of pairs of images, and of pairs of sequences drawn as images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from explain.render.arguments import Drawn
from explain.render.caption import SMALL, Line, head, pair_lines, similarity_lines, under_map
from explain.render.drawing import draw_colorbar, draw_heatmap, draw_picture, label_time
from explain.render.image import (
    COLORBAR_ROOM,
    COLORBAR_WIDTH,
    LEAST_BAR,
    TIME_ROOM,
    bar_height,
    input_heading,
    input_pictures,
    map_size,
)
from explain.render.page import GAP, MARGIN, Heading, Row, compose, place_columns
from explain.render.sheet import Sheet, line_height, wrap
from explain.render.view import view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Between a map and the words under it.
WORDS_GAP = 0.04
# Score and delta fit under a map of this width.
LEAST_COLUMN = 1.55


def plot_image_pairs(drawn: Drawn) -> Figure:
    """Draw input, map and map in each row, on one scale."""
    rows_as_time = view(drawn.first) == "rows"
    pictures = input_pictures(drawn)
    width, height = map_size(drawn)
    names = [input_heading(pictures), *drawn.labels]
    room = TIME_ROOM if rows_as_time else 0.0
    (input_left, *lefts), right = place_columns(
        names, [width] * 3, rooms=(0.0, room, 0.0), least=LEAST_COLUMN
    )
    column = lefts[1] - lefts[0] - GAP
    bar_left = right + GAP + 0.04
    unders = {
        example: _words_under(drawn, example, [left + width / 2 for left in lefts], column)
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
        for (middle, line_number, text), line in unders[example]:
            at = below + line_number * line_height(line.size)
            sheet.write(middle, at, text, line.size, color=line.color, align="center")
        if not drawn.shared:
            cax = sheet.axes(bar_left, top, COLORBAR_WIDTH, bar_height([top], height))
            draw_colorbar(cax, scale, *(maps[example] for maps in drawn.maps), label="attribution")

    def row_height(example: int) -> float:
        lines = 1 + max(line_number for (_, line_number, _), _ in unders[example])
        return max(height + WORDS_GAP + lines * line_height(SMALL), LEAST_BAR)

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


def _words_under(
    drawn: Drawn, example: int, middles: Sequence[float], column: float
) -> list[tuple[tuple[float, int, str], Line]]:
    """Place the words under a pair of maps: (middle, line number, text) with their look."""
    placed = []
    used = 0
    for middle, attribution in zip(middles, drawn.attributions, strict=True):
        line = under_map(attribution, example)
        for row, text in enumerate(wrap(line.text, column, line.size)):
            placed.append(((middle, row, text), line))
            used = max(used, row + 1)
    if drawn.comparison is not None:
        centre = sum(middles) / 2
        for row, line in enumerate(similarity_lines(drawn.comparison, example, 2 * column + GAP)):
            placed.append(((centre, used + row, line.text), line))
    return placed
