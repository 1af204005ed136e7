"""Tables: a named bar for each feature, from the largest to the smallest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from explain.render.colours import Scale, sign_colors
from explain.render.drawn import Drawn
from explain.render.parts.axes import quiet_axes, say_all_zero
from explain.render.parts.example_rows import compose_examples
from explain.render.parts.lines import lines_height, write_lines
from explain.render.parts.page import CONTENT_LEFT, MARGIN, Heading
from explain.render.parts.pair_caption import PAIR_GAP, similarity_lines, under_maps
from explain.render.parts.sheet import INK, MUTED, Sheet, text_width
from explain.render.tables.columns import column_names, elided_name, own_rows
from explain.results.attribution import Attribution
from explain.results.canonical_axes import canonical
from explain.results.heatmap import ChannelRule
from explain.results.names import number
from explain.results.view import maps_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR_HEIGHT = 0.205
BARS_WIDTH = 3.4
PAIR_BARS_WIDTH = 2.6
NAME_SIZE = 8.0
NAME_WIDTH_MOST = 3.4
AXIS_ROOM = 0.24
# The features beyond this number share one bar at the end, which states how many they are.
MOST_FEATURES = 30


@dataclass(frozen=True)
class Feature:
    """One bar.

    Attributes
    ----------
    name : str
        The feature, with its input value.
    relevance : float
        Its attribution.
    """

    name: str
    relevance: float


def features(
    attribution: Attribution,
    example: int,
    *,
    channels: ChannelRule = "sum",
    order: Sequence[int] | None = None,
    most: int = MOST_FEATURES,
) -> list[Feature]:
    """Give the features of one example of a table, the largest attribution first.

    Parameters
    ----------
    attribution : Attribution
        Of tables, layout ``"NC"``.
    example : int
        The index of the example.
    channels : {"sum", "mean", "abs_sum", "abs_max"}
        Whether signs are preserved, see `explain.render.heatmaps`.
    order : sequence of int, optional
        The columns in another order, e.g. the order of another attribution; columns that are not in it are summed into
        one feature at the end.
    most : int
        How many features have a bar of their own.

    Returns
    -------
    list of Feature
        At most ``most + 1``: if there are more features, the smallest are summed into the last.

    Raises
    ------
    RenderError
        If there are names, but not one per column.

    Examples
    --------
    >>> values, inputs = np.array([[0.1, -2]], np.float32), np.array([[7, 8.5]], np.float32)
    >>> a = Attribution(values, inputs, "NC", "saliency", np.ones(1))
    >>> [feature.name for feature in features(a.with_display(feature_names=("age", "mass")), 0)]
    ['mass = 8.5', 'age = 7']
    """
    relevance = maps_of(attribution, channels)[example]
    inputs = canonical(attribution, attribution.inputs)[example]
    names = column_names(attribution)
    kept = own_rows(list(feature_order([relevance]) if order is None else order), most)
    found = [
        Feature(f"{names[index]} = {number(float(inputs[index]))}", float(relevance[index])) for index in kept
    ]
    rest = sorted(set(range(len(relevance))) - set(kept))
    if rest:
        found.append(Feature(f"sum of {len(rest)} others", float(relevance[rest].sum())))
    return found


def feature_order(relevances: Sequence[np.ndarray]) -> list[int]:
    """Order columns by the largest absolute attribution in any of several maps; equal columns keep their order.

    Examples
    --------
    >>> feature_order([np.array([1.0, -3.0, 2.0])])
    [1, 2, 0]
    """
    sizes = np.abs(np.stack(list(relevances))).max(axis=0)
    return [int(index) for index in np.argsort(-sizes, kind="stable")]


def draw_features(
    axes: Axes, shown: Sequence[Feature], scale: Scale, *, limit: float | None = None, named: bool = True
) -> None:
    """Draw features as bars, from top to bottom.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; the names are written to the left.
    shown : sequence of Feature
        See `features`.
    scale : Scale
        Defines the two colours of the signs.
    limit : float, optional
        The end of the axis; by default the length of the longest bar.
    named : bool
        Whether to write the names.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_features(axes, [Feature("age = 7", 0.5), Feature("mass = 8", -0.1)], Scale(-1, 1, True, 99))
    >>> [float(bar.get_width()) for bar in axes.patches]
    [0.5, -0.1]
    """
    relevance = np.array([feature.relevance for feature in shown])
    reach = float(np.abs(relevance).max(initial=0.0)) if limit is None else limit
    reach = reach or 1.0
    places = np.arange(len(shown))
    axes.barh(places, relevance, height=0.68, color=sign_colors(relevance, scale), linewidth=0)
    axes.set_ylim(len(shown) - 0.45, -0.55)
    axes.set_xlim(-1.04 * reach if scale.signed else 0.0, 1.04 * reach)
    axes.axvline(0, color=MUTED, linewidth=0.7)
    axes.xaxis.set_major_locator(MaxNLocator(4, symmetric=scale.signed))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    quiet_axes(axes, keep=("bottom",))
    axes.set_yticks(places)
    names = [elided_name(feature.name, NAME_WIDTH_MOST, NAME_SIZE) if named else "" for feature in shown]
    axes.set_yticklabels(names, fontsize=NAME_SIZE, color=INK, parse_math=False)
    axes.tick_params(axis="y", length=0, pad=4)
    if not relevance.any():
        say_all_zero(axes)


def plot_tables(drawn: Drawn, most: int = MOST_FEATURES) -> Figure:
    """Draw the examples of one or two tables as sorted bars, both of a pair in one order and on one axis."""
    shown = [_both(drawn, example, most) for example in drawn.examples]
    left = CONTENT_LEFT + names_width([one for both in shown for one in both])
    width = BARS_WIDTH if len(drawn.attributions) == 1 else PAIR_BARS_WIDTH
    lefts = [left + which * (width + 0.3) for which in range(len(drawn.panels))]
    whole = lefts[len(drawn.attributions) - 1] + width - left
    unders = under_maps(drawn.attributions, drawn.examples, width) if drawn.labels else {}

    def under_height(example: int) -> float:
        return max((lines_height(lines, width) for lines in unders.get(example, [])), default=0.0)

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        example = drawn.examples[index]
        limit = bars_limit([one for both in shown for one in both] if drawn.shared else shown[index])
        height = bars_height(shown[index][0])
        for which, at in enumerate(lefts):
            axes = sheet.axes(at, top, width, height)
            draw_features(axes, shown[index][which], drawn.scales[index], limit=limit, named=which == 0)
            if drawn.labels and which < len(drawn.attributions):
                write_lines(sheet, at, top + height + AXIS_ROOM, unders[example][which], width)
        below = top + height + AXIS_ROOM + under_height(example) + PAIR_GAP
        write_lines(sheet, left, below, similarity_lines(drawn.comparison, example, whole), whole)

    def row_height(index: int) -> float:
        example = drawn.examples[index]
        height = bars_height(shown[index][0]) + AXIS_ROOM + under_height(example)
        similarity = lines_height(similarity_lines(drawn.comparison, example, whole), whole)
        return height + (PAIR_GAP + similarity if similarity else 0.0)

    headings = zip(drawn.labels or ("attribution",), lefts, strict=True)
    page = compose_examples(
        drawn,
        draw_row,
        height=row_height,
        headings=[Heading(label, at, width) for label, at in headings],
        width=lefts[-1] + width + 0.1 + MARGIN,
    )
    return page.sheet.figure


def _both(drawn: Drawn, example: int, most: int) -> list[list[Feature]]:
    """Give the bars of each attribution for one example, in one order."""
    order = feature_order([maps[example] for maps in drawn.maps])
    return [features(one, example, channels=drawn.channels, order=order, most=most) for one in drawn.panels]


def bars_limit(shown: Sequence[Sequence[Feature]]) -> float:
    """Give the length of the longest bar of several examples; bars are not clipped."""
    return max((abs(feature.relevance) for one in shown for feature in one), default=0.0)


def bars_height(shown: Sequence[Feature]) -> float:
    """Give the height in inches of the bars of one example."""
    return BAR_HEIGHT * max(len(shown), 2)


def names_width(shown: Sequence[Sequence[Feature]]) -> float:
    """Give the width in inches that the names beside the bars take."""
    widths = [text_width(feature.name, NAME_SIZE) for one in shown for feature in one]
    return min(max(widths, default=0.0), NAME_WIDTH_MOST) + 0.12
