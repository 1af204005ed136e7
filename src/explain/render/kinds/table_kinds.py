"""The kinds of figures of a table, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from explain.errors import RenderError
from explain.render.arguments import Choices
from explain.render.colours import Scale
from explain.render.drawn import Drawn, TableKind
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

# One figure for all examples, not one row for each.
OF_ALL_EXAMPLES: tuple[TableKind, ...] = ("beeswarm", "importance")


def check_table_kind(attribution: Attribution, choices: Choices) -> None:
    """Raise `RenderError` if the figure of a table is unknown, is not for these inputs, or has no such argument.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> check_table_kind(Attribution(ones, ones, "NC", "saliency", np.ones(1)), Choices(kind="beeswarm"))
    """
    kind, most = choices.kind, choices.max_features
    if kind is not None and kind not in get_args(TableKind):
        raise RenderError(
            f"kind={kind!r} is not a figure of tables: give one of {', '.join(map(repr, get_args(TableKind)))}, or "
            "leave it out."
        )
    if kind is not None or most is not None:
        check_table(attribution, f"kind={kind!r}" if kind is not None else f"max_features={most!r}", most)
    if kind in OF_ALL_EXAMPLES and (choices.cmap is not None or choices.scale != "shared"):
        name = "cmap" if choices.cmap is not None else "scale"
        raise RenderError(
            f"{name}={getattr(choices, name)!r} is for colours of attributions, and kind={kind!r} has none: leave it "
            "out."
        )
    if kind == "waterfall" and (isinstance(choices.scale, Scale) or not is_signed(choices.channels)):
        name = "scale" if isinstance(choices.scale, Scale) else "channels"
        raise RenderError(
            f"{name}={getattr(choices, name)!r} does not apply to kind='waterfall', whose bars are signed and have the "
            "length of their values: leave it out."
        )


def plot_table_kind(drawn: Drawn) -> Figure:
    """Draw the figure of the kind; without a kind, bars for each example."""
    most = drawn.max_features
    if drawn.kind == "waterfall":
        return plot_waterfalls(drawn, most or MOST_BARS)
    if drawn.kind == "beeswarm":
        return plot_swarm(drawn, most or MOST_ROWS)
    if drawn.kind == "importance":
        return plot_sizes(drawn, most or MOST_ROWS)
    return plot_tables(drawn, most or MOST_FEATURES)


def draw_table_kind(axes: Axes, drawn: Drawn) -> None:
    """Draw the figure of the kind into axes of the caller; of kinds with a row for each example, the only one."""
    first, most = drawn.first, drawn.max_features
    if drawn.kind == "waterfall":
        fall = waterfall(first, drawn.examples[0], max_features=most or MOST_BARS)
        draw_waterfall(axes, fall, colors=drawn.scales[0])
    elif drawn.kind == "beeswarm":
        draw_beeswarm(axes, rows_of(drawn, most or MOST_ROWS), signed=is_signed(drawn.channels))
    elif drawn.kind == "importance":
        draw_importance(axes, rows_of(drawn, most or MOST_ROWS))
    else:
        shown = features(first, drawn.examples[0], channels=drawn.channels, most=most or MOST_FEATURES)
        draw_features(axes, shown, drawn.scales[0])
