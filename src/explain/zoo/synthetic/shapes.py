"""Pictures of shapes over textured grounds, with a coloured patch in the upper left corner as the shortcut.

The arithmetic is of whole numbers, or of single operations in double precision, which every machine rounds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from explain.zoo.labels import SHAPES
from explain.zoo.synthetic.drawn import NO_CLASS, Drawn, Shortcut, named_class
from explain.zoo.synthetic.grounds import SIDE, ground, turned

Mask = npt.NDArray[np.bool_]
Coordinates = npt.NDArray[np.float64]

PATCH_SIDE = 5
# A colour for each class, with channels that no ground and no object reaches: the patch differs from both everywhere.
PATCH_COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255))

# The radius of the circle around a shape, in quarters of a pixel.
_LEAST_RADIUS, _GREATEST_RADIUS = 30, 40
# Up to 28 degrees to either side: a square stays a square, and a triangle stands.
_GREATEST_TURN = 0.25
_SINE_60 = 0.8660254037844386
# The outward normals of the five lines of a star, and their distance from its centre.
_STAR_NORMALS = (
    (0.0, 1.0),
    (0.9510565162951535, 0.3090169943749474),
    (0.5877852522924731, -0.8090169943749475),
    (-0.5877852522924731, -0.8090169943749475),
    (-0.9510565162951535, 0.3090169943749474),
)
_STAR_DISTANCE = 0.3090169943749474


def draw(generator: np.random.Generator, y: int, shortcut: Shortcut) -> Drawn:
    """Draw one picture.

    Ground, object and patch are drawn one after the other and independently; no object reaches into any corner. The
    same generator gives the same ground and the same object with every kind of shortcut.

    Parameters
    ----------
    generator : numpy.random.Generator
        The generator of this picture alone.
    y : int
        The class of the object.
    shortcut : {"agreeing", "absent", "misleading", "random"}
        The class that the colour of the patch names; ``"absent"`` draws no patch.

    Returns
    -------
    Drawn
        The picture, shape (32, 32, 3).

    Examples
    --------
    >>> picture = draw(np.random.default_rng(0), 0, "absent")
    >>> picture.x.shape, bool((picture.x != picture.background).any(axis=2)[~picture.object_mask].any())
    ((32, 32, 3), False)
    """
    background = ground(generator)
    object_mask = _placed(generator, SHAPES[y])
    x = np.where(object_mask[:, :, None], _bright_colour(generator), background)
    named = named_class(generator, y, len(SHAPES), shortcut)
    shortcut_mask = np.zeros((SIDE, SIDE), np.bool_)
    if named != NO_CLASS:
        shortcut_mask[:PATCH_SIDE, :PATCH_SIDE] = True
        x[shortcut_mask] = PATCH_COLOURS[named]
    return Drawn(x, np.array(y, np.int64), object_mask, shortcut_mask, np.array(named, np.int64), background)


def _bright_colour(generator: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw the colour of an object: one channel is brighter than any ground, none as extreme as a patch's."""
    channels = [
        int(generator.integers(215, 246)),
        int(generator.integers(40, 246)),
        int(generator.integers(40, 120)),
    ]
    return np.array(channels, np.uint8)[generator.permutation(3)]


def _placed(generator: np.random.Generator, shape: str) -> Mask:
    """Draw the place, the size and the turn of a shape, and give its pixels."""
    radius = int(generator.integers(_LEAST_RADIUS, _GREATEST_RADIUS + 1)) / 4
    places = _places(radius)
    row, column = places[int(generator.integers(len(places)))]
    cosine, sine = turned(_GREATEST_TURN * (2 * generator.random() - 1))
    centres = np.arange(SIDE) + 0.5
    down, right = (centres[:, None] - row) / radius, (centres[None, :] - column) / radius
    return _INSIDE[shape](right * cosine + down * sine, down * cosine - right * sine)


def _places(radius: float) -> npt.NDArray[np.float64]:
    """Give every centre (row, column), in steps of half a pixel, whose circle reaches no edge and no corner."""
    steps = np.arange(2 * SIDE + 1) / 2
    rows, columns = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    to_edge = np.minimum(np.minimum(rows, SIDE - rows), np.minimum(columns, SIDE - columns))
    # The distance to the nearest corner, along each axis. All four are kept free, so that objects are in the middle on
    # average, and not away from the patch.
    down, across = (np.maximum(np.minimum(axis, SIDE - axis) - PATCH_SIDE, 0) for axis in (rows, columns))
    fits = (to_edge >= radius) & (down * down + across * across >= radius * radius)
    places: npt.NDArray[np.float64] = np.stack([rows, columns], axis=1)[fits]
    return places


def _circle(right: Coordinates, down: Coordinates) -> Mask:
    return right * right + down * down <= 0.85


def _square(right: Coordinates, down: Coordinates) -> Mask:
    return np.maximum(np.abs(right), np.abs(down)) <= 0.7


def _triangle(right: Coordinates, down: Coordinates) -> Mask:
    return (down <= 0.5) & (_SINE_60 * np.abs(right) - 0.5 * down <= 0.5)


def _cross(right: Coordinates, down: Coordinates) -> Mask:
    right, down = np.abs(right), np.abs(down)
    return (np.minimum(right, down) <= 0.28) & (np.maximum(right, down) <= 0.95)


def _ring(right: Coordinates, down: Coordinates) -> Mask:
    squared = right * right + down * down
    return (squared <= 1) & (squared >= 0.3)


def _star(right: Coordinates, down: Coordinates) -> Mask:
    """Give the points beyond at most one of five lines: the pentagon between them, and its five points."""
    beyond = [right * across + down * along > _STAR_DISTANCE for across, along in _STAR_NORMALS]
    inside: Mask = np.sum(beyond, axis=0) <= 1
    return inside


_INSIDE: Mapping[str, Callable[[Coordinates, Coordinates], Mask]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "ring": _ring,
    "star": _star,
}
