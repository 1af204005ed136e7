"""The figure of images, and of sequences drawn as images (rows as time)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from explain.render.arguments import Drawn
from explain.render.parts.caption import example_lines, head
from explain.render.parts.drawing import (
    draw_colorbar,
    draw_heatmap,
    draw_overlay,
    draw_picture,
    draw_step_margin,
    label_time,
)
from explain.render.parts.page import (
    GAP,
    MARGIN,
    Heading,
    Row,
    compose,
    panel_size,
    panel_target,
    place_columns,
)
from explain.render.parts.pictures import Picture, picture
from explain.render.parts.sheet import Sheet
from explain.results.view import canonical_inputs, input_name, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORBAR_WIDTH = 0.13
LEAST_BAR = 1.0
# The bar's tick labels and its own label stand to its right.
COLORBAR_ROOM = 0.98
# The labels of a time axis stand to the left of its panel, those of a margin under it.
TIME_ROOM = 0.42
TICK_ROOM = 0.2
MARGIN_WIDTH = 1.3


def plot_images(drawn: Drawn, remarks: Sequence[str] = ()) -> Figure:
    """Draw images: input, map, overlay; or rows as time: input, map, sum of each step.

    Parameters
    ----------
    drawn : Drawn
        The checked arguments.
    remarks : sequence of str
        One more line for the caption of each example of the attribution, if any.
    """
    rows_as_time = view(drawn.first) == "rows"
    merged = "" if rows_as_time else "channels"
    pictures = input_pictures(drawn)
    width, height = map_size(drawn)
    names = [
        input_heading(pictures, input_name(drawn.first)),
        "attribution",
        "sum of each step" if rows_as_time else "overlay",
    ]
    widths = [width, width, MARGIN_WIDTH if rows_as_time else width]
    lefts, right = place_columns(names, widths, rooms=(0.0, TIME_ROOM if rows_as_time else 0.0, 0.0))
    bar_left = right + GAP + 0.04

    margin_limit = longest_margin(drawn) if rows_as_time and drawn.shared else None

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        example, scale = drawn.examples[index], drawn.scales[index]
        numbers = drawn.maps[0][example]
        draw_picture(sheet.axes(lefts[0], top, width, height), pictures[index])
        panel = sheet.axes(lefts[1], top, width, height)
        draw_heatmap(panel, numbers, scale)
        side = sheet.axes(lefts[2], top, widths[2], height)
        if rows_as_time:
            label_time(panel, len(numbers))
            draw_step_margin(side, numbers, scale, limit=margin_limit)
        else:
            draw_overlay(side, pictures[index], numbers, scale)
        if not drawn.shared:
            cax = sheet.axes(bar_left, top, COLORBAR_WIDTH, bar_height([top], height))
            draw_colorbar(cax, scale, numbers, label="attribution")

    rows = [
        Row(
            example_lines(drawn.first, example, *([remarks[example]] if remarks else [])),
            max(height + (TICK_ROOM if rows_as_time else 0.0), LEAST_BAR),
            partial(draw_row, index),
        )
        for index, example in enumerate(drawn.examples)
    ]
    sheet, tops = compose(
        header=head(drawn.attributions, len(drawn.examples)),
        headings=[Heading(*column) for column in zip(names, lefts, widths, strict=True)],
        rows=rows,
        width=bar_left + COLORBAR_WIDTH + COLORBAR_ROOM + MARGIN,
        notes=drawn.notes,
    )
    if drawn.shared:
        cax = sheet.axes(bar_left, tops[0], COLORBAR_WIDTH, bar_height(tops, height))
        draw_colorbar(cax, drawn.scales[0], *drawn.shown_maps(), label=drawn.scale_words(merged))
    return sheet.figure


def input_pictures(drawn: Drawn) -> list[Picture]:
    """Give the inputs that are shown as pictures."""
    inputs = canonical_inputs(drawn.first)
    return [picture(inputs[example], drawn.first.display) for example in drawn.examples]


def input_heading(pictures: Sequence[Picture], name: str = "input") -> str:
    """Give the heading of the inputs, with what had to be done to show them."""
    notes = sorted({one.note for one in pictures if one.note})
    return f"{name} ({'; '.join(notes)})" if notes else name


def map_size(drawn: Drawn) -> tuple[float, float]:
    """Give the width and the height in inches of a map's panel."""
    height, width = drawn.maps[0].shape[1:3]
    if view(drawn.first) == "rows":
        # Steps and features have no common unit: a map of 200 steps by 3 features need not be a thread.
        height, width = max(height, width // 2, 1), max(width, height // 2, 1)
    return panel_size(height, width, panel_target(len(drawn.examples)))


def bar_height(tops: Sequence[float], height: float) -> float:
    """Give the height of the shared colour bar: that of the first two panels, never too low to read."""
    return max(height if len(tops) == 1 else tops[1] - tops[0] + height, LEAST_BAR)


def longest_margin(drawn: Drawn) -> float:
    """Give the largest sum of a step in all the maps that are drawn, padding left out."""
    return max(float(np.nanmax(np.abs(one.sum(axis=1)), initial=0.0)) for one in drawn.shown_maps())
