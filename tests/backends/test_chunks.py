"""Work that is cut up is all there, once, and no piece is too large."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.backends.chunks import blocks, blocks_in_rows, row_chunks
from explain.inputs.examples import Examples, Target
from explain.running.execution import first_size

SIZES = st.integers(1, 40)


@given(SIZES, SIZES)
def test_rows_are_covered_once_in_order(count, batch_size):
    parts = list(row_chunks(count, batch_size))
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(count))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) <= batch_size
    assert max(lengths) - min(lengths) <= 1
    assert len(parts) == -(-count // batch_size)


@given(SIZES, SIZES, SIZES)
def test_points_are_covered_once_and_bounded(count, n_points, batch_size):
    seen = np.zeros((count, n_points), int)
    for rows, points in blocks(count, n_points, lambda: batch_size):
        assert (rows.stop - rows.start) * (points.stop - points.start) <= batch_size
        seen[rows, points] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize(
    ("count", "n_points", "size", "expected"),
    [(32, 50, 128, 13), (16, 50, 64, 13), (32, 8, 128, 2), (1, 50, 16, 4), (2, 50, 64, 2), (25, 5, 128, 1)],
)
def test_blocks_are_few_and_nearly_equal(count, n_points, size, expected):
    sizes = [
        (rows.stop - rows.start) * (points.stop - points.start)
        for rows, points in blocks(count, n_points, lambda: size)
    ]
    assert len(sizes) == expected
    assert min(sizes) >= max(sizes) / 2


@given(SIZES, SIZES, SIZES)
def test_no_more_blocks_than_with_whole_examples_or_parts_of_one(count, n_points, size):
    together = size // n_points
    plain = -(-count // together) if together else count * -(-n_points // size)
    assert len(list(blocks(count, n_points, lambda: size))) <= plain


@given(SIZES, SIZES, st.lists(SIZES, min_size=1))
def test_points_are_covered_once_when_the_size_changes_on_the_way(count, n_points, sizes):
    seen = np.zeros((count, n_points), int)
    asked = [sizes[0]]

    def size():
        return asked[-1]

    for place, (rows, points) in enumerate(blocks(count, n_points, size)):
        assert (rows.stop - rows.start) * (points.stop - points.start) <= asked[-1]
        seen[rows, points] += 1
        asked.append(sizes[place % len(sizes)])
    assert (seen == 1).all()


@given(SIZES, SIZES, SIZES)
def test_points_in_rows_stay_in_the_row_of_their_example(count, n_points, size):
    seen = np.zeros((count, n_points), int)
    for rows, points in blocks_in_rows(count, n_points, size):
        assert rows.start % size == 0
        assert points.stop - points.start == 1
        seen[rows, points] += 1
    assert (seen == 1).all()


@given(st.integers(1, 10**8))
def test_first_size_bounds_memory(values):
    examples = Examples((np.broadcast_to(np.float32(0), (2, values)),))
    found = first_size(examples)
    assert 1 <= found <= 64
    assert found == 1 or found * values * 8 <= 2**23
    assert first_size(Examples((np.zeros((1, 3, 32, 32)),))) == 64


@given(st.integers(1, 6), st.integers(0, 6))
def test_padding_repeats_the_last_row(count, more):
    examples = Examples(
        (np.arange(count)[:, None],),
        Target(np.arange(count)[:, None]),
        {"scale": np.arange(count)},
        held=(np.arange(count),),
    )
    padded = examples.padded(count + more)
    expected = [*range(count), *[count - 1] * more]
    assert len(padded) == count + more
    for array in (
        padded.inputs[0][:, 0],
        padded.target.indices[:, 0],
        padded.companions["scale"],
        padded.held[0],
    ):
        assert array.tolist() == expected
