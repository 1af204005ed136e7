"""Mass and rank accuracy, by sums and sorts written out."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from explain.errors import OptionError

BOTH = ("relevance_mass_accuracy", "relevance_rank_accuracy")


def test_mass_is_the_positive_sum_inside_beside_all(located, drawn):
    found = located("relevance_mass_accuracy", drawn.values, drawn.masks, drawn.layout, drawn.fields)
    assert not found.left_out
    expected = []
    for own, inside in zip(drawn.places, drawn.inside, strict=True):
        positive = [max(value, 0) for value in own]
        within = sum(value for value, one in zip(positive, inside, strict=True) if one)
        expected.append(within / sum(positive))
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)


def by_all_orders(own, inside, count):
    """The mean of the share inside, over all orders that equal values may have."""
    shares = [
        np.mean(inside[list(order)][np.argsort(-own[list(order)], kind="stable")][:count])
        for order in permutations(range(len(own)))
    ]
    return np.mean(shares)


def test_rank_is_the_mean_over_all_orders_of_equal_values(located):
    values = np.array([[2, 1, 1, 0, 1, -3], [0, 0, 1, 0, 0, 5], [3, 2, 1, 0, -1, -2.0]])
    masks = np.array([[1, 1, 0, 0, 0, 1], [1, 0, 0, 1, 0, 1], [0, 0, 1, 1, 1, 0]], bool)
    found = located("relevance_rank_accuracy", values, masks)
    expected = [by_all_orders(own, inside, inside.sum()) for own, inside in zip(values, masks, strict=True)]
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)
    assert found.values[2] == 1 / 3


def test_rank_of_any_layout(located, drawn):
    # Without equal values there is one order.
    slopes = np.arange(drawn.values.size).reshape(drawn.values.shape) * 1e-3
    values = (drawn.values + slopes).astype(np.float32)
    axis = drawn.layout.find("C")
    places = np.float64(values).sum(axis=axis) if axis > 0 and drawn.layout != "NC" else np.float64(values)
    found = located("relevance_rank_accuracy", values, drawn.masks, drawn.layout, drawn.fields)
    real = drawn.fields.get("mask", np.ones(places.shape, bool))
    for row in range(3):
        own, inside = places[row][real[row]].ravel(), drawn.inside[row].ravel()
        assert len(set(own.tolist())) == len(own)
        largest = sorted(range(len(own)), key=lambda place: own[place])[-inside.sum() :]
        assert found.values[row] == pytest.approx(
            sum(inside[place] for place in largest) / inside.sum(), rel=1e-15
        )


@pytest.mark.parametrize("metric", BOTH)
def test_a_map_on_the_object_is_better_than_one_beside_it(located, metric):
    mask = np.array([True, True, False, False, False])
    found = located(metric, [[3, 2, 0, 0, 0], [0, 0, 1, 2, 3], [2, 0, 0, 2, -9]], [mask] * 3)
    assert found.better == "higher"
    assert found.values.tolist() == [1, 0, 0.5]
    assert found.worst == 1


@pytest.mark.parametrize("metric", BOTH)
def test_a_map_that_orders_nothing_has_no_value(located, metric):
    found = located(metric, [[0, 0, 0], [2, 2, 2], [0, 0, 1]], [[False, False, True]] * 3)
    assert list(found.left_out) == [0, 1]
    assert np.isnan(found.values).tolist() == [True, True, False]


def test_a_map_without_a_positive_value_has_no_mass_but_an_order(located):
    values, mask = [[-1, -2, -3]], [[True, False, False]]
    found = located("relevance_mass_accuracy", values, mask)
    assert found.left_out == {0: "The map has no positive value."}
    assert np.isnan(found.values[0])
    assert located("relevance_rank_accuracy", values, mask).values[0] == 1


@pytest.mark.parametrize("metric", BOTH)
def test_they_have_no_options(located, metric):
    with pytest.raises(
        OptionError, match=f"'abs' is not an option of the metric {metric}; its options are: none"
    ):
        located(metric, [[1, 2]], [[True, False]], abs=True)
