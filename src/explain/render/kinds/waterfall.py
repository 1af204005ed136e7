"""Tables as waterfalls: from the score at the baseline up to the score of the example, a bar for each feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from explain.inputs.display import Display
from explain.public_calls.callers_line import at_callers_line
from explain.render.arguments import Choices, check_arguments, check_attribution
from explain.render.colours import Scale, sign_colors
from explain.render.drawn import Drawn
from explain.render.kinds.table import (
    AXIS_ROOM,
    BAR_HEIGHT,
    BARS_WIDTH,
    NAME_SIZE,
    NAME_WIDTH_MOST,
    Feature,
    features,
)
from explain.render.parts.axes import quiet_axes, say_all_zero
from explain.render.parts.example_rows import compose_examples
from explain.render.parts.page import CONTENT_LEFT, MARGIN, Heading
from explain.render.parts.sheet import DPI, INK, MUTED, RULE, Sheet, text_width
from explain.render.tables.baseline_scores import start_scores
from explain.render.tables.columns import as_table, check_table, elided_name
from explain.results.attribution import Attribution
from explain.results.heatmap import Floats
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 10
_SIGNS = Scale(-1.0, 1.0, True, 100.0)
# A delta that is at least this wide on paper, in pixels of the figure, has a bar of its own.
_VISIBLE = 2.0


@dataclass(frozen=True, eq=False)
class Waterfall:
    """The bars between two scores.

    Attributes
    ----------
    bars : tuple of Feature
        From the score of the example down to the score at the baseline, the largest |attribution| first.
    start, end : float
        The score at the baseline and the score of the example.
    start_name, end_name : str
        What the two are.
    has_delta : bool
        Whether the last bar is the part of the difference that the values do not add up to.
    """

    bars: tuple[Feature, ...]
    start: float
    end: float
    start_name: str
    end_name: str
    has_delta: bool = False

    @property
    def edges(self) -> Floats:
        """The score before and after each bar, beginning with `end`; one more than there are bars."""
        steps = np.cumsum([0.0, *(bar.relevance for bar in self.bars)])
        return np.asarray(self.end - steps)

    @property
    def reach(self) -> tuple[float, float]:
        """The least and the greatest score that is drawn."""
        edges = self.edges
        return min(float(edges.min()), self.start), max(float(edges.max()), self.start)


@at_callers_line
def plot_waterfall(
    attribution: Attribution,
    example: int = 0,
    *,
    max_features: int = MOST_BARS,
    display: Display | None = None,
) -> Figure:
    """Draw one example of a table as a waterfall: its features lead from the score at the baseline to its score.

    Read it from the bottom: it begins at the score at the baseline (or at the mean score of the references), each
    feature adds its attribution, the largest last, and ends at the score of the example. If the values miss the
    difference of the two scores visibly, a grey bar has the rest. For several examples, give ``kind="waterfall"`` to
    `explain.render.plot`.

    Parameters
    ----------
    attribution : Attribution
        Of tables, layout ``"NC"``, by a method whose values sum to a difference of scores.
    example : int
        The index of the example.
    max_features : int
        How many features have a bar of their own; the others share one.
    display : Display, optional
        The names of features and classes, instead of ``attribution.display``.

    Returns
    -------
    matplotlib.figure.Figure
        As from `explain.render.plot`.

    Raises
    ------
    RenderError
        If the values do not sum to a difference of scores, or an argument is wrong.

    Examples
    --------
    >>> values, inputs = np.array([[2.0, -0.5]], np.float32), np.array([[39, 1]], np.float32)
    >>> a = Attribution(values, inputs, "NC", "ig", np.array([1.0]), delta=np.zeros(1))
    >>> figure = plot_waterfall(a.with_display(feature_names=("age", "visits")))
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['logit of the example', 'age = 39', 'visits = 1', 'logit at the baseline']
    """
    check_attribution("attribution", attribution)
    attribution = as_table(attribution)
    check_table(attribution, "a waterfall", max_features)
    return plot_waterfalls(check_arguments([attribution], Choices(example, display=display)), max_features)


def waterfall(attribution: Attribution, example: int = 0, *, max_features: int = MOST_BARS) -> Waterfall:
    """Give the bars of one example of a table, between the score at the baseline and the score of the example.

    Parameters
    ----------
    attribution, example, max_features
        As for `explain.render.plot_waterfall`.

    Returns
    -------
    Waterfall
        Its bars sum to the difference of the two scores.

    Raises
    ------
    RenderError
        If the values do not sum to a difference of scores.

    Examples
    --------
    >>> values = np.array([[2.0, -0.5]], np.float32)
    >>> found = waterfall(Attribution(values, values, "NC", "ig", np.array([1.0]), delta=np.array([0.25])))
    >>> found.edges.tolist(), found.start, found.bars[-1].relevance
    ([1.0, -1.0, -0.5, -0.25], -0.25, -0.25)
    """
    attribution = as_table(attribution)
    start, end = float(start_scores(attribution)[example]), float(attribution.scores[example])
    score = attribution.score.replace("_", "-")
    rule = attribution.baseline_rule
    start_name = (
        f"mean {score} of {rule['count']} references"
        if rule.get("rule") == "references"
        else f"{score} at the baseline"
    )
    bars = features(attribution, example, most=max_features)
    assert attribution.delta is not None
    rest = -float(attribution.delta[example])
    edges = np.cumsum([end, *(-bar.relevance for bar in bars)])
    width = max(float(np.ptp([*edges, start])), np.finfo(np.float64).tiny)
    has_delta = abs(rest) / width >= _VISIBLE / (BARS_WIDTH * DPI)
    if has_delta:
        bars.append(Feature("not attributed (delta)", rest))
    return Waterfall(tuple(bars), start, end, start_name, f"{score} of the example", has_delta)


def draw_waterfall(
    axes: Axes, fall: Waterfall, *, span: float | None = None, colors: Scale | None = None
) -> None:
    """Draw the bars between two scores, the score of the example at the top.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; the names are written to the left, the numbers to the right.
    fall : Waterfall
        From `explain.render.waterfall`.
    span : float, optional
        The range of scores that the axis shows, equal for several waterfalls; by default what the bars need.
    colors : Scale, optional
        A signed scale that defines the two colours of the signs.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> values = np.array([[2.0, -0.5]], np.float32)
    >>> a = Attribution(values, values, "NC", "ig", np.array([1.0]), delta=np.zeros(1))
    >>> axes = Figure().add_subplot()
    >>> draw_waterfall(axes, waterfall(a))
    >>> [(float(bar.get_x()), float(bar.get_x() + bar.get_width())) for bar in axes.patches]
    [(-1.0, 1.0), (-0.5, -1.0)]
    """
    edges, count = fall.edges, len(fall.bars)
    relevance = np.array([bar.relevance for bar in fall.bars])
    filled: list[Any] = list(sign_colors(relevance, _SIGNS if colors is None else colors))
    if fall.has_delta:
        filled[-1] = RULE
    for score in (fall.start, fall.end):
        axes.axvline(score, color=RULE, linewidth=0.7, linestyle=(0, (3, 2)), zorder=0)
    axes.barh(np.arange(1, count + 1), relevance, left=edges[1:], height=0.68, color=filled, linewidth=0)
    # From each bar to the next one, which begins where it ends.
    axes.vlines(edges, np.arange(count + 1) - 0.34, np.arange(count + 1) + 1.34, color=MUTED, linewidth=0.6)
    for score, row in ((fall.end, 0), (fall.start, count + 1)):
        axes.plot([score], [row], marker="D", markersize=4.5, color=INK, linewidth=0)
    axes.set_ylim(count + 1.6, -0.6)
    low, high = fall.reach
    room = max(high - low, span or 0.0) or 1.0
    middle = (low + high) / 2
    axes.set_xlim(middle - 0.54 * room, middle + 0.54 * room)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
    quiet_axes(axes, keep=("bottom",))
    names = [elided_name(name, NAME_WIDTH_MOST, NAME_SIZE) for name in _names(fall)]
    axes.set_yticks(np.arange(count + 2))
    axes.set_yticklabels(names, fontsize=NAME_SIZE, color=INK, parse_math=False)
    axes.tick_params(axis="y", length=0, pad=4)
    for row, words in enumerate(_numbers(fall)):
        axes.annotate(
            words,
            (1, row),
            xycoords=axes.get_yaxis_transform(),
            xytext=(6, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=NAME_SIZE,
            color=INK,
            annotation_clip=False,
        )
    for row in (0, count + 1):
        axes.get_yticklabels()[row].set_fontweight("bold")
    if not relevance.any():
        say_all_zero(axes)


def _names(fall: Waterfall) -> list[str]:
    """Give the words to the left of each row."""
    return [fall.end_name, *(bar.name for bar in fall.bars), fall.start_name]


def _numbers(fall: Waterfall) -> list[str]:
    """Give the numbers to the right of each row: scores, and between them what is added."""
    # The sum with 0.0 is 0.0 for a negative zero.
    added = [("+" if bar.relevance > 0 else "") + number(bar.relevance + 0.0) for bar in fall.bars]
    return [number(fall.end), *added, number(fall.start)]


def plot_waterfalls(drawn: Drawn, max_features: int = MOST_BARS) -> Figure:
    """Draw the examples of a table as waterfalls, below each other."""
    falls = [waterfall(drawn.first, example, max_features=max_features) for example in drawn.examples]
    names = max(text_width(name, NAME_SIZE, "bold") for fall in falls for name in _names(fall))
    numbers = max(text_width(words, NAME_SIZE) for fall in falls for words in _numbers(fall))
    left = CONTENT_LEFT + min(names, NAME_WIDTH_MOST) + 0.12
    span = max(fall.reach[1] - fall.reach[0] for fall in falls)

    width = BARS_WIDTH * drawn.zoom[0]

    def height(index: int) -> float:
        return BAR_HEIGHT * drawn.zoom[1] * (len(falls[index].bars) + 2)

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        axes = sheet.axes(left, top, width, height(index))
        draw_waterfall(axes, falls[index], span=span if drawn.shared else None, colors=drawn.scales[index])

    page = compose_examples(
        drawn,
        draw_row,
        height=lambda index: height(index) + AXIS_ROOM,
        headings=[Heading(drawn.first.score.replace("_", "-"), left, width)],
        width=left + width + 0.1 + numbers + MARGIN,
    )
    return page.sheet.figure
