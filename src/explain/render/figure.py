"""The figure of one attribution, for every kind of input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from explain.inputs.display import Display
from explain.render.arguments import Choices, check_arguments, check_attribution
from explain.render.colours import DEFAULT_PERCENTILE, Scale
from explain.render.kinds.by_view import figure_of
from explain.render.kinds.table_kinds import OF_ALL_EXAMPLES, TableKind, check_table_kind
from explain.render.kinds.volume import check_no_slices, chosen_slices
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule
from explain.results.view import default_channels, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot(
    attribution: Attribution,
    *,
    examples: int | Sequence[int] | None = None,
    display: Display | None = None,
    scale: Literal["shared", "panel"] | Scale = "shared",
    channels: ChannelRule | None = None,
    percentile: float = DEFAULT_PERCENTILE,
    max_examples: int = 8,
    pieces: bool = False,
    kind: TableKind | None = None,
    max_features: int | None = None,
    plane: str | None = None,
    slice: int | None = None,
    slices: int | Sequence[int] | None = None,
) -> Figure:
    """Draw an attribution, one row per example.

    Images: the input without its normalisation, the heatmap, and the heatmap over the input in grey. Sequences with
    ``display.step_names``, and token ids: each step on the colour of its relevance, with a bar below; names that are
    words are drawn as a text. Sequences without names: the input and the map as rows over time, with the sum of each
    step beside the map. Tables: bars from the largest to the smallest, or another `kind`. Texts: each word on the
    colour of its relevance; special tokens, such as ``[CLS]``, are smaller and outlined. Volumes: for each example the
    slice with the largest sum of |values|, or chosen ones. Activation maximization: the start, the input that was
    found, and the score at every step.

    Parameters
    ----------
    attribution : Attribution
        What to draw.
    examples : int or sequence of int, optional
        Which examples. By default the first `max_examples`.
    display : Display, optional
        How to draw the input, instead of ``attribution.display``.
    scale : {"shared", "panel"} or Scale
        One scale and one colour bar for all examples, one for each, or the scale of another figure.
    channels : {"sum", "mean", "abs_sum", "abs_max"}, optional
        How the channels of a position are merged, see `explain.render.heatmaps`. By default ``"sum"``; ``"mean"`` for
        methods that remove whole positions; ``"abs_sum"`` for methods that are unsigned in the catalogue.
    percentile : float
        The percentile of |values| at which colours are clipped, see `explain.render.shared_scale`.
    max_examples : int
        How many examples are drawn by default.
    pieces : bool
        For texts: whether each token has a colour of its own, instead of each word.
    kind : {"bars", "waterfall", "beeswarm", "importance"}, optional
        For tables: bars for each example, or a waterfall for each (see `explain.render.plot_waterfall`); or one figure
        of all examples, a swarm of points or a bar for each feature (see `explain.render.plot_beeswarm` and
        `explain.render.plot_importance`). By default bars.
    max_features : int, optional
        For tables: how many features are drawn one by one; the others are summed. By default 30 bars, and 10 to 12
        rows of the other kinds.
    plane : str, optional
        For volumes: the axis that slices cut across, by its letter in the layout, such as ``"H"``; ``"axial"``,
        ``"coronal"`` and ``"sagittal"`` cut across D, H and W. By default depth, and time for videos.
    slice : int, optional
        For volumes: the index of the slice that is drawn. By default the one with the largest sum of |values|.
    slices : int or sequence of int, optional
        For volumes: several slices of each, as a row; a number of evenly spaced ones, or their indices.

    Returns
    -------
    matplotlib.figure.Figure
        Notebooks show it; it is not registered in pyplot; save it with its ``savefig``.

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
    check_table_kind(attribution, kind, max_features)
    channels = default_channels([attribution]) if channels is None else channels
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
    choices = Choices(examples, max_examples, display, scale, channels, percentile)
    drawn = check_arguments([attribution], choices, ("shared", "panel"))
    if shown is not None:
        remarks = tuple(shown.remark(example) for example in range(len(attribution)))
        drawn = replace(drawn, slices=shown, remarks=remarks)
    return figure_of(drawn, kind, max_features)
