"""Scikit-learn estimators, given whole or by a method."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

import explain
from explain.errors import ModelCallError, ProbabilityScoreWarning, ScoreError, UnsupportedModelError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = np.array(["cat", "dog", "owl"])[(X @ RNG.normal(size=(4, 3))).argmax(axis=1)]
Z = X @ [1.0, -2.0, 0.5, 0.0]
SOME = X[:3]
LOGISTIC = LogisticRegression().fit(X, Y)


def shapley(function, rows, target=None):
    """By a plain function, which the surrogate's own tests hold to the definition."""
    return explain.attribute(
        lambda x: function(x), rows, "kernel_shap", framework="numpy", score="output", target=target
    ).values


def test_a_classifier_given_whole():
    with pytest.warns(
        ProbabilityScoreWarning, match=r"because LogisticRegression\.predict_proba returns one"
    ):
        a = explain.attribute(LOGISTIC, SOME, "kernel_shap", target=1)
    assert (a.score, a.model, a.framework) == ("probability", "LogisticRegression.predict_proba", "numpy")
    np.testing.assert_allclose(a.scores, LOGISTIC.predict_proba(SOME)[:, 1])
    np.testing.assert_array_equal(a.values, shapley(LOGISTIC.predict_proba, SOME, 1))


@pytest.mark.filterwarnings("error")
def test_what_is_said_is_not_warned_of():
    for score, method in (("probability", "predict_proba"), ("log_probability", "predict_log_proba")):
        for model in (LOGISTIC, getattr(LOGISTIC, method)):
            a = explain.attribute(model, SOME, "kernel_shap", target=1, score=score)
            assert a.score == score
            np.testing.assert_allclose(a.scores, getattr(LOGISTIC, method)(SOME)[:, 1])
    a = explain.attribute(LOGISTIC, SOME, "kernel_shap", target=1, score="output")
    assert a.score == "output"
    # A decision function gives logits; those of this model are linear.
    a = explain.attribute(LOGISTIC.decision_function, SOME, "kernel_shap", target=2)
    assert a.score == "logit"
    np.testing.assert_allclose(a.values, SOME * LOGISTIC.coef_[2], rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_regressors_pipelines_and_detectors():
    regressor = LinearRegression().fit(X, Z)
    for model in (regressor, regressor.predict):
        a = explain.attribute(model, SOME, "kernel_shap")
        assert (a.score, a.model) == ("output", "LinearRegression.predict")
        np.testing.assert_allclose(a.values, SOME * regressor.coef_, rtol=1e-5, atol=1e-6)
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(X, Z)
    a = explain.attribute(pipeline, SOME, "lime", alpha=0, baseline="mean")
    assert a.model == "Pipeline.predict"
    np.testing.assert_allclose(
        a.values, (SOME - SOME.mean(axis=1, keepdims=True)) * regressor.coef_, rtol=1e-4, atol=1e-5
    )
    for classifier in (LinearSVC(), RidgeClassifier(), make_pipeline(StandardScaler(), SVC())):
        a = explain.attribute(classifier.fit(X, Y), SOME, "kernel_shap", target=0)
        assert a.score == "logit"
        np.testing.assert_array_equal(a.values, shapley(classifier.decision_function, SOME, 0))
    detector = IsolationForest(n_estimators=5, random_state=0).fit(X)
    assert explain.attribute(detector, SOME, "kernel_shap").score == "output"


def test_two_classes_have_two_probabilities_and_one_logit():
    binary = LogisticRegression().fit(X, Z > 0)
    a = explain.attribute(binary, SOME, "kernel_shap", target=1, score="probability")
    np.testing.assert_array_equal(a.values, shapley(binary.predict_proba, SOME, 1))
    b = explain.attribute(binary.decision_function, SOME, "kernel_shap")
    assert b.target == (None,) * 3
    np.testing.assert_allclose(b.values, SOME * binary.coef_[0], rtol=1e-5, atol=1e-6)


def test_several_outputs_of_a_classifier():
    model = MultiOutputClassifier(LogisticRegression()).fit(X, np.stack([Y, Y[::-1]], axis=1))
    with pytest.raises(ScoreError, match="returns 2 outputs"):
        explain.attribute(model, SOME, "kernel_shap", target=1, score="probability")
    a = explain.attribute(model, SOME, "kernel_shap", target=1, score="probability", output=1)
    np.testing.assert_allclose(a.scores, model.predict_proba(SOME)[1][:, 1])


def test_forests_have_steps_and_no_gradients():
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(X, Y)
    with pytest.raises(
        UnsupportedModelError, match=r"'integrated_gradients' needs.*RandomForest.*'kernel_shap'"
    ):
        explain.attribute(forest, SOME)
    a = explain.attribute(forest, SOME, "shap", score="probability")
    assert a.target == tuple(forest.predict_proba(SOME).argmax(axis=1))
    np.testing.assert_allclose(
        a.values.sum(axis=1), a.scores - forest.predict_proba(np.zeros((1, 4)))[0, list(a.target)], atol=1e-6
    )


def test_classes_are_no_scores():
    with pytest.raises(
        UnsupportedModelError, match=r"LogisticRegression\.predict, gives the names.*predict_proba"
    ):
        explain.attribute(LOGISTIC.predict, SOME, "kernel_shap")
    with pytest.raises(UnsupportedModelError, match="StandardScaler, gives no scores"):
        explain.attribute(StandardScaler().fit(X), SOME, "kernel_shap")
    with pytest.raises(
        ScoreError, match=r"LinearSVC, which has no predict_proba: say score='output'.*decision_function"
    ):
        explain.attribute(LinearSVC().fit(X, Y), SOME, "kernel_shap", score="probability")
    with pytest.raises(ScoreError, match="has no scores at all"):
        explain.attribute(StandardScaler().fit(X), SOME, "kernel_shap", score="probability")
    with pytest.raises(ScoreError, match=r"decision_function.*its output is a logit"):
        explain.attribute(LOGISTIC.decision_function, SOME, "kernel_shap", score="probability")


def test_the_errors_of_scikit_learn_come_through():
    with pytest.raises(ModelCallError, match=r"NotFittedError.*not fitted"):
        explain.attribute(LogisticRegression(), SOME, "kernel_shap", score="probability")
    with pytest.raises(ModelCallError, match=r"shape \(3, 2\).*expecting 4 features"):
        explain.attribute(LOGISTIC, SOME[:, :2], "kernel_shap", score="probability")
    with pytest.raises(UnsupportedModelError, match="is the class LogisticRegression, not a model"):
        explain.attribute(LogisticRegression, SOME, "kernel_shap")


def test_clusters_are_explained_only_by_what_says_how_near():
    clusters = KMeans(2, n_init=1, random_state=0).fit(X)
    with warnings.catch_warnings(action="ignore"):
        a = explain.attribute(clusters.transform, SOME, "kernel_shap", target=1)
    assert a.model == "KMeans.transform"
    np.testing.assert_allclose(a.scores, clusters.transform(SOME)[:, 1])
