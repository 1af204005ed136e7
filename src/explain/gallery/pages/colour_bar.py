"""The colour bar of a page: a row of pixels that the browser enlarges, and its ticks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explain.render import Scale
from explain.render.png import image_data_uri
from explain.results.names import number


@dataclass(frozen=True)
class Tick:
    """A mark on a colour bar: its position, in percent of the bar's length, and its text."""

    place: float
    text: str


@dataclass(frozen=True)
class ColourBar:
    """A colour bar for a page.

    Attributes
    ----------
    image : str
        One row of pixels, from the least to the greatest, as a ``data:`` URI.
    ticks : tuple of Tick
        From left to right.
    clipped : bool
        Whether there are values beyond the ends; they have the colour of the end.
    percentile : float
        The percentile of the absolute values at which they are clipped.
    """

    image: str
    ticks: tuple[Tick, ...]
    clipped: bool
    percentile: float


def colour_bar(scale: Scale, *maps: npt.NDArray[np.float64]) -> ColourBar:
    """Give the colour bar of a scale.

    Parameters
    ----------
    scale : Scale
        The scale of all the maps.
    *maps : numpy.ndarray
        Every map that is drawn with this scale.

    Examples
    --------
    >>> from explain.render import shared_scale
    >>> one = np.array([[-2.0, 1.0]])
    >>> bar = colour_bar(shared_scale(one), one)
    >>> [tick.text for tick in bar.ticks], bar.clipped
    (['−2', '−1', '0', '1', '2'], False)
    """
    low, high = scale.norm.vmin or 0.0, scale.norm.vmax or 1.0
    parts = (0.0, 0.25, 0.5, 0.75, 1.0)
    ticks = (
        [Tick(50.0 if scale.signed else 0.0, "0 everywhere")]
        if scale.all_zero
        else [Tick(100 * part, number(low + part * (high - low))) for part in parts]
    )
    row = scale.colors(np.linspace(low, high, 257))[np.newaxis, :, :3]
    clipped = scale.extend(*maps) != "neither"
    return ColourBar(image_data_uri(row), tuple(ticks), clipped, scale.percentile)
