"""Figures and arrays of pixels as PNG files and ``data:`` URIs, whose bytes depend only on the picture."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_png(figure: Figure) -> bytes:
    """Give a figure as a PNG file whose bytes depend only on the picture.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        From `explain.render.plot`, or any other.

    Returns
    -------
    bytes
        The file, without date and version.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure_png(Figure(figsize=(1, 1))) == figure_png(Figure(figsize=(1, 1)))
    True
    """
    stream = io.BytesIO()
    # Fix the metadata: by default it contains the matplotlib version.
    figure.savefig(stream, format="png", dpi=figure.dpi, metadata={"Software": None})
    return stream.getvalue()


def figure_data_uri(figure: Figure) -> str:
    """Give a figure as a ``data:`` URI, the source of an image in a page that needs no other file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        As for `figure_png`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure_data_uri(Figure(figsize=(1, 1)))[:22]
    'data:image/png;base64,'
    """
    return _data_uri(figure_png(figure))


def image_png(pixels: npt.ArrayLike) -> bytes:
    """Give an image as a PNG file whose bytes depend only on its pixels.

    Parameters
    ----------
    pixels : array_like
        In [0, 1]: (H, W) in grey, (H, W, 3) or (H, W, 4) in colour.

    Examples
    --------
    >>> image_png(np.zeros((2, 2)))[1:4]
    b'PNG'
    """
    from PIL import Image

    eight_bit = np.round(255 * np.clip(np.asarray(pixels, np.float64), 0, 1)).astype(np.uint8)
    stream = io.BytesIO()
    # Always use three channels: PIL then compresses grey and colour alike, and no viewer applies its own palette.
    Image.fromarray(eight_bit).convert("RGB").save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def image_data_uri(pixels: npt.ArrayLike) -> str:
    """Give an image as a ``data:`` URI whose bytes depend only on its pixels.

    Parameters
    ----------
    pixels : array_like
        As for `image_png`.

    Returns
    -------
    str
        ``data:image/png;base64,…``

    Examples
    --------
    >>> image_data_uri(np.zeros((2, 2)))[:22]
    'data:image/png;base64,'
    """
    return _data_uri(image_png(pixels))


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
