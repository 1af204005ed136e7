"""Sequences of named steps: each step a cell in the colour of its relevance, with a bar under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle

from explain.errors import RenderError
from explain.render.arguments import Drawn
from explain.render.parts.caption import (
    SMALL,
    Line,
    example_lines,
    head,
    lines_height,
    pair_lines,
    similarity_lines,
    under_maps,
    write_lines,
)
from explain.render.parts.contrast import text_color
from explain.render.parts.drawing import draw_colorbar, say_all_zero, sign_colors
from explain.render.parts.page import CONTENT_LEFT, MARGIN, Row, compose
from explain.render.parts.sheet import RULE, Sheet, elide, text_width
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule, Floats, Scale
from explain.results.view import maps_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL_HEIGHT = 0.4
BARS_HEIGHT = 0.5
CELL_SIZE = 12.0
# Cells of one character are squares; cells of words are as wide as the longest, up to this.
CELL_WIDTH_MOST = 1.2
# Room for names of 20 characters on one line.
LINE_WIDTH = 8.0
LINE_GAP = 0.16
# Between the words over and under the cells of a pair and the cells.
LABEL_GAP = 0.05
# A lying colour bar with its ticks and label.
BAR_WIDTH = 2.6
BAR_ROOM = 0.66


@dataclass(frozen=True)
class Step:
    """One real step of a sequence.

    Attributes
    ----------
    name : str
        E.g. the character.
    relevance : float
        Its attribution, features merged.
    """

    name: str
    relevance: float


def steps(attribution: Attribution, example: int, *, channels: ChannelRule = "sum") -> list[Step]:
    """Give the named steps of one sequence, without its padding.

    Parameters
    ----------
    attribution : Attribution
        Of sequences, with ``display.step_names``.
    example : int
        Which one.
    channels : {"sum", "mean", "abs_sum", "abs_max"}
        How the features of a step are merged, see `explain.render.heatmaps`.

    Returns
    -------
    list of Step
        In order; steps whose mask is False are left out.

    Raises
    ------
    RenderError
        If there are no names, or not one for each step (or each real step).

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([[[1.0, 1.0], [0.5, -1.0]]], np.float32)  # (N, T, C)
    >>> a = Attribution(values, values, "NTC", "saliency", np.ones(1))
    >>> steps(a.with_display(step_names=(("H", "o"),)), 0)
    [Step(name='H', relevance=2.0), Step(name='o', relevance=-0.5)]
    """
    names = attribution.display.step_names
    if example >= len(names):
        raise RenderError(
            f"display.step_names has names for {len(names)} of {len(attribution)} examples, none for example "
            f"{example}: give the names of the steps of every example, or none to draw rows over time."
        )
    relevance = maps_of(attribution, channels)[example]
    return _named(names[example], relevance, example)


def _named(names: Sequence[str], relevance: Floats, example: int) -> list[Step]:
    """Join names and numbers: one name for each of all steps, or for each real one."""
    real = ~np.isnan(relevance)
    if len(names) == len(relevance):
        chosen = [name for name, keep in zip(names, real, strict=True) if keep]
    elif len(names) == real.sum():
        chosen = list(names)
    elif len(names) < len(relevance) and real.all() and not relevance[len(names) :].any():
        # No mask was given; unnamed steps without relevance at the end are padding.
        chosen, real = list(names), np.arange(len(relevance)) < len(names)
    else:
        raise RenderError(
            f"display.step_names[{example}] has {len(names)} names but the sequence has {len(relevance)} "
            f"steps ({int(real.sum())} of them real): give a name for each."
        )
    return [Step(name, float(value)) for name, value in zip(chosen, relevance[real], strict=True)]


def draw_characters(axes: Axes, shown: Sequence[Step], scale: Scale, *, cells: int | None = None) -> None:
    """Draw steps as cells in the colours of a scale, with signed bars under them.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; a line of n cells, each as wide as it is told to be.
    shown : sequence of Step
        The steps, see `steps`.
    scale : Scale
        What the colours and the bars' heights mean.
    cells : int, optional
        How many cells fit across the axes; as many as there are steps if not given.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_characters(axes, [Step("H", 1.0), Step("o", -0.5)], Scale(-1, 1, True, 99))
    >>> [text.get_text() for text in axes.texts]
    ['H', 'o']
    """
    count = max(cells if cells is not None else len(shown), 1)
    axes.set_xlim(0, count)
    axes.set_ylim(-BARS_HEIGHT, CELL_HEIGHT)
    axes.axis("off")
    relevance = np.array([step.relevance for step in shown])
    colors = scale.colors(relevance)
    reach = BARS_HEIGHT / 2 if scale.signed else BARS_HEIGHT
    heights = np.sign(relevance) * scale.strength(relevance) * (reach - 0.04)
    zero = -reach
    axes.plot([0.04, len(shown) - 0.04], [zero, zero], color=RULE, linewidth=0.6)
    room = axes.get_window_extent().width / axes.figure.dpi / count - 0.06
    for index, (step, color, bar) in enumerate(
        zip(shown, colors, sign_colors(relevance, scale), strict=True)
    ):
        axes.add_patch(
            Rectangle((index + 0.03, 0.03), 0.94, CELL_HEIGHT - 0.03, facecolor=color, linewidth=0)
        )
        axes.add_patch(Rectangle((index + 0.25, zero), 0.5, heights[index], facecolor=bar, linewidth=0))
        axes.text(
            index + 0.5,
            CELL_HEIGHT / 2 + 0.01,
            elide(visible(step.name), room, CELL_SIZE),
            color=text_color(color),
            fontsize=CELL_SIZE,
            ha="center",
            va="center_baseline",
            parse_math=False,
        )
    if not relevance.any():
        say_all_zero(axes)


def plot_characters(drawn: Drawn) -> Figure:
    """Draw sequences of named steps of one or two attributions, broken into lines where they are long."""
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

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        scale, example = drawn.scales[index], drawn.examples[index]
        for which, sequence in enumerate(shown[index]):
            if drawn.labels:
                top = write_lines(sheet, CONTENT_LEFT, top, overs[example][which], content) + LABEL_GAP
            top = draw_lines(sheet, CONTENT_LEFT, top, sequence, scale, grid) + (
                LABEL_GAP if drawn.labels else 0.0
            )
        if drawn.comparison is not None:
            top = write_lines(
                sheet, CONTENT_LEFT, top, similarity_lines(drawn.comparison, example, content), content
            )
        if not drawn.shared:
            draw_bar_below(sheet, top, scale, [maps[example] for maps in drawn.maps], "attribution")

    def row_height(index: int) -> float:
        height = sum(grid.height(len(sequence)) for sequence in shown[index])
        for lines in overs.get(drawn.examples[index], []):
            height += lines_height(lines, content) + 2 * LABEL_GAP
        if drawn.comparison is not None:
            height += lines_height(
                similarity_lines(drawn.comparison, drawn.examples[index], content), content
            )
        return height + (0.0 if drawn.shared else BAR_ROOM)

    rows = [
        Row(
            pair_lines(drawn.attributions, example) if drawn.labels else example_lines(drawn.first, example),
            row_height(index),
            partial(draw_row, index),
        )
        for index, example in enumerate(drawn.examples)
    ]
    sheet, tops = compose(
        header=head(drawn.attributions, len(drawn.examples)),
        headings=[],
        rows=rows,
        width=CONTENT_LEFT + content + MARGIN,
        notes=drawn.notes,
        below=BAR_ROOM if drawn.shared else 0.0,
    )
    if drawn.shared:
        bottom = tops[-1] + rows[-1].full_height
        draw_bar_below(sheet, bottom, drawn.scales[0], drawn.shown_maps(), drawn.scale_words("features"))
    return sheet.figure


@dataclass(frozen=True)
class CellGrid:
    """How wide a cell is, in inches, and how many are on a line."""

    cell: float
    per_line: int

    @property
    def width(self) -> float:
        """The width of a full line in inches."""
        return self.cell * self.per_line

    def height(self, count: int) -> float:
        """Give the height in inches of `count` cells, with the bars under them."""
        lines = max(1, -(-count // self.per_line))
        return lines * (CELL_HEIGHT + BARS_HEIGHT) + (lines - 1) * LINE_GAP


def cell_grid(shown: Sequence[Sequence[Step]]) -> CellGrid:
    """Find cells that hold the names of all the sequences of a figure."""
    names = [step.name for sequence in shown for step in sequence]
    widest = max((text_width(visible(name), CELL_SIZE) for name in names), default=0.0)
    cell = min(max(CELL_HEIGHT, widest + 0.16), CELL_WIDTH_MOST)
    longest = max([1, *(len(sequence) for sequence in shown)])
    fitting = max(1, int(LINE_WIDTH / cell))
    # As many on every line as on the others, so that no lone cell is left for the last.
    return CellGrid(cell, -(-longest // -(-longest // fitting)))


def draw_lines(
    sheet: Sheet, left: float, top: float, shown: Sequence[Step], scale: Scale, grid: CellGrid
) -> float:
    """Draw a sequence in as many lines as it needs; give the bottom of the last."""
    height = CELL_HEIGHT + BARS_HEIGHT
    for start in range(0, max(len(shown), 1), grid.per_line):
        axes = sheet.axes(left, top, grid.width, height)
        draw_characters(axes, shown[start : start + grid.per_line], scale, cells=grid.per_line)
        top += height + LINE_GAP
    return top - LINE_GAP


def draw_bar_below(sheet: Sheet, bottom: float, scale: Scale, maps: Sequence[Floats], label: str) -> None:
    """Draw a lying colour bar under what ends at `bottom`."""
    cax = sheet.axes(CONTENT_LEFT + 0.15, bottom + 0.16, BAR_WIDTH, 0.11)
    draw_colorbar(cax, scale, *maps, label=label)


def visible(name: str) -> str:
    """Give a sign for a step whose name cannot be seen.

    Examples
    --------
    >>> visible("a"), visible(" "), visible("")
    ('a', '␣', '·')
    """
    if not name:
        return "·"
    return name if name.strip() else "␣"
