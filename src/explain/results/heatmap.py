"""Numbers to colours: the one way from values to a heatmap, and from heatmaps to colours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from explain.errors import RenderError
from explain.inputs.layout import Layout
from explain.results.names import listed

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
ChannelRule = Literal["sum", "mean", "abs_sum", "abs_max"]
Extend = Literal["neither", "both", "min", "max"]

DEFAULT_PERCENTILE = 99.0

# Steps that are padding: neither end of a map nor its zero has this grey.
PADDING_COLOR = "#d0d0d0"


def heatmaps(
    values: Array, layout: str | Layout, *, channels: ChannelRule = "sum", per_feature: bool = False
) -> Floats:
    """Turn values in any layout into one heatmap an example.

    Parameters
    ----------
    values : numpy.ndarray
        The attribution, of the layout's shape, e.g. (N, C, H, W); finite.
    layout : str or Layout
        Which axis is which.
    channels : {"sum", "mean", "abs_sum", "abs_max"}
        What is done to the channels of a place: ``"sum"`` adds the signed values, so that the heatmap sums to
        what the values sum to (completeness is kept); ``"mean"`` is for values that stand for the whole place at
        each of its channels; ``"abs_sum"`` and ``"abs_max"`` give unsigned maps, the
        sum or the greatest of the absolute values. The features of a table are what is explained and are
        never merged: the rule only says whether their signs are kept.
    per_feature : bool
        For sequences: keep the features of a step apart (rows as time), as for a table.

    Returns
    -------
    numpy.ndarray of float64
        (N, H, W) for images, (N, D, H, W) for volumes, (N, T) for sequences, (N, T, C) for sequences with
        `per_feature`, (N, C) for tables.

    Raises
    ------
    RenderError
        If a value is NaN or infinite, or `channels` is not a known rule.
    LayoutError
        If the layout does not fit the shape.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([[[[1.0, 2.0]], [[-3.0, 1.0]]]])  # (N, C, H, W) = (1, 2, 1, 2)
    >>> heatmaps(values, "NCHW")
    array([[[-2.,  3.]]])
    >>> heatmaps(values, "NCHW", channels="abs_max")
    array([[[3., 2.]]])
    """
    check_channel_rule(channels)
    layout = layout if isinstance(layout, Layout) else Layout(layout)
    layout.check(values)
    canonical = layout.to_canonical(np.asarray(values, np.float64))
    wrong = ~np.isfinite(canonical)
    if wrong.any():
        examples = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1)).tolist()
        raise RenderError(
            f"values has {int(wrong.sum())} NaN or infinite of {wrong.size} (examples {listed(examples)}): "
            "a heatmap needs finite values. Look for NaN in the input, the weights or the model's output."
        )
    if canonical.ndim == 2 or (per_feature and canonical.ndim == 3):
        return canonical.copy() if is_signed(channels) else np.abs(canonical)
    if is_signed(channels):
        return np.asarray(canonical.sum(axis=-1) if channels == "sum" else canonical.mean(axis=-1))
    merged = np.abs(canonical)
    return np.asarray(merged.sum(axis=-1) if channels == "abs_sum" else merged.max(axis=-1))


def is_signed(channels: ChannelRule) -> bool:
    """Say whether the heatmap of a channel rule has two signs.

    Examples
    --------
    >>> is_signed("sum"), is_signed("abs_max")
    (True, False)
    """
    return channels in ("sum", "mean")


def check_channel_rule(channels: object) -> None:
    """Raise `RenderError` unless `channels` is a known rule.

    Examples
    --------
    >>> check_channel_rule("sum")
    """
    known = get_args(ChannelRule)
    if channels not in known:
        raise RenderError(
            f"channels={channels!r} is not a rule for merging channels: give one of "
            f"{', '.join(map(repr, known))} (the first two keep the sign, the others do not)."
        )


@dataclass(frozen=True)
class Scale:
    """Which colour a number has: one `Scale` means one meaning of colour, in however many panels.

    Signed scales run from blue (lowers the score) over a neutral near-white at exactly zero to red (raises
    it): ColorBrewer's RdBu, which stays readable in all three kinds of colour blindness, in 257 steps so that
    zero has a step of its own. Unsigned scales run from near-white at zero to dark: matplotlib's
    perceptually uniform magma, reversed and cut before black. In both, light means that nothing is there.

    Parameters
    ----------
    vmin, vmax : float
        The numbers at the ends: ``-limit`` and ``limit`` if signed, else 0 and ``limit``; both 0 for maps
        that are zero everywhere. What lies beyond has the colour of the end.
    signed : bool
        Diverging or sequential.
    percentile : float
        The percentile of the absolute values at which the limit was set.

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

    @property
    def all_zero(self) -> bool:
        """Whether there was nothing but zero to scale."""
        return self.vmax == 0

    @property
    def colormap(self) -> Colormap:
        """The `matplotlib.colors.Colormap`: diverging if signed, else sequential."""
        return _diverging() if self.signed else _sequential()

    @property
    def norm(self) -> Normalize:
        """A new `matplotlib.colors.Normalize` for `colormap`; a scale of zeros puts zero where it belongs."""
        from matplotlib.colors import Normalize

        limit = 1.0 if self.all_zero else self.vmax
        return Normalize(-limit if self.signed else 0.0, limit, clip=True)

    def colors(self, values: npt.ArrayLike) -> Floats:
        """Give the colour of every number.

        Parameters
        ----------
        values : array_like
            Any shape; NaN stands for padding and is grey.

        Returns
        -------
        numpy.ndarray of float64
            RGBA in [0, 1], with one more axis of length 4 at the end.
        """
        numbers = np.asarray(values, np.float64)
        colors = self.colormap(self.norm(np.ma.masked_invalid(np.atleast_1d(numbers))))
        return np.asarray(colors, np.float64).reshape(*numbers.shape, 4)

    def strength(self, values: npt.ArrayLike) -> Floats:
        """Give how far every number is from zero, as a part of the limit, in [0, 1]."""
        numbers = np.abs(np.asarray(values, np.float64))
        return np.zeros_like(numbers) if self.all_zero else np.clip(numbers / self.vmax, 0.0, 1.0)

    def extend(self, *maps: Array) -> Extend:
        """Say at which ends of the scale numbers are clipped, in the words of `matplotlib` colour bars."""
        # Relative to the limit, so that float32 maps do not count as clipped by a rounding.
        slack = 1e-6 * self.vmax
        below = any(bool((one < self.vmin - slack).any()) for one in maps)
        above = any(bool((one > self.vmax + slack).any()) for one in maps)
        if below and above:
            return "both"
        return "min" if below else "max" if above else "neither"


