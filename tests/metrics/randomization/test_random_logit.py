"""The similarity of the map to that of another class, against maps of networks written out."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import skimage.metrics
import sklearn.linear_model

import explain
from explain.errors import EvaluationError, ExplainWarning, OptionError
from explain.metrics.randomization.random_logit import KEY, other_class


def explained(model, x, method="saliency", **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        return explain.attribute(model, x, method, **arguments)


def measured(model, a, seed=0, arguments=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        return explain.evaluate(model, a, {"random_logit": options}, seed=seed, **(arguments or {}))[
            "random_logit"
        ]


@pytest.mark.parametrize(
    ("similarity", "correlation"), [("spearman", scipy.stats.spearmanr), ("pearson", scipy.stats.pearsonr)]
)
def test_maps_of_a_linear_model_are_columns_of_its_weight(kit, similarity, correlation):
    draw = np.random.default_rng(0).normal
    weight = draw(size=(12, 5))
    model = kit.dense([(weight, np.zeros(5))], dtype="float64")
    x, target = draw(size=(6, 12)), [0, 1, 2, 3, 4, 0]
    a = explained(model, x, "input_x_gradient", target=target)
    found = measured(model, a, seed=9, similarity=similarity)
    others = [other_class(np.random.default_rng((9, KEY, row)), own, 5) for row, own in enumerate(target)]
    expected = [
        correlation(x[row] * weight[:, own], x[row] * weight[:, other])[0]
        for row, (own, other) in enumerate(zip(target, others, strict=True))
    ]
    np.testing.assert_allclose(found.values, expected, atol=2e-6)
    alone = measured(
        model, explained(model, x[:1], "input_x_gradient", target=0), seed=9, similarity=similarity
    )
    np.testing.assert_allclose(alone.values, expected[:1], atol=2e-6)


def test_every_other_class_is_as_likely_and_its_own_never():
    generator = np.random.default_rng(0)
    drawn = Counter(other_class(generator, 2, 5) for _ in range(4000))
    assert set(drawn) == {0, 1, 3, 4}
    assert scipy.stats.chisquare(list(drawn.values())).pvalue > 0.01


def test_two_scores_that_are_each_others_negative_have_opposite_maps(kit):
    weight = np.random.default_rng(0).normal(size=(7, 1))
    model = kit.dense([(np.hstack([weight, -weight]), np.zeros(2))])
    a = explained(model, np.random.default_rng(1).normal(size=(3, 7)).astype(np.float32), "input_x_gradient")
    np.testing.assert_allclose(measured(model, a).values, -1)


def test_structural_similarity_is_of_maps_divided_by_their_largest_size(kit):
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(81, 3))

    def call(x):
        return kit.matmul(
            kit.tanh(x).reshape(-1, 81) if kit.name == "torch" else flat(x), weight.astype(np.float32)
        )

    def flat(x):
        import tensorflow as tf

        return tf.reshape(tf.tanh(x), (-1, 81))

    model = kit.function(call)
    x = generator.normal(size=(2, *kit.picture_shape(1, 9, 9))).astype(np.float32)
    layout = "NCHW" if kit.name == "torch" else "NHWC"
    a = explained(model, x, "input_x_gradient", target=[0, 2], layout=layout)
    found = measured(model, a, similarity="ssim")
    for row, own in enumerate([0, 2]):
        other = other_class(np.random.default_rng((0, KEY, row)), own, 3)
        slope = x[row].reshape(9, 9) * (1 - np.tanh(x[row].reshape(9, 9)) ** 2)
        one, two = (slope * weight[:, k].reshape(9, 9) for k in (own, other))
        one, two = one / np.abs(one).max(), two / np.abs(two).max()
        joint = max(one.max(), two.max()) - min(one.min(), two.min())
        expected = skimage.metrics.structural_similarity(one, two, win_size=7, data_range=joint)
        assert found.values[row] == pytest.approx(expected, abs=1e-5)


def test_a_map_that_is_the_same_for_every_class_is_the_worst():
    def blind(x):
        score = np.tanh(x @ np.linspace(-1, 1, 8))[:, None]
        return np.hstack([score, score + 1, score - 1])

    def telling(x):
        return np.tanh(x) @ np.random.default_rng(2).normal(size=(8, 3))

    x = np.random.default_rng(1).normal(size=(5, 8))
    values = {}
    for model in (blind, telling):
        a = explained(model, x, "feature_ablation", framework="numpy")
        found = measured(model, a, arguments={"framework": "numpy"})
        values[model] = found.values
        assert found.better == "lower"
    np.testing.assert_allclose(values[blind], 1)
    assert values[telling].max() < 0.95


def test_it_applies_to_an_estimator():
    x = np.random.default_rng(0).normal(size=(60, 6))
    model = sklearn.linear_model.LogisticRegression().fit(x, np.digitize(x[:, 0] + x[:, 1], [-1, 1]))
    a = explained(model, x[:3], "feature_ablation")
    found = measured(model, a)
    assert np.isfinite(found.values).all()


def test_maps_that_order_nothing_are_left_out():
    weight = np.array([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])

    def model(x):
        return x @ weight

    x = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 0.5]])
    a = explained(model, x, "feature_ablation", framework="numpy", target=0)
    found = measured(model, a, arguments={"framework": "numpy"})
    drawn = [other_class(np.random.default_rng((0, KEY, row)), 0, 3) for row in range(2)]
    assert found.left_out == {
        row: f"The map for the class {other} is constant: there is nothing to compare."
        for row, other in enumerate(drawn)
    }
    flat = measured(model, replace(a, values=np.ones_like(a.values)), arguments={"framework": "numpy"})
    assert flat.left_out[0] == "The map is constant: it does not order the places."


def test_a_single_output_has_no_other_class():
    def one(x):
        return x.sum(axis=1, keepdims=True)

    a = explained(one, np.ones((2, 3)), "feature_ablation", framework="numpy")
    with pytest.raises(EvaluationError, match=r"outputs of one example have shape \(1,\), not \(classes,\)"):
        measured(one, a, arguments={"framework": "numpy"})

    def steps(x):
        return np.stack([x, 2 * x], axis=1)

    a = explained(steps, np.ones((2, 3)), "feature_ablation", framework="numpy", target=(1, 2))
    with pytest.raises(EvaluationError, match=r"have shape \(2, 3\), not \(classes,\)"):
        measured(steps, a, arguments={"framework": "numpy"})


def test_a_function_as_target_is_no_class():
    def model(x):
        return np.tanh(x)

    def total(outputs):
        return outputs.sum(axis=1)

    a = explained(model, np.ones((1, 3)), "feature_ablation", framework="numpy", target=total)
    with pytest.raises(EvaluationError, match="the target is 'total', not the number of one"):
        measured(model, a, arguments={"framework": "numpy", "target": total})


def test_bad_options_are_refused():
    def model(x):
        return np.tanh(x)

    a = explained(model, np.ones((1, 3)), "feature_ablation", framework="numpy")
    with pytest.raises(OptionError, match="'spearman'"):
        measured(model, a, arguments={"framework": "numpy"}, similarity="mi")
    with pytest.raises(EvaluationError, match="tables with places"):
        measured(model, a, arguments={"framework": "numpy"}, similarity="ssim")
