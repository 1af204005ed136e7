"""Monotonicity: its formula written out, and models in which the order is right or wrong."""

import numpy as np
import pytest
from models.mapped import drawn, measured, with_map

from explain.errors import OptionError

X = drawn(4, 6)
WEIGHT = drawn(6, seed=1).astype(np.float64)


def curved(x):
    return np.sin(2 * x @ WEIGHT)[:, np.newaxis] + (x[:, :1] * x[:, 1:2]) ** 2


def of_pairs(x):
    """For each pair of places: 3a + b − 2ab; beside a, b takes away what it adds alone."""
    first, second = x[:, 0::2], x[:, 1::2]
    return (3 * first + second - 2 * first * second).sum(axis=1)[:, np.newaxis]


def share(model, x, order, reference):
    moved = np.full_like(x, reference)
    scores = [model(moved[np.newaxis])[0, 0]]
    for place in order:
        moved[place] = x[place]
        scores.append(model(moved[np.newaxis])[0, 0])
    return np.mean(np.diff(scores) >= 0), scores


@pytest.mark.parametrize("absolute", [False, True])
def test_the_formula_written_out(absolute):
    values = drawn(4, 6, seed=3)
    a = with_map(curved, X, values)
    ordered = np.abs(values) if absolute else values
    by_hand = [share(curved, X[row], np.argsort(ordered[row]), 0.5) for row in range(4)]
    options = {"absolute": absolute, "reference": 0.5, "n_steps": 6}
    found = measured(curved, a, "monotonicity", **options)
    np.testing.assert_allclose(found.values, [one for one, _ in by_hand], atol=1e-12)
    np.testing.assert_allclose(found.curve, [scores for _, scores in by_hand], rtol=1e-9)
    np.testing.assert_allclose(found.positions, np.arange(7) / 6, rtol=1e-12)
    assert ((found.values > 0) & (found.values < 1)).all()
    # With more steps than places, a step that puts nothing in counts for nothing.
    options["n_steps"] = 50
    np.testing.assert_allclose(
        measured(curved, a, "monotonicity", **options).values, found.values, atol=1e-12
    )


def test_several_places_are_put_in_at_a_step():
    values = drawn(4, 6, seed=3)
    found = measured(curved, with_map(curved, X, values), "monotonicity", n_steps=3)
    for row in range(4):
        _, scores = share(curved, X[row], np.argsort(values[row]), 0)
        np.testing.assert_allclose(found.curve[row], scores[::2], rtol=1e-9)
        np.testing.assert_allclose(found.values[row], np.mean(np.diff(scores[::2]) >= 0), atol=1e-12)


def test_the_right_order_never_falls_and_the_reverse_does():
    x = np.ones((1, 8), np.float32)
    drops = np.tile([1.0, -1.0], 4)  # of each place alone
    assert measured(of_pairs, with_map(of_pairs, x, [drops]), "monotonicity").values.tolist() == [1.0]
    assert measured(of_pairs, with_map(of_pairs, x, [-drops]), "monotonicity").values.tolist() == [0.5]
    sizes = np.abs(drops) * np.tile([2, 1], 4)
    good, bad = with_map(of_pairs, x, [-sizes]), with_map(of_pairs, x, [-1 / sizes])
    assert measured(of_pairs, good, "monotonicity", absolute=True).values.tolist() == [1.0]
    assert measured(of_pairs, bad, "monotonicity", absolute=True).values.tolist() == [0.5]


def test_a_sum_of_places_gets_the_same_share_for_each_map():
    def linear(x):
        return (x @ WEIGHT)[:, np.newaxis]

    expected = (X * WEIGHT > 0).mean(axis=1)
    for values in (X * WEIGHT, drawn(4, 6, seed=9)):
        found = measured(linear, with_map(linear, X, values), "monotonicity").values
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_ties_keep_their_order():
    x = np.ones((1, 4), np.float32)
    values = [[1.0, 0.0, 0.0, 1.0]]
    expected, _ = share(of_pairs, x[0], [1, 2, 0, 3], 0)
    assert measured(of_pairs, with_map(of_pairs, x, values), "monotonicity").values.tolist() == [expected]


def test_padding_stays_and_maps_without_order_are_left_out():
    mask = np.arange(6) < np.array([4, 6, 6, 6])[:, np.newaxis]
    values = drawn(4, 6, seed=3) * mask
    values[1], values[2] = 0, 7
    found = measured(curved, with_map(curved, X, values, "NT", mask=mask), "monotonicity")
    moved = X[0].copy()
    moved[:4] = 0
    scores = [curved(moved[np.newaxis])[0, 0]]
    for place in np.argsort(values[0, :4]):
        moved[place] = X[0, place]
        scores.append(curved(moved[np.newaxis])[0, 0])
    np.testing.assert_allclose(found.values[0], np.mean(np.diff(scores) >= 0), atol=1e-12)
    assert found.left_out[1].startswith("The map is zero")
    assert found.left_out[2].startswith("The map is constant")
    assert np.isnan(found.values).tolist() == [False, True, True, False]


def test_rounding_is_no_fall_and_a_score_that_stays_has_no_share():
    def rounded(x):
        return 1000 + x[:, :1] - 1e-5 * x[:, 1:2]

    x, values = np.ones((1, 2), np.float32), [[1.0, 2.0]]
    assert measured(rounded, with_map(rounded, x, values), "monotonicity").values.tolist() == [1.0]

    def falling(x):
        return 1000 + x[:, :1] - 1e-2 * x[:, 1:2]

    assert measured(falling, with_map(falling, x, values), "monotonicity").values.tolist() == [0.5]

    def deaf(x):
        return 0 * x[:, :1] + 1

    found = measured(deaf, with_map(deaf, x, values), "monotonicity")
    assert found.left_out == {0: "The score is the same at each step from the reference to the input."}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n_steps": 0}, "n_steps=0"), ({"absolute": 1}, "absolute=1"), ({"score": "logit"}, "score='logit'")],
)
def test_bad_options(options, message):
    with pytest.raises(OptionError, match=message):
        measured(curved, with_map(curved, X, X), "monotonicity", **options)
