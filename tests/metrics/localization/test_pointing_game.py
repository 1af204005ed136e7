"""Whether the largest value lies in the mask, by searching for it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explain.errors import EvaluationError, OptionError

MASK = [[True, True, False, False]]


def test_it_is_the_chance_that_a_largest_place_is_inside(located, drawn):
    found = located("pointing_game", drawn.values, drawn.masks, drawn.layout, drawn.fields)
    expected = []
    for own, inside in zip(drawn.places, drawn.inside, strict=True):
        largest = [place for place in range(len(own)) if own[place] == max(own)]
        expected.append(sum(inside[place] for place in largest) / len(largest))
    np.testing.assert_allclose(found.values, expected, rtol=1e-15)
    assert found.better == "higher"


@pytest.mark.parametrize(
    ("values", "hit"),
    [([5, 0, 1, -9], 1), ([0, 0, 1, -9], 0), ([-1, -2, -3, -4], 1), ([0, 0, 2, 2], 0), ([3, 0, 3, 3], 1 / 3)],
)
def test_the_largest_counts_not_the_largest_size(located, values, hit):
    assert located("pointing_game", [values], MASK).values[0] == pytest.approx(hit, rel=1e-15)


def test_a_hit_may_be_beside_the_object_as_far_as_the_tolerance_says(located):
    shape = (6, 7)
    mask = np.zeros((1, *shape), bool)
    mask[0, 1:3, 1:3] = True
    for row in range(shape[0]):
        for column in range(shape[1]):
            values = np.zeros((1, *shape))
            values[0, row, column] = 1
            away = min(math.hypot(row - y, column - x) for y in (1, 2) for x in (1, 2))
            for tolerance in (0, 1, 3):
                hit = located("pointing_game", values, mask, "NHW", tolerance=tolerance).values[0]
                assert hit == (away <= tolerance), (row, column, tolerance)


def test_the_tolerance_of_a_sequence_and_of_a_volume(located):
    steps = np.zeros((2, 5, 1))
    steps[0, 2], steps[1, 4] = 1, 1
    mask = [[True, False, False, False, False]] * 2
    assert located("pointing_game", steps, mask, "NTC", tolerance=2).values.tolist() == [1, 0]
    volume = np.zeros((1, 3, 3, 3, 1))
    volume[0, 1, 1, 1] = 1
    mask = np.zeros((1, 3, 3, 3), bool)
    mask[0, 0, 0, 0] = True
    assert located("pointing_game", volume, mask, "NDHWC", tolerance=1).values[0] == 0
    assert located("pointing_game", volume, mask, "NDHWC", tolerance=2).values[0] == 1


def test_padding_is_not_pointed_at(located):
    values = np.array([[[0.0], [-1.0], [9.0]]])
    real = {"mask": np.array([[True, True, False]])}
    assert located("pointing_game", values, [[True, False, False]], "NTC", real).values[0] == 1
    assert located("pointing_game", values, [[True, False, False]], "NTC", real, tolerance=1).values[0] == 1


def test_a_map_that_orders_nothing_points_nowhere(located):
    found = located("pointing_game", [[0, 0, 0], [2, 2, 2], [0, 0, 1]], [[False, False, True]] * 3)
    assert found.left_out == {
        0: "The map is zero: it does not order the places.",
        1: "The map is constant: it does not order the places.",
    }
    assert np.isnan(found.values[:2]).all()
    assert found.mean == 1


def test_columns_of_a_table_have_no_distance(located):
    with pytest.raises(
        EvaluationError, match=r"tolerance=2 of pointing_game is a distance.*: give tolerance=0"
    ):
        located("pointing_game", [[1, 2, 3, 4]], MASK, tolerance=2)


@pytest.mark.parametrize("tolerance", [-1, 1.5, "15", True, None])
def test_a_tolerance_out_of_range(located, tolerance):
    with pytest.raises(OptionError, match=r"tolerance=.*: give a whole number of at least 0"):
        located("pointing_game", [[1, 2, 3, 4]], MASK, tolerance=tolerance)
