"""Seed stability, against explanations of other seeds; and which methods draw."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import explain
from explain.errors import EvaluationError, ExplainWarning, OptionError
from explain.metrics.robustness.seed_stability import other_seeds
from explain.metrics.subject import Subject

NAME = "seed_stability"
X = np.random.default_rng(0).normal(size=(3, 6))
W = np.array([1.0, -2.0, 0.5, 3.0, 0.0, 1.0])


def model(x):
    return np.tanh(x @ W) + x[:, 0] * x[:, 3]


def lime(n_samples, x=X, seed=0):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        return explain.attribute(model, x, "lime", framework="numpy", n_samples=n_samples, seed=seed)


def stability(a, function=model, **arguments):
    metrics = [(NAME, {"n_seeds": 3})]
    return explain.evaluate(function, a, metrics, framework="numpy", **arguments)[NAME]


def test_is_the_mean_correlation_with_other_seeds():
    a = lime(32, seed=6)
    found = stability(a, seed=2)
    seeds = other_seeds(Subject(model, a, {}, seed=2), 3)
    assert len(set(seeds)) == 3
    others = [lime(32, seed=seed) for seed in seeds]
    for row in range(3):
        expected = np.mean([np.corrcoef(one.values[row], a.values[row])[0, 1] for one in others])
        assert expected < 0.999
        np.testing.assert_allclose(found.values[row], expected, atol=1e-6)


def test_more_draws_are_more_stable():
    few, many = stability(lime(16)).values, stability(lime(2000)).values
    assert (many > few).all()
    assert (many > 0.99).all()


def test_draws_that_do_not_matter():
    """KernelSHAP has every coalition of few columns."""
    a = explain.attribute(model, X, "kernel_shap", framework="numpy", n_samples=100)
    np.testing.assert_allclose(stability(a).values, 1, atol=1e-9)


def test_other_seeds_leave_out_that_of_the_attribution():
    a = lime(16)
    first = other_seeds(Subject(model, a, {}), 4)
    again = other_seeds(Subject(model, lime(16, seed=first[1]), {}), 4)
    assert again == [first[0], first[2], first[3], first[3] + 1]


def test_places_are_compared_not_channels():
    """Channels of a place are added up: what they differ in does not count."""
    x = np.random.default_rng(0).normal(size=(2, 4, 3))

    def sequence(x):
        return np.tanh(x.sum(axis=2) @ W[:4])

    a = explain.attribute(
        sequence,
        x,
        "shapley_value_sampling",
        framework="numpy",
        layout="NTC",
        n_samples=1,
        feature_mask="elements",
        seed=1,
    )
    found = stability(a, sequence, layout="NTC")
    expected = np.zeros(2)
    for seed in other_seeds(Subject(sequence, a, {}), 3):
        b = explain.attribute(
            sequence,
            x,
            "shapley_value_sampling",
            framework="numpy",
            layout="NTC",
            n_samples=1,
            feature_mask="elements",
            seed=seed,
        )
        expected += [
            np.corrcoef(p.sum(axis=1), q.sum(axis=1))[0, 1] / 3
            for p, q in zip(a.values, b.values, strict=True)
        ]
    np.testing.assert_allclose(found.values, expected, atol=1e-6)


def test_padding_does_not_count():
    def sequence(x):
        return np.tanh(x.sum(axis=2) @ np.array([1.0, -2.0, 0.5, 3.0, 2.0]))

    x = np.random.default_rng(0).normal(size=(2, 5, 2))
    x[0, 3:] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        how = {"framework": "numpy", "layout": "NTC", "n_samples": 1}
        a = explain.attribute(sequence, x, "shapley_value_sampling", lengths=[3, 5], seed=0, **how)
        found = stability(a, sequence)
        expected = np.mean(
            [
                np.corrcoef(
                    explain.attribute(sequence, x, "shapley_value_sampling", lengths=[3, 5], seed=seed, **how)
                    .values[0, :3]
                    .sum(axis=1),
                    a.values[0, :3].sum(axis=1),
                )[0, 1]
                for seed in other_seeds(Subject(sequence, a, {}), 3)
            ]
        )
    np.testing.assert_allclose(found.values[0], expected, atol=1e-6)


def test_constant_maps():
    def constant(x):
        return np.where(x[:, 0] > 5, x.sum(axis=1), 0 * x[:, 0])

    x = np.vstack([X[:1], 7 + np.abs(X[1:2])])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        a = explain.attribute(constant, x, "shapley_value_sampling", framework="numpy", n_samples=2)
        found = stability(a, constant)
    assert np.isnan(found.values).tolist() == [True, False]
    assert found.left_out == {0: "The map is zero: it does not order the places."}


def test_map_that_is_constant_with_another_seed():
    """So much shrinkage leaves nothing of any map; the values of the attribution are others."""
    how = {"n_samples": 32, "interpretable_model": "lasso", "alpha": 1e6}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        a = explain.attribute(model, X, "lime", framework="numpy", **how)
    assert not a.values.any()
    found = stability(replace(a, values=np.tile(np.arange(6, dtype=np.float32), (3, 1))))
    assert found.left_out == dict.fromkeys(range(3), "With another seed the map is constant.")


def test_baseline_that_was_drawn_is_drawn_anew():
    a = explain.attribute(
        model, X, "feature_ablation", framework="numpy", baseline="uniform", bounds=(-2.0, 2.0)
    )
    found = stability(a)
    assert (found.values < 0.999).all()
    seeds = other_seeds(Subject(model, a, {}), 3)
    others = [
        explain.attribute(
            model, X, "feature_ablation", framework="numpy", baseline="uniform", bounds=(-2.0, 2.0), seed=seed
        )
        for seed in seeds
    ]
    expected = np.mean([np.corrcoef(one.values[1], a.values[1])[0, 1] for one in others])
    np.testing.assert_allclose(found.values[1], expected, atol=1e-6)


def test_method_that_draws_nothing():
    a = explain.attribute(model, X, "feature_ablation", framework="numpy")
    with pytest.raises(
        EvaluationError, match=r"method='feature_ablation' draws nothing: .* smoothgrad, .*kernel_shap"
    ):
        stability(a)


def test_bad_options():
    with pytest.raises(OptionError, match="n_seeds=0 is out of range for seed_stability"):
        explain.evaluate(model, lime(16), [(NAME, {"n_seeds": 0})], framework="numpy")


# Those that need a set of references, and those that are asked of a layer.
ASKED = [row for row in explain.methods() if row.drawn != "input" and "attentions" not in row.needs]


@pytest.mark.parametrize("row", ASKED, ids=lambda row: row.name)
def test_catalogue_knows_which_methods_draw(row):
    net = explain.zoo.load("cifar_net", framework="torch")
    x = explain.zoo.samples("cifar_net", framework="torch").x[:2]
    few = {"smoothgrad", "smoothgrad_squared", "vargrad", "lime", "kernel_shap", "expected_gradients"}
    options = {"n_samples": 60} if row.name in few else {"rise": {"n_masks": 16}}.get(row.name, {})
    if row.name == "shapley_value_sampling":
        options = {"n_samples": 1}
    if row.takes_references:
        options = {**options, "baseline": x[::-1].copy() + 0.1}
    if row.layer == "must":
        options = {**options, "layer": "conv2"}
    if row.name == "feature_permutation":
        x = explain.zoo.samples("cifar_net", framework="torch").x[:5]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        one, other = (explain.attribute(net, x, row.name, target=3, seed=seed, **options) for seed in (0, 1))
    assert (np.abs(one.values - other.values).max() > 0) == row.seeded
