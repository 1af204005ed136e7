"""How work is cut so that memory stays bounded: blocks of examples, and of the points each is expanded to."""

from __future__ import annotations

from collections.abc import Iterator

from explain.examples import Examples

# Sixty-four points at once were the fastest for small networks on a CPU; beyond about a million input
# values a chunk, activations rather than calls are what costs.
_POINTS = 64
_INPUT_VALUES = 2**20


def default_batch_size(examples: Examples) -> int:
    """Give the number of points to hold in memory at once: 64, fewer where the inputs are large."""
    values = sum(int(array[0].size) for array in examples.inputs)
    return max(1, min(_POINTS, _INPUT_VALUES // max(1, values)))


def row_chunks(count: int, batch_size: int) -> Iterator[slice]:
    """Cut `count` rows into slices of at most `batch_size`.

    Examples
    --------
    >>> [(part.start, part.stop) for part in row_chunks(5, 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    for start in range(0, count, batch_size):
        yield slice(start, min(start + batch_size, count))


def blocks(count: int, n_points: int, batch_size: int) -> Iterator[tuple[slice, slice]]:
    """Cut `count` examples of `n_points` points each into blocks of at most `batch_size` points.

    Yields (rows, points) slices: whole examples where one fits, else parts of one example's points.

    Examples
    --------
    >>> [(rows.start, rows.stop, points.start, points.stop) for rows, points in blocks(2, 3, 2)]
    [(0, 1, 0, 2), (0, 1, 2, 3), (1, 2, 0, 2), (1, 2, 2, 3)]
    """
    if n_points <= batch_size:
        for rows in row_chunks(count, batch_size // n_points):
            yield rows, slice(0, n_points)
        return
    for row in range(count):
        for points in row_chunks(n_points, batch_size):
            yield slice(row, row + 1), points
