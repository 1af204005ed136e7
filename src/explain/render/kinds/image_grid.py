"""Many pictures at a glance: a grid of inputs, each beside its map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.render.drawn import Drawn
from explain.render.kinds.image import input_heading, input_pictures
from explain.render.parts.caption import head, predicted_text, score_text, target_text
from explain.render.parts.colour_bar import draw_colorbar
from explain.render.parts.lines import Line, lines_height, write_lines
from explain.render.parts.page import GAP, MARGIN, ROW_GAP, panel_size
from explain.render.parts.panels import draw_heatmap, draw_picture
from explain.render.parts.sheet import ALERT, INK, MUTED, Sheet, elide, line_height
from explain.results.view import input_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# As wide as the page of a notebook; three square pictures with their maps fit side by side.
_PAGE = 8.6
_MOST_COLUMNS = 4
_PANEL = 1.28
_CELL_GAP = 0.3
# What is narrower has room for its caption.
_LEAST_CELL = 1.9
_TITLE, _SMALL = 8.5, 7.5
_BAR_WIDTH, _BAR_HEIGHT, _BAR_ROOM = 3.2, 0.11, 0.42


def plot_grid(drawn: Drawn, *, left_out: str = "") -> Figure:
    """Draw images as a grid: each cell has the target and the score, the input and its map; one scale for all.

    Parameters
    ----------
    drawn : Drawn
        Of images, with one scale for all examples.
    left_out : str
        What is not shown, written in the head.

    Returns
    -------
    matplotlib.figure.Figure
        As from `explain.render.plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.render.arguments import Choices, check_arguments
    >>> from explain.results.attribution import Attribution
    >>> ones = np.ones((2, 3, 8, 8), np.float32)
    >>> drawn = check_arguments([Attribution(ones, ones, "NCHW", "saliency", np.ones(2))], Choices())
    >>> len(plot_grid(drawn).axes)  # two inputs, two maps, the colour bar
    5
    """
    pictures = input_pictures(drawn)
    dots_high, dots_wide = drawn.maps[0].shape[1:3]
    width, height = panel_size(dots_high, dots_wide, _PANEL)
    cell = max(2 * width + GAP / 2, _LEAST_CELL)
    fitting = int((_PAGE + _CELL_GAP) / (cell + _CELL_GAP))
    columns = max(1, min(fitting, _MOST_COLUMNS, len(drawn.examples)))
    inner = max(columns * cell + (columns - 1) * _CELL_GAP, _BAR_WIDTH + 1.5)
    header = head(drawn.attributions, len(drawn.first))
    words = " and ".join((input_heading(pictures, input_name(drawn.first)), "attribution"))
    header += [Line(f"{left_out or f'{len(drawn.examples)} examples'}, each with its {words}", 8.5)]
    notes = [Line(f"Warning: {note}", _SMALL, color=ALERT, most=12) for note in drawn.notes]
    caption = line_height(_TITLE) + line_height(_SMALL) + 0.04
    rows = -(-len(drawn.examples) // columns)
    top = MARGIN + lines_height(header, inner) + 0.16
    bottom = top + rows * (caption + height) + (rows - 1) * ROW_GAP
    room = lines_height(notes, inner) + 0.1 if notes else 0.0
    sheet = Sheet(inner + 2 * MARGIN, bottom + 0.2 + _BAR_HEIGHT + _BAR_ROOM + room + MARGIN / 2)
    write_lines(sheet, MARGIN, MARGIN, header, inner)
    for index, example in enumerate(drawn.examples):
        row, column = divmod(index, columns)
        left = MARGIN + column * (cell + _CELL_GAP)
        above = top + row * (caption + height + ROW_GAP)
        _write_caption(sheet, drawn, example, left, above, cell)
        draw_picture(sheet.axes(left, above + caption, width, height), pictures[index])
        panel = sheet.axes(left + width + GAP / 2, above + caption, width, height)
        draw_heatmap(panel, drawn.maps[0][example], drawn.scales[0])
    bar = sheet.axes(MARGIN + 0.12, bottom + 0.2, _BAR_WIDTH, _BAR_HEIGHT)
    draw_colorbar(bar, drawn.scales[0], *drawn.shown_maps(), label=drawn.scale_words("channels"))
    write_lines(sheet, MARGIN, bottom + 0.2 + _BAR_HEIGHT + _BAR_ROOM + 0.1, notes, inner)
    return sheet.figure


def _write_caption(sheet: Sheet, drawn: Drawn, example: int, left: float, top: float, width: float) -> None:
    """Write the target as a title, below it the score and what is not as expected."""
    one = drawn.first
    title = target_text(one, example)
    names = one.display.example_names
    # Of a path, the end tells the examples apart.
    place = names[example].rpartition("/")[2] if example < len(names) else f"example {example}"
    parts = [score_text(one, example), place]
    predicted = predicted_text(one, example)
    if predicted is not None and predicted != f"predicted {title}":
        parts.insert(1, predicted)
    top = sheet.write(left, top, elide(title, width, _TITLE, "bold"), _TITLE, color=INK, weight="bold")
    sheet.write(left, top, elide(" · ".join(parts), width, _SMALL), _SMALL, color=MUTED)
