"""Work that is cut up is all there, once, and no piece is too large."""

from __future__ import annotations

import numpy as np
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
