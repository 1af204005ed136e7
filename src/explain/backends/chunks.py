"""Cuts work into chunks: rows of examples, or blocks of the points that they are expanded to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import ceil
from typing import Protocol, TypeVar

Block = tuple[slice, slice]

_Result = TypeVar("_Result")


class ChunkRunner(Protocol):
    """Runs a computation chunk by chunk: the part of an executor that a backend uses."""

    @property
    def size(self) -> int:
        """The number of points per chunk now."""

    def over_rows(self, count: int, compute: Callable[[slice], _Result]) -> Iterator[tuple[slice, _Result]]:
        """Compute `count` examples of one point each; give the rows and the result of each chunk."""

    def over_groups(
        self, count: int, n_points: int, compute: Callable[[slice], _Result]
    ) -> Iterator[tuple[slice, _Result]]:
        """Compute `count` examples of `n_points` points group by group; the points of a group are run in chunks."""

    def over_blocks(
        self, count: int, n_points: int, compute: Callable[[slice, slice], _Result], *, in_rows: bool = False
    ) -> Iterator[tuple[slice, slice, _Result]]:
        """Compute `count` examples at `n_points` points each; give rows, points and result, block by block.

        Each point is computed once. With `in_rows` every point of an example is in the example's own row of
        the batch.
        """

    def ran_out(self, error: BaseException) -> bool:
        """Tell whether an error, or what it was raised from, says that memory ran out."""


def row_chunks(count: int, size: int) -> Iterator[slice]:
    """Cut `count` rows into the fewest slices of at most `size`, of nearly equal lengths.

    Examples
    --------
    >>> [(part.start, part.stop) for part in row_chunks(5, 4)]
    [(0, 3), (3, 5)]
    """
    start = 0
    while start < count:
        stop = start + even(count - start, size)
        yield slice(start, stop)
        start = stop


def blocks(count: int, n_points: int, size: Callable[[], int]) -> Iterator[Block]:
    """Cut `count` examples of `n_points` points each into the fewest blocks of at most `size()` points.

    Yields (rows, points) slices: some points of some examples. The points of an example come in their order. `size` is
    called before every block, so that the size may change.

    Examples
    --------
    >>> [(rows.start, rows.stop, points.start, points.stop) for rows, points in blocks(2, 3, lambda: 2)]
    [(0, 2, 0, 1), (0, 2, 1, 2), (0, 2, 2, 3)]
    """
    # Rows and points that are left, and whether the rows are cut already.
    waiting = [(slice(0, count), slice(0, n_points), False)] if count and n_points else []
    while waiting:
        rows, points, together = waiting.pop()
        n_rows, left, most = rows.stop - rows.start, points.stop - points.start, size()
        if together and n_rows <= most:
            n_steps = even(left, most // n_rows)
        else:
            n_rows, n_steps = _tile(n_rows, left, most)
        row, point = rows.start + n_rows, points.start + n_steps
        if row < rows.stop:
            waiting.append((slice(row, rows.stop), points, False))
        if point < points.stop:
            waiting.append((slice(rows.start, row), slice(point, points.stop), True))
        yield slice(rows.start, row), slice(points.start, point)


def blocks_in_rows(count: int, n_points: int, size: int) -> Iterator[Block]:
    """Cut so that a block holds one point of each example, in the example's own row of the batch.

    Examples
    --------
    >>> [(rows.start, rows.stop, points.start, points.stop) for rows, points in blocks_in_rows(3, 2, 2)]
    [(0, 2, 0, 1), (0, 2, 1, 2), (2, 3, 0, 1), (2, 3, 1, 2)]
    """
    for start in range(0, count, size):
        for point in range(n_points):
            yield slice(start, min(start + size, count)), slice(point, point + 1)


@lru_cache(maxsize=256)
def _tile(count: int, n_points: int, size: int) -> tuple[int, int]:
    """Give the examples and the points of each in a block, for the fewest blocks, of nearly equal sizes.

    Of equally few blocks, those with the most points of an example are the best: their sums are added up less often.
    """
    fewest, best = count * n_points + 1, (1, 1)
    # More pieces of an example's points than this leave room for more examples than there are.
    most = ceil(n_points / max(1, size // count))
    for pieces in range(ceil(n_points / size), most + 1):
        n_steps = ceil(n_points / pieces)
        n_rows = even(count, size // n_steps)
        number = ceil(n_points / n_steps) * ceil(count / n_rows)
        if number < fewest:
            fewest, best = number, (n_rows, n_steps)
    return best


def even(left: int, size: int) -> int:
    """Give the length of the next piece, for the fewest pieces of at most `size` and of nearly equal lengths."""
    return ceil(left / ceil(left / size))
