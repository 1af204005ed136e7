"""Functions of arrays: what they return, what they do to their input, and what cannot be asked of them."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest

import explain
from explain.errors import (
    InputError,
    ModelCallError,
    NonDeterministicWarning,
    OpaqueModelWarning,
    OptionError,
    ProbabilityScoreWarning,
    ScoreError,
    TargetError,
    UnsupportedModelError,
)

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(4, 3))
X = RNG.normal(size=(3, 4))
EXPECTED = X * WEIGHT[:, 1]


def linear(x):
    return x @ WEIGHT


def explained(function, x=X, **arguments):
    arguments = {"target": 1, "score": "output", "batch_size": 7, **arguments}
    return explain.attribute(
        function, x, arguments.pop("method", "kernel_shap"), framework="numpy", **arguments
    )


@pytest.mark.filterwarnings("error")
def test_a_plain_function():
    a = explained(linear)
    np.testing.assert_allclose(a.values, EXPECTED, rtol=1e-5, atol=1e-6)
    assert (a.framework, a.model, a.score, a.target) == ("numpy", "linear", "output", (1, 1, 1))
    assert a.versions["numpy"] == np.__version__
    np.testing.assert_allclose(
        explained(linear, method="lime", alpha=0).values, EXPECTED, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(explained(linear, target=None).target, linear(X).argmax(axis=1))
    np.testing.assert_allclose(
        explained(linear, target=lambda outputs: outputs[:, 1] - outputs[:, 0]).values,
        X * (WEIGHT[:, 1] - WEIGHT[:, 0]),
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_function_needs_its_framework_named():
    with pytest.raises(UnsupportedModelError, match=r"framework='numpy'"):
        explain.attribute(linear, X, "kernel_shap")


@pytest.mark.parametrize("method", ["integrated_gradients", "saliency"])
def test_methods_that_need_gradients_name_those_that_do_not(method):
    with pytest.raises(
        UnsupportedModelError,
        match=rf"'{method}' needs .*gradients.*numpy.*linear.*method=.*'lime' or 'kernel_shap'",
    ):
        explained(linear, method=method)


def test_the_default_method_says_what_to_do_instead():
    with pytest.raises(
        UnsupportedModelError, match=r"'integrated_gradients' needs path_gradients.*'kernel_shap'"
    ):
        explain.attribute(linear, X, framework="numpy")
    with pytest.raises(
        UnsupportedModelError, match=r"'activation_maximization' needs gradients.*'kernel_shap'"
    ):
        explain.maximize(linear, target=1, shape=(4,), bounds=(0, 1), framework="numpy")


@pytest.mark.parametrize(
    "returned",
    [
        lambda y: y.tolist(),
        lambda y: [row.tolist() for row in y],
        lambda y: {"scores": y},
        lambda y: [y],
        lambda y: np.asfortranarray(y),
    ],
    ids=["list", "rows", "dict of one", "list of one", "Fortran order"],
)
def test_what_may_be_returned(returned):
    found = explained(lambda x: returned(linear(x)))
    np.testing.assert_allclose(found.values, EXPECTED, rtol=1e-5, atol=1e-6)


def test_one_number_an_example():
    for returned in (lambda y: y, lambda y: y[:, np.newaxis], lambda y: y.tolist(), lambda y: list(y)):
        for rows in (3, 1):
            a = explained(lambda x, returned=returned: returned(linear(x)[:, 1]), X[:rows], target=None)
            np.testing.assert_allclose(a.values, EXPECTED[:rows], rtol=1e-5, atol=1e-6)
            assert a.target == (None,) * rows


def test_several_outputs():
    def two(x):
        return {"class": linear(x), "size": x.sum(axis=1)}

    np.testing.assert_allclose(explained(two, output="class").values, EXPECTED, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(explained(two, output=1, target=None).values, X, rtol=1e-5, atol=1e-6)
    pair = explained(lambda x: tuple(two(x).values()), output=0)
    np.testing.assert_allclose(pair.values, EXPECTED, rtol=1e-5, atol=1e-6)
    with pytest.raises(ScoreError, match=r"output=None.*\['class', 'size'\]"):
        explained(two)
    with pytest.raises(ScoreError, match="output='size': the model returns a single output"):
        explained(linear, output="size")


def test_a_frame_is_one_output():
    """What has columns is no mapping of outputs: it is an array with names."""

    class Frame:
        def __init__(self, values):
            self.values = values

        def keys(self):
            return ["a", "b", "c"]

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.values, dtype)

    np.testing.assert_allclose(explained(lambda x: Frame(linear(x))).values, EXPECTED, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: ["a"] * len(x), ScoreError, r"dtype <U1, which is not numeric"),
        (lambda x: None, ScoreError, "NoneType of dtype object"),
        (lambda x: [[1.0], [1.0, 2.0], [3.0]], ScoreError, "a list, which cannot be converted to an array"),
        (lambda x: x * 1j, ScoreError, "complex128"),
        (lambda x: x.sum(), InputError, r"shape \(\) for a batch of 3"),
        (lambda x: x[:2], InputError, r"shape \(2, 4\) for a batch of 3"),
        (lambda x: [], InputError, r"shape \(0,\)"),
        (lambda x: x / 0 * 0, ModelCallError, "NaN or infinite"),
        (lambda x: x @ np.ones((5, 2)), ModelCallError, r"raised ValueError for an input of shape \(3, 4\)"),
        (lambda x, y: x, ModelCallError, "raised TypeError"),
    ],
    ids=["words", "nothing", "ragged", "complex", "a total", "rows lost", "empty", "NaN", "raises", "lacks"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_cannot_be_explained_says_why(function, error, message):
    with pytest.raises(error, match=message):
        explained(function)


def test_a_tensor_that_cannot_leave_its_graph():
    import torch

    weight = torch.tensor(WEIGHT, requires_grad=True)
    with pytest.raises(ScoreError, match=r"a Tensor, which cannot be converted to an array \(RuntimeError"):
        explained(lambda x: torch.tensor(x) @ weight)
    np.testing.assert_allclose(
        explained(lambda x: (torch.tensor(x) @ weight).detach()).values, EXPECTED, rtol=1e-5, atol=1e-6
    )


def test_whole_numbers():
    a = explained(lambda x: (x > 0).sum(axis=1), target=None)
    np.testing.assert_allclose(a.values, X > 0, atol=1e-6)
    np.testing.assert_allclose(explained(lambda x: x > 0).values[:, 1], X[:, 1] > 0, atol=1e-6)
    whole = np.array([[1, 2, -3, 4]])
    np.testing.assert_allclose(explained(linear, whole).values, whole * WEIGHT[:, 1], atol=1e-5)
    with pytest.raises(InputError, match=r"dtype int64.*convert it.*some methods keep.*'feature_ablation'"):
        explained(linear, whole, method="rise")


def test_lists_and_frames_of_data_are_refused_with_a_way_out():
    with pytest.raises(InputError, match=r"is a list of 3 values, not an array: give np\.array\(x"):
        explained(linear, X.tolist())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_precision_of_the_input_is_followed(dtype):
    seen = set()

    def noted(x):
        seen.add(x.dtype)
        return x @ WEIGHT

    np.testing.assert_allclose(explained(noted, X.astype(dtype)).values, EXPECTED, rtol=1e-2, atol=1e-2)
    assert seen == {np.dtype(np.float64 if dtype is np.float64 else np.float32)}


def test_a_function_may_write_into_its_input_and_over_its_last_answer():
    kept = np.empty((7, 3))

    def in_place(x):
        x *= 2
        return x @ WEIGHT / 2

    def into_one_buffer(x):
        np.matmul(x, WEIGHT, out=kept[: len(x)])
        return kept[: len(x)]

    before = X.copy()
    for function in (in_place, into_one_buffer):
        # Five examples in chunks of two: the later ones must not be written over the earlier.
        for size in (2, 7):
            a = explained(function, batch_size=size)
            np.testing.assert_allclose(a.values, EXPECTED, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(a.scores, linear(X)[:, 1], rtol=1e-6)
    assert np.array_equal(X, before)


def test_keyword_arguments_go_with_their_examples_and_come_back_whole():
    scale = np.array([1.0, 2.0, 3.0])

    def scaled(x, scale, shift):
        found = x @ WEIGHT * scale[:, np.newaxis] + shift
        scale *= 0
        return found

    a = explained(scaled, forward_kwargs={"scale": scale, "shift": 5.0})
    np.testing.assert_allclose(a.values, EXPECTED * np.array([[1], [2], [3]]), rtol=1e-5, atol=1e-6)
    assert scale.tolist() == [1, 2, 3]


def test_random_states_are_kept_and_random_functions_told():
    def noisy(x):
        return x @ WEIGHT + np.random.normal(size=3) + random.random()

    np.random.seed(3)
    random.seed(3)
    expected = np.random.normal(), random.random()
    np.random.seed(3)
    random.seed(3)
    with pytest.warns(NonDeterministicWarning):
        explained(noisy)
    assert (np.random.normal(), random.random()) == expected


def test_the_output_is_explained_as_it_is_and_says_so():
    with pytest.warns(OpaqueModelWarning, match=r"Give score='output'.*a function that returns logits"):
        a = explained(linear, score="logit")
    assert a.score == "output"
    with pytest.warns(
        ProbabilityScoreWarning, match=r"Probabilities hardly change.*one that returns logits.*'output'"
    ):
        a = explained(
            lambda x: np.exp(linear(x)) / np.exp(linear(x)).sum(axis=1, keepdims=True), score="logit"
        )
    assert a.score == "probability"
    for score in ("probability", "log_probability"):
        with pytest.raises(ScoreError, match=f"score='{score}' is not available for linear.*score='output'"):
            explained(linear, score=score)


def test_targets_that_are_none():
    with pytest.raises(TargetError, match=r"shape \(3, 3\)"):
        explained(linear, target=lambda outputs: outputs)
    with pytest.raises(TargetError, match="gave object"):
        explained(linear, X[:1], target=lambda outputs: None)
    with pytest.raises(TargetError, match="out of range"):
        explained(linear, target=3)


def test_pictures_have_their_channels_last():
    pictures = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    with warnings.catch_warnings(action="error"):
        a = explained(lambda x: x.mean(axis=(1, 2)), pictures, feature_mask="grid", n_samples=200)
    assert a.layout == "NHWC"
    # A linear score: each place's feature is worth what its second channel adds to the mean.
    np.testing.assert_allclose(a.values[..., 0], pictures[..., 1] / 64, rtol=1e-4, atol=1e-6)
    b = explained(
        lambda x: x.mean(axis=(2, 3)),
        np.moveaxis(pictures, -1, 1),
        layout="NCHW",
        feature_mask="grid",
        n_samples=200,
    )
    np.testing.assert_allclose(np.moveaxis(b.values, 1, -1), a.values, rtol=1e-5, atol=1e-7)
    # The batch need not come first.
    c = explained(
        lambda x: x.mean(axis=(0, 1)),
        np.moveaxis(pictures, 0, 2),
        layout="HWNC",
        feature_mask="grid",
        n_samples=200,
    )
    np.testing.assert_allclose(np.moveaxis(c.values, 2, 0), a.values, rtol=1e-5, atol=1e-7)


def test_options_of_others_are_refused():
    with pytest.raises(OptionError, match=r"n_steps.*belongs to integrated_gradients"):
        explained(linear, n_steps=5)


def test_other_engines_are_refused():
    with pytest.raises(explain.errors.EngineError, match="give one of 'explain'"):
        explained(linear, engine="captum")
