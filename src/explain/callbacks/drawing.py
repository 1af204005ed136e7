"""The picture of one example, as an array of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from explain.callbacks.events import Pixels
from explain.render import draw_heatmap, draw_overlay, draw_picture, picture, plot, shared_scale
from explain.render.parts.caption import predicted_text, score_text, target_text
from explain.render.parts.sheet import DPI, MUTED, Sheet, elide, text_width
from explain.results.attribution import Attribution
from explain.results.canonical_axes import canonical
from explain.results.names import number
from explain.results.view import default_channels, drawn_as, maps_of, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Cards of TensorBoard are a third as wide as this; their words must be read there.
_WIDTH = 900 / DPI
_GAP = 6 / DPI
_TYPE = 12.0
_TALLEST = 900 / DPI
# A row of pixels can still be seen.
_LEAST = 24 / DPI
# Pictures flatter than this stand below each other.
_FLAT = 0.5
# For what `explain.render.plot` draws, whose words are small on a card and large on demand.
_DPI = 100


def pixels_of(attribution: Attribution, example: int, epoch: int) -> Pixels:
    """Draw one example for a card: a picture with its map and overlay, anything else as `explain.render.plot` does.

    Parameters
    ----------
    attribution : Attribution
        Of any kind of input.
    example : int
        Which example.
    epoch : int
        The number of the epoch, which the picture names.

    Returns
    -------
    numpy.ndarray of uint8
        Red, green and blue, shape (H, W, 3).

    Examples
    --------
    >>> ones = np.ones((2, 3, 8, 8), np.float32)
    >>> pixels = pixels_of(Attribution(ones, ones, "NCHW", "saliency", np.ones(2)), 1, epoch=3)
    >>> pixels.ndim, pixels.shape[1:], str(pixels.dtype)
    (3, (900, 3), 'uint8')
    """
    if view(attribution) == "image" and drawn_as(attribution) != "input":
        figure = _card(attribution, example, epoch)
    else:
        figure = plot(attribution, examples=example, title=f"Epoch {epoch}")
        figure.set_dpi(_DPI)
    # An Agg canvas, whose methods have no types.
    canvas: Any = figure.canvas
    canvas.draw()
    # A copy, since the buffer belongs to the figure.
    return np.array(canvas.buffer_rgba(), np.uint8)[..., :3].copy()


def _card(attribution: Attribution, example: int, epoch: int) -> Figure:
    """Draw the input, its map and the overlay, below the target, the score, the epoch and the range of the colours."""
    heatmap = maps_of(attribution, default_channels([attribution]))[example]
    scale = shared_scale(heatmap, signed=drawn_as(attribution) == "signed")
    shown = picture(canonical(attribution, attribution.inputs)[example], attribution.display)
    slope = heatmap.shape[0] / heatmap.shape[1]
    stacked = slope < _FLAT
    width = _WIDTH if stacked else (_WIDTH - 2 * _GAP) / 3
    height = max(min(width * slope, _TALLEST), _LEAST)
    width = max(min(width, height / slope), _LEAST)
    top = 3.1 * _TYPE / 72
    sheet = Sheet(_WIDTH, top + (3 * height + 2 * _GAP if stacked else height))
    limits = f"colours {'±' if scale.signed else '0 to'} {number(scale.vmax)}"
    predicted = predicted_text(attribution, example)
    words = f"{score_text(attribution, example)}{f', {predicted}' if predicted else ''}"
    below = _headed(sheet, 0.0, target_text(attribution, example), f"epoch {epoch}", is_bold=True)
    _headed(sheet, below, words, limits)
    places = [
        (0.0, top + index * (height + _GAP)) if stacked else (index * (width + _GAP), top)
        for index in range(3)
    ]
    panels = [sheet.axes(left, upper, width, height) for left, upper in places]
    draw_picture(panels[0], shown)
    draw_heatmap(panels[1], heatmap, scale)
    draw_overlay(panels[2], shown, heatmap, scale)
    return sheet.figure


def _headed(sheet: Sheet, top: float, left: str, right: str, *, is_bold: bool = False) -> float:
    """Write a line with words at both ends; the left ones are shortened until the right ones fit."""
    weight: Any = "bold" if is_bold else "normal"
    room = _WIDTH - text_width(right, _TYPE) - 4 * _GAP
    sheet.write(_WIDTH, top, right, _TYPE, color=MUTED, align="right")
    return sheet.write(0.0, top, elide(left, room, _TYPE, weight), _TYPE, weight=weight)
