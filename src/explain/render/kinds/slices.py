"""The figure of volumes and videos: chosen slices of each, and where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from explain.render.drawn import Drawn
from explain.render.kinds.image import input_heading, input_pictures
from explain.render.parts.axes import TICK_SIZE, quiet_axes
from explain.render.parts.colour_bar import LEAST_BAR, BarColumn
from explain.render.parts.example_rows import compose_examples
from explain.render.parts.page import CONTENT_LEFT, GAP, HEADING_SIZE, Heading, panel_size, panel_target
from explain.render.parts.panels import draw_heatmap, draw_overlay, draw_picture
from explain.render.parts.pictures import Picture
from explain.render.parts.sheet import INK, MUTED, Sheet, line_height, text_width
from explain.results.heatmap import Floats
from explain.results.view import input_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The widest row of slices, in inches.
_ROW_WIDTH = 8.4
_LEAST_PANEL = 0.7
PROFILE_HEIGHT = 0.34
_PROFILE_TOP = 0.16
_PROFILE_BELOW = 0.2 + line_height(TICK_SIZE)
_BAR_COLOR = "#9a9a9a"


def draw_profile(axes: Axes, sums: Floats, places: npt.ArrayLike, name: str) -> None:
    """Draw the sum of |values| of each slice as bars; those that are drawn are dark, with a mark above.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Wide axes.
    sums : numpy.ndarray
        One number for each slice.
    places : sequence of int
        The slices that are drawn.
    name : str
        The axis that the slices cut across.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_profile(axes, np.array([0.0, 2.0, 1.0]), [1], "D")
    >>> [float(bar.get_height()) for bar in axes.patches]
    [0.0, 2.0, 1.0]
    """
    shown = np.isin(np.arange(len(sums)), places)
    most = float(sums.max()) or 1.0
    axes.bar(
        np.arange(len(sums)),
        sums,
        width=1.0 if len(sums) > 60 else 0.8,
        color=np.where(shown, INK, _BAR_COLOR),
        linewidth=0,
    )
    axes.plot(
        np.flatnonzero(shown),
        np.full(shown.sum(), 1.22 * most),
        marker="v",
        markersize=3.4,
        color=INK,
        linewidth=0,
    )
    axes.set_xlim(-0.5, len(sums) - 0.5)
    axes.set_ylim(0, 1.4 * most)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_visible(False)
    quiet_axes(axes, keep=("bottom",))
    axes.set_xlabel(
        f"sum of |attribution| in each slice across {name}", fontsize=TICK_SIZE, color=MUTED, labelpad=1
    )


def plot_slices(drawn: Drawn) -> Figure:
    """Draw the chosen slices of each example: input, map and overlay, and their places along the axis.

    One slice has the three beside each other; several are a row each of inputs, maps and overlays.

    Parameters
    ----------
    drawn : Drawn
        With its slices, those of one example below each other in one image.
    """
    slices = drawn.slices
    if slices is None:
        raise RuntimeError("drawn has no slices")
    count = slices.places.shape[1]
    pictures = input_pictures(drawn)
    kinds = [input_heading(pictures, input_name(drawn.first)), "attribution", "overlay"]
    height, width = drawn.maps[0].shape[1] // count, drawn.maps[0].shape[2]
    across, down = (3, 1) if count == 1 else (count, 3)
    target = panel_target(len(drawn.examples)) * (1.0 if count == 1 else 0.8) * min(drawn.zoom)
    most = min(drawn.zoom) * max((_ROW_WIDTH + GAP) / across - GAP, _LEAST_PANEL)
    panel_width, panel_height = panel_size(height, width, min(target, most * height / width))
    names = 0.0 if count == 1 else max(text_width(name, HEADING_SIZE) for name in kinds) + 0.2
    titles = kinds if count == 1 else [f"{slices.axis} = {place}" for place in slices.places[0]]
    column = max(panel_width, *(text_width(title, HEADING_SIZE) for title in titles))
    lefts = [
        CONTENT_LEFT + names + place * (column + GAP) + (column - panel_width) / 2 for place in range(across)
    ]
    right = lefts[-1] + panel_width
    grid = down * (panel_height + GAP) - GAP
    bars = BarColumn(drawn, right, grid, "channels")

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        example, scale = drawn.examples[index], drawn.scales[index]
        maps = np.split(drawn.maps[0][example], count)
        for place, (pixels, numbers) in enumerate(zip(_split(pictures[index], count), maps, strict=True)):
            spots = [
                (lefts[kind], top) if count == 1 else (lefts[place], top + kind * (panel_height + GAP))
                for kind in range(3)
            ]
            panels = [sheet.axes(*spot, panel_width, panel_height) for spot in spots]
            draw_picture(panels[0], pixels)
            draw_heatmap(panels[1], numbers, scale)
            draw_overlay(panels[2], pixels, numbers, scale)
        for kind, name in enumerate(kinds if count > 1 else []):
            middle = top + kind * (panel_height + GAP) + (panel_height - line_height(HEADING_SIZE)) / 2
            sheet.write(CONTENT_LEFT + names - 0.1, middle, name, HEADING_SIZE, color=MUTED, align="right")
        profile = sheet.axes(lefts[0], top + grid + _PROFILE_TOP, right - lefts[0], PROFILE_HEIGHT)
        draw_profile(profile, slices.sums[example], slices.places[example], slices.axis)
        bars.draw_row(sheet, top, index)

    row_height = max(grid + _PROFILE_TOP + PROFILE_HEIGHT + _PROFILE_BELOW, LEAST_BAR)
    page = compose_examples(
        drawn,
        draw_row,
        height=lambda index: row_height,
        headings=[
            *(Heading(title, left, panel_width) for title, left in zip(titles, lefts, strict=True)),
            *bars.headings,
        ],
        width=bars.page_width,
    )
    return page.sheet.figure


def _split(picture: Picture, count: int) -> list[Picture]:
    """Give the pictures of the slices, which are below each other in one."""
    return [Picture(pixels, picture.note) for pixels in np.split(picture.pixels, count)]
