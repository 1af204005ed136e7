"""The choice of the kind of figure, by the catalogue, the layout and the display names of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.render.drawn import Drawn
from explain.render.kinds.image import plot_images
from explain.render.kinds.image_pair import plot_image_pairs
from explain.render.kinds.maximization import plot_maximization
from explain.render.kinds.sequence import plot_characters
from explain.render.kinds.slices import plot_slices
from explain.render.kinds.table_kinds import plot_table_kind
from explain.render.kinds.text import plot_texts
from explain.render.series.figure import draws_lines, plot_series
from explain.results.view import drawn_as, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_of(drawn: Drawn) -> Figure:
    """Draw the kind of figure that fits; for volumes, one slice of each, see `explain.render.slice_volume`."""
    if drawn_as(drawn.first) == "input":
        return plot_maximization(drawn)
    if drawn.slices is not None:
        return plot_slices(drawn)
    how = view(drawn.first)
    if how == "text":
        return plot_texts(drawn)
    if how == "characters":
        return plot_characters(drawn)
    if how == "table":
        return plot_table_kind(drawn)
    if draws_lines(drawn):
        return plot_series(drawn)
    return plot_image_pairs(drawn) if drawn.labels else plot_images(drawn)
