"""Metrics that remove places give twins the same numbers: the same weights, inputs and map in PyTorch and Keras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from models.scored import with_cache

import explain

METRICS = (
    ("deletion", {"n_steps": 8}),
    ("insertion", {"n_steps": 8, "reference": "blur"}),
    ("pixel_flipping", {"places_per_step": 150}),
    ("sufficiency", {"reference": "mean"}),
    ("comprehensiveness", {"score": "explained"}),
    ("irof", {"reference": "mean"}),
    ("road", {"fractions": (0.2, 0.7)}),
)


@pytest.fixture(scope="module")
def evaluated():
    found = {}
    for framework in ("torch", "tensorflow"):
        model = explain.zoo.load("cifar_net", framework=framework)
        x = explain.zoo.samples("cifar_net", framework=framework).x[:2]
        a = explain.attribute(model, x, method="saliency", layout="NCHW" if framework == "torch" else "NHWC")
        # Random values in one order of axes.
        values = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
        if framework == "torch":
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        found[framework] = with_cache(model, replace(a, values=values), METRICS, {}, seed=2)
    return found


@pytest.mark.parametrize("name", [name for name, _ in METRICS])
def test_twins_have_the_same_curves_and_values(evaluated, name):
    one, other = (evaluated[framework][name] for framework in ("torch", "tensorflow"))
    np.testing.assert_allclose(one.curve, other.curve, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-4, atol=1e-5)
    # They are no constants: the curves of the two examples differ, and along each.
    assert np.ptp(one.curve, axis=1).min() > 0.01
    assert np.abs(one.curve[0] - one.curve[1]).max() > 0.01
