"""Whole numbers and booleans that are the quantities, single numbers, and inputs without numbers, beside Captum."""

from __future__ import annotations

import numpy as np
import pytest
from advice.models import module

import explain
from explain.errors import BaselineError, InputError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(3)
WHOLE = _generator.integers(-4, 5, (3, 4))
TRUE = _generator.random((3, 4)) < 0.6
KEPT = ("feature_ablation", "occlusion", "shapley_value_sampling", "kernel_shap", "lime")


def _net(kit, dtype):
    """A small net of a table that takes one dtype only."""
    weights, more = (_generator_of(seed).normal(size=shape) for seed, shape in ((0, (4, 5)), (1, (5, 2))))
    inner = kit.dense([(weights, np.linspace(-1, 1, 5)), (more, np.zeros(2))])
    cast = (lambda x: x.float()) if kit.name == "torch" else (lambda x: kit.tf.cast(x, "float32"))

    def call(x):
        assert str(np.dtype(dtype)) in str(x.dtype), "another dtype"
        return inner(cast(x))

    return kit.function(call), inner


def _generator_of(seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("method", [*KEPT, "feature_permutation"])
@pytest.mark.parametrize("x", [WHOLE, WHOLE.astype(np.int32), TRUE], ids=["int64", "int32", "bool"])
def test_a_model_gets_its_own_dtype(kit, method, x):
    model, inner = _net(kit, x.dtype)
    found = explain.attribute(model, x, method, target=1)
    expected = explain.attribute(inner, x.astype(np.float32), method, target=1)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found.inputs, x)
    assert found.values.any()
    again = explain.attribute(model, kit.tensor(x), method, target=1)
    np.testing.assert_array_equal(again.values, found.values)


def test_the_values_are_those_of_captum(torch_kit):
    torch = torch_kit.torch
    from captum.attr import FeatureAblation, FeaturePermutation, Occlusion, ShapleyValues
    from captum.testing.helpers.basic_models import BasicModel, BasicModelBoolInput

    def exchanged(rows, mask):
        return torch.where(mask, rows.flip(0), rows)

    basic, boolean = BasicModel(), BasicModelBoolInput()
    for model, x in (
        (basic, torch.tensor([[-3, 1, 2], [0, 4, -1]])),
        (boolean, torch.tensor([[True, False, True], [False, True, True]])),
    ):
        ablated = explain.attribute(model, x, "feature_ablation", target=0)
        np.testing.assert_array_equal(ablated.values, FeatureAblation(model).attribute(x, target=0))
        mask = np.array([[0, 0, 1]])
        ablated = explain.attribute(model, x, "feature_ablation", target=0, feature_mask=mask, baseline=1)
        baseline = torch.ones(()).to(x.dtype)
        expected = FeatureAblation(model).attribute(
            x, target=0, feature_mask=torch.tensor(mask), baselines=baseline.item()
        )
        np.testing.assert_array_equal(ablated.values, expected)
        occluded = explain.attribute(model, x, "occlusion", target=0, sliding_window_shapes=(2,), strides=1)
        expected = Occlusion(model).attribute(x, sliding_window_shapes=(2,), strides=1, target=0)
        np.testing.assert_allclose(occluded.values, expected, rtol=1e-6)
        # All six orders: their mean is near the mean of many drawn ones.
        exact = ShapleyValues(model).attribute(x, target=0)
        sampled = explain.attribute(model, x, "shapley_value_sampling", target=0, n_samples=4000)
        np.testing.assert_allclose(sampled.values, exact, atol=0.02 * float(exact.abs().max()))
        # Of all coalitions Kernel SHAP gives the Shapley values.
        solved = explain.attribute(model, x, "kernel_shap", target=0)
        np.testing.assert_allclose(solved.values, exact, atol=1e-5 * float(exact.abs().max()))
        # Of two examples there is one permutation that moves them.
        swapped = explain.attribute(model, x, "feature_permutation", target=0)
        expected = FeaturePermutation(model, exchanged).attribute(x, target=0)
        np.testing.assert_array_equal(swapped.values, expected)


def test_bytes_that_a_model_scales_by_their_type(kit):
    x = _generator.integers(0, 256, (2, 4)).astype(np.uint8)
    inner = kit.dense([(np.ones((4, 2)), np.zeros(2))])
    cast = (lambda x: x.float()) if kit.name == "torch" else (lambda x: kit.tf.cast(x, "float32"))
    model = kit.function(lambda x: inner(cast(x) / 255 if "uint8" in str(x.dtype) else x))
    found = explain.attribute(model, x, "feature_ablation", target=0)
    np.testing.assert_allclose(found.values, x / 255, rtol=1e-5)
    with pytest.raises(InputError, match=r"dtype uint8.*'feature_ablation'"):
        explain.attribute(model, x, "saliency", target=0)


