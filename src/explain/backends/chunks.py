"""Cuts work into chunks: rows of examples, or blocks of the points that they are expanded to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

    def over_groups(self, count: int, compute: Callable[[slice], _Result]) -> Iterator[tuple[slice, _Result]]:
        """Compute `count` examples group by group, where the points of a group are run in chunks."""

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
        stop = start + _even(count - start, size)
        yield slice(start, stop)
        start = stop


def blocks(count: int, n_points: int, size: Callable[[], int]) -> Iterator[Block]:
    """Cut `count` examples of `n_points` points each into blocks of at most `size()` points.

    Yields (rows, points) slices: whole examples if one fits, else parts of one example's points. `size` is
    called before every block, so that the size may change.

    Examples
    --------
    >>> [(rows.start, rows.stop, points.start, points.stop) for rows, points in blocks(2, 3, lambda: 2)]
    [(0, 1, 0, 2), (0, 1, 2, 3), (1, 2, 0, 2), (1, 2, 2, 3)]
    """
    row = 0
    while row < count:
        examples_at_once = size() // n_points
        if examples_at_once:
            stop = row + _even(count - row, examples_at_once)
            yield slice(row, stop), slice(0, n_points)
            row = stop
            continue
        point = 0
        while point < n_points:
            stop = point + _even(n_points - point, size())
            yield slice(row, row + 1), slice(point, stop)
            point = stop
        row += 1


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


def _even(left: int, size: int) -> int:
    """Give the length of the next piece, for the fewest pieces of nearly equal lengths."""
    return ceil(left / ceil(left / size))
