"""Maps and pictures in words, for readers who cannot see them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_ROWS = ("upper", "middle", "lower")
_COLUMNS = ("left", "middle", "right")


def where(heatmap: npt.ArrayLike) -> str:
    """Name the ninth of a map that contains the centre of gravity of its absolute values.

    Parameters
    ----------
    heatmap : array_like
        (H, W), finite.

    Examples
    --------
    >>> where([[0, 0, 0], [0, 0, 0], [0, 0, 5]]), where([[1, 1], [1, 1]])
    ('lower right', 'centre')
    """
    weights = np.abs(np.asarray(heatmap, np.float64))
    total = weights.sum()
    places = []
    for axis in (0, 1):
        size = weights.shape[axis]
        along = weights.sum(axis=1 - axis)
        middle = float((along * (np.arange(size) + 0.5)).sum() / total / size) if total > 0 else 0.5
        places.append(min(int(3 * middle), 2))
    row, column = _ROWS[places[0]], _COLUMNS[places[1]]
    return "centre" if row == column == "middle" else f"{row} {column}"


def map_alt(heatmap: npt.ArrayLike, what: str, target: str, *, signed: bool = True) -> str:
    """Describe a heatmap: where its relevance is, and how much of it raises and lowers the score.

    Parameters
    ----------
    heatmap : array_like
        (H, W), finite.
    what : str
        The method and the framework.
    target : str
        The class that is explained.
    signed : bool
        Whether the map has two signs.

    Examples
    --------
    >>> map_alt([[6.0, 0.0, -2.0]], "Saliency in PyTorch", "ship")
    'Saliency in PyTorch for ship: relevance around the centre; 75 % of it positive.'
    >>> map_alt([[0.0]], "Saliency in PyTorch", "ship")
    'Saliency in PyTorch for ship: zero everywhere.'
    """
    numbers = np.asarray(heatmap, np.float64)
    size = float(np.abs(numbers).sum())
    if size == 0:
        return f"{what} for {target}: zero everywhere."
    sentence = f"{what} for {target}: relevance around the {where(numbers)}"
    if signed:
        positive = 100 * float(numbers[numbers > 0].sum()) / size
        sentence += f"; {positive:.0f} % of it positive"
    return f"{sentence}."


def picture_alt(pixels: npt.ArrayLike, what: str) -> str:
    """Describe a picture: what it shows, how light it is, and where it is lightest.

    Parameters
    ----------
    pixels : array_like
        (H, W) or (H, W, 3), in [0, 1].
    what : str
        What the picture shows.

    Examples
    --------
    >>> picture_alt([[0.0, 0.0, 1.0]], "Input, a ship")
    'Input, a ship: dark, lightest in the middle right.'
    """
    numbers = np.asarray(pixels, np.float64)
    grey = numbers.mean(axis=2) if numbers.ndim == 3 else numbers
    mean = float(grey.mean())
    light = "dark" if mean < 0.35 else "light" if mean > 0.65 else "of medium lightness"
    spread = grey - grey.min()
    return f"{what}: {light}, lightest in the {where(spread**2)}."