def test_layouts_are_seen_in_the_own_dtype(torch_kit):
    nn, torch = torch_kit.torch.nn, torch_kit.torch

    class Grey(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(1, 2, 3)

        def forward(self, x):
            assert x.dtype == torch.int64
            return torch.relu(self.convolution(x[:, None].float())).mean((2, 3))

    found = explain.attribute(Grey(), _generator.integers(0, 9, (2, 6, 7)), "occlusion", target=0)
    assert found.layout == "NHW"


def test_functions_and_estimators_take_tables_of_whole_numbers():
    from sklearn.linear_model import LinearRegression

    estimator = LinearRegression().fit(WHOLE, WHOLE @ np.array([1.0, 2.0, 0.0, -1.0]))
    expected = WHOLE * estimator.coef_
    found = explain.attribute(estimator, WHOLE, "feature_ablation")
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    given = []

    def function(x):
        given.append(x.dtype)
        return x @ np.array([1, 2, 0, -1])

    found = explain.attribute(
        function, WHOLE, "shapley_value_sampling", framework="numpy", score="output", target=None
    )
    np.testing.assert_allclose(found.values, WHOLE * np.array([1, 2, 0, -1]), atol=1e-5)
    assert given[-1] == np.int64


def test_numbers_that_single_precision_does_not_hold():
    # In single precision both numbers are 2 ** 60.
    x = np.array([[2**60 + 3, 5]])
    found = explain.attribute(
        lambda x: x[:, 0] - 2**60 + x[:, 1], x, "feature_ablation", framework="numpy", score="output",
        baseline=np.array([[2**60, 0]]),
    )  # fmt: skip
    np.testing.assert_array_equal(found.values, [[3, 5]])


@pytest.mark.parametrize("baseline", [0.5, "uniform", np.full((1, 4), 1.5)])
def test_a_baseline_is_not_rounded(torch_kit, baseline):
    model, _ = _net(torch_kit, np.int64)
    with pytest.raises(BaselineError, match=r"dtype int64.*whole numbers"):
        explain.attribute(model, WHOLE, "feature_ablation", target=0, baseline=baseline, bounds=(0.0, 1.0))
    model, _ = _net(torch_kit, bool)
    with pytest.raises(BaselineError, match=r"dtype bool.*True and False"):
        explain.attribute(model, TRUE, "feature_ablation", target=0, baseline=2)


@pytest.mark.parametrize(
    "method",
    ["saliency", "integrated_gradients", "deep_lift", "rise", *KEPT, "feature_permutation"],
)
def test_one_number_an_example_needs_no_layout(kit, method):
    model, x = kit.function(lambda x: x * x * x), np.array([1.0, -2.0, 3.0], np.float32)
    if method == "deep_lift":
        model = kit.function(lambda x: 3.0 * x)
    options = {} if method in ("saliency", "rise", "feature_permutation") else {"baseline": 0.5}
    found = explain.attribute(model, x, method, **options)
    stated = explain.attribute(model, x, method, layout="N", **options)
    np.testing.assert_array_equal(found.values, stated.values)
    assert found.layout == "N"
    if method in ("occlusion", "feature_ablation", "shapley_value_sampling", "kernel_shap"):
        np.testing.assert_allclose(found.values, x**3 - 0.125, rtol=1e-5)


def test_a_window_of_one_number(kit):
    model, x = kit.function(lambda x: x * x * x), np.array([1.0, -2.0, 3.0], np.float32)
    for options in ({"sliding_window_shapes": ()}, {"sliding_window_shapes": (), "strides": ()}):
        found = explain.attribute(model, x, "occlusion", **options)
        np.testing.assert_allclose(found.values, x**3, rtol=1e-5)
    two = kit.function(lambda x: x)
    with pytest.raises(explain.errors.OptionError, match=r"sliding_window_shapes=\(\) has 0 numbers"):
        explain.attribute(two, x[:, np.newaxis], "occlusion", sliding_window_shapes=())


def test_a_window_of_one_number_is_that_of_captum(torch_kit):
    torch = torch_kit.torch
    from captum.attr import Occlusion

    model, x = torch_kit.function(lambda x: x * x * x), torch.tensor([1.0, -2.0, 3.0])
    expected = Occlusion(model).attribute(x, sliding_window_shapes=((),))
    np.testing.assert_allclose(explain.attribute(model, x, "occlusion").values, expected)


def test_features_without_a_batch_axis_are_not_taken_for_examples(kit):
    model = kit.dense([(np.eye(3) * 2, np.zeros(3))])
    with pytest.raises(explain.errors.ExplainError, match=r"x\[None\]|batch|axes"):
        explain.attribute(model, np.array([1.0, -2.0, 3.0], np.float32), "saliency")


def _of_two(kit):
    """Reads two inputs, the second without numbers."""
    cast = (lambda x: x.float()) if kit.name == "torch" else (lambda x: kit.tf.cast(x, "float32"))

    def call(self, a, b):
        return kit.sum(a * a, 1) + kit.sum(cast(b), 1)

    return module(kit, call)


@pytest.mark.parametrize(
    "method", ["saliency", "integrated_gradients", "smoothgrad", "rise", *KEPT, "feature_permutation"]
)
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_an_input_without_numbers_beside_another(kit, method, dtype):
    x = np.array([[1.0, 2.0, -1.0], [3.0, 0.5, 4.0]], np.float32)
    found, empty = explain.attribute(_of_two(kit), (x, np.zeros((2, 0), dtype)), method)
    alone = explain.attribute(kit.function(lambda a: kit.sum(a * a, 1)), x, method)
    np.testing.assert_allclose(found.values, alone.values, rtol=1e-5, atol=1e-5)
    assert empty.values.shape == (2, 0)
    assert empty.input_name == "1"
    own = {"baseline": (0.5, 0.0)} if method in KEPT else {}
    explain.attribute(_of_two(kit), (x, np.zeros((2, 0), dtype)), method, **own)


def test_an_input_without_rows_is_no_input_of_examples(torch_kit):
    with pytest.raises(InputError, match="forward_kwargs"):
        explain.attribute(
            _of_two(torch_kit), (np.ones((2, 3), np.float32), np.zeros(0, np.float32)), "saliency"
        )
