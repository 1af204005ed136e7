"""The pictures of a page: files in a folder beside it, or within the page itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from explain.render.parts.panels import SMALL_IMAGE
from explain.render.png import image_data_uri, image_png


@dataclass(frozen=True)
class Tile:
    """A picture of a page.

    Attributes
    ----------
    source : str
        A file, relative to the page, or a ``data:`` URI.
    alt : str
        A description of the picture, for readers who cannot see it.
    width, height : int
        In pixels, so that the page has its room before the picture is loaded.
    fine : bool
        Whether the picture has so many pixels that single ones are not visible.
    """

    source: str
    alt: str
    width: int
    height: int
    fine: bool = False


@dataclass
class Pictures:
    """The pictures in the folder of a page. Equal pictures are one file, such as the input that every method explains.

    Parameters
    ----------
    folder : str
        The name of the folder, beside the page.

    Attributes
    ----------
    files : dict of str to bytes
        The content of each file, by its name in the folder.

    Examples
    --------
    >>> import numpy as np
    >>> pictures = Pictures("cifar_net")
    >>> pictures.add("saliency-1", np.zeros((2, 3)), "A map").source
    'cifar_net/saliency-1.png'
    >>> pictures.add("lrp-1", np.zeros((2, 3)), "Another").source
    'cifar_net/saliency-1.png'
    """

    folder: str
    files: dict[str, bytes] = field(default_factory=dict)
    _names: dict[bytes, str] = field(default_factory=dict)

    def add(self, name: str, pixels: npt.NDArray[Any], alt: str) -> Tile:
        """Add a picture.

        Parameters
        ----------
        name : str
            The name of its file, without suffix.
        pixels : numpy.ndarray
            In [0, 1]: (H, W) in grey, (H, W, 3) in colour.
        alt : str
            A description of it.
        """
        content = image_png(pixels)
        file = self._names.setdefault(content, f"{name}.png")
        self.files[file] = content
        return _tile(f"{self.folder}/{file}", pixels, alt)


def inline_tile(pixels: npt.NDArray[Any], alt: str) -> Tile:
    """Make a picture that is a part of its page.

    Examples
    --------
    >>> import numpy as np
    >>> tile = inline_tile(np.zeros((2, 3)), "A map")
    >>> tile.source[:14], tile.width, tile.height
    ('data:image/png', 3, 2)
    """
    return _tile(image_data_uri(pixels), pixels, alt)


def _tile(source: str, pixels: npt.NDArray[Any], alt: str) -> Tile:
    height, width = pixels.shape[:2]
    return Tile(source, alt, width, height, fine=max(height, width) > SMALL_IMAGE)
