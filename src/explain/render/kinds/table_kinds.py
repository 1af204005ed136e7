"""The kinds of figures of a table, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from explain.errors import RenderError
from explain.render.drawn import Drawn
from explain.render.kinds.beeswarm import plot_sizes, plot_swarm
from explain.render.kinds.table import MOST_FEATURES, plot_tables
from explain.render.kinds.waterfall import MOST_BARS, plot_waterfalls
from explain.render.tables.columns import check_table
from explain.render.tables.feature_rows import MOST_ROWS
from explain.results.attribution import Attribution

if TYPE_CHECKING:
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
