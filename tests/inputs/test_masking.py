"""Which steps of a sequence are real."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.errors import InputError
from explain.inputs.layout import Layout
from explain.inputs.masking import resolve_mask, spread_mask

NTC = Layout("NTC")


def one_hot(lengths, steps, features=3):
    x = np.zeros((len(lengths), steps, features))
    for row, length in enumerate(lengths):
        x[row, np.arange(length), np.arange(length) % features] = 1
    return x


@given(
    st.integers(1, 6).flatmap(
        lambda t: st.tuples(st.just(t), st.lists(st.integers(1, t), min_size=1, max_size=4))
    )
)
def test_lengths_and_one_hot_padding_say_the_same(drawn):
    steps, lengths = drawn
    x = one_hot(lengths, steps)
    expected = np.array([[time < length for time in range(steps)] for length in lengths])
    for found in (resolve_mask(lengths, x, NTC), resolve_mask(None, x, NTC)):
        if expected.all():
            assert found is None
        else:
            np.testing.assert_array_equal(found, expected)
    swapped = resolve_mask(None, x.swapaxes(1, 2), Layout("NCT"))
    assert expected.all() if swapped is None else (swapped == expected).all()


def test_what_is_not_clearly_one_hot_has_no_mask():
    padded = one_hot([2, 4], 4)
    for spoil in (
        lambda x: x.__setitem__((1, 1), 0),  # A hole, not an end.
        lambda x: x.__setitem__((1, 1), 1),  # Several ones in a step.
        lambda x: x.__setitem__((0, 0, 0), 0.5),
        lambda x: x.__setitem__(0, 0),  # No step at all.
    ):
        x = padded.copy()
        assert resolve_mask(None, x, NTC) is not None
        spoil(x)
        assert resolve_mask(None, x, NTC) is None
    assert resolve_mask(None, padded[:, 0], Layout("NC")) is None
    assert resolve_mask(None, padded, Layout("NHW")) is None


@pytest.mark.parametrize("lengths", [[0, 2], [2, 5], [2], [[1, 2]], [1.0, 2.0], ["a", "b"]])
def test_lengths_that_do_not_fit(lengths):
    with pytest.raises(InputError, match="lengths"):
        resolve_mask(lengths, one_hot([2, 4], 4), NTC)


def test_lengths_without_time():
    with pytest.raises(InputError, match="no time axis"):
        resolve_mask([1, 2], np.zeros((2, 3)), Layout("NC"))


def test_spread_over_any_layout():
    mask = np.array([[True, False, False], [True, True, True]])
    for axes, shape in (("NTC", (2, 3, 4)), ("NCT", (2, 4, 3)), ("NT", (2, 3))):
        spread = np.broadcast_to(spread_mask(mask, Layout(axes)), shape)
        time = np.moveaxis(spread, axes.index("T"), 1)
        np.testing.assert_array_equal(time.reshape(2, 3, -1)[:, :, 0], mask)
