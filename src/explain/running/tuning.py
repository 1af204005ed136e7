"""The fastest chunk size for a model, input shape and device, measured on the work itself and cached in the process."""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

# Another size is chosen only if it is faster by more than the timings of one size differ.
_FASTER = 0.96
# Two sizes whose times are closer than this are timed more often before one is chosen.
_CLOSE = (0.8, 1.25)
# The first block of a size includes its set-up; of the others the fastest counts.
_TIMED_BLOCKS, _BLOCKS_WHERE_CLOSE = 3, 8
_LARGEST = 4096
# A size is tried if the work fills one block of it that far.
_LEAST_FILLED = 0.75
# Work is cut into equal blocks, which are at least half of the size. A smaller one, such as an example's last, is not
# timed.
_LEAST_TIMED = 0.5


@dataclass
class Tuning:
    """Searches from a first chunk size for the fastest, in powers of two, by timing blocks of the work itself.

    No work is repeated or wasted. The timings are cached, so that a later call continues from there.

    Parameters
    ----------
    bytes_per_point : int, optional
        The memory that a point needs, if it was measured.
    seconds : Mapping of int to list of float
        By chunk size, the seconds per point of each full block.
    most : int, optional
        The largest number of points that fit in memory, if memory ran out before.

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

        A size that needs more than `points` to be filled is not tried.
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
        """Record the time of a block of `points` points, cut for chunks of `size`."""
        if points >= _LEAST_TIMED * size:
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


_cached: weakref.WeakKeyDictionary[Any, dict[Hashable, Tuning]] = weakref.WeakKeyDictionary()


def tuning_of(model: Any, key: Hashable) -> Tuning:
    """Give the tuning of a model; it is freed with the model.

    Parameters
    ----------
    model : object
        The model; without weak references nothing is cached.
    key : hashable
        Input shape, precision, device, and whatever else the timing depends on.
    """
    try:
        return _cached.setdefault(model, {}).setdefault(key, Tuning())
    except TypeError:
        return Tuning()


def largest_chunk_of(model: Any) -> int:
    """Give the largest chunk that was tried for a model, 0 if none was tried.

    Examples
    --------
    >>> largest_chunk_of(print)
    0
    """
    return max((size for known in _cached.get(model, {}).values() for size in known.seconds), default=0)
