"""The picture of one example, as an array of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from explain.callbacks.events import Pixels
from explain.render import plot
from explain.results.attribution import Attribution
from explain.results.names import method_name

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

# Enough for the words: TensorBoard shows pictures at most as wide as its cards, and larger on demand.
_DPI = 100


def pixels_of(attribution: Attribution, example: int, epoch: int) -> Pixels:
    """Draw one example as `explain.render.plot` does, with the epoch in its title.

    Parameters
    ----------
    attribution : Attribution
        Of any kind of input.
    example : int
        Which example.
    epoch : int
        The number of the epoch.

    Returns
    -------
    numpy.ndarray of uint8
        Red, green and blue, shape (H, W, 3).

    Examples
    --------
    >>> ones = np.ones((2, 3, 8, 8), np.float32)
    >>> pixels = pixels_of(Attribution(ones, ones, "NCHW", "saliency", np.ones(2)), 1, epoch=3)
    >>> pixels.ndim, pixels.shape[2], str(pixels.dtype)
    (3, 3, 'uint8')
    """
    figure = plot(attribution, examples=example, title=f"{method_name(attribution.method)}, epoch {epoch}")
    figure.set_dpi(_DPI)
    canvas = cast("FigureCanvasAgg", figure.canvas)
    canvas.draw()
    # A copy, since the buffer belongs to the figure.
    return np.array(canvas.buffer_rgba(), np.uint8)[..., :3].copy()
