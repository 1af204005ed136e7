"""Resizing, cropping and padding of a picture, with Pillow."""

from __future__ import annotations

from typing import Literal, get_args

from PIL import Image

from explain.inputs.readers.limits import check_pixels

Resize = Literal["shorter", "longer", "stretch", "none"]
RESIZES: tuple[Resize, ...] = get_args(Resize)

Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)

Size = tuple[int, int]
"""Height and width."""


def resized(
    picture: Image.Image, to: int | Size | None, how: Resize, interpolation: Interpolation, name: str
) -> Image.Image:
    """Resize a picture.

    Parameters
    ----------
    picture : PIL.Image.Image
        The picture.
    to : int or (height, width), optional
        The size to reach; None leaves the picture as it is.
    how : {"shorter", "longer", "stretch", "none"}
        Whether the shorter side reaches it (the picture covers the size), the longer side (it fits in), or both.
    interpolation : str
        Pillow's filter, which antialiases.
    name : str
        What messages call the picture.

    Examples
    --------
    >>> resized(Image.new("RGB", (640, 480)), 256, "shorter", "bilinear", "a.png").size
    (341, 256)
    """
    if to is None or how == "none":
        return picture
    width, height = picture.size
    high, wide = (to, to) if isinstance(to, int) else to
    if how == "shorter":
        if isinstance(to, int):
            # As torchvision rounds it: the longer side is cut, not rounded.
            new = (to, int(to * height / width)) if width <= height else (int(to * width / height), to)
        else:
            factor = max(high / height, wide / width)
            new = max(round(width * factor), wide), max(round(height * factor), high)
    elif how == "longer":
        factor = min(high / height, wide / width)
        new = max(round(width * factor), 1), max(round(height * factor), 1)
    else:
        new = wide, high
    check_pixels(*new, name, f"of {width}×{height} pixels, resized by resize={how!r}, would have")
    return picture if new == picture.size else picture.resize(new, Image.Resampling[interpolation.upper()])


def centred(picture: Image.Image, size: Size, fill: float) -> Image.Image:
    """Cut out the middle of a picture, and fill up what it lacks around it.

    Examples
    --------
    >>> centred(Image.new("L", (2, 8), 255), (4, 4), fill=0).getpixel((0, 0))
    0
    """
    (width, height), (high, wide) = picture.size, size
    if (width, height) == (wide, high):
        return picture
    grey = int(fill) if picture.mode != "F" else fill
    plane = Image.new(picture.mode, (wide, high), (int(fill),) * 3 if picture.mode == "RGB" else grey)
    plane.paste(picture, (_offset(width, wide), _offset(height, high)))
    return plane


def _offset(side: int, plane: int) -> int:
    # As torchvision rounds them: what is cut off to the nearest even number, what is filled downwards.
    return (plane - side) // 2 if side < plane else -round((side - plane) / 2)
