"""Colour bars: a single bar in given axes, and the column of bars at the right of a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from matplotlib.cm import ScalarMappable

from explain.render.colour_maps import value_colors
from explain.render.colours import Scale, color_of_zero
from explain.render.drawn import Drawn
from explain.render.parts.axes import TICK_SIZE, quiet_ticks
from explain.render.parts.page import GAP, HEADING_SIZE, MARGIN, Heading
from explain.render.parts.sheet import MUTED, RULE, Sheet, line_height, text_width, wrap
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The lines of the text along a colour bar: usually, and at most.
LABEL_LINES = 3
_LABEL_LINES_MOST = 4

COLORBAR_WIDTH = 0.13
LEAST_BAR = 1.0
# Space for the tick labels and the label of the bar, to its right.
COLORBAR_ROOM = 0.98


def draw_colorbar(cax: Axes, scale: Scale, *maps: npt.NDArray[Any], label: str = "") -> None:
    """Draw the colour bar of a scale; it ends in arrows where the maps are clipped.

    Parameters
    ----------
    cax : matplotlib.axes.Axes
        The axes to fill; their shape decides whether the bar is vertical or horizontal.
    scale : Scale
        The scale of all panels.
    *maps : numpy.ndarray
        Every heatmap that is drawn with this scale.
    label : str
        Written along the bar.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> cax = Figure().add_axes((0.1, 0.1, 0.1, 0.8))
    >>> draw_colorbar(cax, Scale(-1.0, 1.0, True, 99.0), np.array([2.0]))
    >>> [tick.get_text() for tick in cax.get_yticklabels()]
    ['−1', '−0.5', '0', '0.5', '1']
    """
    figure = cax.get_figure(root=True)
    if figure is None:
        raise RuntimeError("cax belongs to no figure")
    box = cax.get_position()
    vertical = box.height * figure.get_figheight() >= box.width * figure.get_figwidth()
    extend = scale.extend(*maps)
    bar = figure.colorbar(
        ScalarMappable(scale.norm, color_of_zero(scale) if scale.all_zero else scale.colormap),
        cax=cax,
        orientation="vertical" if vertical else "horizontal",
        extend=extend,
        extendfrac=0.05,
    )
    if scale.all_zero:
        ticks = [0.0]
    elif scale.signed:
        ticks = [part * scale.vmax for part in (-1, -0.5, 0, 0.5, 1)]
    else:
        ticks = [part * scale.vmax for part in (0, 0.25, 0.5, 0.75, 1)]
    bar.set_ticks(ticks, labels=[number(float(tick)) for tick in ticks])
    quiet_ticks(bar.ax)
    bar.outline.set_linewidth(0.5)
    bar.outline.set_edgecolor(RULE)
    inches = box.height * figure.get_figheight() if vertical else box.width * figure.get_figwidth()
    words = "\n".join(_label_lines("all zero" if scale.all_zero else label, inches))
    bar.set_label(words, size=TICK_SIZE, color=MUTED, labelpad=6 if vertical else 2)


def draw_value_bar(cax: Axes) -> None:
    """Draw the colours of a feature's values, from low to high, in narrow upright axes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> cax = Figure().add_axes((0.1, 0.1, 0.1, 0.8))
    >>> draw_value_bar(cax)
    >>> [tick.get_text() for tick in cax.get_yticklabels()]
    ['low', 'high']
    """
    figure = cax.get_figure(root=True)
    if figure is None:
        raise RuntimeError("cax belongs to no figure")
    bar = figure.colorbar(ScalarMappable(cmap=value_colors()), cax=cax)
    bar.set_ticks([0.0, 1.0], labels=["low", "high"])
    quiet_ticks(bar.ax)
    bar.outline.set_linewidth(0.5)
    bar.outline.set_edgecolor(RULE)
    bar.set_label("feature value", size=TICK_SIZE, color=MUTED, labelpad=-6)


def _label_lines(label: str, inches: float) -> list[str]:
    """Break the text along a bar into lines."""
    return wrap(label, 0.97 * inches, TICK_SIZE, most=_LABEL_LINES_MOST)


@dataclass(frozen=True)
class BarColumn:
    """The colour bars at the right of rows of panels, one beside each row.

    Attributes
    ----------
    drawn : Drawn
        The content of the figure.
    right : float
        The right end of the panels, in inches.
    height : float
        The height of a panel, in inches.
    merged : str
        The axis that was merged in a map (``"channels"``), for the text along the bar.
    """

    drawn: Drawn
    right: float
    height: float
    merged: str

    @property
    def left(self) -> float:
        """The left end of the bars, in inches."""
        return self.right + GAP + 0.04

    @property
    def page_width(self) -> float:
        """The width of a page that ends with the bars."""
        lines = len(_label_lines(self.drawn.scale_words(self.merged), max(self.height, LEAST_BAR)))
        more = max(lines - LABEL_LINES, 0) * line_height(TICK_SIZE)
        return self.left + COLORBAR_WIDTH + COLORBAR_ROOM + more + MARGIN

    @property
    def headings(self) -> list[Heading]:
        """The heading of the bars, where there are several: whether they are the same."""
        if len(self.drawn.examples) == 1:
            return []
        words = "one scale for all" if self.drawn.shared else "a scale for each"
        width = text_width(words, HEADING_SIZE)
        return [Heading(words, self.left, width)]

    def draw_row(self, sheet: Sheet, top: float, index: int) -> None:
        """Draw the bar of one row: of a shared scale, the same beside each row."""
        drawn = self.drawn
        maps = drawn.shown_maps() if drawn.shared else drawn.maps_of_example(drawn.examples[index])
        words = drawn.scale_words(self.merged)
        draw_colorbar(self._axes(sheet, top, self.height), drawn.scales[index], *maps, label=words)

    def _axes(self, sheet: Sheet, top: float, height: float) -> Axes:
        """Give the axes of a bar, at least high enough to read it."""
        return sheet.axes(self.left, top, COLORBAR_WIDTH, max(height, LEAST_BAR))
