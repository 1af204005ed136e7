"""Positive attribution on the object beside its size, by sums written out."""

from __future__ import annotations

import numpy as np
import pytest

from explain.errors import OptionError


def test_it_is_the_density_inside_beside_the_density_of_all(located, drawn):
    found = located("attribution_localization", drawn.values, drawn.masks, drawn.layout, drawn.fields)
    assert not found.left_out
    for row, (own, inside) in enumerate(zip(drawn.places, drawn.inside, strict=True)):
        positive = np.where(own > 0, own, 0)
        within = sum(value for value, one in zip(positive.ravel(), inside.ravel(), strict=True) if one)
        expected = (within / inside.sum()) / (positive.sum() / positive.size)
        assert found.values[row] == pytest.approx(expected, rel=1e-12)


def test_even_maps_have_1_and_maps_on_the_object_the_inverse_of_its_share(located):
    mask = [[True, False, False, False, False]] * 3
    found = located("attribution_localization", [[2, 2, 2, 2, 1.9], [7, 0, 0, -1, 0], [0, 1, 0, 0, 0]], mask)
    assert found.values[0] == pytest.approx(2 / 9.9 * 5, rel=1e-6)
    assert found.values[1:].tolist() == [5, 0]
    assert found.better == "higher"
    assert found.worst == 2


def test_the_size_of_an_object_does_not_decide(located):
    generator = np.random.default_rng(0)
    values = generator.random((400, 200))
    for share in (0.1, 0.8):
        found = located("attribution_localization", values, generator.random((400, 200)) < share)
        assert found.mean == pytest.approx(1, abs=0.05)


def test_examples_without_a_value(located):
    mask = [[True, False, False]] * 4
    found = located("attribution_localization", [[0, 0, 0], [2, 2, 2], [-1, 0, -3], [1, 0, 0]], mask)
    assert found.left_out == {
        0: "The map is zero: it does not order the places.",
        1: "The map is constant: it does not order the places.",
        2: "The map has no positive value.",
    }
    assert found.mean == 3


def test_it_has_no_options(located):
    with pytest.raises(
        OptionError, match="'weighted' is not an option of the metric attribution_localization"
    ):
        located("attribution_localization", [[1, 2]], [[True, False]], weighted=True)
