"""Pictures: PNG, JPEG, WebP, and still BMP, GIF and TIFF, upright and without transparency."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from explain.errors import InputError, PreprocessingWarning
from explain.inputs.readers.limits import check_pixels

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# No other decoder is tried: some of Pillow's start another program.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
# What damaged files of these formats raise when they are opened or decoded.
_DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    MemoryError,
    OverflowError,
)
_SIXTEEN_BITS = 65535
# What cameras and scanners of 12 bits write into 16.
_TWELVE_BITS = 4095
# Lightness of each channel in a pixel of 16 bits, if it is read as one of 8.
_TO_EIGHT_BITS = 255 / _SIXTEEN_BITS


Doubts = list[tuple[str, type[PreprocessingWarning]]]
"""Warnings for the function that a user called to give: the message, and its class."""


def read_picture(source: Path | IO[bytes], name: str, doubts: Doubts) -> Image.Image:
    """Read a picture, as it is meant to be looked at.

    Parameters
    ----------
    source : pathlib.Path or binary stream
        The file.
    name : str
        What messages call it.
    doubts : list
        Gets the warnings to give.

    Returns
    -------
    PIL.Image.Image
        In one of three modes: ``"RGB"``, ``"L"`` (grey, 8 bits), or ``"F"`` (grey of 16 bits, as numbers from 0 to
        255). See `upright`.

    Raises
    ------
    InputError
        If it is no picture, is damaged, has several frames, or has too many pixels; nothing is decoded then.
    """
    try:
        with warnings.catch_warnings():
            # Our own limit is below Pillow's.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source, formats=_FORMATS) as opened:
                check_pixels(*opened.size, name)
                _check_frames(opened, name)
                opened.load()
                return upright(opened, name, doubts)
    except InputError:
        raise
    except Image.DecompressionBombError as cause:
        raise InputError(
            f"{name} has too many pixels to be a picture ({cause}). Make it smaller with a program for pictures."
        ) from cause
    except _DAMAGED as cause:
        raise InputError(
            f"{name} cannot be read as a picture ({cause}). Save it as PNG or JPEG with a program that opens it."
        ) from cause


def upright(picture: Image.Image, name: str, doubts: Doubts) -> Image.Image:
    """Give a picture as it is meant to be looked at, in mode ``"RGB"``, ``"L"`` or ``"F"``.

    A camera's note of its orientation is followed, colours of a palette are looked up, transparent parts are laid on
    white, CMYK becomes RGB, and 16 bits of grey become numbers from 0 to 255 with all their digits.

    Examples
    --------
    >>> upright(Image.new("RGBA", (1, 1), (255, 0, 0, 0)), "a.png", []).getpixel((0, 0))
    (255, 255, 255)
    """
    turned = ImageOps.exif_transpose(picture)
    mode = turned.mode
    if mode.startswith("I;16"):
        return _of_sixteen_bits(np.asarray(turned), name, doubts)
    if mode in ("I", "F"):
        return _wide(turned, name, doubts)
    if "A" in mode or "a" in mode or "transparency" in turned.info:
        with_alpha = turned.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", with_alpha.size, "white"), with_alpha)
        return flat.convert("L" if mode in ("LA", "La", "L", "1") else "RGB")
    return turned.convert("L" if mode in ("1", "L") else "RGB")


def _of_sixteen_bits(values: npt.NDArray[Any], name: str, doubts: Doubts) -> Image.Image:
    brightest = int(values.max(initial=0))
    if 0 < brightest <= _TWELVE_BITS:
        message = (
            f"{name} has 16 bits for each pixel and none above {brightest} of {_SIXTEEN_BITS}, so it is read as nearly "
            "black. If white is less than that in it, as 4095 of 12 bits, save it scaled: Image.fromarray((pixels * "
            "(65535 / 4095)).astype('uint16')) with Pillow."
        )
        doubts.append((message, PreprocessingWarning))
    return Image.fromarray(values.astype(np.float32) * np.float32(_TO_EIGHT_BITS))


def _wide(picture: Image.Image, name: str, doubts: Doubts) -> Image.Image:
    """Give grey pixels of 32 bits, if they are those of 16 bits: some files of 16 bits are opened so."""
    values: Any = np.asarray(picture)
    if picture.mode == "I" and values.size and values.min() >= 0 and values.max() <= _SIXTEEN_BITS:
        return _of_sixteen_bits(values, name, doubts)
    raise InputError(
        f"{name} has pixels of 32 bits, whose black and white are not known. Save them with numpy.save, in the range "
        "that the model takes."
    )


def _check_frames(picture: Image.Image, name: str) -> None:
    """Refuse an animation; a photograph with a preview beside it is one picture."""
    count = int(getattr(picture, "n_frames", 1))
    if count > 1 and picture.format != "MPO":
        raise InputError(
            f"{name} has {count} frames, and one picture is explained at a time. Save the frame to explain as PNG: "
            "picture.seek(0); picture.save('frame.png') with Pillow."
        )
