"""The Gini index of a map, against the mean difference of its sizes."""

from __future__ import annotations

import numpy as np
import pytest

import explain
from explain.errors import OptionError


def sparseness_of(made, values, layout="NC", **fields):
    return explain.evaluate(None, made.attribution(values, layout, **fields), "sparseness")["sparseness"]


def by_differences(sizes):
    """The definition: half the mean difference of two sizes, in units of their mean."""
    differences = [abs(one - other) for one in sizes for other in sizes]
    return sum(differences) / len(differences) / (2 * np.mean(sizes))


def test_it_is_the_mean_difference_of_the_sizes_of_places(made):
    values = np.random.default_rng(0).normal(size=(5, 9)).astype(np.float32)
    found = sparseness_of(made, values)
    assert found.better == "higher"
    assert not found.left_out
    np.testing.assert_allclose(
        found.values, [by_differences(abs(np.float64(own))) for own in values], rtol=1e-12
    )


@pytest.mark.parametrize(("layout", "axis"), [("NCHW", 1), ("NHWC", 3)])
def test_a_pixel_is_one_place_whose_channels_add_up(made, layout, axis):
    values = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(np.float32)
    summed = np.float64(values).sum(axis=axis).reshape(2, -1)
    found = sparseness_of(made, values, layout)
    np.testing.assert_allclose(found.values, [by_differences(abs(own)) for own in summed], rtol=1e-12)


def test_one_place_of_many_is_sparse_and_equal_places_are_not(made):
    found = sparseness_of(made, [[0, 0, -5, 0], [1, -1, 1, 1], [0.9, 1, 1.1, 1]])
    assert found.values[0] == 0.75
    assert found.values[1] == 0
    assert 0 < found.values[2] < 0.1
    assert found.worst == 1


def test_padding_is_no_place(made):
    values = np.array([[[3.0], [1.0], [0.0], [0.0]]])
    real = np.array([[True, True, False, False]])
    assert sparseness_of(made, values, "NTC", mask=real).values[0] == 0.25
    assert sparseness_of(made, values, "NTC").values[0] == 0.625


def test_a_zero_map_has_none_and_the_others_keep_theirs(made):
    found = sparseness_of(made, [[0, 0, 0], [0, 0, 2]])
    assert found.left_out == {0: "The map is zero: it has no sparseness."}
    assert np.isnan(found.values[0])
    assert found.values[1] == found.mean == pytest.approx(2 / 3, rel=1e-15)


def test_one_place_is_not_sparse(made):
    assert sparseness_of(made, [[-7.0]]).values[0] == 0


def test_it_has_no_options(made):
    with pytest.raises(
        OptionError, match="'eps' is not an option of the metric sparseness; its options are: none"
    ):
        explain.evaluate(None, made.table(), [("sparseness", {"eps": 1e-7})])
