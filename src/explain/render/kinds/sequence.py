"""Sequences of named steps: each step is a cell in the colour of its relevance, with a bar below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle

from explain.render.colours import Scale, sign_colors
from explain.render.drawn import Drawn
from explain.render.parts.axes import say_all_zero
from explain.render.parts.colour_bar import LEAST_BAR, BarColumn, draw_colorbar
from explain.render.parts.example_rows import compose_examples
from explain.render.parts.lines import SMALL, Line, lines_height, write_lines
from explain.render.parts.page import CONTENT_LEFT, MARGIN, Heading
from explain.render.parts.pair_caption import similarity_lines, under_maps
from explain.render.parts.sheet import RULE, Sheet, elide, text_width
from explain.render.parts.steps import Step, steps, visible
from explain.render.parts.text_contrast import text_color
from explain.results.heatmap import Floats
from explain.results.view import has_token_ids

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL_HEIGHT = 0.4
BARS_HEIGHT = 0.5
CELL_SIZE = 12.0
# Cells of one character are squares; cells of words have the width of the longest word, up to this limit.
CELL_WIDTH_MOST = 1.2
# Space for names of 20 characters on one line.
LINE_WIDTH = 8.0
LINE_GAP = 0.16
# A sequence that needs more lines has smaller cells, without bars.
MOST_LINES = 6
COMPACT_HEIGHT = 0.27
COMPACT_SIZE = 8.5
COMPACT_GAP = 0.05
# The space between the cells of a pair and the text above and below them.
LABEL_GAP = 0.05
# A horizontal colour bar with its ticks and label.
BAR_WIDTH = 2.6
BAR_ROOM = 0.66


def draw_characters(axes: Axes, shown: Sequence[Step], scale: Scale, *, cells: int | None = None) -> None:
    """Draw steps as cells in the colours of a scale, with signed bars below them.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; one line of cells.
    shown : sequence of Step
        The steps, see `steps`.
    scale : Scale
        The scale of the colours and of the bars' heights.
    cells : int, optional
        The number of cells across the axes; by default the number of steps.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_characters(axes, [Step("H", 1.0), Step("o", -0.5)], Scale(-1, 1, True, 99))
    >>> [text.get_text() for text in axes.texts]
    ['H', 'o']
    """
    _draw_line(axes, shown, scale, max(cells if cells is not None else len(shown), 1))
    if not any(step.relevance for step in shown):
        say_all_zero(axes)


def _draw_line(axes: Axes, shown: Sequence[Step], scale: Scale, count: int) -> None:
    """Draw one line of cells, `count` of which would fill it, and their bars."""
    axes.set_xlim(0, count)
    axes.set_ylim(-BARS_HEIGHT, CELL_HEIGHT)
    axes.axis("off")
    relevance = np.array([step.relevance for step in shown])
    reach = BARS_HEIGHT / 2 if scale.signed else BARS_HEIGHT
    heights = np.sign(relevance) * scale.strength(relevance) * (reach - 0.04)
    axes.plot([0.04, len(shown) - 0.04], [-reach, -reach], color=RULE, linewidth=0.6)
    room = axes.get_window_extent().width / axes.figure.dpi / count - 0.06
    colors = zip(scale.colors(relevance), sign_colors(relevance, scale), strict=True)
    for index, (step, (color, bar)) in enumerate(zip(shown, colors, strict=True)):
        axes.add_patch(
            Rectangle((index + 0.03, 0.03), 0.94, CELL_HEIGHT - 0.03, facecolor=color, linewidth=0)
        )
        axes.add_patch(Rectangle((index + 0.25, -reach), 0.5, heights[index], facecolor=bar, linewidth=0))
        _write(axes, step, (index + 0.5, CELL_HEIGHT / 2 + 0.01), room, CELL_SIZE, color)


def _draw_small_cells(axes: Axes, shown: Sequence[Step], scale: Scale, grid: CellGrid) -> None:
    """Draw all lines of a long sequence into one axes: a thousand axes would take a minute."""
    axes.set_xlim(0, grid.per_line)
    axes.set_ylim(grid.height(len(shown)), 0)
    axes.axis("off")
    places = [divmod(index, grid.per_line) for index in range(len(shown))]
    tops = [row * (grid.line_height + grid.line_gap) for row, _ in places]
    colors = scale.colors(np.array([step.relevance for step in shown]))
    for step, (_, column), top, color in zip(shown, places, tops, colors, strict=True):
        cell = Rectangle((column + 0.03, top), 0.94, COMPACT_HEIGHT - 0.03, facecolor=color, linewidth=0)
        axes.add_patch(cell)
        middle = (column + 0.5, top + (COMPACT_HEIGHT - 0.03) / 2)
        _write(axes, step, middle, grid.cell - 0.06, COMPACT_SIZE, color)


def _write(
    axes: Axes, step: Step, middle: tuple[float, float], room: float, size: float, color: Floats
) -> None:
    """Write the name of a step into its cell."""
    axes.text(
        *middle,
        elide(visible(step.name), room, size),
        color=text_color(color),
        fontsize=size,
        ha="center",
        va="center_baseline",
        parse_math=False,
    )


def plot_characters(drawn: Drawn) -> Figure:
    """Draw sequences of named steps of one or two attributions; long sequences are broken into lines."""
    shown = [
        [steps(one, example, channels=drawn.channels) for one in drawn.panels] for example in drawn.examples
    ]
    grid = cell_grid([sequence for both in shown for sequence in both])
    content = max(grid.width, BAR_WIDTH + 0.6, 4.6 if drawn.labels else 0.0)
    overs = (
        under_maps(drawn.attributions, drawn.examples, content, drawn.labels[: len(drawn.attributions)])
        if drawn.labels
        else {}
    )
    if drawn.difference is not None:
        overs = {example: [*lines, [Line(drawn.labels[-1], SMALL)]] for example, lines in overs.items()}
    beside = bars_beside(drawn, content)

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        scale, example, row_top = drawn.scales[index], drawn.examples[index], top
        for which, sequence in enumerate(shown[index]):
            if drawn.labels:
                top = write_lines(sheet, CONTENT_LEFT, top, overs[example][which], content) + LABEL_GAP
            top = draw_lines(sheet, CONTENT_LEFT, top, sequence, scale, grid) + (
                LABEL_GAP if drawn.labels else 0.0
            )
        top = write_lines(
            sheet, CONTENT_LEFT, top, similarity_lines(drawn.comparison, example, content), content
        )
        if beside is not None:
            beside.draw_row(sheet, row_top, index)
        elif not drawn.shared:
            draw_bar_below(sheet, top, scale, drawn.maps_of_example(example), "attribution")

    def row_height(index: int) -> float:
        example = drawn.examples[index]
        height = sum(grid.height(len(sequence)) for sequence in shown[index])
        for lines in overs.get(example, []):
            height += lines_height(lines, content) + 2 * LABEL_GAP
        height += lines_height(similarity_lines(drawn.comparison, example, content), content)
        if beside is not None:
            return max(height, LEAST_BAR)
        return height + (0.0 if drawn.shared else BAR_ROOM)

    page = compose_examples(
        drawn,
        draw_row,
        height=row_height,
        headings=[
            *([Heading("token ids", CONTENT_LEFT, grid.width)] if _shows_ids(drawn) else []),
            *(beside.headings if beside is not None else []),
        ],
        width=CONTENT_LEFT + content + MARGIN if beside is None else beside.page_width,
        below=BAR_ROOM if drawn.shared and beside is None else 0.0,
    )
    if drawn.shared and beside is None:
        draw_bar_below(
            page.sheet, page.bottom, drawn.scales[0], drawn.shown_maps(), drawn.scale_words("features")
        )
    return page.sheet.figure


def _shows_ids(drawn: Drawn) -> bool:
    """Whether the cells have token ids instead of names."""
    return has_token_ids(drawn.first) and not drawn.first.display.step_names


@dataclass(frozen=True)
class CellGrid:
    """The width of a cell, in inches, the number of cells on a line, and whether cells are small, without bars."""

    cell: float
    per_line: int
    compact: bool = False

    @property
    def width(self) -> float:
        """The width of a full line in inches."""
        return self.cell * self.per_line

    @property
    def line_height(self) -> float:
        """The height in inches of a line of cells, with the bars below them."""
        return COMPACT_HEIGHT if self.compact else CELL_HEIGHT + BARS_HEIGHT

    @property
    def line_gap(self) -> float:
        """The space between lines in inches."""
        return COMPACT_GAP if self.compact else LINE_GAP

    def height(self, count: int) -> float:
        """Give the height in inches of `count` cells."""
        lines = max(1, -(-count // self.per_line))
        return lines * self.line_height + (lines - 1) * self.line_gap


def cell_grid(shown: Sequence[Sequence[Step]]) -> CellGrid:
    """Give a cell size that is wide enough for the names of all sequences of a figure."""
    grid = _grid(shown, CELL_SIZE, CELL_HEIGHT, 0.16)
    longest = max([1, *(len(sequence) for sequence in shown)])
    if longest <= MOST_LINES * grid.per_line:
        return grid
    return replace(_grid(shown, COMPACT_SIZE, COMPACT_HEIGHT, 0.1), compact=True)


def _grid(shown: Sequence[Sequence[Step]], size: float, least: float, room: float) -> CellGrid:
    """Give the grid for names of a given size; a cell has a least width, and room beside its name."""
    names = {step.name for sequence in shown for step in sequence}
    widest = max((text_width(visible(name), size) for name in names), default=0.0)
    cell = min(max(least, widest + room), CELL_WIDTH_MOST)
    longest = max([1, *(len(sequence) for sequence in shown)])
    fitting = max(1, int(LINE_WIDTH / cell))
    # Distribute the cells evenly over the lines, so that the last line is not nearly empty.
    return CellGrid(cell, -(-longest // -(-longest // fitting)))


def draw_lines(
    sheet: Sheet, left: float, top: float, shown: Sequence[Step], scale: Scale, grid: CellGrid
) -> float:
    """Draw a sequence in as many lines as it needs; give the bottom of the last line."""
    height = grid.height(len(shown))
    if grid.compact:
        first = sheet.axes(left, top, grid.width, height)
        _draw_small_cells(first, shown, scale, grid)
    else:
        lines = [
            shown[start : start + grid.per_line] for start in range(0, max(len(shown), 1), grid.per_line)
        ]
        step = grid.line_height + grid.line_gap
        each = [sheet.axes(left, top + row * step, grid.width, grid.line_height) for row in range(len(lines))]
        for axes, line in zip(each, lines, strict=True):
            _draw_line(axes, line, scale, grid.per_line)
        first = each[0]
    # A line of zeros in a sequence with relevance is legible as it is.
    if not any(one.relevance for one in shown):
        say_all_zero(first)
    return top + height


def bars_beside(drawn: Drawn, content: float) -> BarColumn | None:
    """Give the bars beside the rows of a figure of several examples that have one scale; one example has one below."""
    if not drawn.shared or len(drawn.examples) == 1:
        return None
    return BarColumn(drawn, CONTENT_LEFT + content, LEAST_BAR, "features")


def draw_bar_below(sheet: Sheet, bottom: float, scale: Scale, maps: Sequence[Floats], label: str) -> None:
    """Draw a horizontal colour bar below `bottom`."""
    cax = sheet.axes(CONTENT_LEFT + 0.15, bottom + 0.16, BAR_WIDTH, 0.11)
    draw_colorbar(cax, scale, *maps, label=label)
