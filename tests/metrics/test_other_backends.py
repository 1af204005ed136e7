"""Metrics of a model whose backend is another package's."""

from __future__ import annotations

import numpy as np
import pytest
from models import numpy_backend

import explain
from explain.errors import EvaluationError

X = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)


@pytest.fixture
def network(monkeypatch):
    for place in ("explanation.checked_request", "metrics.randomization.random_weights"):
        monkeypatch.setattr(
            f"explain.{place}.extension_for", lambda model, *framework: numpy_backend.extension
        )
    generator = np.random.default_rng(0)
    sizes = (4, 6), 6, (6, 3)
    return numpy_backend.DenseReluNetwork(*(generator.normal(size=size) for size in sizes))


@pytest.fixture
def one(network):
    return explain.attribute(network, X, "input_x_gradient", target=1, score="output")


def test_places_are_removed_from_it(network, one):
    found = explain.evaluate(network, one, ("deletion", {"n_steps": 4}))["deletion"]
    order = np.argsort(-np.float64(one.values), axis=1, kind="stable")
    curve = []
    for removed in range(5):
        left = X.copy()
        np.put_along_axis(left, order[:, :removed], 0, axis=1)
        curve.append(network(left)[:, 1])
    curve = np.transpose(curve)
    shares = (curve - curve[:, -1:]) / np.abs(curve[:, :1] - curve[:, -1:])
    np.testing.assert_allclose(found.curve, shares, rtol=1e-5, atol=1e-6)


def test_it_is_explained_again(network, one):
    found = explain.evaluate(network, one, ["max_sensitivity", "sparseness"])
    assert (found["max_sensitivity"].values > 0).all()


def test_weights_need_more_of_its_extension(network, one):
    says = "The extension for '.*' does not change the weights of its models: it needs the methods copied, preserved_we"
    with pytest.raises(EvaluationError, match=says):
        explain.evaluate(network, one, "model_parameter_randomization")
