"""A figure in the size that the caller wants: first wider or higher panels, then all of it smaller or larger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from matplotlib.text import Text

from explain.errors import RenderError
from explain.render.drawn import Drawn
from explain.render.parts.colour_bar import COLORBAR_WIDTH
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Smaller type cannot be read on paper.
LEAST_TYPE = 5.0
# Panels may grow and shrink so far before all else does with them.
_ZOOMS = (0.45, 20.0)
# A figure that is at most this much too small is centred: whole pixels of small images remain whole.
_CENTRED = 1.3


def in_size(plot: Callable[[Drawn], Figure], drawn: Drawn) -> Figure:
    """Draw a figure in the size that the caller wants, if any.

    Parameters
    ----------
    plot : callable
        Draws the figure, with wider and higher panels where ``drawn.zoom`` says so.
    drawn : Drawn
        Its content, with the size.

    Returns
    -------
    matplotlib.figure.Figure
        The figure in that size.

    Raises
    ------
    RenderError
        If the text would be too small to read.
    """
    figure = plot(drawn)
    if drawn.figsize is None:
        return figure
    return fitted(plot(replace(drawn, zoom=zoom_to(figure, drawn.figsize))), drawn.figsize)


def zoom_to(figure: Figure, figsize: tuple[float, float]) -> tuple[float, float]:
    """Tell how much wider and higher the panels of a figure should be, for the figure to have a given size.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure with panels of the usual size.
    figsize : tuple of float
        The wanted width and height, in inches.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure = Figure(figsize=(4, 2))
    >>> _ = figure.add_axes((0.25, 0, 0.5, 1))
    >>> zoom_to(figure, (6, 2))
    (2.0, 1.0)
    """
    found = []
    for axis, (wanted, usual) in enumerate(zip(figsize, figure.get_size_inches(), strict=True)):
        spans = [
            axes.get_position().intervalx if axis == 0 else axes.get_position().intervaly
            for axes in figure.axes
        ]
        inches = [(float(low) * usual, float(high) * usual) for low, high in spans]
        panels = _covered([span for span in inches if span[1] - span[0] > 1.5 * COLORBAR_WIDTH])
        zoom = 1.0 + (wanted - usual) / panels if panels else 1.0
        found.append(float(min(max(zoom, _ZOOMS[0]), _ZOOMS[1])))
    return found[0], found[1]


def fitted(figure: Figure, figsize: tuple[float, float]) -> Figure:
    """Give a figure a size, with its content in the middle; the proportions of the content remain.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A figure whose texts and axes are placed on a `Sheet`; it is changed.
    figsize : tuple of float
        The wanted width and height, in inches.

    Raises
    ------
    RenderError
        If the text would be too small to read.
    """
    width, height = (float(side) for side in figure.get_size_inches())
    factor = min(figsize[0] / width, figsize[1] / height)
    if 1.0 <= factor <= _CENTRED:
        factor = 1.0
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    smallest = min((_size(text) for text in texts), default=LEAST_TYPE)
    if factor * smallest < LEAST_TYPE and factor < 1.0:
        needed = [number(side * LEAST_TYPE / smallest + 0.05) for side in (width, height)]
        raise RenderError(
            f"figsize={figsize!r} is too small for the text of this figure, which needs about "
            f"({needed[0]}, {needed[1]}): give that size, fewer examples=, or draw one panel into your "
            "own axes with ax=."
        )
    left, bottom = (
        (wanted - factor * side) / 2 for wanted, side in zip(figsize, (width, height), strict=True)
    )
    if factor != 1.0:
        _rescale_strokes(figure, factor)
    for axes in figure.axes:
        box = axes.get_position()
        axes.set_position(
            (
                (left + factor * width * box.x0) / figsize[0],
                (bottom + factor * height * box.y0) / figsize[1],
                factor * width * box.width / figsize[0],
                factor * height * box.height / figsize[1],
            )
        )
    for text in figure.texts:
        x, y = text.get_position()
        text.set_position(
            ((left + factor * width * x) / figsize[0], (bottom + factor * height * y) / figsize[1])
        )
    figure.set_size_inches(*figsize)
    return figure


def _size(text: Text) -> float:
    return float(text.get_fontsize())


def _covered(spans: list[tuple[float, float]]) -> float:
    """Give the length that spans cover together."""
    total, reach = 0.0, float("-inf")
    for low, high in sorted(spans):
        total += max(0.0, high - max(low, reach))
        reach = max(reach, high)
    return total


def _rescale_strokes(figure: Figure, factor: float) -> None:
    """Make type, lines and ticks larger or smaller: their sizes are in points, whatever the size of the figure."""
    sizes = {text: _size(text) for text in figure.findobj(Text) if isinstance(text, Text)}
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks: dict[str, Any] = axis.get_tick_params()
            scaled = {
                name: factor * ticks[name]
                for name in ("length", "width", "labelsize", "pad")
                if name in ticks
            }
            axis.set_tick_params(**scaled)
            axis.labelpad *= factor
        for line in axes.lines:
            line.set_linewidth(factor * line.get_linewidth())
        for patch in (*axes.patches, *axes.spines.values()):
            patch.set_linewidth(factor * patch.get_linewidth())
    for text, size in sizes.items():
        text.set_fontsize(factor * size)
