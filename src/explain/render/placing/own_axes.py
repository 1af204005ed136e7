"""One example, drawn into axes of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from explain.errors import RenderError
from explain.render.arguments import Choices
from explain.render.drawn import Drawn
from explain.render.kinds.maximization import draw_found_lanes, found_picture
from explain.render.kinds.sequence import draw_characters
from explain.render.kinds.table_kinds import OF_ALL_EXAMPLES, draw_table_kind
from explain.render.kinds.text import draw_words, placed_words
from explain.render.parts.axes import label_time
from explain.render.parts.panels import draw_heatmap, draw_picture
from explain.render.parts.sheet import INK
from explain.render.parts.steps import shown_tokens, steps
from explain.render.series.clock import clock_of
from explain.render.series.figure import draws_lines, shown_series
from explain.render.series.lanes import draw_series
from explain.results.attribution import Attribution
from explain.results.view import drawn_as, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def check_axes(ax: object, attribution: Attribution, choices: Choices) -> None:
    """Raise `RenderError` unless `ax` is matplotlib axes, and the other arguments choose one example for them."""
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise RenderError(
            f"ax is a {type(ax).__name__}: give one matplotlib Axes, for example "
            "`figure, ax = matplotlib.pyplot.subplots()`, or leave it out for a figure of its own."
        )
    if choices.figsize is not None:
        raise RenderError(
            f"figsize={choices.figsize!r} with ax=: the figure is yours. Set its size where you make it, for example "
            "matplotlib.pyplot.subplots(figsize=(8, 5))."
        )
    count = len(attribution) if choices.examples is None else np.size(np.asarray(choices.examples, object))
    if count > 1 and choices.kind not in OF_ALL_EXAMPLES:
        raise RenderError(
            f"ax= draws one example, and {count} are to be drawn: give examples=0, or call plot once for each with "
            "axes of its own."
        )


def draw_into(ax: Axes, drawn: Drawn) -> Figure:
    """Draw the heatmap, or what the kind has in its place, into axes of the caller.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    drawn : Drawn
        With one example.

    Returns
    -------
    matplotlib.figure.Figure
        The figure of `ax`.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        raise RenderError(
            "ax belongs to no figure: give axes from matplotlib.pyplot.subplots() or figure.add_subplot()."
        )
    if drawn.slices is not None and drawn.slices.places.shape[1] > 1:
        raise RenderError("ax= draws one slice, and several are to be drawn: give slice=, or leave ax= out.")
    if view(drawn.first) == "table" and drawn_as(drawn.first) != "input":
        draw_table_kind(ax, drawn)
    else:
        _draw(ax, drawn)
    if drawn.title:
        ax.set_title(drawn.title, color=INK, parse_math=False)
    return figure


def _draw(ax: Axes, drawn: Drawn) -> None:
    """Draw by the kind of the example."""
    one, (example,), scale = drawn.first, drawn.examples, drawn.scales[0]
    numbers, how = drawn.maps[0][example], view(drawn.first)
    if drawn_as(one) == "input" and draws_lines(drawn):
        draw_found_lanes(ax, drawn)
    elif drawn_as(one) == "input":
        found = found_picture(one, example)
        draw_picture(ax, found)
        ax.set_aspect("auto" if found.is_rows else "equal")
    elif how == "text":
        width = ax.get_window_extent().width / ax.figure.dpi
        draw_words(ax, placed_words(*shown_tokens(one, example, numbers), width), scale)
    elif how == "characters":
        draw_characters(ax, steps(one, example, channels=drawn.channels), scale)
    elif draws_lines(drawn):
        shown = shown_series(drawn)
        draw_series(
            ax, shown.values[0], numbers, scale, names=shown.names, ranges=shown.ranges, clock=shown.clock
        )
    else:
        draw_heatmap(ax, numbers, scale, rows=how == "rows")
        if how == "rows":
            clock = clock_of(one.display, one.layout, len(numbers))
            label_time(ax, len(numbers), clock.name, clock.unit)
        else:
            ax.set_aspect("equal")
