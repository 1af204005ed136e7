"""The figure of activation maximizations: the start, the input that was found, the score at every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import FuncFormatter, MaxNLocator

from explain.errors import RenderError
from explain.inputs.layout import Layout
from explain.render.colours import MARK, SECOND_MARK
from explain.render.drawn import Drawn
from explain.render.kinds.image import input_heading
from explain.render.parts.axes import TICK_SIZE, quiet_axes
from explain.render.parts.caption import example_text, title_line
from explain.render.parts.example_rows import compose_examples
from explain.render.parts.lines import Line
from explain.render.parts.page import GAP, MARGIN, Heading, panel_size, panel_target, place_columns
from explain.render.parts.panels import draw_picture
from explain.render.parts.pictures import Picture, picture, unscaled
from explain.render.parts.sheet import INK, Sheet
from explain.render.series.clock import clock_of
from explain.render.series.figure import AXIS_ROOM, channel_names, draws_lines, lane_height
from explain.render.series.lanes import Range, draw_lanes, labels_width, value_ranges
from explain.results.attribution import Attribution
from explain.results.canonical_axes import canonical
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_WIDTH = 2.2
LEAST_CURVE = 0.6
SERIES_WIDTH = 2.6
# As light as the colour of no relevance.
LANE_COLOR = "#f7f7f7"
# Space for the numbers of the score axis, to its left, and for the numbers of the steps, below it.
SCORE_ROOM = 0.42
STEPS_ROOM = 0.22


def found_picture(attribution: Attribution, example: int) -> Picture:
    """Give the input that was found for one example, as a picture.

    Parameters
    ----------
    attribution : Attribution
        Of method ``"activation_maximization"``.
    example : int
        The index of the example.

    Examples
    --------
    >>> a = Attribution(np.ones((1, 4, 4)), np.zeros((1, 4, 4)), "NHW", "activation_maximization", np.ones(1))
    >>> float(found_picture(a, 0).pixels.mean())
    1.0
    """
    return _as_picture(attribution, attribution.values, example)


@dataclass(frozen=True)
class _Panels:
    """The start and the inputs that were found, side by side.

    Attributes
    ----------
    names : list of str
        The headings.
    width, height : float
        The size of a panel, in inches.
    left, below : float
        Space to the left of the first panel and below each, for the labels of axes.
    draw : callable
        Called with axes, the index of the panel and the example.
    """

    names: list[str]
    width: float
    height: float
    left: float
    below: float
    draw: Callable[[Axes, int, int], None]


def plot_maximization(drawn: Drawn) -> Figure:
    """Draw one or two maximizations of the same targets, one row per target."""
    panels = _series_panels(drawn) if draws_lines(drawn) else _picture_panels(drawn)
    height, width = panels.height, panels.width
    rooms = (panels.left, *[0.0] * (len(panels.names) - 1))
    lefts, right = place_columns(panels.names, [width] * len(panels.names), rooms=rooms)
    curve_left = right + GAP + SCORE_ROOM
    curves = all(one.history is not None for one in drawn.attributions)

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        example = drawn.examples[index]
        for which, left in enumerate(lefts):
            panels.draw(sheet.axes(left, top, width, height), which, example)
        if curves:
            histories = [np.asarray(one.history)[:, example] for one in drawn.attributions]
            draw_score_curve(
                sheet.axes(curve_left, top, CURVE_WIDTH, max(height, LEAST_CURVE)), histories, drawn.labels
            )

    headings = [Heading(name, left, width) for name, left in zip(panels.names, lefts, strict=True)]
    if curves:
        kind = drawn.first.score.replace("_", "-")
        headings.append(Heading(f"{kind} over the steps", curve_left, CURVE_WIDTH))
    row_height = max(height, LEAST_CURVE) + max(STEPS_ROOM if curves else 0.0, panels.below)
    page = compose_examples(
        drawn,
        draw_row,
        height=lambda index: row_height,
        headings=headings,
        width=(curve_left + CURVE_WIDTH if curves else right) + 0.1 + MARGIN,
        caption=_caption,
    )
    return page.sheet.figure


def _picture_panels(drawn: Drawn) -> _Panels:
    """Show inputs as pictures."""
    found = [[found_picture(one, example) for example in drawn.examples] for one in drawn.attributions]
    starts = [_as_picture(drawn.first, drawn.first.inputs, example) for example in drawn.examples]
    height, width = _panel(found[0][0], len(drawn.examples))
    names = [input_heading(starts, "start")]
    names += [input_heading(one, name) for one, name in zip(found, drawn.labels or ["found"], strict=True)]

    def draw(axes: Axes, which: int, example: int) -> None:
        draw_picture(axes, [starts, *found][which][drawn.examples.index(example)])

    return _Panels(names, width, height, 0.0, 0.0, draw)


def _series_panels(drawn: Drawn) -> _Panels:
    """Show inputs as lanes of lines."""
    ranges, draw = _lanes(drawn)
    names = channel_names(drawn.first.display, len(ranges))
    lane = lane_height(len(ranges), len(drawn.examples)) * drawn.zoom[1]

    def draw_panel(axes: Axes, which: int, example: int) -> None:
        draw(axes, which, example, labelled=which == 0)

    left = labels_width(names, ranges, lane)
    headings = ["start", *(drawn.labels or ["found"])]
    return _Panels(headings, SERIES_WIDTH * drawn.zoom[0], lane * len(ranges), left, AXIS_ROOM, draw_panel)


def draw_found_lanes(axes: Axes, drawn: Drawn) -> None:
    """Draw the series that a maximization found for the one example shown."""
    _, draw = _lanes(drawn)
    draw(axes, 1, drawn.examples[0], labelled=True)


def _lanes(drawn: Drawn) -> tuple[list[Range], Callable[..., None]]:
    """Give the axes of the channels, the same for all series, and the function that draws one of them."""
    display, layout = drawn.first.display, drawn.first.layout
    arrays = [(drawn.first, drawn.first.inputs), *((one, one.values) for one in drawn.attributions)]
    shown = [unscaled(canonical(owner, array), display) for owner, array in arrays]
    steps, channels = shown[0].shape[1:]
    ranges = value_ranges([one[example] for one in shown for example in drawn.examples])
    names, clock = channel_names(display, channels), clock_of(display, layout, steps)

    def draw(axes: Axes, which: int, example: int, *, labelled: bool) -> None:
        axes.set_facecolor(LANE_COLOR)
        draw_lanes(axes, shown[which][example], names=names, ranges=ranges, clock=clock, labelled=labelled)

    return ranges, draw


def draw_score_curve(axes: Axes, histories: Sequence[npt.ArrayLike], labels: Sequence[str] = ()) -> None:
    """Draw how the score grew over the steps of an activation maximization.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    histories : sequence of array_like
        One array per curve, of shape (steps + 1,).
    labels : sequence of str
        The names of the curves in the legend; without labels no legend is drawn.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_score_curve(axes, [[0.0, 1.0, 1.5]])
    >>> len(axes.lines)
    1
    """
    styles = ((MARK, "-", 1.6), (SECOND_MARK, (0, (4, 2)), 1.6))
    for index, history in enumerate(histories):
        color, line, width = styles[index % len(styles)]
        label = labels[index] if labels else None
        axes.plot(np.asarray(history), color=color, linestyle=line, linewidth=width, label=label)
    if labels:
        axes.legend(fontsize=TICK_SIZE, frameon=False, loc="lower right", labelcolor=INK)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
    axes.margins(x=0.02, y=0.08)
    quiet_axes(axes, keep=("left", "bottom"))


def _caption(drawn: Drawn, example: int) -> list[Line]:
    """Give the target, and the score that each maximization reached."""
    lines = [title_line(drawn.first, example)]
    for index, one in enumerate(drawn.attributions):
        reached = number(float(one.scores[example]))
        if one.history is not None:
            history = np.asarray(one.history)
            if history.ndim != 2 or history.shape[1] != len(one):
                raise RenderError(
                    f"history has shape {history.shape}: expected (steps + 1, N) with N = {len(one)}, the "
                    "score of every example before every step and after the last."
                )
            reached = f"{number(float(history[0, example]))} → {number(float(history[-1, example]))}"
        name = drawn.labels[index] if drawn.labels else one.score.replace("_", "-")
        lines.append(Line(f"{name} {reached}", color=INK))
    return [*lines, Line(example_text(drawn.first, example))]


def _as_picture(attribution: Attribution, inputs: np.ndarray, example: int) -> Picture:
    """Show any input as a picture: a table's row is a strip of one pixel's height."""
    one = Layout(attribution.layout).to_canonical(inputs)[example]
    return picture(one[np.newaxis] if one.ndim == 1 else one, attribution.display)


def _panel(shown: Picture, rows: int) -> tuple[float, float]:
    """Give the height and width in inches of a panel."""
    height, width = shown.pixels.shape[:2]
    wide, high = panel_size(height, width, min(panel_target(rows), 1.9))
    return high, wide
