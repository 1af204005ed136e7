"""A row of features and its parts: flattened maps, with channels first or last, and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Block(NamedTuple):
    """A part of a row of features.

    Attributes
    ----------
    positions, channels : int
        The size of the flattened map; a vector has one position.
    channels_last : bool, optional
        Whether the channels of one position are adjacent; None if unknown.
    spatial : bool, optional
        Whether it is a map of space, whose channel axis depends on the framework, or else a sequence, whose features
        are last in both; None if unknown.
    """

    positions: int
    channels: int
    channels_last: bool | None = True
    spatial: bool | None = True

    @property
    def width(self) -> int:
        """The number of features."""
        return self.positions * self.channels


Row = tuple[Block, ...]


def without_vectors(row: Row) -> Row | None:
    """Give a row, None for one without a map.

    Examples
    --------
    >>> without_vectors((Block(1, 8), Block(1, 3))) is None
    True
    """
    return row if any(block.positions > 1 for block in row) else None


def block_of(touched: npt.NDArray[np.bool_], channels: int, channel: int) -> tuple[int, Block] | None:
    """Find a map's position and order in a row by the features that depend on one of its channels.

    Parameters
    ----------
    touched : numpy.ndarray of bool, shape (features)
        True for features that change with the channel.
    channels : int
        The number of channels of the map.
    channel : int
        The index of the channel.

    Returns
    -------
    (int, Block), optional
        The index of its first feature, and the map; None if the row does not contain the map unchanged.

    Examples
    --------
    >>> block_of(np.array([False, False, True, True]), channels=2, channel=1)
    (0, Block(positions=2, channels=2, channels_last=False, spatial=True))
    >>> block_of(np.array([False, True, False, True]), channels=2, channel=1)
    (0, Block(positions=2, channels=2, channels_last=True, spatial=True))
    """
    places = np.flatnonzero(touched)
    positions = len(places)
    if not positions:
        return None
    for last, step, start in ((False, 1, channel * positions), (True, channels, channel)):
        first = int(places[0]) - start
        fits = first >= 0 and first + positions * channels <= len(touched)
        if fits and np.array_equal(places, places[0] + step * np.arange(positions)):
            return first, Block(positions, channels, last)
    return None


def row_of(blocks: Sequence[tuple[int, Block]], width: int) -> Row | None:
    """Join the maps found in a row, with vectors between them; None if maps overlap.

    Examples
    --------
    >>> [block.width for block in row_of([(3, Block(2, 2, False))], 8)]
    [3, 4, 1]
    """
    row: list[Block] = []
    place = 0
    for first, block in sorted(blocks, key=lambda one: one[0]):
        if first < place:
            return None
        row += [Block(1, first - place)] * (first > place) + [block]
        place = first + block.width
    return tuple(row + [Block(1, width - place)] * (width > place))


def order_between(row: Row, source: Sequence[bool], target: Sequence[bool]) -> npt.NDArray[np.intp]:
    """Give, for every feature of a row in the target's order, its index in the source's.

    Parameters
    ----------
    row : tuple of Block
        The sizes.
    source, target : sequence of bool
        Whether each block has channels last.

    Examples
    --------
    >>> order_between((Block(2, 3), Block(1, 1)), [False, True], [True, True]).tolist()
    [0, 2, 4, 1, 3, 5, 6]
    """
    found: list[Any] = []
    place = 0
    for block, here, there in zip(row, source, target, strict=True):
        features = place + np.arange(block.width)
        if here != there:
            size = (block.positions, block.channels) if here else (block.channels, block.positions)
            features = features.reshape(size).T.ravel()
        found.append(features)
        place += block.width
    return np.concatenate(found)
