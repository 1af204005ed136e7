"""The choice of the kind of figure, by the catalogue, the layout and the display names of a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from explain.render.drawn import Drawn
from explain.render.kinds.image import plot_images
from explain.render.kinds.image_pair import plot_image_pairs
from explain.render.kinds.maximization import plot_maximization
from explain.render.kinds.sequence import plot_characters
from explain.render.kinds.series import draws_lines, plot_series
from explain.render.kinds.table_kinds import TableKind, plot_table_kind
from explain.render.kinds.text import plot_texts
from explain.render.parts.fit import fitted, zoom_to
from explain.results.view import drawn_as, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_of(drawn: Drawn, kind: TableKind | None = None, max_features: int | None = None) -> Figure:
    """Draw the kind of figure that fits; for volumes, one slice of each, see `explain.render.slice_volume`."""
    plot = _kind_of(drawn, kind, max_features)
    figure = plot(drawn)
    if drawn.figsize is None:
        return figure
    return fitted(plot(replace(drawn, zoom=zoom_to(figure, drawn.figsize))), drawn.figsize)


def _kind_of(drawn: Drawn, kind: TableKind | None, max_features: int | None) -> Callable[[Drawn], Figure]:
    """Choose the function that draws a figure."""
    if drawn_as(drawn.first) == "input":
        return plot_maximization
    how = view(drawn.first)
    if how == "text":
        return plot_texts
    if how == "characters":
        return plot_characters
    if how == "table":
        return partial(plot_table_kind, kind=kind, max_features=max_features)
    if draws_lines(drawn):
        return plot_series
    return plot_image_pairs if drawn.labels else plot_images
