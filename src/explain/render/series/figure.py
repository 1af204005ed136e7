"""The figure of series: a lane for each channel over a common axis of time, for one attribution or a pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explain.errors import RenderError
from explain.inputs.display import Display
from explain.render.drawn import Drawn
from explain.render.parts.colour_bar import LEAST_BAR, BarColumn
from explain.render.parts.example_rows import compose_examples
from explain.render.parts.lines import lines_height, write_lines
from explain.render.parts.page import CONTENT_LEFT, GAP, HEADING_SIZE, Heading
from explain.render.parts.pair_caption import PAIR_GAP, similarity_lines, under_maps
from explain.render.parts.pictures import unscaled
from explain.render.parts.sheet import elide, text_width
from explain.render.series.clock import Clock, clock_of
from explain.render.series.lanes import Range, draw_series, labels_width, steps_per_column, value_ranges
from explain.results.canonical_axes import canonical
from explain.results.heatmap import Floats
from explain.results.view import input_name, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from explain.render.parts.sheet import Sheet

# With more channels than this, lines are too low to be read side by side, and a map is drawn.
MOST_LINES = 24
# More lines than this would make a figure too high for any screen, even if they are asked for.
MOST_ASKED = 128
PANEL_WIDTH = 5.6
PAIR_WIDTH = 3.3
AXIS_ROOM = 0.34
# The height of a lane in inches, for up to so many channels.
_LANES = ((1, 1.3), (2, 0.8), (3, 0.7), (6, 0.52), (12, 0.4), (MOST_LINES, 0.32), (MOST_ASKED, 0.28))
LEAST_LANE = 0.24


def draws_lines(drawn: Drawn) -> bool:
    """Tell whether a result is drawn as lines: series of few channels, or of any number if they are asked for.

    Raises
    ------
    RenderError
        If lines are asked for, and there are too many.

    Examples
    --------
    >>> from explain.render.arguments import Choices, check_arguments
    >>> from explain.results.attribution import Attribution
    >>> few, many = np.ones((1, 50, 12), np.float32), np.ones((1, 50, 64), np.float32)
    >>> [
    ...     draws_lines(check_arguments([Attribution(x, x, "NTC", "saliency", np.ones(1))], Choices()))
    ...     for x in (few, many)
    ... ]
    [True, False]
    """
    # The ids of tokens are names, not amounts: a line through them means nothing.
    if view(drawn.first) != "rows" or drawn.first.reduce:
        return False
    channels = drawn.maps[0].shape[-1]
    if drawn.series == "lines" and channels > MOST_ASKED:
        raise RenderError(
            f"series='lines' with {channels} channels: at most {MOST_ASKED} lines are drawn. Give series='map', or "
            "choose channels of values and inputs."
        )
    return drawn.series == "lines" or (drawn.series is None and channels <= MOST_LINES)


@dataclass(frozen=True, eq=False)
class ShownSeries:
    """The series of a figure as they are drawn.

    Attributes
    ----------
    values : list of numpy.ndarray
        (T, C) for each example shown, without normalisation; NaN where there is no value or it is padding.
    names : tuple of str
        The names of the channels; empty if there is one without a name.
    ranges : list of (float, float)
        The ends of each channel's axis, the same in all examples.
    clock : Clock
        The axis of time.
    """

    values: list[Floats]
    names: tuple[str, ...]
    ranges: list[Range]
    clock: Clock


def shown_series(drawn: Drawn) -> ShownSeries:
    """Give the series that a figure shows.

    Raises
    ------
    RenderError
        If the display does not fit the channels.
    """
    first = drawn.first
    inputs = np.asarray(canonical(first, first.inputs), np.float64)
    values = []
    for example in drawn.examples:
        one = unscaled(inputs[example], first.display)
        one[~np.isfinite(one) | np.isnan(drawn.maps[0][example])] = np.nan
        values.append(one)
    steps, channels = values[0].shape
    clock = clock_of(first.display, first.layout, steps)
    return ShownSeries(values, channel_names(first.display, channels), value_ranges(values), clock)


def channel_names(display: Display, channels: int) -> tuple[str, ...]:
    """Give the names of the channels of a series; a single one needs none.

    Raises
    ------
    RenderError
        If there are names, but not one for each.

    Examples
    --------
    >>> channel_names(Display(), 2), channel_names(Display(), 1), channel_names(Display(feature_names=("x",)), 1)
    (('channel 0', 'channel 1'), (), ('x',))
    """
    names = tuple(display.feature_names)
    if names and len(names) != channels:
        raise RenderError(
            f"display.feature_names has {len(names)} names but the series has {channels} "
            f"{'channel' if channels == 1 else 'channels'}: give one name for each, or none."
        )
    if not names and channels > 1:
        names = tuple(f"channel {channel}" for channel in range(channels))
    return names


def plot_series(drawn: Drawn) -> Figure:
    """Draw series of one attribution, or of a pair with its maps side by side, one row per example."""
    shown = shown_series(drawn)
    lane = lane_height(len(shown.ranges), len(drawn.examples)) * drawn.zoom[1]
    width = (PAIR_WIDTH if drawn.labels else PANEL_WIDTH) * drawn.zoom[0]
    height = max(lane * len(shown.ranges), 0.6)
    lane = height / len(shown.ranges)
    left = CONTENT_LEFT + labels_width(shown.names, shown.ranges, lane)
    lefts = [left + which * (width + 1.5 * GAP) for which in range(len(drawn.panels))]
    bars = BarColumn(drawn, lefts[-1] + width, height, "")
    unders = under_maps(drawn.attributions, drawn.examples, width) if drawn.labels else {}
    whole = lefts[len(drawn.attributions) - 1] + width - left

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        example, scale = drawn.examples[index], drawn.scales[index]
        for which, at in enumerate(lefts):
            draw_series(
                sheet.axes(at, top, width, height),
                shown.values[index],
                drawn.maps[which][example],
                scale,
                names=shown.names,
                ranges=shown.ranges,
                clock=shown.clock,
                labelled=which == 0,
            )
        below = top + height + AXIS_ROOM
        for at, lines in zip(lefts, unders.get(example, []), strict=False):
            write_lines(sheet, at, below, lines, width)
        below += _under_height(example) + PAIR_GAP
        write_lines(sheet, left, below, similarity_lines(drawn.comparison, example, whole), whole)
        bars.draw_row(sheet, top, index)

    def _under_height(example: int) -> float:
        return max((lines_height(lines, width) for lines in unders.get(example, [])), default=0.0)

    def row_height(index: int) -> float:
        example = drawn.examples[index]
        similarity = lines_height(similarity_lines(drawn.comparison, example, whole), whole)
        below = AXIS_ROOM + _under_height(example) + (PAIR_GAP + similarity if similarity else 0.0)
        return max(height + below, LEAST_BAR + 0.1)

    return compose_examples(
        drawn,
        draw_row,
        height=row_height,
        headings=[
            *(Heading(name, at, width) for name, at in zip(_names(drawn, width), lefts, strict=True)),
            *bars.headings,
        ],
        width=bars.page_width,
    ).sheet.figure


def lane_height(channels: int, examples: int) -> float:
    """Give the usual height of a lane in inches: lower for more channels, and for more examples.

    Examples
    --------
    >>> lane_height(1, 1), lane_height(12, 1), round(lane_height(12, 8), 2)
    (1.3, 0.4, 0.32)
    """
    usual = next(height for most, height in _LANES if channels <= most)
    return max(usual * (1.0 if examples <= 2 else 0.8), LEAST_LANE)


def _names(drawn: Drawn, width: float) -> list[str]:
    """Give the headings of the panels, which say how steps were merged; shorter ones above narrow panels."""
    merged = steps_per_column(drawn.maps[0].shape[1], width)
    words = f", in each column the largest of {merged} steps" if merged > 1 else ""
    short = f", largest of {merged} steps" if merged > 1 else ""
    own = drawn.labels or (f"{input_name(drawn.first)} on the colours of its attribution",)
    for names in (
        [name + words for name in own],
        [name + short for name in drawn.labels or ("attribution",)],
    ):
        if all(text_width(name, HEADING_SIZE) <= width for name in names):
            return names
    return [elide(name, width, HEADING_SIZE) for name in own]
