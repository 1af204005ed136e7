"""The metrics that compare a map with drops of the score, on every kind of input, in both orders and frameworks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from models.keras_twins import INPUTS, PICTURE, TABLE, keras_models, torch_models
from models.mapped import drawn, measured, subject_of, with_map

import explain
from explain.metrics.drops.subsets import random_subsets

METRICS = {
    "infidelity": {"n_samples": 12},
    "faithfulness_correlation": {"n_subsets": 12},
    "faithfulness_estimate": {"n_groups": 8},
    "sensitivity_n": {"sizes": (0.1, 0.5), "n_subsets": 12},
    "monotonicity": {"n_steps": 5},
    "monotonicity_correlation": {"n_groups": 8, "n_samples": 4},
    "completeness": {},
}


def moved(array, layout, other):
    return np.ascontiguousarray(np.einsum(f"{layout}->{other}", array))


@pytest.mark.parametrize(
    ("layout", "other", "shape", "method"),
    [
        ("NCHW", "NHWC", (2, 3, 4, 5), "integrated_gradients"),
        ("NCHW", "NHWC", (2, 3, 4, 5), "saliency"),
        ("NCHW", "NHWC", (2, 3, 4, 5), "occlusion"),
        ("NHW", "NHW", (2, 4, 5), "integrated_gradients"),
        ("NCDHW", "NDHWC", (2, 2, 3, 4, 2), "integrated_gradients"),
        ("NTCHW", "NTHWC", (2, 3, 2, 2, 3), "integrated_gradients"),
        ("NTC", "TNC", (2, 6, 3), "integrated_gradients"),
        ("NT", "TN", (2, 6), "integrated_gradients"),
        ("NC", "NC", (2, 7), "integrated_gradients"),
    ],
)
def test_a_layout_changes_no_value(layout, other, shape, method):
    weight = drawn(*shape[1:], seed=1).astype(np.float64)
    axes = layout.replace("N", "")

    def first(x):
        return (
            np.tanh(np.einsum(f"N{axes},{axes}->N", x, weight) / 3)[:, np.newaxis]
            + x.reshape(len(x), -1)[:, :1] ** 2
        )

    def second(x):
        return first(moved(x, other, layout))

    x, values = drawn(*shape, seed=2), drawn(*shape, seed=3)
    a = with_map(first, x, values, layout, method=method)
    b = with_map(second, moved(x, layout, other), moved(values, layout, other), other, method=method)
    for metric, options in METRICS.items():
        one, again = (measured(f, each, metric, **options) for f, each in ((first, a), (second, b)))
        assert one.count == 2
        np.testing.assert_allclose(one.values, again.values, rtol=1e-6, err_msg=metric)


@pytest.mark.parametrize("kind", [PICTURE, TABLE])
def test_twins_in_both_frameworks_get_the_same_values(kind):
    one, other = keras_models()[kind], torch_models()[kind]
    x = INPUTS[kind]
    first = moved(x, "NHWC", "NCHW") if kind == PICTURE else x
    for method in ("ig", "saliency"):
        of_keras = explain.attribute(one, x, method)
        of_torch = explain.attribute(other, first, method)
        values = np.asarray(of_torch.values)
        own = replace(of_keras, values=moved(values, "NCHW", "NHWC") if kind == PICTURE else values)
        found = [explain.evaluate(*pair, METRICS) for pair in ((one, own), (other, of_torch))]
        for metric in METRICS:
            np.testing.assert_allclose(
                found[0][metric].values, found[1][metric].values, rtol=1e-3, atol=2e-4, err_msg=metric
            )


def test_metrics_of_a_call_ask_for_the_same_point_once():
    weight, asked = drawn(16, seed=1), []

    def model(x):
        asked.extend(np.asarray(x, np.float32).tolist())
        return np.tanh(x @ weight)[:, np.newaxis]

    x = drawn(3, 16, seed=2)
    a = with_map(model, x, drawn(3, 16, seed=3))
    drawn_sets = [random_subsets(subject_of(model, a), row, 8, 20) for row in range(3)]
    points = {tuple(np.where(one, 0, x[row]).tolist()) for row in range(3) for one in drawn_sets[row]}
    asked.clear()
    metrics = {
        "infidelity": {"n_samples": 20, "subset_size": 8},
        "faithfulness_correlation": {"n_subsets": 20, "subset_size": 0.5},
        "sensitivity_n": {"sizes": (0.5,), "n_subsets": 20},
    }
    explain.evaluate(model, a, metrics, framework="numpy", progress=False)
    of_points = [tuple(one) for one in asked if 0.0 in one]
    assert len(of_points) == len(points) == 60
    assert set(of_points) == points


def test_one_example_of_one_place():
    def model(x):
        return 3 * x

    a = with_map(model, [[2.0]], [[5.0]])
    assert measured(model, a, "completeness").values[0] == pytest.approx(1 / 6)
    for metric in (
        "faithfulness_correlation",
        "faithfulness_estimate",
        "sensitivity_n",
        "monotonicity_correlation",
    ):
        assert list(measured(model, a, metric).left_out) == [0]
