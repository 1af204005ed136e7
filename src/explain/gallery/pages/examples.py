"""One example of a method in every framework, as numbers and in colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain.gallery.model_results import MethodResult
from explain.gallery.pages.letters import Letter, strongest_letters
from explain.render import Scale, shared_scale
from explain.render.kinds.maximization import found_picture
from explain.render.parts.caption import target_text
from explain.results.heatmap import Floats
from explain.results.view import default_channels, drawn_as, maps_of, view

# The longest side of a thumbnail, in pixels.
_SIDE = 64


@dataclass(frozen=True, eq=False)
class DrawnExample:
    """One example in every framework.

    Attributes
    ----------
    numbers : tuple of numpy.ndarray
        Of each framework the map without padding, or what a maximization found.
    pixels : tuple of numpy.ndarray
        The same in colours, in [0, 1]: (H, W, 3), or (H, W) in grey; a sequence is one row.
    scale : Scale, optional
        The one scale of all maps; None for what a maximization found.
    """

    numbers: tuple[Floats, ...]
    pixels: tuple[Floats, ...]
    scale: Scale | None

    @property
    def difference(self) -> float:
        """The greatest difference between two frameworks at any place, as a share of the greatest absolute value.

        NaN for one framework; 0 for maps of zeros.
        """
        if len(self.numbers) < 2:
            return float("nan")
        one, other = self.numbers
        greatest = max(float(np.nanmax(np.abs(each))) for each in self.numbers)
        return float(np.nanmax(np.abs(one - other))) / greatest if greatest else 0.0


def drawn_example(result: MethodResult, index: int) -> DrawnExample:
    """Draw one example of a method, on a scale of its own.

    Parameters
    ----------
    result : MethodResult
        Of a method that applies.
    index : int
        Which example.

    Examples
    --------
    >>> from explain.algorithms.catalogue import find_method
    >>> from explain.results.attribution import Attribution
    >>> ones = np.ones((1, 2, 2), np.float32)
    >>> both = [Attribution(k * ones, ones, "NHW", "saliency", np.ones(1)) for k in (1.0, 0.5)]
    >>> drawn = drawn_example(MethodResult(find_method("saliency"), dict(zip("ab", both))), 0)
    >>> drawn.difference, drawn.scale.vmax, drawn.pixels[0].shape
    (0.5, 1.0, (2, 2, 3))
    """
    attributions = [one[index] for one in result.attributions.values()]
    if result.method.drawn == "input":
        numbers = tuple(np.asarray(one.values[0], np.float64) for one in attributions)
        if view(attributions[0]) == "rows":
            pixels = tuple(_letter_colours(strongest_letters(one, 0)) for one in attributions)
        else:
            pixels = numbers = tuple(found_picture(one, 0).pixels for one in attributions)
        return DrawnExample(numbers, pixels, None)
    channels = default_channels(attributions)
    maps = [np.atleast_2d(maps_of(one, channels)[0]) for one in attributions]
    # Padding is NaN in every feature of a step.
    maps = [one[:, ~np.isnan(one).all(axis=0)] for one in maps]
    scale = shared_scale(*maps, signed=drawn_as(attributions[0]) == "signed")
    return DrawnExample(tuple(maps), tuple(scale.colors(one)[..., :3] for one in maps), scale)


def found_for(result: MethodResult, name: str, otherwise: int) -> int:
    """Give which example of a method shows a class: of what a maximization found, the input of that class.

    Parameters
    ----------
    result : MethodResult
        Of a method that applies.
    name : str
        The name of the class.
    otherwise : int
        The example of any other method; the first one if the method has fewer examples.

    Examples
    --------
    >>> from explain.algorithms.catalogue import find_method
    >>> from explain.results.attribution import Attribution
    >>> ones = np.ones((2, 2, 2), np.float32)
    >>> a = Attribution(ones, ones, "NHW", "activation_maximization", np.ones(2), target=(0, 1))
    >>> found_for(MethodResult(find_method("maximize"), {"torch": a}), "class 1", 0)
    1
    """
    if result.method.drawn != "input":
        return otherwise if otherwise < len(result.first) else 0
    names = [target_text(result.first, index) for index in range(len(result.first))]
    return names.index(name) if name in names else 0


def halves(drawn: DrawnExample) -> Floats:
    """Join the upper half of the first framework's picture and the lower half of the second's; one alone is whole.

    A sequence, which is one row, is whole in both: the first framework's above the second's. A large picture is made
    small by the means of its blocks.

    Examples
    --------
    >>> above, below = np.zeros((4, 4)), np.ones((4, 4))
    >>> halves(DrawnExample((), (above, below), None))[:, 0].tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    pictures = [_small(one) for one in drawn.pixels]
    if len(pictures) < 2:
        return pictures[0]
    one, other = pictures
    if len(one) == 1 or (drawn.scale is None and len(one) < 4):
        return np.concatenate([one, other])
    middle = len(one) // 2
    return np.concatenate([one[:middle], other[middle:]])


def _small(pixels: Floats) -> Floats:
    block = -(-max(pixels.shape[:2]) // _SIDE)
    if block == 1:
        return pixels
    rows, columns = (size - size % block for size in pixels.shape[:2])
    blocks = pixels[:rows, :columns].reshape(rows // block, block, columns // block, block, -1)
    means = blocks.mean(axis=(1, 3))
    return np.asarray(means if pixels.ndim == 3 else means[..., 0])


def _letter_colours(letters: tuple[tuple[Letter, ...], ...]) -> Floats:
    """Give the colours of the strongest letters of each step as pixels, (rank, step, 3)."""
    rows = [[bytes.fromhex(one.background[1:]) for one in step] for step in letters]
    return np.array([[list(one) for one in step] for step in rows], np.float64).transpose(1, 0, 2) / 255
