"""Drawing one thing into given axes: a picture, a map, an overlay, a colour bar, a margin, a curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from explain.render.parts.pictures import Picture
from explain.render.parts.sheet import INK, MUTED, RULE, wrap
from explain.results.heatmap import Extend, Floats, Scale
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

# Up to this many pixels along a side, each is shown as the square that it is.
SMALL_IMAGE = 96

TICK_SIZE = 7.0

# How many lines the words along a colour bar may take.
LABEL_LINES = 3


def draw_picture(axes: Axes, picture: Picture) -> None:
    """Draw an input as the picture that it was.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    picture : Picture
        From `explain.render.picture`.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_picture(axes, Picture(np.zeros((4, 5))))
    >>> len(axes.images)
    1
    """
    _show(axes, picture.pixels, cmap="gray", vmin=0.0, vmax=1.0)
    _frame(axes)


def draw_heatmap(axes: Axes, heatmap: npt.ArrayLike, scale: Scale) -> None:
    """Draw a heatmap in the colours of a scale; a map that is zero everywhere says so.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    heatmap : array_like
        (H, W), or (T, C) for rows as time; NaN is padding and grey.
    scale : Scale
        What the colours mean.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_heatmap(axes, np.zeros((4, 5)), Scale(-1, 1, True, 99))
    >>> axes.texts[0].get_text()
    'all zero'
    """
    numbers = np.ma.masked_invalid(np.asarray(heatmap, np.float64))
    _show(axes, numbers, cmap=scale.colormap, norm=scale.norm)
    _frame(axes)
    if not numbers.any():
        say_all_zero(axes)


def draw_overlay(axes: Axes, picture: Picture, heatmap: npt.ArrayLike, scale: Scale) -> None:
    """Draw a heatmap over its input without colour; the stronger a value, the more it covers.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    picture : Picture
        The input, of the heatmap's height and width.
    heatmap : array_like
        (H, W).
    scale : Scale
        What the colours mean.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_overlay(axes, Picture(np.zeros((4, 5))), np.ones((4, 5)), Scale(-1, 1, True, 99))
    >>> len(axes.images)
    1
    """
    numbers = np.asarray(heatmap, np.float64)
    _show(axes, overlay(picture.grey, numbers, scale))
    _frame(axes)
    if not numbers.any():
        say_all_zero(axes)


def overlay(grey: Floats, heatmap: Floats, scale: Scale) -> Floats:
    """Mix the colours of a heatmap into a grey picture, shapes (H, W) and (H, W), to RGB (H, W, 3).

    Examples
    --------
    >>> import numpy as np
    >>> mixed = overlay(np.full((1, 2), 0.5), np.array([[0.0, 3.0]]), Scale(-3, 3, True, 99))
    >>> bool(np.ptp(mixed[0, 0]) == 0), bool(mixed[0, 1, 0] > mixed[0, 1, 2])
    (True, True)
    """
    # The picture is pulled towards light grey, so that neither of its ends can be taken for a dark colour.
    paper = np.repeat((0.34 + 0.6 * grey)[..., np.newaxis], 3, axis=-1)
    cover = (0.92 * scale.strength(heatmap) ** 0.6)[..., np.newaxis]
    return np.asarray((1 - cover) * paper + cover * scale.colors(heatmap)[..., :3])


def draw_colorbar(cax: Axes, scale: Scale, *maps: npt.NDArray[Any], label: str = "") -> None:
    """Draw the colour bar of a scale; it ends in arrows where the maps are clipped.

    Parameters
    ----------
    cax : matplotlib.axes.Axes
        The axes to fill; vertical or horizontal by their shape.
    scale : Scale
        The scale of all the panels.
    *maps : numpy.ndarray
        Every heatmap that is drawn on it.
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
    extend: Extend = scale.extend(*maps)
    bar = figure.colorbar(
        ScalarMappable(scale.norm, _only_zero(scale) if scale.all_zero else scale.colormap),
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
    bar.ax.tick_params(labelsize=TICK_SIZE, labelcolor=INK, color=RULE, length=2.5, width=0.6, pad=2)
    bar.outline.set_linewidth(0.5)
    bar.outline.set_edgecolor(RULE)
    inches = box.height * figure.get_figheight() if vertical else box.width * figure.get_figwidth()
    words = "\n".join(wrap("all zero" if scale.all_zero else label, inches, TICK_SIZE, most=LABEL_LINES))
    bar.set_label(words, size=TICK_SIZE, color=MUTED, labelpad=6 if vertical else 2)


def draw_step_margin(axes: Axes, rows: npt.ArrayLike, scale: Scale, *, limit: float | None = None) -> None:
    """Draw the sum of each step of a (T, C) map as bars beside it, one a row, from top to bottom.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; as high as the map's axes.
    rows : array_like
        (T, C); steps of NaN are padding and have no bar.
    scale : Scale
        Gives the two colours of the signs.
    limit : float, optional
        How far the axis reaches; to the longest bar if not given.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_step_margin(axes, np.ones((4, 5)), Scale(-1, 1, True, 99))
    >>> [float(bar.get_width()) for bar in axes.patches]
    [5.0, 5.0, 5.0, 5.0]
    """
    sums = np.asarray(rows, np.float64).sum(axis=1)
    real = np.flatnonzero(~np.isnan(sums))
    axes.barh(real, sums[real], height=0.8, color=sign_colors(sums[real], scale), linewidth=0)
    axes.set_ylim(len(sums) - 0.5, -0.5)
    axes.axvline(0, color=MUTED, linewidth=0.6)
    limit = (float(np.abs(sums[real]).max(initial=0.0)) if limit is None else limit) or 1.0
    axes.set_xlim(-1.08 * limit if scale.signed else 0, 1.08 * limit)
    axes.xaxis.set_major_locator(FixedLocator([-limit, 0, limit] if scale.signed else [0, limit]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
    axes.yaxis.set_visible(False)
    quiet_axes(axes, keep=("bottom",))
    if not sums[real].any():
        say_all_zero(axes)


def draw_score_curve(axes: Axes, histories: Sequence[npt.ArrayLike], labels: Sequence[str] = ()) -> None:
    """Draw how the score grew over the steps of an activation maximization.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    histories : sequence of array_like
        One curve each, of shape (steps + 1,).
    labels : sequence of str
        Their names, for the legend; without them none is drawn.

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


def label_time(axes: Axes, steps: int, name: str = "time step") -> None:
    """Label the rows of a map as steps in time, from top to bottom."""
    axes.yaxis.set_visible(True)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.set_ylim(steps - 0.5, -0.5)
    axes.tick_params(axis="y", labelsize=TICK_SIZE, labelcolor=INK, color=RULE, length=2.5, width=0.6, pad=2)
    axes.set_ylabel(name, fontsize=TICK_SIZE, color=MUTED, labelpad=2)


def sign_colors(values: Floats, scale: Scale) -> list[tuple[float, ...]]:
    """Give each value the colour of its sign, from well inside the ends of the scale's map."""
    colormap = scale.colormap
    negative, positive = (colormap(0.14), colormap(0.86)) if scale.signed else (colormap(0.6), colormap(0.6))
    return [tuple(negative if value < 0 else positive) for value in values]


def say_all_zero(axes: Axes) -> None:
    """Write over a panel that its map is zero, so that an empty panel is not taken for a failure."""
    axes.text(
        0.5,
        0.5,
        "all zero",
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=8,
        color=INK,
        bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": RULE, "linewidth": 0.5},
    )


def quiet_axes(axes: Axes, keep: tuple[str, ...]) -> None:
    """Take away what carries no data; draw the kept spines and ticks lightly."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep)
        spine.set_color(RULE)
        spine.set_linewidth(0.6)
    axes.tick_params(labelsize=TICK_SIZE, labelcolor=INK, color=RULE, length=2.5, width=0.6, pad=2)


def _only_zero(scale: Scale) -> Colormap:
    """Give a colour map that has the colour of zero alone."""
    return ListedColormap([tuple(scale.colors(0.0))])


def _show(axes: Axes, pixels: npt.NDArray[Any], **colors: Any) -> None:
    """Show an array, each pixel a rectangle where there are few; the axes' shape decides the aspect."""
    few = max(pixels.shape[:2]) <= SMALL_IMAGE
    # Matplotlib's own choice goes by the panel's exact width: of two panels beside each other, alike but for a
    # rounding, one was smoothed and the other was not. Values are averaged, not colours.
    interpolation = "nearest" if few else "hanning"
    axes.imshow(pixels, aspect="auto", interpolation=interpolation, interpolation_stage="data", **colors)


def _frame(axes: Axes) -> None:
    """Give a panel a hair-line border and no ticks."""
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(RULE)
        spine.set_linewidth(0.5)
