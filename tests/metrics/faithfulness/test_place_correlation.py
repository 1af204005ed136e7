"""Faithfulness estimate: its formula written out, place by place and group by group."""

import numpy as np
import pytest
from models.mapped import drawn, measured, with_map

from explain.errors import OptionError
from explain.metrics.drops.groups import groups_of
from explain.metrics.places import Places

X = drawn(4, 8)
WEIGHT = drawn(8, seed=1).astype(np.float64)


def linear(x):
    return (x @ WEIGHT)[:, np.newaxis]


def curved(x):
    return np.tanh(x @ WEIGHT)[:, np.newaxis] + (x[:, :1] * x[:, 1:2]) ** 2


def test_the_formula_written_out():
    values, reference = drawn(4, 8, seed=3), drawn(8, seed=4)
    a = with_map(curved, X, values)
    expected = []
    for row in range(4):
        drops = []
        for place in range(8):
            moved = X[row : row + 1].copy()
            moved[0, place] = reference[place]
            drops.append((curved(X[row : row + 1]) - curved(moved))[0, 0])
        expected.append(np.corrcoef(values[row].astype(np.float64), drops)[0, 1])
    found = measured(curved, a, "faithfulness_estimate", reference=reference).values
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_squares_of_neighbours_are_removed_together():
    weight = drawn(6, 7, seed=1).astype(np.float64)

    def model(x):
        return np.tanh((x * weight).sum(axis=(1, 2, 3)) / 3)[:, np.newaxis]

    x, values = drawn(2, 3, 6, 7, seed=2), drawn(2, 3, 6, 7, seed=3)
    a = with_map(model, x, values, "NCHW")
    expected = []
    for row in range(2):
        sums, drops = [], []
        for top in range(0, 6, 2):
            for left in range(0, 7, 2):
                moved = x[row : row + 1].copy()
                moved[0, :, top : top + 2, left : left + 2] = 0
                sums.append(values[row, :, top : top + 2, left : left + 2].sum(dtype=np.float64))
                drops.append((model(x[row : row + 1]) - model(moved))[0, 0])
        expected.append(np.corrcoef(sums, drops)[0, 1])
    for most in (12, 15):
        found = measured(model, a, "faithfulness_estimate", n_groups=most).values
        np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "most", "count"), [((32, 32), 64, 64), ((224, 224), 64, 64), ((100,), 64, 50)]
)
def test_there_are_at_most_as_many_groups_as_asked(shape, most, count):
    size = int(np.prod(shape))
    (groups,) = groups_of(Places(np.zeros((1, size)), np.ones((1, size), bool), shape, ()), most)
    numbers, sizes = np.unique(groups, return_counts=True)
    assert numbers.tolist() == list(range(count))
    assert sizes.sum() == size
    side = shape[0] // 8 if len(shape) == 2 else 2
    one = np.flatnonzero(groups == groups[-1])
    where = np.stack(np.unravel_index(one, shape))
    assert (np.ptp(where, axis=1) == side - 1).all()


def test_groups_skip_padding():
    real = np.arange(6) < np.array([3, 6])[:, np.newaxis]
    first, second = groups_of(Places(np.zeros((2, 6)), real, (6,), (1,)), 3)
    assert first.tolist() == [0, 0, 1]
    assert second.tolist() == [0, 0, 1, 1, 2, 2]
    late = np.arange(6) >= np.array([3])[:, np.newaxis]
    assert groups_of(Places(np.zeros((1, 6)), late, (6,), (1,)), 3)[0].tolist() == [0, 1, 1]


def test_padding_is_not_removed():
    mask = np.arange(8) < np.array([5, 8, 8, 8])[:, np.newaxis]
    values = drawn(4, 8, seed=3) * mask
    a = with_map(curved, X, values, "NT", mask=mask)
    drops = []
    for place in range(5):
        moved = X[:1].copy()
        moved[0, place] = 0
        drops.append((curved(X[:1]) - curved(moved))[0, 0])
    expected = np.corrcoef(values[0, :5].astype(np.float64), drops)[0, 1]
    np.testing.assert_allclose(measured(curved, a, "faithfulness_estimate").values[0], expected, atol=1e-9)


def test_the_exact_map_of_a_linear_model_is_best():
    exact = X * WEIGHT
    assert measured(linear, with_map(linear, X, exact), "faithfulness_estimate").values.min() > 1 - 1e-9
    assert measured(linear, with_map(linear, X, -exact), "faithfulness_estimate").values.max() < -1 + 1e-9
    shuffled = np.random.default_rng(0).permuted(exact, axis=1)
    assert measured(linear, with_map(linear, X, shuffled), "faithfulness_estimate").values.max() < 0.9


def test_examples_without_a_correlation():
    values = drawn(4, 8, seed=3)
    values[0], values[1] = 0, -1
    mask = np.ones((4, 8), bool)
    mask[2, 1:] = False
    found = measured(linear, with_map(linear, X, values * mask, "NT", mask=mask), "faithfulness_estimate")
    assert np.isnan(found.values).tolist() == [True, True, True, False]
    assert found.left_out[0].startswith("The map is zero")
    assert found.left_out[1].startswith("The map is constant")
    assert found.left_out[2] == "It has one place or none: there is no correlation."

    def deaf(x):
        return 0 * x[:, :1] + 1

    found = measured(deaf, with_map(deaf, X, values), "faithfulness_estimate")
    assert found.left_out[3] == "All places have the same value or the same drop: there is no correlation."


def test_a_reference_equal_to_the_input_drops_nothing():
    found = measured(linear, with_map(linear, X, drawn(4, 8, seed=3)), "faithfulness_estimate", reference=X)
    assert set(found.left_out) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("options", "message"), [({"n_groups": 1}, "n_groups=1"), ({"score": True}, "score=True")]
)
def test_bad_options(options, message):
    with pytest.raises(OptionError, match=message):
        measured(linear, with_map(linear, X, X), "faithfulness_estimate", **options)
