"""The figure of two attributions of the same inputs, side by side on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from explain.errors import RenderError
from explain.inputs.display import Display
from explain.render.arguments import check_arguments, check_attribution
from explain.render.difference import with_difference
from explain.render.kinds.image_pair import plot_image_pairs
from explain.render.kinds.maximization import plot_maximization
from explain.render.kinds.sequence import plot_characters
from explain.render.kinds.table import plot_tables
from explain.render.kinds.volume import most_relevant_slice, slice_volume
from explain.results.attribution import Attribution
from explain.results.comparison import Comparison, compare
from explain.results.heatmap import DEFAULT_PERCENTILE, ChannelRule, Scale
from explain.results.view import default_channels, drawn_as, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_pair(
    a: Attribution,
    b: Attribution,
    *,
    labels: tuple[str, str] | None = None,
    comparison: Comparison | None = None,
    examples: int | Sequence[int] | None = None,
    display: Display | None = None,
    scale: Literal["shared", "example"] | Scale = "shared",
    channels: ChannelRule | None = None,
    percentile: float = DEFAULT_PERCENTILE,
    max_examples: int = 8,
    difference: bool = False,
) -> Figure:
    """Draw two attributions of the same inputs side by side, one row an example.

    The two may be laid out differently (channels first and last). Both maps of a pair are always on one
    scale. Under each map stand its score and convergence delta, under each pair its figures of similarity.

    Parameters
    ----------
    a, b : Attribution
        Of the same inputs, targets and kind of score.
    labels : tuple of str, optional
        What to call the two; from what tells them apart if not given.
    comparison : Comparison, optional
        What `explain.compare` gave for the two; computed if not given.
    examples : int or sequence of int, optional
        Which examples; the first `max_examples` if not given.
    display : Display, optional
        How to draw the input, instead of ``a.display``.
    scale : {"shared", "example"} or Scale
        One scale and one colour bar for all pairs, one for each pair, or the scale of another figure.
    channels : {"sum", "mean", "abs_sum", "abs_max"}, optional
        How the channels of a place are merged, see `explain.render.heatmaps`. Not given: ``"sum"``, ``"mean"`` for
        methods that take whole places away, or
        ``"abs_sum"`` for methods whose values have no sign by the catalogue.
    percentile : float
        The percentile of |values| at which colours are clipped, see `explain.render.shared_scale`.
    max_examples : int
        How many examples are drawn where `examples` does not say.
    difference : bool
        Whether the second map less the first is drawn beside them, on their scale: magnified ten or a hundred times
        where it is small, and its heading says so. Of two inputs that were found there is none.

    Returns
    -------
    matplotlib.figure.Figure
        It shows itself in notebooks, is not known to pyplot, and is saved by its ``savefig``.

    Raises
    ------
    ComparisonError
        If the two explain different things.
    RenderError
        If an argument is wrong or a value is not finite.

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
    check_attribution("a", a)
    check_attribution("b", b)
    if comparison is None:
        comparison = compare(a, b)
    elif not isinstance(comparison, Comparison) or len(comparison) != len(a):
        raise RenderError(
            f"comparison={comparison!r} does not belong to these {len(a)} examples: give what "
            "explain.compare(a, b) returned, or leave it out."
        )
    names = comparison.labels if labels is None else labels
    if isinstance(names, str) or len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise RenderError(f"labels={labels!r} does not name the two attributions: give two str.")
    channels = default_channels([a, b]) if channels is None else channels
    if view(a) == "volume":
        depths = most_relevant_slice(a, channels=channels)
        a, b = slice_volume(a, depths), slice_volume(b, depths)
    # The names of steps, features and classes are those of the first, whether or not the second has any.
    b = replace(b, display=a.display)
    drawn = check_arguments(
        [a, b],
        examples=examples,
        display=display,
        scale=scale,
        channels=channels,
        percentile=percentile,
        max_examples=max_examples,
        groupings=("shared", "example"),
    )
    drawn = replace(drawn, labels=tuple(names), comparison=comparison)
    how = view(drawn.first)
    if drawn_as(drawn.first) == "input":
        return plot_maximization(drawn)
    if difference:
        drawn = with_difference(drawn)
    if how == "characters":
        return plot_characters(drawn)
    if how == "table":
        return plot_tables(drawn)
    return plot_image_pairs(drawn)
