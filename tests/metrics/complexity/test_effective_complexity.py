"""How many places of a map are not negligible, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

import explain
from explain.errors import OptionError


def effective_complexity_of(made, values, layout="NC", fields=None, **options):
    one = made.attribution(values, layout, **(fields or {}))
    return explain.evaluate(None, one, {"effective_complexity": options})["effective_complexity"]


MAP = [[4.0, -2.0, 1.0, 0.0, -1e-6], [0.4, -0.2, 0.1, 0.0, -1e-7]]


@pytest.mark.parametrize(
    ("tolerance", "number"), [(0, 4), (1e-5, 3), (0.2, 3), (0.25, 2), (0.3, 2), (0.5, 1), (0.9, 1), (1, 0)]
)
def test_the_sizes_above_a_share_of_the_largest_are_counted(made, tolerance, number):
    found = effective_complexity_of(made, MAP[:1], tolerance=tolerance)
    assert found.values.tolist() == [number]
    assert found.better == "lower"
    assert found.options == {"tolerance": tolerance, "unit": "places"}


def test_each_example_has_its_own_largest_size_and_a_small_tolerance(made):
    assert effective_complexity_of(made, MAP).values.tolist() == [3, 3]
    assert effective_complexity_of(made, [[1.0, 0.9e-5, 1.1e-5]]).values.tolist() == [2]


def test_as_a_share_of_the_real_places(made):
    values = np.array([[[3.0], [1.0], [0.0], [0.0]], [[1.0], [1.0], [1.0], [1.0]]])
    real = np.array([[True, True, True, False], [True] * 4])
    shares = effective_complexity_of(made, values, "NTC", {"mask": real}, unit="share", tolerance=0.5)
    np.testing.assert_allclose(shares.values, [1 / 3, 1], rtol=1e-15)
    assert shares.worst == 1


@pytest.mark.parametrize(("layout", "shape"), [("NCHW", (1, 2, 1, 2)), ("NHWC", (1, 1, 2, 2))])
def test_a_pixel_is_one_place_whose_channels_add_up(made, layout, shape):
    values = np.array([[1.0, 5.0], [-1.0, 2.0]])
    values = (values if layout == "NCHW" else values.T).reshape(shape)
    assert effective_complexity_of(made, values, layout).values.tolist() == [1]


def test_a_zero_map_has_none_and_a_constant_one_all(made):
    found = effective_complexity_of(made, [[0, 0, 0], [2, 2, -2]])
    assert found.left_out == {0: "The map is zero: none of its places is larger than others."}
    assert np.isnan(found.values[0])
    assert found.mean == 3


@pytest.mark.parametrize(
    "options", [{"tolerance": -0.1}, {"tolerance": 1.1}, {"tolerance": True}, {"unit": "pixels"}]
)
def test_options_out_of_range(made, options):
    name = next(iter(options))
    with pytest.raises(OptionError, match=f"{name}=.* is out of range for effective_complexity: give "):
        effective_complexity_of(made, MAP, **options)