def shared_scale(*maps: Array, signed: bool = True, percentile: float = DEFAULT_PERCENTILE) -> Scale:
    """Find the one scale on which all these heatmaps are drawn.

    The limit is the stated percentile of the absolute values of all the heatmaps together: a few outliers
    are clipped (and the colour bar says so) instead of fading everything else. It is an observed value, the
    next greater one where the percentile falls between two, so that maps of fewer than 100 numbers are never
    clipped at 99. Where so few numbers differ from zero that the percentile is zero too, it is the greatest.

    Parameters
    ----------
    *maps : numpy.ndarray
        One or several, of any shapes; NaN stands for padding and is left out.
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
        raise RenderError("maps has infinite values: a scale needs finite ones. Look for what made them.")
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


@cache
def _diverging() -> Colormap:
    """RdBu with an odd number of steps: an even number has no step whose middle is zero."""
    from matplotlib import colormaps

    return colormaps["RdBu_r"].resampled(257).with_extremes(bad=PADDING_COLOR)


@cache
def _sequential() -> Colormap:
    """Magma from light to dark; its black end is cut because it hides the picture under an overlay."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    part = colormaps["magma_r"](np.linspace(0.0, 0.8, 256))
    return ListedColormap(part, "magma_r to 0.8").with_extremes(bad=PADDING_COLOR)
