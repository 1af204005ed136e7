"""The kinds of figures of a table, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from explain.errors import RenderError
from explain.render.drawn import Drawn
from explain.render.kinds.beeswarm import draw_beeswarm, draw_importance, plot_sizes, plot_swarm
from explain.render.kinds.table import MOST_FEATURES, draw_features, features, plot_tables
from explain.render.kinds.waterfall import MOST_BARS, draw_waterfall, plot_waterfalls, waterfall
from explain.render.tables.columns import check_table
from explain.render.tables.feature_rows import MOST_ROWS, rows_of
from explain.results.attribution import Attribution
from explain.results.heatmap import is_signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TableKind = Literal["bars", "waterfall", "beeswarm", "importance"]
"""How a table is drawn: bars or a waterfall for each example, or a swarm or a bar for each feature."""

# One figure for all examples, not one row for each.
OF_ALL_EXAMPLES: tuple[TableKind, ...] = ("beeswarm", "importance")


def check_table_kind(attribution: Attribution, kind: Any, max_features: Any) -> None:
    """Raise `RenderError` if `kind` is unknown, `max_features` no number, or the inputs are no tables but one is given.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> check_table_kind(Attribution(ones, ones, "NC", "saliency", np.ones(1)), "beeswarm", 5)
    """
    if kind is None and max_features is None:
        return
    if kind is not None and kind not in get_args(TableKind):
        raise RenderError(
            f"kind={kind!r} is not a figure of tables: give one of {', '.join(map(repr, get_args(TableKind)))}, or "
            "leave it out."
        )
    what = f"kind={kind!r}" if kind is not None else f"max_features={max_features!r}"
    check_table(attribution, what, max_features)


def plot_table_kind(drawn: Drawn, kind: TableKind | None, max_features: int | None) -> Figure:
    """Draw the figure of that kind; without a kind, bars for each example."""
    if kind == "waterfall":
        return plot_waterfalls(drawn, max_features or MOST_BARS)
    if kind == "beeswarm":
        return plot_swarm(drawn, max_features or MOST_ROWS)
    if kind == "importance":
        return plot_sizes(drawn, max_features or MOST_ROWS)
    return plot_tables(drawn, max_features or MOST_FEATURES)


def draw_table_kind(axes: Axes, drawn: Drawn, kind: TableKind, max_features: int | None) -> None:
    """Draw what that kind of figure has for its first example, or for all of them, into axes of the caller."""
    (example, *_), scale = drawn.examples, drawn.scales[0]
    if kind == "waterfall":
        draw_waterfall(axes, waterfall(drawn.first, example, max_features=max_features or MOST_BARS))
    elif kind == "beeswarm":
        draw_beeswarm(axes, rows_of(drawn, max_features or MOST_ROWS), signed=is_signed(drawn.channels))
    elif kind == "importance":
        draw_importance(axes, rows_of(drawn, max_features or MOST_ROWS))
    else:
        shown = features(drawn.first, example, channels=drawn.channels, most=max_features or MOST_FEATURES)
        draw_features(axes, shown, scale)
