"""The colour maps of heatmaps: the two defaults, and the check of a caller's own."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from explain.errors import RenderError

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

# The colour of padding steps: neither the ends nor the zero of a colour map have this grey.
PADDING_COLOR = "#d0d0d0"

# The colour of points without a feature value to show: no colour of `value_colors` is grey.
NO_VALUE_COLOR = "#8c8c8c"

# An odd number of steps: an even number has no step whose middle is zero.
_STEPS = 257
# Differences of lightness, in L* of CIELAB (0 to 100), and the most colour that a neutral middle has, in [0, 1].
_LIGHTER = 15.0
_BACK = 4.0
_ENDS_APART = 0.15
_NEUTRAL = 0.4


@cache
def diverging() -> Colormap:
    """Give ColorBrewer's RdBu with a step for zero."""
    from matplotlib import colormaps

    return colormaps["RdBu_r"].resampled(_STEPS).with_extremes(bad=PADDING_COLOR)


@cache
def sequential() -> Colormap:
    """Give magma from light to dark; its black end is cut because it hides the picture under an overlay."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    part = colormaps["magma_r"](np.linspace(0.0, 0.8, 256))
    return ListedColormap(part, "magma_r to 0.8").with_extremes(bad=PADDING_COLOR)


@cache
def value_colors() -> Colormap:
    """Give the colours of feature values: from dark blue to orange, of rising lightness, apart from those of signs."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    # Beyond this part plasma is a yellow that is hard to see on white.
    return ListedColormap(colormaps["plasma"](np.linspace(0.0, 0.78, 256)), "plasma to 0.78")


def own_colormap(given: Any, *, signed: bool) -> Colormap:
    """Check a caller's colour map, and give it a step for zero and the colour of padding.

    Parameters
    ----------
    given : str or matplotlib.colors.Colormap
        Signed maps take only diverging ones: a neutral middle, from which both ends differ, and from each other.
        Unsigned maps take no diverging ones, and none whose two ends are alike.
    signed : bool
        Whether the maps have two signs.

    Raises
    ------
    RenderError
        If there is no such colour map, or it is wrong for the signs of the maps.

    Examples
    --------
    >>> own_colormap("PuOr", signed=True).N
    257
    """
    from matplotlib import colormaps
    from matplotlib.colors import Colormap

    if isinstance(given, str):
        if given not in colormaps:
            raise RenderError(
                f"cmap={given!r} is not a colour map of matplotlib: give one of "
                f"{'RdBu_r, PuOr_r, PiYG' if signed else 'viridis, cividis, Greys'}, or another of "
                "list(matplotlib.colormaps)."
            )
        given = colormaps[given]
    if not isinstance(given, Colormap):
        raise RenderError(
            f"cmap is a {type(given).__name__}: give the name of a colour map of matplotlib, for example "
            f"{'RdBu_r' if signed else 'viridis'!r}, or a matplotlib.colors.Colormap."
        )
    is_diverging, ends_alike = _character(given)
    if signed and not is_diverging:
        raise RenderError(
            f"cmap={given.name!r} has no neutral middle with two different ends, but the values have two signs: zero "
            "would look relevant, or the signs alike. Give a diverging one, such as 'RdBu_r', 'PuOr_r' or 'PiYG', or "
            "draw sizes without signs: channels='abs_sum'."
        )
    if not signed and (is_diverging or ends_alike):
        reason = "is diverging" if is_diverging else "has two ends that look alike"
        raise RenderError(
            f"cmap={given.name!r} {reason}, but the values have no sign: zero would look as relevant as the largest "
            "value. Give a sequential one, such as 'viridis', 'cividis' or 'Greys', or draw signed values: "
            "channels='sum'."
        )
    return given.resampled(_STEPS).with_extremes(bad=PADDING_COLOR)


def _character(colormap: Colormap) -> tuple[bool, bool]:
    """Tell whether a colour map is diverging, and whether its ends look alike."""
    colors = np.asarray(colormap(np.linspace(0.0, 1.0, 65)), np.float64)[:, :3]
    lightness = _lightness(colors)
    low, middle, high = lightness[[0, 32, 64]]
    neutral = float(np.ptp(colors[32])) <= _NEUTRAL
    ends_alike = bool(np.abs(colors[0] - colors[-1]).max() < _ENDS_APART)
    # Both ends are darker than the middle, or both lighter.
    extreme = min(middle - low, middle - high) > _LIGHTER or max(middle - low, middle - high) < -_LIGHTER
    # Towards the middle it becomes ever lighter, or ever darker.
    steps = np.sign(middle - low) * np.diff(lightness) * np.repeat([1, -1], 32)
    steady = float(steps.min()) > -_BACK
    return bool(neutral and extreme and steady and not ends_alike), ends_alike


def _lightness(colors: Any) -> Any:
    """Give L* of CIELAB for sRGB colours (…, 3)."""
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, luminance * 24389 / 27)
