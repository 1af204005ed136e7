"""What a notebook shows of a result: bundles of pictures, pages and text, drawn when they are asked for."""

from __future__ import annotations

import base64
import html
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from explain.inputs.display import shortened
from explain.inputs.layout import Layout
from explain.results.attribution import Attribution
from explain.results.view import default_channels, drawn_as, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Bundle = tuple[dict[str, str], dict[str, Any]]
Metadata = dict[str, Any]

PLAIN, HTML, PNG = "text/plain", "text/html", "image/png"

# Dots of the screen per inch of a figure. Figures have half as many dots again, for screens with fine dots.
_SCREEN = 100

# A wider figure is shown smaller: so many dots of the screen is what a notebook's page has.
_WIDEST = 1000

# At most so many examples are shown: of images as a grid, of tables as dots, of anything else each in a row of its own.
MOST_IN_GRID = 12
MOST_IN_SWARM = 5_000
MOST_ROWS = 4

# From so many examples a grid, and a swarm of dots, is better than a row for each.
_LEAST_IN_GRID = 4
_LEAST_IN_SWARM = 10

# Beyond this many values, fewer examples are drawn; beyond this side, every dot is the mean of several.
_MOST_VALUES = 8_000_000
_MOST_SIDE = 1024

_LONGEST_REASON = 400


@dataclass(frozen=True)
class Drawing:
    """A figure, and what it does not show, as words."""

    figure: Figure
    left_out: str


def bundle(
    text: Callable[[], str],
    makers: Mapping[str, Callable[[], tuple[str, Metadata]]],
    include: Collection[str] | None = None,
    exclude: Collection[str] | None = None,
) -> Bundle:
    """Give what a notebook shows: only the kinds that it asks for are made, and a failure becomes text.

    Parameters
    ----------
    text : callable
        Gives the text for a terminal.
    makers : Mapping of str to callable
        For each kind (``"image/png"``, ``"text/html"``) a function that gives its data and its metadata.
    include, exclude : collection of str, optional
        The kinds to give, and those not to give; as IPython passes them.

    Examples
    --------
    >>> bundle(lambda: "a", {"text/html": lambda: ("<b>a</b>", {})}, exclude=["text/plain"])
    ({'text/html': '<b>a</b>'}, {})
    >>> bundle(lambda: "a", {"text/html": lambda: 1 / 0})[0]
    {'text/plain': 'a\\n(not drawn: ZeroDivisionError: division by zero)'}
    """
    data: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    written = ""

    def wanted(kind: str) -> bool:
        return (not include or kind in include) and kind not in (exclude or ())

    for kind, make in makers.items():
        if not wanted(kind) or (not include and _is_terminal()):
            continue
        try:
            data[kind], own = make()
        # A notebook shows the result, whatever goes wrong while it is drawn.
        except Exception as cause:
            written += f"\n(not drawn: {reason(cause)})"
            continue
        if own:
            metadata[kind] = own
    if wanted(PLAIN):
        data = {PLAIN: text() + written, **data}
    return data, metadata


