"""A figure on which all axes and texts are placed in inches, so that no text is clipped or overlaps another."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from explain.render.png import figure_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 150
INK = "#1a1a1a"
MUTED = "#5f5f5f"
ALERT = "#a33b00"
RULE = "#b8b8b8"

LINE_HEIGHT = 1.32
POINTS_PER_INCH = 72.0

Weight = Literal["normal", "bold"]


class NotebookFigure(Figure):
    """A `matplotlib.figure.Figure` that a notebook shows without pyplot.

    Notebooks show a plain figure only with pyplot's inline backend; this figure gives its own PNG and changes no
    global state.

    Examples
    --------
    >>> NotebookFigure(figsize=(1, 1))._repr_png_()[1:4]
    b'PNG'
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create the figure and its own Agg canvas."""
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        """Give the picture that IPython shows."""
        return figure_png(self)


class Sheet:
    """A white figure of a given size on which axes and text are placed in inches from the top left corner.

    Parameters
    ----------
    width, height : float
        In inches.
    """

    def __init__(self, width: float, height: float) -> None:
        """Make the empty figure."""
        self.width = round(width * DPI) / DPI
        self.height = round(height * DPI) / DPI
        self.figure = NotebookFigure(figsize=(self.width, self.height), dpi=DPI, facecolor="white")

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Place axes, aligned to whole pixels so that small images stay sharp."""
        left, top, width, height = (round(inches * DPI) / DPI for inches in (left, top, width, height))
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box, facecolor="none")

    def write(
        self,
        left: float,
        top: float,
        text: str,
        size: float,
        *,
        color: str = INK,
        weight: Weight = "normal",
        align: Literal["left", "center", "right"] = "left",
    ) -> float:
        """Write one line whose top is at `top`; give the top of the next line."""
        height = line_height(size)
        self.figure.text(
            left / self.width,
            1 - (top + height / 2) / self.height,
            text,
            fontsize=size,
            color=color,
            fontweight=weight,
            ha=align,
            va="center_baseline",
            # Names come from users: a dollar sign in a name must not start a formula.
            parse_math=False,
        )
        return top + height


def line_height(size: float) -> float:
    """Give the height in inches of a line of text of `size` points.

    Examples
    --------
    >>> round(line_height(10), 3)
    0.183
    """
    return size * LINE_HEIGHT / POINTS_PER_INCH


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, weight: Weight = "normal") -> float:
    """Measure a line of text in inches.

    Examples
    --------
    >>> text_width("wide", 8) < text_width("wider", 8) < text_width("wider", 9)
    True
    """
    if not text:
        return 0.0
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(size=size, weight=weight), ismath=False
    )
    return float(width) / POINTS_PER_INCH


def elide(text: str, width: float, size: float, weight: Weight = "normal") -> str:
    """Shorten a text with an ellipsis until it is at most `width` inches wide.

    Examples
    --------
    >>> elide("a long name", 10, 8)
    'a long name'
    >>> elide("a long name", 0.4, 8)[-1]
    '…'
    """
    if text_width(text, size, weight) <= width:
        return text
    for length in range(len(text) - 1, 0, -1):
        shorter = text[:length].rstrip() + "…"
        if text_width(shorter, size, weight) <= width:
            return shorter
    return "…"


def wrap(text: str, width: float, size: float, *, weight: Weight = "normal", most: int = 3) -> list[str]:
    """Break a text at spaces into at most `most` lines of `width` inches; the rest is elided.

    Examples
    --------
    >>> wrap("one two", 10, 8), len(wrap("one two three four", 0.5, 8, most=2))
    (['one two'], 2)
    """
    lines = [""]
    words = text.split(" ")
    for index, word in enumerate(words):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if not lines[-1] or text_width(joined, size, weight) <= width:
            lines[-1] = joined
        elif len(lines) < most:
            lines.append(word)
        else:
            lines[-1] = " ".join([lines[-1], *words[index:]])
            break
    return [elide(line, width, size, weight) for line in lines]
