"""A sequence of letters found by activation maximization: the strongest letters of each step, and their figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explain.inputs.layout import Layout
from explain.render.colours import Scale, css_color
from explain.render.parts.caption import head, target_text
from explain.render.parts.lines import write_lines
from explain.render.parts.sheet import MUTED, Sheet, line_height
from explain.render.parts.steps import visible
from explain.render.parts.text_contrast import text_color
from explain.results.attribution import Attribution
from explain.results.names import framework_name, number
from explain.zoo.preprocessing import ALPHABET

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches: the cell of a letter, and the space around a table of letters.
CELL = 0.2
GAP = 0.22
MARGIN = 0.22
COLUMNS = 3


@dataclass(frozen=True)
class Letter:
    """A letter, its value, and the two colours that show the value."""

    name: str
    value: str
    background: str
    ink: str


def strongest_letters(
    attribution: Attribution, example: int, most: int = 3
) -> tuple[tuple[Letter, ...], ...]:
    """Give the letters with the greatest values at each step of a sequence that was found.

    Parameters
    ----------
    attribution : Attribution
        Of activation maximization, on sequences over the alphabet of `explain.zoo`.
    example : int
        The index of the example.
    most : int
        The number of letters per step.

    Returns
    -------
    tuple of tuple of Letter
        By step, the strongest first.

    Examples
    --------
    >>> found = np.zeros((1, 2, len(ALPHABET)), np.float32)
    >>> found[0, 0, 0], found[0, 1, 1] = 1, 1
    >>> a = Attribution(found, found, "NTC", "activation_maximization", np.ones(1))
    >>> [step[0].name for step in strongest_letters(a, 0)]
    ['a', 'b']
    """
    values = Layout(attribution.layout).to_canonical(np.asarray(attribution.values, np.float64))[example]
    least, greatest = attribution.display.bounds or (0.0, 1.0)
    scale = Scale(0.0, 1.0, False, 100.0)
    steps = []
    for step in values:
        # A stable sort: letters with equal values are in the order of the alphabet on every machine.
        order = np.argsort(-step, kind="stable")[:most]
        # The scale runs from the middle of the bounds, where an input without effect stays, to the upper bound.
        sizes = np.clip((step[order] - least) / (greatest - least) * 2 - 1, 0, 1)
        colors = scale.colors(sizes)
        steps.append(
            tuple(
                Letter(
                    visible(ALPHABET[index]),
                    number(float(step[index])),
                    css_color(color),
                    text_color(color),
                )
                for index, color in zip(order, colors, strict=True)
            )
        )
    return tuple(steps)


def draw_letters(attributions: Sequence[Attribution]) -> Figure:
    """Draw the strongest letters of each step, for every target, side by side for every framework.

    Parameters
    ----------
    attributions : sequence of Attribution
        Of activation maximization on the same targets, one per framework.

    Returns
    -------
    matplotlib.figure.Figure
        A block for each target, in columns.

    Examples
    --------
    >>> found = np.zeros((2, 4, len(ALPHABET)), np.float32)
    >>> a = Attribution(found, found, "NTC", "activation_maximization", np.ones(2), framework="torch")
    >>> len(draw_letters([a]).axes[0].texts)  # three letters of four steps for two targets
    24
    """
    first = attributions[0]
    count = len(first)
    tables = [[strongest_letters(one, example) for one in attributions] for example in range(count)]
    steps, ranks = len(tables[0][0]), len(tables[0][0][0])
    width, height = steps * CELL, ranks * CELL
    block_width = len(attributions) * (width + GAP) + GAP
    words = line_height(9.5) + line_height(7.5) + 0.04
    block_height = words + height + GAP
    columns = min(COLUMNS, count)
    header = head(attributions, count)
    top = MARGIN + sum(line_height(line.size) for line in header) + 0.14
    rows = -(-count // columns)
    sheet_width = max(2 * MARGIN + columns * block_width - 2 * GAP, 4.0)
    sheet = Sheet(sheet_width, top + rows * block_height - GAP + MARGIN)
    write_lines(sheet, MARGIN, MARGIN, header, sheet_width - 2 * MARGIN)
    # All tables share one pair of axes, in inches: axes for each table would take most of the time.
    axes = sheet.axes(0, 0, sheet.width, sheet.height)
    axes.set_xlim(0, sheet.width)
    axes.set_ylim(sheet.height, 0)
    axes.axis("off")
    for example, table in enumerate(tables):
        # Fill the columns one after another.
        column, row = divmod(example, rows)
        left, upper = MARGIN + column * block_width, top + row * block_height
        name = target_text(first, example)
        below = sheet.write(left, upper, name, 9.5, weight="bold")
        for which, (one, letters) in enumerate(zip(attributions, table, strict=True)):
            at = left + which * (width + GAP)
            sheet.write(at, below, framework_name(one.framework), 7.5, color=MUTED)
            _draw_table(axes, at, upper + words, letters)
    return sheet.figure


def _draw_table(axes: Axes, left: float, top: float, letters: tuple[tuple[Letter, ...], ...]) -> None:
    """Draw the letters of each step below each other, each on the colour of its value."""
    from matplotlib.patches import Rectangle

    side = 0.92 * CELL
    for step, ranked in enumerate(letters):
        for rank, letter in enumerate(ranked):
            x, y = left + (step + 0.5) * CELL, top + (rank + 0.5) * CELL
            corner = (x - side / 2, y - side / 2)
            axes.add_patch(Rectangle(corner, side, side, facecolor=letter.background, linewidth=0))
            axes.text(
                x,
                y,
                letter.name,
                color=letter.ink,
                fontsize=8.5,
                ha="center",
                va="center_baseline",
                parse_math=False,
            )
