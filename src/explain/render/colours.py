"""The colours of heatmaps: scales, colour maps, and the colour of a number on a scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from explain.errors import RenderError
from explain.public_calls.callers_line import at_callers_line
from explain.render.colour_maps import diverging, sequential
from explain.results.heatmap import Array, Floats

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize

Extend = Literal["neither", "both", "min", "max"]

DEFAULT_PERCENTILE = 99.0

# The colours of marks, lines and bars: dark blue, and an orange that stays apart from it in all kinds of colour
# blindness.
MARK = "#1f4e79"
SECOND_MARK = "#d1761a"


@dataclass(frozen=True)
class Scale:
    """A mapping from numbers to colours: panels with the same `Scale` use the same colours for the same numbers.

    Signed scales run from blue (lowers the score) over a neutral near-white at exactly zero to red (raises
    it): ColorBrewer's RdBu, which stays readable in all three kinds of colour blindness, in 257 steps so that
    zero has a step of its own. Unsigned scales run from near-white at zero to dark: matplotlib's
    perceptually uniform magma, reversed and cut before black. In both, light means no relevance.

    Parameters
    ----------
    vmin, vmax : float
        The numbers at the ends: ``-limit`` and ``limit`` if signed, else 0 and ``limit``; both 0 for maps
        that are zero everywhere. Numbers beyond an end have the colour of that end.
    signed : bool
        Whether the scale is diverging or sequential.
    percentile : float
        The percentile of the absolute values at which the limit was set.
    cmap : matplotlib.colors.Colormap, optional
        Other colours, as `explain.render.plot` sets them for its ``cmap``.

    Examples
    --------
    >>> scale = Scale(-2.0, 2.0, signed=True, percentile=99.0)
    >>> red, green, blue, alpha = scale.colors(0.0)
    >>> bool(red == green == blue > 0.95)
    True
    """

    vmin: float
    vmax: float
    signed: bool
    percentile: float
    cmap: Colormap | None = field(default=None, repr=False, hash=False)

    @property
    def all_zero(self) -> bool:
        """Whether all maps of the scale are zero."""
        return self.vmax == 0

    @property
    def colormap(self) -> Colormap:
        """The `matplotlib.colors.Colormap`: diverging if signed, else sequential."""
        if self.cmap is not None:
            return self.cmap
        return diverging() if self.signed else sequential()

    @property
    def norm(self) -> Normalize:
        """A new `matplotlib.colors.Normalize` for `colormap`; it gives zero its colour on a scale of zeros too."""
        from matplotlib.colors import Normalize

        limit = 1.0 if self.all_zero else self.vmax
        return Normalize(-limit if self.signed else 0.0, limit, clip=True)

    def colors(self, values: npt.ArrayLike) -> Floats:
        """Give the colour of every number.

        Parameters
        ----------
        values : array_like
            Any shape; NaN is padding and grey.

        Returns
        -------
        numpy.ndarray of float64
            RGBA in [0, 1], with one more axis of length 4 at the end.
        """
        numbers = np.asarray(values, np.float64)
        colors = self.colormap(self.norm(np.ma.masked_invalid(np.atleast_1d(numbers))))
        return np.asarray(colors, np.float64).reshape(*numbers.shape, 4)

    def strength(self, values: npt.ArrayLike) -> Floats:
        """Give the distance of every number from zero, as a share of the limit, in [0, 1]."""
        numbers = np.abs(np.asarray(values, np.float64))
        return np.zeros_like(numbers) if self.all_zero else np.clip(numbers / self.vmax, 0.0, 1.0)

    def extend(self, *maps: Array) -> Extend:
        """Tell at which ends of the scale numbers are clipped: the ``extend`` of a `matplotlib` colour bar."""
        # The tolerance is relative to the limit: rounding in float32 does not count as clipping.
        slack = 1e-6 * self.vmax
        below = any(bool((one < self.vmin - slack).any()) for one in maps)
        above = any(bool((one > self.vmax + slack).any()) for one in maps)
        if below and above:
            return "both"
        return "min" if below else "max" if above else "neither"


@at_callers_line
def shared_scale(*maps: Array, signed: bool = True, percentile: float = DEFAULT_PERCENTILE) -> Scale:
    """Determine one scale for all these heatmaps.

    The limit is the given percentile of the absolute values of all heatmaps together: a few outliers are clipped (and
    the colour bar shows it) instead of making everything else pale. The limit is an observed value, the next greater
    one if the percentile falls between two, so maps of fewer than 100 numbers are never clipped at 99. If so few
    numbers differ from zero that the percentile is zero, the limit is the greatest absolute value.

    Parameters
    ----------
    *maps : numpy.ndarray
        One or several, of any shapes; NaN is padding and is ignored.
    signed : bool
        Whether the maps have two signs.
    percentile : float
        In (0, 100].

    Returns
    -------
    Scale
        Symmetric about zero if signed, from zero otherwise.

    Raises
    ------
    RenderError
        If there is no heatmap, one is infinite, or `percentile` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> shared_scale(np.array([0.0, -3.0]), np.array([1.0, 2.0]))
    Scale(vmin=-3.0, vmax=3.0, signed=True, percentile=99.0)
    """
    check_percentile(percentile)
    if not maps:
        raise RenderError("maps is empty: give at least one heatmap to find a scale for.")
    sizes = np.abs(np.concatenate([np.asarray(one, np.float64).ravel() for one in maps]))
    sizes = sizes[~np.isnan(sizes)]
    if np.isinf(sizes).any():
        raise RenderError(
            "maps has infinite values: a scale needs finite ones. Find the cause of these values."
        )
    limit = 0.0
    if sizes.size:
        limit = float(np.percentile(sizes, percentile, method="higher")) or float(sizes.max())
    return Scale(-limit if signed and limit else 0.0, limit, signed, float(percentile))


def check_percentile(percentile: object) -> None:
    """Raise `RenderError` unless `percentile` is a number in (0, 100].

    Examples
    --------
    >>> check_percentile(99)
    """
    is_number = isinstance(percentile, int | float | np.number) and not isinstance(percentile, bool)
    # mypy does not narrow a type by a variable.
    if not is_number or not 0 < percentile <= 100:  # type: ignore[operator]
        raise RenderError(
            f"percentile={percentile!r} is not a number in (0, 100]: give the percentile of |values| at "
            "which colours are clipped, for example 99, or 100 to clip nothing."
        )


def sign_colors(values: Floats, scale: Scale) -> list[tuple[float, ...]]:
    """Give each value the colour of its sign, lighter than the ends of the scale."""
    colormap = scale.colormap
    negative, positive = (colormap(0.14), colormap(0.86)) if scale.signed else (colormap(0.6), colormap(0.6))
    return [tuple(negative if value < 0 else positive) for value in values]


def color_of_zero(scale: Scale) -> Colormap:
    """Give a colour map that has only the colour of zero."""
    from matplotlib.colors import ListedColormap

    return ListedColormap([tuple(scale.colors(0.0))])


def css_color(color: npt.ArrayLike) -> str:
    """Write red, green and blue in [0, 1] as a hexadecimal CSS colour; a fourth number, the alpha, is ignored.

    Examples
    --------
    >>> css_color((1.0, 0.5, 0.0, 1.0))
    '#ff8000'
    """
    return "#" + "".join(f"{round(255 * float(channel)):02x}" for channel in np.asarray(color)[:3])
