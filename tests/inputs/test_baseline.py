"""Every form of baseline, against SciPy and NumPy done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from explain.errors import BaselineError
from explain.inputs.baseline import resolve_baseline, resolve_references, uniform
from explain.inputs.layout import Layout

X = np.random.default_rng(0).normal(size=(2, 3, 8, 6))
NCHW = Layout("NCHW")


def resolved(baseline, inputs=X, layout=NCHW, **options):
    values, rule = resolve_baseline(baseline, inputs, layout, **options)
    assert values.shape == inputs.shape
    assert values.dtype == inputs.dtype
    return values, rule


def test_zeros_numbers_and_arrays():
    for baseline in (None, "zeros"):
        values, rule = resolved(baseline)
        assert (values == 0).all()
        assert rule == {"rule": "zeros"}
    values, rule = resolved(0.25)
    assert (values == 0.25).all()
    assert rule == {"rule": "constant", "value": 0.25}
    one = np.arange(18.0).reshape(3, 1, 6)
    values, rule = resolved(one)
    np.testing.assert_array_equal(values, np.broadcast_to(one, X.shape))
    assert rule == {"rule": "array"}


def test_mean_is_of_each_example_and_channel():
    values, _ = resolved("mean")
    for example, channel in np.ndindex(2, 3):
        np.testing.assert_allclose(values[example, channel], X[example, channel].mean(), rtol=1e-12)
    sequence, _ = resolved("mean", X[0], Layout("NTC"))
    np.testing.assert_allclose(sequence, np.broadcast_to(X[0].mean(axis=1, keepdims=True), X[0].shape))
    table, _ = resolved("mean", X[0, 0], Layout("NC"))
    np.testing.assert_allclose(table, np.broadcast_to(X[0, 0].mean(axis=1, keepdims=True), X[0, 0].shape))


def test_blur_is_gaussian_over_space_alone():
    values, rule = resolved("blur")
    assert rule == {"rule": "blur", "sigma": 1.0}  # An eighth of the longest side.
    for example, channel in np.ndindex(2, 3):
        expected = scipy.ndimage.gaussian_filter(X[example, channel], 1.0, mode="nearest")
        np.testing.assert_allclose(values[example, channel], expected, rtol=1e-12)
    last, _ = resolved("blur", np.moveaxis(X, 1, -1), Layout("NHWC"))
    np.testing.assert_allclose(np.moveaxis(last, -1, 1), values, rtol=1e-12)
    over_time, _ = resolved("blur", X[0], Layout("NTC"))
    np.testing.assert_allclose(
        over_time[:, :, 2], scipy.ndimage.gaussian_filter1d(X[0, :, :, 2], 1.0, mode="nearest")
    )


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_uniform_is_the_same_picture_in_both_layouts(count, channels, height, width, seed):
    first = uniform((count, channels, height, width), NCHW, (-2.0, 3.0), seed)
    last = uniform((count, height, width, channels), Layout("NHWC"), (-2.0, 3.0), seed)
    np.testing.assert_array_equal(np.moveaxis(last, -1, 1), first)
    assert first.min() >= -2
    assert first.max() < 3


def test_uniform_is_seeded_and_says_so():
    one, rule = resolved("uniform", bounds=(0.0, 2.0), seed=4)
    np.testing.assert_array_equal(one, resolved("uniform", bounds=(0.0, 2.0), seed=4)[0])
    assert np.abs(one - resolved("uniform", bounds=(0.0, 2.0), seed=5)[0]).max() > 0.1
    assert rule == {"rule": "uniform", "bounds": [0.0, 2.0], "seed": 4}


def test_padding_is_held():
    inputs = np.random.default_rng(0).normal(size=(2, 4, 3))
    mask = np.array([[True, True, False, False], [True] * 4])
    values, _ = resolved(0.5, inputs, Layout("NTC"), mask=mask)
    np.testing.assert_array_equal(values[~mask], inputs[~mask])
    assert (values[mask] == 0.5).all()


@pytest.mark.parametrize(
    ("baseline", "says"),
    [
        ("median", "'blur'"),
        (np.zeros((3, 3)), r"\(3, 3\)"),
        (np.zeros((2, 2, 3, 8, 6)), "broadcast"),
        (float("inf"), "finite"),
        ([[1, 2], [3]], "type list"),
        (object(), "type object"),
        ("uniform", "bounds="),
    ],
)
def test_baselines_that_are_none(baseline, says):
    with pytest.raises(BaselineError, match=says):
        resolve_baseline(baseline, X, NCHW)


def test_a_table_cannot_be_blurred():
    with pytest.raises(BaselineError, match="space or time"):
        resolve_baseline("blur", X[0, 0], Layout("NC"))


def test_the_input_is_never_handed_out_itself():
    inputs = X.copy()
    for baseline in (inputs, inputs[0], "mean"):
        values, _ = resolved(baseline, inputs)
        assert not np.shares_memory(values, inputs) or baseline is inputs


def test_references_are_a_set_and_not_broadcast():
    for count in (1, 2, 9):
        given = np.random.default_rng(1).normal(size=(count, *X.shape[1:]))
        references, rule = resolve_references(given, X.astype(np.float32))
        np.testing.assert_array_equal(references, given.astype(np.float32))
        assert references.dtype == np.float32
        assert rule == {"rule": "references", "count": count}


@pytest.mark.parametrize(
    ("baseline", "says"),
    [
        (None, r"baseline=x_train\[:64\]"),
        ("zeros", "baseline 'zeros' is not a set"),
        (0.5, r"baseline 0\.5 is not a set"),
        ([[1.0]], "of type list"),
        (X[0], "Add the batch axis"),
        (X[:0], "no examples"),
        (X[:, :, :, :1], r"\(R, 3, 8, 6\)"),
        (X[:, :1], r"\(2, 1, 8, 6\)"),
        (np.where(np.arange(8)[:, None] == 3, np.nan, X), "finite"),
        (X.astype(str) + "px", "is not a baseline"),
    ],
)
def test_references_that_are_none(baseline, says):
    with pytest.raises(BaselineError, match=says):
        resolve_references(baseline, X)
