"""Sensitivity-n: for each n its formula written out, for subsets that are drawn again."""

import numpy as np
import pytest
from models.mapped import drawn, measured, subject_of, with_map

from explain.errors import OptionError
from explain.metrics.drops.subsets import random_subsets

X = drawn(3, 20)
WEIGHT = drawn(20, seed=1).astype(np.float64)


def linear(x):
    return (x @ WEIGHT)[:, np.newaxis]


def curved(x):
    return np.tanh(x @ WEIGHT / 4)[:, np.newaxis] + (x[:, :1] * x[:, 1:2]) ** 2


def by_hand(x, values, reference, subsets):
    sums, drops = [], []
    for subset in subsets:
        moved = np.where(subset, np.float32(reference), x)
        sums.append(sum(float(value) for value, taken in zip(values, subset, strict=True) if taken))
        drops.append((curved(x[np.newaxis]) - curved(moved[np.newaxis]))[0, 0])
    return np.corrcoef(sums, drops)[0, 1]


def test_the_formula_written_out():
    values, shares = drawn(3, 20, seed=3), (0.1, 0.3, 0.75)
    a = with_map(curved, X, values)
    subject = subject_of(curved, a, seed=2)
    expected = np.array(
        [
            [by_hand(X[row], values[row], 0.5, random_subsets(subject, row, n, 15)) for n in (2, 6, 15)]
            for row in range(3)
        ]
    )
    options = {"sizes": shares, "n_subsets": 15, "reference": 0.5}
    found = measured(curved, a, "sensitivity_n", seed=2, **options)
    np.testing.assert_allclose(found.curve, expected, atol=1e-9)
    np.testing.assert_allclose(found.values, expected.mean(axis=1), atol=1e-9)
    assert found.positions.tolist() == list(shares)
    assert found.options["sizes"] == list(shares)


def test_one_size_is_the_faithfulness_correlation_of_that_size():
    a = with_map(curved, X, drawn(3, 20, seed=3))
    one = measured(curved, a, "sensitivity_n", sizes=[0.3], n_subsets=40).values
    other = measured(curved, a, "faithfulness_correlation", subset_size=6, n_subsets=40).values
    np.testing.assert_array_equal(one, other)


def test_each_n_counts_once_in_the_mean():
    x, values = X[:, :5], drawn(3, 5, seed=3)

    def model(x):
        return np.tanh(x @ WEIGHT[:5])[:, np.newaxis]

    found = measured(model, with_map(model, x, values), "sensitivity_n", sizes=(0.01, 0.1, 0.5, 0.95, 0.99))
    assert (found.curve[:, 0] == found.curve[:, 1]).all()
    assert (found.curve[:, 3] == found.curve[:, 4]).all()
    np.testing.assert_allclose(found.values, found.curve[:, [0, 2, 3]].mean(axis=1), atol=1e-12)


def test_the_exact_map_of_a_linear_model_is_best():
    exact = X * WEIGHT
    found = measured(linear, with_map(linear, X, exact), "sensitivity_n")
    assert found.curve.min() > 1 - 1e-9
    assert measured(linear, with_map(linear, X, -exact), "sensitivity_n").values.max() < -1 + 1e-9
    assert measured(linear, with_map(linear, X, drawn(3, 20, seed=9)), "sensitivity_n").values.max() < 0.9


def test_padding_is_not_removed_and_examples_without_a_correlation():
    mask = np.arange(20) < np.array([10, 20, 1])[:, np.newaxis]
    values = drawn(3, 20, seed=3) * mask
    values[1] = 4
    a = with_map(curved, X, values, "NT", mask=mask)
    found = measured(curved, a, "sensitivity_n", sizes=(0.2, 0.5), n_subsets=12)
    subject = subject_of(curved, a)

    def whole(one):
        return np.concatenate([one, np.zeros((12, 10), bool)], axis=1)

    expected = [by_hand(X[0], values[0], 0, whole(random_subsets(subject, 0, n, 12))) for n in (2, 5)]
    np.testing.assert_allclose(found.curve[0], expected, atol=1e-9)
    assert np.isnan(found.values).tolist() == [False, True, True]
    assert found.left_out[1].startswith("The map is constant")
    assert found.left_out[2] == "It has one place or none: there is no correlation."
    assert np.isnan(found.curve[1:]).all()


def test_a_size_without_a_correlation_is_named():
    def of_pairs(x):
        # One place alone changes nothing.
        return ((x == 0).sum(axis=1) >= 2)[:, np.newaxis] * 1.0

    found = measured(of_pairs, with_map(of_pairs, X, X), "sensitivity_n", sizes=(0.05, 0.1))
    assert found.left_out == dict.fromkeys(
        range(3), "All subsets of 1 have the same value or the same drop: there is no correlation."
    )


@pytest.mark.parametrize("sizes", [(), 0.5, (0.5, 0.2), (0.2, 0.2), (0, 0.5), (0.5, 1.0), ("0.5",)])
def test_bad_sizes(sizes):
    with pytest.raises(OptionError, match="sizes="):
        measured(linear, with_map(linear, X, X), "sensitivity_n", sizes=sizes)


def test_too_few_subsets():
    with pytest.raises(OptionError, match="n_subsets=1"):
        measured(linear, with_map(linear, X, X), "sensitivity_n", n_subsets=1)
