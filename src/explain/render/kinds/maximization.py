"""The figure of activation maximizations: the start, the input that was found, the score at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import FuncFormatter, MaxNLocator

from explain.errors import RenderError
from explain.inputs.layout import Layout
from explain.render.drawn import Drawn
from explain.render.kinds.image import input_heading
from explain.render.parts.axes import TICK_SIZE, quiet_axes
from explain.render.parts.caption import example_text, title_line
from explain.render.parts.example_rows import compose_examples
from explain.render.parts.lines import Line
from explain.render.parts.page import GAP, MARGIN, Heading, panel_size, panel_target, place_columns
from explain.render.parts.panels import draw_picture
from explain.render.parts.pictures import Picture, picture
from explain.render.parts.sheet import INK, Sheet
from explain.results.attribution import Attribution
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_WIDTH = 2.2
LEAST_CURVE = 0.6
# Space for the numbers of the score axis, to its left, and for the numbers of the steps, below it.
SCORE_ROOM = 0.42
STEPS_ROOM = 0.22


def found_picture(attribution: Attribution, example: int) -> Picture:
    """Give the input that was found for one example, as a picture.

    Parameters
    ----------
    attribution : Attribution
        Of method ``"activation_maximization"``.
    example : int
        The index of the example.

    Examples
    --------
    >>> a = Attribution(np.ones((1, 4, 4)), np.zeros((1, 4, 4)), "NHW", "activation_maximization", np.ones(1))
    >>> float(found_picture(a, 0).pixels.mean())
    1.0
    """
    return _as_picture(attribution, attribution.values, example)


def plot_maximization(drawn: Drawn) -> Figure:
    """Draw one or two maximizations of the same targets, one row per target."""
    found = [[found_picture(one, example) for example in drawn.examples] for one in drawn.attributions]
    starts = [_as_picture(drawn.first, drawn.first.inputs, example) for example in drawn.examples]
    height, width = _panel(found[0][0], len(drawn.examples))
    names = [input_heading(starts, "start")]
    names += [input_heading(one, name) for one, name in zip(found, drawn.labels or ["found"], strict=True)]
    lefts, right = place_columns(names, [width] * len(names))
    curve_left = right + GAP + SCORE_ROOM
    curves = all(one.history is not None for one in drawn.attributions)

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        example = drawn.examples[index]
        for left, shown in zip(lefts, [starts[index], *(one[index] for one in found)], strict=True):
            draw_picture(sheet.axes(left, top, width, height), shown)
        if curves:
            histories = [np.asarray(one.history)[:, example] for one in drawn.attributions]
            draw_score_curve(
                sheet.axes(curve_left, top, CURVE_WIDTH, max(height, LEAST_CURVE)), histories, drawn.labels
            )

    headings = [Heading(name, left, width) for name, left in zip(names, lefts, strict=True)]
    if curves:
        kind = drawn.first.score.replace("_", "-")
        headings.append(Heading(f"{kind} over the steps", curve_left, CURVE_WIDTH))
    row_height = max(height, LEAST_CURVE) + (STEPS_ROOM if curves else 0.0)
    page = compose_examples(
        drawn,
        draw_row,
        height=lambda index: row_height,
        headings=headings,
        width=(curve_left + CURVE_WIDTH if curves else right) + 0.1 + MARGIN,
        caption=_caption,
    )
    return page.sheet.figure


def draw_score_curve(axes: Axes, histories: Sequence[npt.ArrayLike], labels: Sequence[str] = ()) -> None:
    """Draw how the score grew over the steps of an activation maximization.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    histories : sequence of array_like
        One array per curve, of shape (steps + 1,).
    labels : sequence of str
        The names of the curves in the legend; without labels no legend is drawn.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_score_curve(axes, [[0.0, 1.0, 1.5]])
    >>> len(axes.lines)
    1
    """
    styles = (("#1f4e79", "-", 1.6), ("#d1761a", (0, (4, 2)), 1.6))
    for index, history in enumerate(histories):
        color, line, width = styles[index % len(styles)]
        label = labels[index] if labels else None
        axes.plot(np.asarray(history), color=color, linestyle=line, linewidth=width, label=label)
    if labels:
        axes.legend(fontsize=TICK_SIZE, frameon=False, loc="lower right", labelcolor=INK)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
    axes.margins(x=0.02, y=0.08)
    quiet_axes(axes, keep=("left", "bottom"))


def _caption(drawn: Drawn, example: int) -> list[Line]:
    """Give the target, and the score that each maximization reached."""
    lines = [title_line(drawn.first, example)]
    for index, one in enumerate(drawn.attributions):
        reached = number(float(one.scores[example]))
        if one.history is not None:
            history = np.asarray(one.history)
            if history.ndim != 2 or history.shape[1] != len(one):
                raise RenderError(
                    f"history has shape {history.shape}: expected (steps + 1, N) with N = {len(one)}, the "
                    "score of every example before every step and after the last."
                )
            reached = f"{number(float(history[0, example]))} → {number(float(history[-1, example]))}"
        name = drawn.labels[index] if drawn.labels else one.score.replace("_", "-")
        lines.append(Line(f"{name} {reached}", color=INK))
    return [*lines, Line(example_text(drawn.first, example))]


def _as_picture(attribution: Attribution, inputs: np.ndarray, example: int) -> Picture:
    """Show any input as a picture: a table's row is a strip of one pixel's height."""
    one = Layout(attribution.layout).to_canonical(inputs)[example]
    return picture(one[np.newaxis] if one.ndim == 1 else one, attribution.display)


def _panel(shown: Picture, rows: int) -> tuple[float, float]:
    """Give the height and width in inches of a panel."""
    height, width = shown.pixels.shape[:2]
    wide, high = panel_size(height, width, min(panel_target(rows), 1.9))
    return high, wide