def _is_terminal() -> bool:
    """Whether IPython runs in a terminal, which asks for every kind and shows text alone."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and list(shell.display_formatter.active_types) == [PLAIN]


def reason(cause: Exception) -> str:
    """Write why something is not drawn, in at most a few lines."""
    words = " ".join(f"{type(cause).__name__}: {cause}".split())
    return words if len(words) <= _LONGEST_REASON else words[:_LONGEST_REASON] + "…"


def drawing(attribution: Attribution) -> Drawing:
    """Draw the first examples of an attribution that is no text, as a notebook shows it.

    Parameters
    ----------
    attribution : Attribution
        Of any number of examples and of any size.

    Returns
    -------
    Drawing
        Images from four examples on as a grid, tables from ten on as a beeswarm of all, everything else as
        `explain.render.plot` draws it.
    """
    from explain.render.arguments import Choices, check_arguments
    from explain.render.figure import plot
    from explain.render.kinds.image_grid import plot_grid

    is_input = drawn_as(attribution) == "input"
    is_image = view(attribution) == "image" and not is_input
    is_swarm = view(attribution) == "table" and not is_input and len(attribution) >= _LEAST_IN_SWARM
    most = MOST_IN_GRID if is_image else MOST_IN_SWARM if is_swarm else MOST_ROWS
    few, words = first_examples(attribution, most)
    few, smaller = _reduced(few) if view(few) == "image" else (few, "")
    left_out = ", ".join(filter(None, (words, smaller)))
    if is_image and len(few) >= _LEAST_IN_GRID:
        choices = Choices(max_examples=len(few), channels=default_channels([few]))
        return Drawing(plot_grid(check_arguments([few], choices), left_out=left_out), left_out)
    figure = plot(few, kind="beeswarm") if is_swarm else plot(few, max_examples=max(len(few), 1))
    if left_out:
        _write_in_corner(figure, left_out)
    return Drawing(figure, left_out)


def first_examples(attribution: Attribution, most: int) -> tuple[Attribution, str]:
    """Give the first examples, at most so many and not too many values, and words for what is left out.

    Examples
    --------
    >>> ones = np.ones((1000, 2), np.float32)
    >>> few, words = first_examples(Attribution(ones, ones, "NC", "saliency", np.ones(1000)), 4)
    >>> len(few), words
    (4, 'the first 4 of 1,000 examples')
    """
    count = len(attribution)
    each = max(attribution.values.size // max(count, 1), 1)
    shown = min(count, most, max(_MOST_VALUES // each, 1))
    if shown == count:
        return attribution, ""
    first = "the first" if shown == 1 else f"the first {shown:,}"
    return attribution[:shown], f"{first} of {count:,} examples"


def png(figure: Figure) -> tuple[str, Metadata]:
    """Give a figure as a picture for a notebook, with the size at which it is shown."""
    from explain.render.png import figure_png

    width, height = figure.get_size_inches()
    dots = min(_SCREEN, _WIDEST / float(width))
    size = {"width": round(dots * float(width)), "height": round(dots * float(height))}
    return base64.b64encode(figure_png(figure)).decode("ascii"), size


def image_html(figure: Figure, words: str) -> str:
    """Give a figure as an image of a page, with words for readers who cannot see it."""
    data, size = png(figure)
    return (
        f'<img src="data:image/png;base64,{data}" alt="{html.escape(words)}" width="{size["width"]}" '
        'style="max-width:100%;height:auto;background:#fff">'
    )


def described(attribution: Attribution) -> str:
    """Describe the picture of an attribution in words."""
    from explain.results.names import method_name

    return (
        f"{method_name(attribution.method)} of {attribution.model or 'a model'}: {len(attribution):,} "
        f"example{'' if len(attribution) == 1 else 's'}, target {shortened(attribution.target)}"
    )


def _reduced(attribution: Attribution) -> tuple[Attribution, str]:
    """Give images of more dots than a screen has with fewer, each the mean of a square of values."""
    layout = Layout(attribution.layout)
    sides = [attribution.values.shape[axis] for axis in layout.spatial_axes]
    factor = -(-max(sides, default=0) // _MOST_SIDE)
    if factor < 2 or min(sides) < factor:
        return attribution, ""
    values, inputs = (
        _means(array, layout.spatial_axes, factor) for array in (attribution.values, attribution.inputs)
    )
    words = f"each dot the mean of {factor} × {factor} values"
    return replace(attribution, values=values, inputs=inputs, baseline=None), words


def _means(array: npt.NDArray[Any], axes: Sequence[int], factor: int) -> npt.NDArray[Any]:
    """Average squares of neighbours; what is left at the right and lower end is cut off."""
    shape: list[int] = []
    inner = []
    for axis, length in enumerate(array.shape):
        if axis in axes:
            array = array.take(range(length - length % factor), axis)
            inner.append(len(shape) + 1)
            shape += [length // factor, factor]
        else:
            shape.append(length)
    means: npt.NDArray[Any] = array.reshape(shape).mean(axis=tuple(inner), dtype=np.float32)
    return means


def _write_in_corner(figure: Figure, words: str) -> None:
    """Write what is left out at the upper right, where the head of a figure has nothing."""
    from explain.render.parts.page import MARGIN
    from explain.render.parts.sheet import MUTED, line_height

    width, height = figure.get_size_inches()
    x, y = 1 - MARGIN / width, 1 - (MARGIN + line_height(12.5) / 2) / height
    figure.text(x, y, words, fontsize=8.5, color=MUTED, ha="right", va="center", parse_math=False)
