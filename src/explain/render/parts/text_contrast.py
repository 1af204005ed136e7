"""Text that can be read on any colour: the contrast of the Web Content Accessibility Guidelines (WCAG 2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def luminance(color: npt.ArrayLike) -> float:
    """Give the relative luminance of an sRGB colour, 0 for black to 1 for white.

    Parameters
    ----------
    color : array_like of float
        Red, green and blue in [0, 1]; an alpha after them is ignored.

    Examples
    --------
    >>> luminance((0, 0, 0)), luminance((1, 1, 1))
    (0.0, 1.0)
    """
    channels = np.asarray(color, np.float64)[:3]
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return round(float(linear @ np.array([0.2126, 0.7152, 0.0722])), 12)


def contrast(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Give the contrast of two colours, from 1 (the same) to 21 (black on white); 4.5 is readable.

    Examples
    --------
    >>> contrast((0, 0, 0), (1, 1, 1))
    21.0
    """
    dark, light = sorted((luminance(one), luminance(other)))
    return round((light + 0.05) / (dark + 0.05), 6)


def text_color(background: npt.ArrayLike) -> str:
    """Give ``"#000000"`` or ``"#ffffff"``, whichever reads better; its contrast is always above 4.5.

    Examples
    --------
    >>> text_color((1, 1, 0)), text_color((0, 0, 0.5))
    ('#000000', '#ffffff')
    """
    on_black, on_white = contrast(background, (0, 0, 0)), contrast(background, (1, 1, 1))
    return "#000000" if on_black >= on_white else "#ffffff"
