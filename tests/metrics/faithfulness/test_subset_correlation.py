"""Faithfulness correlation: its formula written out, for subsets that are drawn again."""

import numpy as np
import pytest
import torch
from models.mapped import drawn, measured, subject_of, with_map

import explain
from explain.errors import OptionError
from explain.metrics.drops.subsets import random_subsets
from explain.metrics.subject import Subject

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
        sums, drops = [], []
        for subset in random_subsets(subject_of(curved, a, seed=5), row, 3, 20):
            moved = X[row].copy()
            total = 0.0
            for place in range(8):
                if subset[place]:
                    moved[place] = reference[place]
                    total += float(values[row, place])
            sums.append(total)
            drops.append((curved(X[row : row + 1]) - curved(moved[np.newaxis]))[0, 0])
        expected.append(np.corrcoef(sums, drops)[0, 1])
    options = {"n_subsets": 20, "reference": reference}
    for size in (3, 0.4):
        found = measured(curved, a, "faithfulness_correlation", seed=5, subset_size=size, **options).values
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_subsets_have_the_size_and_no_place_is_preferred():
    subject = subject_of(linear, with_map(linear, X, X))
    subsets = random_subsets(subject, 0, 3, 4000)
    assert (subsets.sum(axis=1) == 3).all()
    # Of 4000 draws of 3 in 8, a place has 1500; five standard deviations are 153.
    assert (np.abs(subsets.sum(axis=0) - 1500) < 153).all()
    assert len(np.unique(subsets, axis=0)) == 56
    np.testing.assert_array_equal(random_subsets(subject, 0, 3, 10), subsets[:10])
    assert (random_subsets(subject, 1, 3, 10) != subsets[:10]).any()


def test_the_exact_map_of_a_linear_model_is_best():
    exact = X * WEIGHT
    assert measured(linear, with_map(linear, X, exact), "faithfulness_correlation").values.min() > 1 - 1e-9
    assert measured(linear, with_map(linear, X, -exact), "faithfulness_correlation").values.max() < -1 + 1e-9
    random = measured(linear, with_map(linear, X, drawn(4, 8, seed=9)), "faithfulness_correlation").values
    assert random.max() < 0.9


def test_features_count_by_what_is_removed_of_them():
    weight = np.arange(1.0, 5)[np.arange(36).reshape(6, 6) // 12]

    def model(x):
        return (x * weight).sum(axis=(1, 2))[:, np.newaxis]

    x = np.ones((1, 6, 6), np.float32)
    mask = np.arange(36).reshape(6, 6) // 12
    arguments = {"framework": "numpy", "score": "output", "target": 0, "layout": "NHW"}
    a = explain.attribute(model, x, "shapley_value_sampling", feature_mask=mask, n_samples=3, **arguments)
    found = measured(model, a, "faithfulness_correlation", given={"feature_mask": mask}).values
    np.testing.assert_allclose(found, 1, atol=1e-9)


def test_which_score_is_followed():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3)).double()
    a = explain.attribute(network, X, "ig")

    def logits(x):
        return network(torch.tensor(np.asarray(x, np.float64))).detach()

    values = np.asarray(a.values, np.float64)
    for score, of in (("explained", lambda out: out), ("probability", lambda out: out.softmax(-1))):
        expected = []
        for row, target in enumerate(a.target):
            subsets = random_subsets(Subject(network, a, {}), row, 2, 30)
            moved = of(logits(np.where(subsets, 0, X[row])))[:, target].numpy()
            expected.append(np.corrcoef(subsets @ values[row], -moved)[0, 1])
        options = {"n_subsets": 30, "subset_size": 2, "score": score}
        found = explain.evaluate(network, a, {"faithfulness_correlation": options})
        np.testing.assert_allclose(found["faithfulness_correlation"].values, expected, atol=1e-9)


def test_examples_without_a_correlation():
    x = drawn(4, 8)
    values = drawn(4, 8, seed=3)
    values[0], values[1] = 0, 2.5
    mask = np.ones((4, 8), bool)
    mask[2, 1:] = False
    a = with_map(linear, x, values * mask, "NT", mask=mask)
    found = measured(linear, a, "faithfulness_correlation")
    assert set(found.left_out) == {0, 1, 2}
    assert np.isnan(found.values[:3]).all()
    assert np.isfinite(found.values[3])
    assert found.left_out[0].startswith("The map is zero")
    assert found.left_out[1].startswith("The map is constant")
    assert found.left_out[2] == "It has 1 places: a subset of 1 leaves nothing to compare."

    def deaf(x):
        return 0 * x[:, :1] + 1

    found = measured(deaf, with_map(deaf, x, values), "faithfulness_correlation")
    assert found.left_out[3] == "All subsets have the same value or the same drop: there is no correlation."


def test_padding_is_not_removed():
    def model(x):
        return np.tanh(x @ WEIGHT)[:, np.newaxis]

    mask = np.arange(8) < np.array([5, 8, 8, 8])[:, np.newaxis]
    values = drawn(4, 8, seed=3) * mask
    a = with_map(model, X, values, "NT", mask=mask)
    subsets = random_subsets(subject_of(model, a), 0, 2, 40)
    assert subsets.shape == (40, 5)
    moved = np.repeat(X[:1], 40, axis=0)
    moved[:, :5][subsets] = 0
    expected = np.corrcoef(subsets @ values[0, :5].astype(np.float64), -model(moved)[:, 0])[0, 1]
    found = measured(model, a, "faithfulness_correlation", n_subsets=40, subset_size=2).values
    np.testing.assert_allclose(found[0], expected, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_subsets": 1}, "n_subsets=1"),
        ({"subset_size": 0}, "subset_size=0"),
        ({"subset_size": 1.0}, "subset_size=1.0"),
        ({"score": "logit"}, "score='logit'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(OptionError, match=message):
        measured(linear, with_map(linear, X, X), "faithfulness_correlation", **options)
