"""Groups of neighbouring places, which are removed together where there are too many places for one at a time."""

from __future__ import annotations

from math import ceil, prod

import numpy as np
import numpy.typing as npt

from explain.algorithms.options import whole_number
from explain.metrics.opened import Presence
from explain.metrics.places import Places

N_GROUPS = whole_number(
    "n_groups",
    64,
    2,
    "The largest number of groups: with more places than that, squares of neighbours (cubes, runs) are one group.",
)


def groups_of(places: Places, most: int) -> list[npt.NDArray[np.intp]]:
    """Give the group of each real place of each example, from 0 on without gaps: arrays of shape (F,).

    Groups are squares, cubes or runs of the smallest side with which there are at most `most`.

    Examples
    --------
    >>> image = Places(np.zeros((1, 6)), np.ones((1, 6), bool), (2, 3), (2, 3))
    >>> groups_of(image, 6)[0].tolist(), groups_of(image, 2)[0].tolist()
    ([0, 1, 2, 3, 4, 5], [0, 0, 1, 0, 0, 1])
    """
    side = 1
    while prod(ceil(extent / side) for extent in places.shape) > most:
        side += 1
    blocks = np.zeros(1, np.int64)
    for extent in places.shape:
        blocks = (blocks[:, np.newaxis] * ceil(extent / side) + np.arange(extent) // side).ravel()
    found = []
    for real in places.real:
        _, numbers = np.unique(blocks[real], return_inverse=True)
        found.append(numbers)
    return found


def members(groups: npt.NDArray[np.intp]) -> Presence:
    """Give the places of each group: shape (F,) to (groups, F).

    Examples
    --------
    >>> members(np.array([0, 0, 1])).tolist()
    [[True, True, False], [False, False, True]]
    """
    found: Presence = groups == np.arange(groups.max(initial=-1) + 1)[:, np.newaxis]
    return found
