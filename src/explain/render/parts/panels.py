"""Drawing functions for given axes: a picture, a map, a map over its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from explain.render.colours import Scale
from explain.render.parts.axes import frame_panel, say_all_zero
from explain.render.parts.cells import merged_cells, most_cells
from explain.render.parts.pictures import Picture
from explain.results.heatmap import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# If an image has at most this many pixels along a side, each pixel is drawn as a square.
SMALL_IMAGE = 96


def draw_picture(axes: Axes, picture: Picture) -> None:
    """Draw an input as a picture.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    picture : Picture
        From `explain.render.picture`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_picture(axes, Picture(np.zeros((4, 5))))
    >>> len(axes.images)
    1
    """
    colors: dict[str, Any] = {"cmap": "gray", "vmin": 0.0, "vmax": 1.0}
    if picture.is_rows:
        _show_cells(axes, picture.pixels, centre=picture.pixels.mean(axis=0), **colors)
    else:
        _show(axes, picture.pixels, **colors)
    frame_panel(axes)


def draw_heatmap(axes: Axes, heatmap: npt.ArrayLike, scale: Scale, *, rows: bool = False) -> None:
    """Draw a heatmap in the colours of a scale; a map that is zero everywhere is labelled "all zero".

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    heatmap : array_like
        (H, W), or (T, C) for rows as time; NaN is padding and grey.
    scale : Scale
        The scale of the colours.
    rows : bool
        Whether the map has steps as rows and features as columns: each value is then drawn in one colour. Cells
        smaller than a dot are merged, see `explain.render.parts.cells`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_heatmap(axes, np.zeros((4, 5)), Scale(-1, 1, True, 99))
    >>> axes.texts[0].get_text()
    'all zero'
    """
    numbers = np.ma.masked_invalid(np.asarray(heatmap, np.float64))
    colors: dict[str, Any] = {"cmap": scale.colormap, "norm": scale.norm}
    if rows:
        _show_cells(axes, np.asarray(heatmap, np.float64), **colors)
    else:
        _show(axes, numbers, **colors)
    frame_panel(axes)
    if not numbers.any():
        say_all_zero(axes)


def draw_overlay(axes: Axes, picture: Picture, heatmap: npt.ArrayLike, scale: Scale) -> None:
    """Draw a heatmap over its input in grey; stronger values are more opaque.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    picture : Picture
        The input, with the heatmap's height and width.
    heatmap, scale
        As for `explain.render.draw_heatmap`; (H, W).

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> draw_overlay(axes, Picture(np.zeros((4, 5))), np.ones((4, 5)), Scale(-1, 1, True, 99))
    >>> len(axes.images)
    1
    """
    numbers = np.asarray(heatmap, np.float64)
    _show(axes, overlay(picture.grey, numbers, scale))
    frame_panel(axes)
    if not numbers.any():
        say_all_zero(axes)


def overlay(grey: Floats, heatmap: Floats, scale: Scale) -> Floats:
    """Blend the colours of a heatmap (H, W) into a grey picture (H, W); the result is RGB (H, W, 3).

    Examples
    --------
    >>> mixed = overlay(np.full((1, 2), 0.5), np.array([[0.0, 3.0]]), Scale(-3, 3, True, 99))
    >>> bool(np.ptp(mixed[0, 0]) == 0), bool(mixed[0, 1, 0] > mixed[0, 1, 2])
    (True, True)
    """
    # The picture is lightened, so that its black is not mistaken for a dark colour of the map.
    paper = np.repeat((0.34 + 0.6 * grey)[..., np.newaxis], 3, axis=-1)
    cover = (0.92 * scale.strength(heatmap) ** 0.6)[..., np.newaxis]
    return np.asarray((1 - cover) * paper + cover * scale.colors(heatmap)[..., :3])


def _show(axes: Axes, pixels: npt.NDArray[Any], **colors: Any) -> None:
    """Show an array; if there are few pixels, each is a rectangle. The shape of the axes decides the aspect."""
    few = max(pixels.shape[:2]) <= SMALL_IMAGE
    # Matplotlib's default depends on the panel's exact width: it smoothed one of two panels whose widths differed only
    # by rounding. Values are averaged, not colours.
    interpolation = "nearest" if few else "hanning"
    axes.imshow(pixels, aspect="auto", interpolation=interpolation, interpolation_stage="data", **colors)


def _show_cells(axes: Axes, cells: Floats, centre: Floats | float = 0.0, **colors: Any) -> None:
    """Show steps by features (T, C), which have no common unit: nothing is smoothed over either axis."""
    steps, features = cells.shape
    shown = np.ma.masked_invalid(merged_cells(cells, most_cells(axes), centre))
    extent = (-0.5, features - 0.5, steps - 0.5, -0.5)
    axes.imshow(shown, aspect="auto", interpolation="nearest", extent=extent, **colors)
