"""Pictures as a caller gives them: of Pillow, arrays of pixels, or files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from explain.errors import InputError
from explain.inputs.readers.pictures import Doubts, read_picture, upright


def pictures_of(given: Any, doubts: Doubts) -> list[tuple[str, Image.Image]]:
    """Give upright pictures, each with the name that messages call it.

    Parameters
    ----------
    given : PIL.Image.Image, numpy.ndarray of uint8, str, pathlib.Path, or a sequence of them
        See `explain.preprocessing.Preprocessing`.
    doubts : list
        Gets the warnings to give.

    Raises
    ------
    InputError
        If something in it is no picture.

    Examples
    --------
    >>> [(name, picture.size) for name, picture in pictures_of(np.zeros((2, 4, 6, 3), np.uint8), [])]
    [('picture 0', (6, 4)), ('picture 1', (6, 4))]
    """
    alone = isinstance(given, (Image.Image, str, Path)) or not hasattr(given, "__len__")
    array = isinstance(given, np.ndarray)
    items = [given] if alone or (array and given.ndim < 4) else list(given)
    if not items:
        raise InputError("There is no picture in the list: give at least one.")
    return [one for number, item in enumerate(items) for one in _named(item, number, doubts)]


def _named(item: Any, number: int, doubts: Doubts) -> Iterator[tuple[str, Image.Image]]:
    if isinstance(item, (str, Path)):
        yield Path(item).name, read_picture(Path(item), str(item), doubts)
    elif isinstance(item, Image.Image):
        name = Path(getattr(item, "filename", "") or f"picture {number}").name
        yield name, upright(item, name, doubts)
    else:
        yield f"picture {number}", _of_array(item, f"picture {number}")


def _of_array(item: Any, name: str) -> Image.Image:
    pixels: npt.NDArray[Any] = np.asarray(item)
    if pixels.dtype != np.uint8:
        raise InputError(
            f"{name} is of type {type(item).__name__} with dtype {pixels.dtype}, not a picture: give pictures of "
            "Pillow, files, or arrays of uint8 from 0 to 255. An array that is preprocessed already is the input "
            "of the model as it is."
        )
    if pixels.ndim == 3 and pixels.shape[-1] not in (1, 3, 4) and pixels.shape[0] in (1, 3):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[-1] not in (3, 4)) or not pixels.size:
        raise InputError(
            f"{name} has shape {pixels.shape}, which is no picture: give (H, W, 3), (H, W), or a batch (N, H, W, 3)."
        )
    return upright(Image.fromarray(np.ascontiguousarray(pixels)), name, [])
