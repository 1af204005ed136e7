"""The fastest chunk size for a model, input shape and device: found on the work itself, kept for the process."""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

# A larger or smaller chunk is taken only where it is faster by more than timings of equal sizes differ.
_FASTER = 0.96
# Two sizes whose times are closer than that are timed more often before one is chosen.
_CLOSE = (0.88, 1.04)
# A size's first block pays for what is set up for it; of the others the fastest tells what it can do.
_TIMED_BLOCKS, _BLOCKS_WHERE_CLOSE = 3, 8
_LARGEST = 4096
# A block much smaller than its size, the last of an example's, says nothing about the size.
_LEAST_FILLED = 0.75


@dataclass
class Tuning:
    """Climbs from a first chunk size to the fastest, in powers of two, by timing blocks of the work itself.

    No work is done twice or for nothing. How sizes compare is kept, so that a later call goes on from there.

    Parameters
    ----------
    bytes_per_point : int, optional
        What a point needs in memory, once it was measured.
    seconds : Mapping of int to list of float
        By chunk size: seconds a point took in each full block.
    most : int, optional
        The most points for which memory sufficed, once it ran out.

    Examples
    --------
    >>> tuning = Tuning()
    >>> for size, seconds in [(64, 0.004), (128, 0.003), (256, 0.004)]:
    ...     for _ in range(4):
    ...         assert tuning.size(64) == size
    ...         tuning.record(size, size, seconds * size)
    >>> tuning.size(64)
    128
    """

    bytes_per_point: int | None = None
    seconds: dict[int, list[float]] = field(default_factory=dict)
    most: int | None = None

    def size(self, start: int, limit: int = _LARGEST, points: int = _LARGEST) -> int:
        """Give the chunk size to use next, at most `limit`, beginning at `start`.

        A size that work of so many `points` cannot fill is not tried on it.
        """
        limit = min(limit, _LARGEST)
        start, most = min(start, limit), min(limit, int(points / _LEAST_FILLED))
        for upwards in (True, False):
            size = start
            while True:
                if not self._is_timed(size):
                    return size
                following = 2 * size if upwards else size // 2
                if not 1 <= following <= limit:
                    break
                if not self._is_timed(following):
                    if following > most:
                        break
                    return following
                ratio = self._best(following) / self._best(size)
                fewer = min(size, following, key=self._blocks)
                if (
                    _CLOSE[0] < ratio < _CLOSE[1]
                    and self._blocks(fewer) < _BLOCKS_WHERE_CLOSE
                    and fewer <= most
                ):
                    return fewer
                if ratio > _FASTER:
                    break
                size = following
            if size != start:
                return size
        return start

    def record(self, size: int, points: int, seconds: float) -> None:
        """Note how long a block of `points` points took, cut for chunks of `size`."""
        if points >= _LEAST_FILLED * size:
            timings = self.seconds.setdefault(size, [])
            if len(timings) <= _BLOCKS_WHERE_CLOSE:
                timings.append(seconds / points)

    def _is_timed(self, size: int) -> bool:
        return self._blocks(size) >= _TIMED_BLOCKS

    def _blocks(self, size: int) -> int:
        """Give how many blocks of a size were timed, without the first."""
        return len(self.seconds.get(size, (0,))) - 1

    def _best(self, size: int) -> float:
        return min(self.seconds[size][1:])


_kept: weakref.WeakKeyDictionary[Any, dict[Hashable, Tuning]] = weakref.WeakKeyDictionary()


def tuning_of(model: Any, key: Hashable) -> Tuning:
    """Give what is known of a model's chunks; it goes when the model goes.

    Parameters
    ----------
    model : object
        The model; of one that cannot be held weakly nothing is kept.
    key : hashable
        Input shape, precision, device, and what else the timing depends on.
    """
    try:
        return _kept.setdefault(model, {}).setdefault(key, Tuning())
    except TypeError:
        return Tuning()


def largest_chunk_of(model: Any) -> int:
    """Give the largest chunk that was tried for a model, 0 before any was.

    Examples
    --------
    >>> largest_chunk_of(print)
    0
    """
    return max((size for known in _kept.get(model, {}).values() for size in known.seconds), default=0)
