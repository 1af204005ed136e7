"""How work is cut: rows of examples, and blocks of the points that each is expanded to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

Block = tuple[slice, slice]


def row_chunks(count: int, size: int) -> Iterator[slice]:
    """Cut `count` rows into as few slices of at most `size` as will do, of nearly equal lengths.

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

    Yields (rows, points) slices: whole examples where one fits, else parts of one example's points. The size
    is asked for before every block, so that it may change on the way.

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
    """Give the length of the next of as few pieces as will do, all nearly equal."""
    return ceil(left / ceil(left / size))
