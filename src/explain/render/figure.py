"""The figure of one attribution, for every kind of input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from explain.inputs.display import Display
from explain.inputs.layout import Layout
from explain.render.arguments import Choices, check_arguments, check_attribution
from explain.render.colours import DEFAULT_PERCENTILE, Scale
from explain.render.kinds.by_view import figure_of
from explain.render.kinds.volume import most_relevant_slice, slice_volume
from explain.render.placing.own_axes import check_axes, draw_into
from explain.render.placing.own_size import in_size
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule
from explain.results.view import default_channels, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


def plot(
    attribution: Attribution,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
    cmap: str | Colormap | None = None,
    examples: int | Sequence[int] | None = None,
    display: Display | None = None,
    scale: Literal["shared", "panel"] | Scale = "shared",
    channels: ChannelRule | None = None,
    percentile: float = DEFAULT_PERCENTILE,
    max_examples: int = 8,
    pieces: bool = False,
    series: Literal["lines", "map"] | None = None,
) -> Figure:
    """Draw an attribution, one row per example: `explain.Attribution.plot` as a function, with the same options.

    Parameters
    ----------
    attribution : Attribution
        What to draw.
    ax, figsize, title, cmap, examples, display, scale, channels, percentile, max_examples, pieces, series
        As for `explain.Attribution.plot`.

    Returns
    -------
    matplotlib.figure.Figure
        Notebooks show it; it is not registered in pyplot; save it with its ``savefig``. With `ax`, its figure.

    Raises
    ------
    RenderError
        If an argument is wrong or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((2, 3, 8, 8), np.float32)
    >>> figure = plot(Attribution(ones, ones, "NCHW", "saliency", np.ones(2)), examples=1)
    >>> len(figure.axes)  # input, heatmap, overlay, colour bar
    4
    """
    check_attribution("attribution", attribution)
    channels = default_channels([attribution]) if channels is None else channels
    if view(attribution) == "text" and not pieces:
        attribution = attribution.by_word()
    slices: list[str] = []
    if view(attribution) == "volume":
        depths = most_relevant_slice(attribution, channels=channels)
        count = Layout(attribution.layout).to_canonical(attribution.values).shape[1]
        slices = [f"slice {depth + 1} of {count}" for depth in depths]
        attribution = slice_volume(attribution, depths)
    choices = Choices(
        examples, max_examples, display, scale, channels, percentile, cmap, title, figsize, series
    )
    if ax is not None:
        check_axes(ax, attribution, choices)
    drawn = check_arguments([attribution], choices, ("shared", "panel"))
    if ax is not None:
        return draw_into(ax, drawn)
    return in_size(figure_of, replace(drawn, remarks=tuple(slices)))
