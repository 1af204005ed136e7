"""The figure of two attributions of the same inputs, side by side on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from explain.inputs.display import Display
from explain.public_calls.callers_line import at_callers_line
from explain.render.arguments import Choices, check_arguments, check_pair
from explain.render.colours import DEFAULT_PERCENTILE, Scale
from explain.render.difference import with_difference
from explain.render.kinds.by_view import figure_of
from explain.render.kinds.volume import check_no_slices, chosen_slices, slice_volume
from explain.render.placing.own_size import in_size
from explain.render.tables.columns import as_table
from explain.results.attribution import Attribution
from explain.results.comparison import Comparison
from explain.results.heatmap import ChannelRule
from explain.results.view import default_channels, drawn_as, view

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


@at_callers_line
def plot_pair(
    a: Attribution,
    b: Attribution,
    *,
    labels: tuple[str, str] | None = None,
    comparison: Comparison | None = None,
    examples: int | Sequence[int] | None = None,
    display: Display | Mapping[str, Any] | None = None,
    scale: Literal["shared", "example"] | Scale = "shared",
    channels: ChannelRule | None = None,
    percentile: float = DEFAULT_PERCENTILE,
    max_examples: int = 8,
    difference: bool = False,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
    cmap: str | Colormap | None = None,
    series: Literal["lines", "map"] | None = None,
    plane: str | None = None,
    slice: int | None = None,
) -> Figure:
    """Draw two attributions of the same inputs side by side, one row per example.

    The two layouts may differ (channels first and last). Both maps of a pair always share one scale. Score and
    convergence delta are below each map, the figures of similarity below each pair.

    Parameters
    ----------
    a, b : Attribution
        Of the same inputs, targets and kind of score.
    labels : tuple of str, optional
        Names of the two. By default the properties in which they differ.
    comparison : Comparison, optional
        The result of `explain.compare` for the two. By default it is computed.
    scale : {"shared", "example"} or Scale
        One scale and one colour bar for all pairs, one for each pair, or the scale of another figure.
    examples, display, channels, percentile, max_examples, figsize, title, cmap, series, plane, slice
        As for `explain.Attribution.plot`; the default display is the display of `a`.
    difference : bool
        Whether to draw the second map less the first beside them, on the same scale. A small difference is magnified
        ten or a hundred times, as its heading states. Inputs found by activation maximization have no difference.

    Returns
    -------
    matplotlib.figure.Figure
        As from `explain.render.plot`.

    Raises
    ------
    ComparisonError
        If the two explain different things.
    RenderError
        As `explain.render.plot` does.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.ones((1, 3, 8, 8), np.float32)
    >>> a = Attribution(x, x, "NCHW", "saliency", np.ones(1), framework="torch")
    >>> y = x.transpose(0, 2, 3, 1)
    >>> b = Attribution(y, y, "NHWC", "saliency", np.ones(1), framework="tensorflow")
    >>> len(plot_pair(a, b).axes)  # input, two maps, colour bar
    4
    """
    comparison, names = check_pair(a, b, labels, comparison)
    channels = default_channels([a, b]) if channels is None else channels
    # The names of steps, features and classes come from the first, whether or not the second has names.
    both = [as_table(one, asked=False) for one in (a, replace(b, display=a.display))]
    if a.texts:
        both = [replace(one, texts=a.texts).by_word() for one in both]
    remarks: tuple[str, ...] = ()
    if view(a) == "volume":
        first, shown = chosen_slices(a, plane=plane, slice=slice, slices=None, channels=channels)
        both = [first, slice_volume(both[1], shown.places[:, 0], plane=shown.axis)]
        remarks = tuple(shown.remark(example) for example in range(len(a)))
    else:
        check_no_slices(a, plane=plane, slice=slice)
    choices = Choices(
        examples, max_examples, display, scale, channels, percentile, cmap, title, figsize, series
    )
    drawn = check_arguments(both, choices, ("shared", "example"))
    drawn = replace(drawn, labels=names, comparison=comparison, remarks=remarks)
    if difference and drawn_as(drawn.first) != "input":
        drawn = with_difference(drawn)
    return in_size(figure_of, drawn)
