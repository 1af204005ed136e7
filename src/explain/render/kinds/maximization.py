"""The figure of activation maximizations: where they started, what was found, the score along the way."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from explain.errors import RenderError
from explain.inputs.layout import Layout
from explain.render.arguments import Drawn
from explain.render.kinds.image import input_heading
from explain.render.parts.caption import Line, head, target_of
from explain.render.parts.drawing import draw_picture, draw_score_curve
from explain.render.parts.page import (
    GAP,
    MARGIN,
    Heading,
    Row,
    compose,
    panel_size,
    panel_target,
    place_columns,
)
from explain.render.parts.pictures import Picture, picture
from explain.render.parts.sheet import INK, Sheet
from explain.results.attribution import Attribution
from explain.results.names import class_name, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVE_WIDTH = 2.2
# The numbers of the score axis stand to its left, those of the steps under it.
SCORE_ROOM = 0.42
STEPS_ROOM = 0.22


def found_picture(attribution: Attribution, example: int) -> Picture:
    """Give the input that was found for one example, as a picture.

    Parameters
    ----------
    attribution : Attribution
        Of method ``"activation_maximization"``.
    example : int
        Which one.

    Examples
    --------
    >>> import numpy as np
    >>> a = Attribution(np.ones((1, 4, 4)), np.zeros((1, 4, 4)), "NHW", "activation_maximization", np.ones(1))
    >>> float(found_picture(a, 0).pixels.mean())
    1.0
    """
    return _as_picture(attribution, attribution.values, example)


def plot_maximization(drawn: Drawn) -> Figure:
    """Draw one or two maximizations of the same targets, one row a target."""
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
                sheet.axes(curve_left, top, CURVE_WIDTH, max(height, 0.6)), histories, drawn.labels
            )

    headings = [Heading(name, left, width) for name, left in zip(names, lefts, strict=True)]
    if curves:
        kind = drawn.first.score.replace("_", "-")
        headings.append(Heading(f"{kind} over the steps", curve_left, CURVE_WIDTH))
    sheet, _ = compose(
        header=head(drawn.attributions, len(drawn.examples)),
        headings=headings,
        rows=[
            Row(
                _caption(drawn, example),
                max(height, 0.6) + (STEPS_ROOM if curves else 0.0),
                partial(draw_row, index),
            )
            for index, example in enumerate(drawn.examples)
        ],
        width=(curve_left + CURVE_WIDTH if curves else right) + 0.1 + MARGIN,
        notes=drawn.notes,
    )
    return sheet.figure


def _caption(drawn: Drawn, example: int) -> list[Line]:
    """Give the target, and the score that each attribution came to."""
    lines = [Line(class_name(drawn.first, target_of(drawn.first, example)), 9.5, "bold", INK)]
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
    return [*lines, Line(f"example {example}")]


def _as_picture(attribution: Attribution, inputs: np.ndarray, example: int) -> Picture:
    """Show any input as a picture: a table's row is a strip of one pixel's height."""
    one = Layout(attribution.layout).to_canonical(inputs)[example]
    return picture(one[np.newaxis] if one.ndim == 1 else one, attribution.display)


def _panel(shown: Picture, rows: int) -> tuple[float, float]:
    """Give the height and width in inches of a panel."""
    height, width = shown.pixels.shape[:2]
    wide, high = panel_size(height, width, min(panel_target(rows), 1.9))
    return high, wide
