"""The figure of images, and of sequences drawn as images (rows as time)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import FixedLocator, FuncFormatter

from explain.render.colours import Scale, sign_colors
from explain.render.drawn import Drawn
from explain.render.parts.axes import label_time, quiet_axes, say_all_zero
from explain.render.parts.cells import merged_cells, most_cells
from explain.render.parts.colour_bar import LEAST_BAR, BarColumn
from explain.render.parts.example_rows import compose_examples
from explain.render.parts.page import Heading, panel_size, panel_target, place_columns
from explain.render.parts.panels import draw_heatmap, draw_overlay, draw_picture
from explain.render.parts.pictures import Picture, picture
from explain.render.parts.sheet import MUTED, Sheet
from explain.render.series.clock import clock_of
from explain.results.canonical_axes import canonical
from explain.results.names import number
from explain.results.view import input_name, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Space for the labels of a time axis, to the left of its panel, and for the labels of a margin, below it.
TIME_ROOM = 0.42
TICK_ROOM = 0.2
MARGIN_WIDTH = 1.3


def plot_images(drawn: Drawn) -> Figure:
    """Draw images: input, map, overlay; or rows as time: input, map, sum of each step."""
    rows_as_time = view(drawn.first) == "rows"
    pictures = input_pictures(drawn)
    clock = clock_of(drawn.first.display, drawn.first.layout, drawn.maps[0].shape[1])
    width, height = map_size(drawn)
    names = [
        input_heading(pictures, input_name(drawn.first)),
        "attribution",
        "sum of each step" if rows_as_time else "overlay",
    ]
    widths = [width, width, MARGIN_WIDTH if rows_as_time else width]
    lefts, right = place_columns(names, widths, rooms=(0.0, TIME_ROOM if rows_as_time else 0.0, 0.0))
    bars = BarColumn(drawn, right, height, "" if rows_as_time else "channels")
    margin_limit = longest_margin(drawn) if rows_as_time and drawn.shared else None
    row_height = max(height + (TICK_ROOM if rows_as_time else 0.0), LEAST_BAR)

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        example, scale = drawn.examples[index], drawn.scales[index]
        numbers = drawn.maps[0][example]
        draw_picture(sheet.axes(lefts[0], top, width, height), pictures[index])
        panel = sheet.axes(lefts[1], top, width, height)
        draw_heatmap(panel, numbers, scale, rows=rows_as_time)
        side = sheet.axes(lefts[2], top, widths[2], height)
        if rows_as_time:
            label_time(panel, len(numbers), clock.name, clock.unit)
            draw_step_margin(side, numbers, scale, limit=margin_limit)
        else:
            draw_overlay(side, pictures[index], numbers, scale)
        bars.draw_row(sheet, top, index)

    page = compose_examples(
        drawn,
        draw_row,
        height=lambda index: row_height,
        headings=[*(Heading(*column) for column in zip(names, lefts, widths, strict=True)), *bars.headings],
        width=bars.page_width,
    )
    return page.sheet.figure


def draw_step_margin(axes: Axes, rows: npt.ArrayLike, scale: Scale, *, limit: float | None = None) -> None:
    """Draw the sum of each step of a (T, C) map as bars beside it, one per row, from top to bottom.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        As high as the map's axes.
    rows : array_like
        (T, C); steps of NaN are padding and have no bar. Steps that share a dot have one bar, the longest.
    scale : Scale
        Defines the two colours of the signs.
    limit : float, optional
        The end of the axis; by default the length of the longest bar.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_step_margin(axes, np.ones((4, 5)), Scale(-1, 1, True, 99))
    >>> [float(bar.get_width()) for bar in axes.patches]
    [5.0, 5.0, 5.0, 5.0]
    """
    sums = np.asarray(rows, np.float64).sum(axis=1)
    steps = len(sums)
    # Bars thinner than a dot are invisible: of those in one dot, the longest is drawn.
    sums = merged_cells(sums, most_cells(axes)[:1])
    step = steps / len(sums)
    real = np.flatnonzero(~np.isnan(sums))
    axes.barh(
        (real + 0.5) * step - 0.5,
        sums[real],
        height=0.8 if step == 1 else step,
        color=sign_colors(sums[real], scale),
        linewidth=0,
    )
    axes.set_ylim(steps - 0.5, -0.5)
    axes.axvline(0, color=MUTED, linewidth=0.6)
    limit = (float(np.abs(sums[real]).max(initial=0.0)) if limit is None else limit) or 1.0
    axes.set_xlim(-1.08 * limit if scale.signed else 0, 1.08 * limit)
    axes.xaxis.set_major_locator(FixedLocator([-limit, 0, limit] if scale.signed else [0, limit]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
    axes.yaxis.set_visible(False)
    quiet_axes(axes, keep=("bottom",))
    if not sums[real].any():
        say_all_zero(axes)


def input_pictures(drawn: Drawn) -> list[Picture]:
    """Give the inputs of the examples shown, as pictures."""
    inputs = canonical(drawn.first, drawn.first.inputs)
    return [picture(inputs[example], drawn.first.display) for example in drawn.examples]


def input_heading(pictures: Sequence[Picture], name: str = "input") -> str:
    """Give the heading of the inputs, including the notes of their pictures."""
    notes = sorted({one.note for one in pictures if one.note})
    return f"{name} ({'; '.join(notes)})" if notes else name


def map_size(drawn: Drawn) -> tuple[float, float]:
    """Give the width and the height in inches of a map's panel."""
    height, width = drawn.maps[0].shape[1:3]
    if view(drawn.first) == "rows":
        # Steps and features have no common unit: a map of 200 steps by 3 features may be drawn wider than its aspect.
        height, width = max(height, width // 2, 1), max(width, height // 2, 1)
    return panel_size(height, width, panel_target(len(drawn.examples)) * min(drawn.zoom))


def longest_margin(drawn: Drawn) -> float:
    """Give the largest sum of a step in all the maps that are drawn, without padding."""
    return max(float(np.nanmax(np.abs(one.sum(axis=1)), initial=0.0)) for one in drawn.shown_maps())
