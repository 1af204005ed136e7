"""Scores in half precision: their differences are told of where they are steps of rounding."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import explain
from explain.errors import CancellationWarning

WEIGHT = np.array([[1.0, -2.0, 0.5], [0.5, 1.0, -1.0], [2.0, 0.3, 0.7], [-1.0, 1.5, 0.2]], np.float32)
X = np.array([[1.0, -0.5, 0.3, 2.0], [0.2, 1.0, -1.0, 0.4]], np.float32)
METHODS = {
    "occlusion": {},
    "feature_ablation": {},
    "kernel_shap": {},
    "shapley_value_sampling": {"n_samples": 4},
}


def of(kit, dtype, bias):
    return kit.dense([(WEIGHT, np.full(3, bias, np.float32))], dtype=dtype)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dtype", "step"), [("bfloat16", 0.25), ("float16", 0.031)])
def test_steps_of_half_precision_are_told_of(kit, dtype, step, method):
    # Between 32 and 64 the numbers of bfloat16, with 7 bits after the first, are 2 ** -2 apart.
    with pytest.warns(CancellationWarning, match=rf"scores in {dtype}.*steps of up to {step},.*model\.float"):
        explain.attribute(of(kit, dtype, 60.3), X / 8, method, target=0, baseline=0, **METHODS[method])


@pytest.mark.parametrize("method", METHODS)
def test_scores_with_enough_digits_are_not(kit, method):
    with warnings.catch_warnings():
        warnings.simplefilter("error", CancellationWarning)
        for dtype, bias in (("float32", 60.3), ("float16", 0.1), ("bfloat16", 0.0)):
            explain.attribute(of(kit, dtype, bias), X, method, target=0, baseline=0, **METHODS[method])
        # Whole numbers are exact in any precision.
        counts = kit.function(lambda x: 100 + kit.sum(x, 1))
        explain.attribute(counts, np.ones((2, 4), np.float32), method, baseline=0, **METHODS[method])


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient"])
def test_gradients_hardly_notice_it(kit, method):
    with warnings.catch_warnings():
        warnings.simplefilter("error", CancellationWarning)
        found = explain.attribute(of(kit, "bfloat16", 60.3), X / 8, method, target=0)
    expected = explain.attribute(of(kit, "float32", 60.3), X / 8, method, target=0)
    # Two roundings to 8 bits.
    np.testing.assert_allclose(found.values, expected.values, rtol=2**-7, atol=1e-6)
