"""The entropy of the shares of a map, against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

import explain
from explain.errors import OptionError


def complexity_of(made, values, layout="NC", **fields):
    return explain.evaluate(None, made.attribution(values, layout, **fields), "complexity")["complexity"]


def test_it_is_the_entropy_of_the_sizes(made):
    values = np.random.default_rng(0).normal(size=(5, 9)).astype(np.float32)
    found = complexity_of(made, values)
    assert found.better == "lower"
    np.testing.assert_allclose(found.values, [entropy(abs(np.float64(own))) for own in values], rtol=1e-12)
    # It has no unit of the values.
    np.testing.assert_allclose(complexity_of(made, values * 1024).values, found.values, rtol=1e-12)


def test_of_a_linear_model_it_is_that_of_its_products():
    weights, x = np.array([2.0, -1.0, 0.0, 0.5]), np.array([[1.0, 1.0, 1.0, 2.0]], np.float32)

    def score(x):
        return x @ weights

    found = explain.attribute(score, x, "feature_ablation", framework="numpy", baseline=0.0, score="output")
    shares = np.array([0.5, 0.25, 0.25])
    value = explain.evaluate(score, found, "complexity")["complexity"].values
    np.testing.assert_allclose(value, [-(shares * np.log(shares)).sum()], rtol=1e-6)


@pytest.mark.parametrize(("layout", "axis"), [("NCHW", 1), ("NHWC", 3)])
def test_a_pixel_is_one_place_whose_channels_add_up(made, layout, axis):
    values = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(np.float32)
    summed = np.float64(values).sum(axis=axis).reshape(2, -1)
    np.testing.assert_allclose(
        complexity_of(made, values, layout).values, entropy(abs(summed), axis=1), rtol=1e-12
    )


def test_from_one_place_to_all(made):
    found = complexity_of(made, [[0, 0, -5, 0], [1, 0, 1, 0], [1, -1, 1, 1]])
    np.testing.assert_allclose(found.values, [0, np.log(2), np.log(4)], atol=1e-15)
    assert not np.signbit(found.values).any()
    assert found.worst == 2


def test_padding_is_no_place(made):
    values = np.ones((1, 4, 1))
    real = np.array([[True, True, False, False]])
    np.testing.assert_allclose(complexity_of(made, values, "NTC", mask=real).values, np.log(2), rtol=1e-15)


def test_a_zero_map_has_none(made):
    found = complexity_of(made, [[0, 0, 0], [0, 0, 2]])
    assert found.left_out == {0: "The map is zero: its places have no shares."}
    assert np.isnan(found.values[0])
    assert found.mean == 0


def test_it_has_no_options(made):
    with pytest.raises(
        OptionError, match="'base' is not an option of the metric complexity; its options are: none"
    ):
        explain.evaluate(None, made.table(), {"complexity": {"base": 2}})
