"""An input as a picture, without its normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import RenderError
from explain.inputs.display import Display
from explain.results.heatmap import Floats

# Rounding in float32 may move a picture this far out of [0, 1].
_ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in [0, 1], and a note on how it was made.

    Attributes
    ----------
    pixels : numpy.ndarray of float64
        (H, W, 3) in colour or (H, W) in grey, in [0, 1].
    note : str
        Further steps besides undoing the normalisation, e.g. ``"mean of 5 channels"``; empty if there are none.
    is_rows : bool
        Whether the pixels are steps by features, (T, C): they are drawn without smoothing.
    """

    pixels: Floats
    note: str = ""
    is_rows: bool = False

    @property
    def grey(self) -> Floats:
        """The picture without colour (ITU-R BT.601 luma), shape (H, W)."""
        if self.pixels.ndim == 2:
            return self.pixels
        return np.asarray(self.pixels @ np.array([0.299, 0.587, 0.114]))


def picture(inputs: npt.NDArray[Any], display: Display) -> Picture:
    """Undo the normalisation of one input: ``x * scale + mean``, clipped to [0, 1].

    One channel is grey, three are red, green and blue, or the reverse as `display` says; for any other number the mean
    is shown in grey. If `display` has no normalisation (mean 0, scale 1) and the input has values outside [0, 1], its
    range is rescaled to [0, 1] (from ``display.bounds`` if given, else from its own least and greatest value), as the
    note states.

    Parameters
    ----------
    inputs : numpy.ndarray
        One input, channels last: (H, W, C); or steps by features for a sequence, (T, C), shown in grey.
    display : Display
        Its mean, scale and bounds.

    Returns
    -------
    Picture
        The pixels and a note.

    Raises
    ------
    RenderError
        If the mean or the scale has another number of channels than the input, or the input is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> picture(np.zeros((2, 2, 1)), Display(mean=0.5, scale=0.5)).pixels
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    inputs = np.asarray(inputs, np.float64)
    if not np.isfinite(inputs).all():
        raise RenderError(
            "inputs has NaN or infinite values: it cannot be drawn as a picture. Find the cause of these values."
        )
    channels = inputs.shape[-1]
    pixels = unscaled(inputs, display)
    notes = []
    if inputs.ndim == 3 and channels not in (1, 3):
        # Average the channels before rescaling: the mean of many channels is near the middle of their range, so the
        # picture would otherwise be all dark or all grey.
        pixels = pixels.mean(axis=-1)
        notes.append(f"mean of {channels} channels")
    outside = pixels.size > 0 and (pixels.min() < -_ROUNDING or pixels.max() > 1 + _ROUNDING)
    if outside and not np.any(display.mean) and np.all(np.asarray(display.scale) == 1):
        low, high = display.bounds if display.bounds is not None else (pixels.min(), pixels.max())
        pixels = (pixels - low) / (high - low) if high > low else np.full_like(pixels, 0.5)
        notes.append("stretched")
    pixels = np.clip(pixels, 0.0, 1.0)
    if inputs.ndim == 3 and channels == 3 and display.color == "bgr":
        pixels = pixels[..., ::-1]
    if inputs.ndim == 3 and channels == 1:
        pixels = pixels[..., 0]
    return Picture(pixels, ", ".join(notes), is_rows=inputs.ndim == 2)


def unscaled(inputs: Floats, display: Display) -> Floats:
    """Undo the normalisation of an input, channels last: ``x * scale + mean``.

    Raises
    ------
    RenderError
        If the mean or the scale has another number of channels than the input.

    Examples
    --------
    >>> unscaled(np.array([[0.0, 1.0]]), Display(mean=(10.0, 20.0), scale=2.0))
    array([[10., 22.]])
    """
    channels = inputs.shape[-1]
    mean = _per_channel("mean", display.mean, channels)
    return np.asarray(inputs * _per_channel("scale", display.scale, channels) + mean)


def _per_channel(name: str, given: float | tuple[float, ...], channels: int) -> Floats:
    """Check that there is one number, or one per channel."""
    numbers = np.atleast_1d(np.asarray(given, np.float64))
    if numbers.ndim != 1 or len(numbers) not in (1, channels):
        raise RenderError(
            f"display.{name}={given!r} has {len(numbers)} numbers but the input has {channels} "
            f"{'channel' if channels == 1 else 'channels'}: give one number, or one per channel."
        )
    if not np.isfinite(numbers).all():
        raise RenderError(
            f"display.{name}={given!r} is not finite: give the number that undoes the normalisation."
        )
    return numbers
