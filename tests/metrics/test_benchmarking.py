"""`explain.benchmark`: methods beside each other, on the same examples, with scores that are asked for once."""

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import EvaluationError, MethodError, OptionError

X = np.random.default_rng(0).normal(size=(4, 3, 6, 6)).astype(np.float32)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()


def test_each_method_is_evaluated_as_by_itself():
    model = network()
    found = explain.benchmark(model, X, ["saliency", "ig"], ["deletion", "sparseness"], seed=2)
    assert list(found) == ["saliency", "integrated_gradients"]
    assert found.metrics == ("deletion", "sparseness")
    for name in found:
        a = explain.attribute(model, X, name, seed=2)
        alone = explain.evaluate(model, a, ["deletion", "sparseness"], seed=2)
        for metric in alone:
            np.testing.assert_allclose(found[name][metric].values, alone[metric].values, rtol=1e-6)


def test_methods_share_the_scores_that_both_ask_for():
    """The whole input and the empty one are asked for once, whichever method removes."""
    seen = []

    def counting(x):
        seen.append(len(x))
        return x.reshape(len(x), -1) @ np.arange(1.0, 7.0)

    x = np.random.default_rng(0).normal(size=(2, 6))

    def points(methods):
        seen.clear()
        explain.benchmark(
            counting, x, methods, ("deletion", {"n_steps": 6}), framework="numpy", score="output"
        )
        return sum(seen)

    one = points(["feature_ablation"])
    # The same map again, under another name of its options: no point of its metric is new.
    both = points(["feature_ablation", ("feature_ablation", {"feature_mask": "elements"})])
    maps = both - one
    assert maps < one
    alone = points([("feature_ablation", {"feature_mask": "elements"})])
    assert both < one + alone


def test_a_method_that_does_not_apply_has_a_reason_and_the_others_stand():
    found = explain.benchmark(network(), X, ["saliency", "expected_gradients"], "sparseness")
    assert list(found) == ["saliency"]
    assert "reference examples" in found.reasons["expected_gradients"][""]
    # Following it works.
    references = {"baseline": np.zeros((3, 3, 6, 6))}
    again = explain.benchmark(network(), X, ["saliency", ("expected_gradients", references)], "sparseness")
    assert list(again) == ["saliency", "expected_gradients"]


def test_a_metric_that_does_not_apply_has_a_reason_for_that_method_alone():
    found = explain.benchmark(network(), X, ["saliency", "smoothgrad"], ["sparseness", "seed_stability"])
    assert "draws nothing" in found.reasons["saliency"]["seed_stability"]
    assert "smoothgrad" not in found.reasons
    assert found.measurement("seed_stability", "smoothgrad") is not None
    assert found.measurement("seed_stability", "saliency") is None


def test_a_metric_that_fails_costs_no_other_metric(monkeypatch):
    def fails(*arguments, **named):
        raise explain.errors.GradientError("planted")

    row = explain.metrics.find("seed_stability")
    monkeypatch.setitem(vars(row), "implementation", fails)
    fails.__name__, fails.__module__ = "seed_stability", row.family
    found = explain.benchmark(network(), X, ["smoothgrad", "saliency"], ["sparseness", "seed_stability"])
    assert found.reasons["smoothgrad"] == {"seed_stability": "planted"}
    assert found.measurement("sparseness", "smoothgrad").count == 4


def test_by_default_every_method_of_the_input_is_tried():
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).eval()
    found = explain.benchmark(model, x, metrics="sparseness")
    tried = {*found, *found.reasons}
    assert tried == {row.name for row in explain.methods() if row.drawn != "input" and row.layer != "must"}
    assert {"saliency", "integrated_gradients", "kernel_shap"} <= set(found)


def test_two_settings_of_one_method_stand_beside_each_other():
    found = explain.benchmark(
        network(), X, ["smoothgrad", ("smoothgrad", {"n_samples": 2})], "sparseness", target=1
    )
    assert list(found) == ["smoothgrad", "smoothgrad (n_samples=2)"]
    assert found["smoothgrad"].target == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"methods": []}, EvaluationError, "names no method"),
        ({"methods": ["saliency", "saliency"]}, EvaluationError, "twice"),
        ({"methods": ["activation_maximization"]}, EvaluationError, "finds an input"),
        ({"methods": [("saliency", 3)]}, EvaluationError, "as a dict"),
        ({"methods": ["salience"]}, MethodError, "saliency"),
        ({"methods": ["saliency"], "metrics": "delete"}, EvaluationError, "deletion"),
        ({"methods": ["saliency"], "metrics": ("deletion", {"steps": 3})}, OptionError, "n_steps"),
        ({"methods": ["rollout", "gradient_attention"]}, EvaluationError, "none of the 2 methods"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, said):
    with pytest.raises(error, match=said):
        explain.benchmark(network(), X, **{"metrics": "sparseness", **arguments})
