"""Completeness: the sum of the values against the difference of the scores, in closed form."""

import numpy as np
import pytest
import torch
from models.mapped import drawn, measured, with_map

import explain
from explain.errors import ConvergenceWarning, EvaluationError, OptionError

X = drawn(4, 6)
WEIGHT = drawn(6, seed=1).astype(np.float64)


def linear(x):
    return (x @ WEIGHT)[:, np.newaxis] + 3


def curved(x):
    return np.tanh(x @ WEIGHT)[:, np.newaxis]


def test_the_distance_and_its_share_of_the_difference():
    values, reference = drawn(4, 6, seed=2), drawn(6, seed=3)
    difference = (curved(X) - curved(reference[np.newaxis]))[:, 0]
    distance = np.abs(values.astype(np.float64).sum(axis=1) - difference)
    a = with_map(curved, X, values, baseline=np.tile(reference, (4, 1)))
    found = measured(curved, a, "completeness", relative=False).values
    np.testing.assert_allclose(found, distance, rtol=1e-9)
    relative = measured(curved, a, "completeness").values
    np.testing.assert_allclose(relative, distance / np.abs(difference), rtol=1e-9)
    # Another reference, of which the map says nothing.
    moved = measured(curved, a, "completeness", reference=0.5, relative=False).values
    at_half = np.abs(values.astype(np.float64).sum(axis=1) - (curved(X) - curved(np.full((1, 6), 0.5)))[:, 0])
    np.testing.assert_allclose(moved, at_half, rtol=1e-9)


def test_the_exact_map_of_a_linear_model_is_complete_and_others_are_not():
    exact = X * WEIGHT
    assert measured(linear, with_map(linear, X, exact), "completeness").values.max() < 1e-6
    np.testing.assert_allclose(
        measured(linear, with_map(linear, X, 2 * exact), "completeness").values, 1, rtol=1e-5
    )
    np.testing.assert_allclose(
        measured(linear, with_map(linear, X, -exact), "completeness").values, 2, rtol=1e-5
    )
    np.testing.assert_allclose(
        measured(linear, with_map(linear, X, 0 * exact), "completeness").values, 1, rtol=1e-9
    )
    assert measured(linear, with_map(linear, X, drawn(4, 6, seed=9)), "completeness").values.min() > 1e-3


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_it_is_the_recorded_delta_of_integrated_gradients(score):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).double()
    with pytest.warns(ConvergenceWarning):
        a = explain.attribute(network, X, "ig", n_steps=3, baseline=0.25, score=score)
    found = explain.evaluate(network, a, {"completeness": {"relative": False}})["completeness"].values
    assert found.max() > 1e-3
    np.testing.assert_allclose(found, np.abs(a.delta), atol=1e-6)


@pytest.mark.parametrize("rule", [None, "grid", "elements"])
def test_shapley_values_of_features_are_complete(rule):
    weight = drawn(8, 8, 2, seed=1).astype(np.float64)

    def model(x):
        return np.tanh((x * weight).sum(axis=(1, 2, 3)) / 9)[:, np.newaxis]

    x = drawn(2, 8, 8, 2, seed=2)
    arguments = {"framework": "numpy", "score": "output", "target": 0, "layout": "NHWC", "feature_mask": rule}
    for method in ("shapley_value_sampling", "kernel_shap"):
        a = explain.attribute(model, x, method, n_samples=400, **arguments)
        assert measured(model, a, "completeness").values.max() < 1e-5


def test_padding_counts_in_neither():
    mask = np.arange(6) < np.array([3, 6, 6, 6])[:, np.newaxis]
    values = X * WEIGHT * mask
    assert measured(linear, with_map(linear, X, values, "NT", mask=mask), "completeness").values.max() < 1e-6


def test_equal_scores_have_no_share_but_a_distance():
    values = drawn(4, 6, seed=2)
    a = with_map(linear, X, values)
    reference = X.copy()
    reference[1:] = 0
    found = measured(linear, a, "completeness", reference=reference)
    assert found.left_out == {0: "The score at the reference is that of the input."}
    assert np.isnan(found.values).tolist() == [True, False, False, False]
    absolute = measured(linear, a, "completeness", reference=reference, relative=False)
    np.testing.assert_allclose(absolute.values[0], abs(values[0].astype(np.float64).sum()), rtol=1e-9)
    assert not absolute.left_out


def test_a_set_of_references_is_refused_until_one_is_named():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
    a = explain.attribute(network, X, "expected_gradients", baseline=drawn(5, 6, seed=4))
    with pytest.raises(EvaluationError, match="set of them, which the attribution does not record"):
        explain.evaluate(network, a, "completeness")
    assert explain.evaluate(network, a, {"completeness": {"reference": "zeros"}})["completeness"].count == 4


def test_tokens_of_the_baseline_are_to_be_given_again():
    torch.manual_seed(0)
    reader = torch.nn.Sequential(
        torch.nn.Embedding(9, 4), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(12, 3)
    )
    reader, ids, other = (
        reader.double().eval(),
        np.array([[1, 2, 3], [4, 5, 6]]),
        np.array([[7, 8, 1], [2, 7, 8]]),
    )
    a = explain.attribute(reader, ids, "ig", baseline=other, reduce="sum", n_steps=200)
    with pytest.raises(EvaluationError, match=r"give baseline= as it was given to explain\.attribute"):
        explain.evaluate(reader, a, "completeness")
    found = explain.evaluate(reader, a, "completeness", baseline=other)["completeness"].values
    assert found.max() < 1e-3
    wrong = explain.evaluate(reader, a, {"completeness": {"reference": 0}})["completeness"].values
    assert wrong.min() > 0.1


@pytest.mark.parametrize(
    ("options", "message"), [({"relative": "yes"}, "relative='yes'"), ({"reference": True}, "reference=True")]
)
def test_bad_options(options, message):
    with pytest.raises(OptionError, match=message):
        measured(linear, with_map(linear, X, X), "completeness", **options)
