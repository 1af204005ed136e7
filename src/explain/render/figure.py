"""The figure of one attribution, for every kind of input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from explain.inputs.display import Display
from explain.public_calls.callers_line import at_callers_line
from explain.render.arguments import Choices, check_arguments, check_attribution
from explain.render.colours import DEFAULT_PERCENTILE, Scale
from explain.render.kinds.by_view import figure_of
from explain.render.kinds.table_kinds import OF_ALL_EXAMPLES, check_table_kind
from explain.render.kinds.volume import check_no_slices, chosen_slices
from explain.render.placing.own_axes import check_axes, draw_into
from explain.render.placing.own_size import in_size
from explain.render.tables.columns import as_table
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule
from explain.results.view import default_channels, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


@at_callers_line
def plot(
    attribution: Attribution,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
    cmap: str | Colormap | None = None,
    examples: int | Sequence[int] | None = None,
    display: Display | Mapping[str, Any] | None = None,
    scale: Literal["shared", "panel"] | Scale = "shared",
    channels: ChannelRule | None = None,
    percentile: float = DEFAULT_PERCENTILE,
    max_examples: int = 8,
    pieces: bool = False,
    series: Literal["lines", "map"] | None = None,
    kind: Literal["bars", "waterfall", "beeswarm", "importance"] | None = None,
    max_features: int | None = None,
    plane: str | None = None,
    slice: int | None = None,
    slices: int | Sequence[int] | None = None,
) -> Figure:
    """Draw an attribution, one row per example: `explain.Attribution.plot` as a function, with the same options.

    Parameters
    ----------
    attribution : Attribution
        What to draw.
    ax, figsize, title, cmap, examples, display, scale, channels, percentile, max_examples, pieces, series
        As for `explain.Attribution.plot`.
    kind, max_features, plane, slice, slices
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
    if display is not None and isinstance(display, Display):
        attribution = replace(attribution, display=display)
    attribution = as_table(attribution, asked=kind is not None or max_features is not None)
    if kind in OF_ALL_EXAMPLES:
        max_examples = max(len(attribution), 1)
    if attribution.texts and not pieces:
        attribution = attribution.by_word()
    shown = None
    if view(attribution) == "volume":
        attribution, shown = chosen_slices(
            attribution, plane=plane, slice=slice, slices=slices, channels=channels
        )
    else:
        check_no_slices(attribution, plane=plane, slice=slice, slices=slices)
    choices = Choices(
        examples,
        max_examples,
        display,
        scale,
        channels,
        percentile,
        cmap,
        title,
        figsize,
        series,
        kind,
        max_features,
    )
    check_table_kind(attribution, choices)
    if ax is not None:
        check_axes(ax, attribution, choices)
    drawn = check_arguments([attribution], choices, ("shared", "panel"))
    if shown is not None:
        remarks = tuple(shown.remark(example) for example in range(len(attribution)))
        drawn = replace(drawn, slices=shown, remarks=remarks)
    return in_size(figure_of, drawn) if ax is None else draw_into(ax, drawn)
