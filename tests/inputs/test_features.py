"""Which positions are one feature, and points at which some features are absent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.errors import OptionError
from explain.inputs.features import (
    FEATURE_RULES,
    Features,
    is_feature_mask,
    recorded_feature_mask,
    resolve_features,
)
from explain.inputs.layout import Layout
from explain.running.coalitions import Coalitions

LAYOUTS = {
    "NC": (3, 6),
    "NTC": (3, 5, 2),
    "NCT": (3, 2, 5),
    "NCHW": (2, 3, 9, 17),
    "NHWC": (2, 9, 17, 3),
    "NHW": (2, 9, 17),
    "NDHWC": (2, 4, 9, 5, 2),
}


def picture(*shape, seed=0):
    """Smooth blobs, as a picture has them, canonical."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).normal(size=shape)
    return gaussian_filter(noise, (0, 2, 2, 0))


@st.composite
def masks_and_inputs(draw):
    """A feature mask of a shape that broadcasts to the input's, and lengths of real steps."""
    count, steps, width = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    shape = [1 if draw(st.booleans()) else size for size in (count, steps, width)]
    shape = shape[draw(st.integers(0, 2)) :]
    numbers = draw(st.lists(st.integers(0, 9), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    lengths = draw(st.lists(st.integers(1, steps), min_size=count, max_size=count))
    return np.array(numbers).reshape(shape), np.zeros((count, steps, width)), np.array(lengths)


@given(masks_and_inputs())
def test_features_are_numbered_from_zero_on_without_gaps_and_padding_has_none(drawn):
    numbers, inputs, lengths = drawn
    real = np.arange(inputs.shape[1]) < lengths[:, np.newaxis]
    features = resolve_features(numbers, inputs, Layout("NTC"), real)
    assert features.indices.shape == inputs.shape
    assert len(features) == features.counts.max()
    wanted = np.broadcast_to(numbers, inputs.shape)
    for row, count in enumerate(features.counts):
        own, given_numbers = features.indices[row], wanted[row]
        assert (own[~real[row]] == -1).all()
        assert np.array_equal(np.unique(own[real[row]]), np.arange(count))
        # Two positions are one feature where they had one number, in the order of the numbers.
        for feature in range(count):
            assert len(set(given_numbers[own == feature].tolist())) == 1
        firsts = [given_numbers[own == feature][0] for feature in range(count)]
        assert firsts == sorted(set(firsts))


@pytest.mark.parametrize("rule", FEATURE_RULES)
@pytest.mark.parametrize("axes", LAYOUTS)
def test_every_rule_numbers_every_position_or_says_why_not(rule, axes):
    layout, inputs = Layout(axes), np.random.default_rng(0).normal(size=LAYOUTS[axes])
    has_extent = set(axes) & set("TDHW")
    if (rule in ("positions", "grid") and not has_extent) or (
        rule == "superpixels" and layout.kind != "image"
    ):
        with pytest.raises(OptionError, match=r"feature_mask.*layout="):
            resolve_features(rule, inputs, layout)
        return
    features = resolve_features(rule, inputs, layout)
    for row, count in zip(features.indices, features.counts, strict=True):
        assert np.array_equal(np.unique(row), np.arange(count))
    if rule != "elements" and layout.channel_axis is not None:
        # The channels of a place are one feature.
        along = np.moveaxis(features.indices, layout.channel_axis, 0)
        assert (along == along[:1]).all()


def test_what_the_rules_give():
    def counts(rule, axes):
        return resolve_features(rule, np.zeros(LAYOUTS[axes]), Layout(axes)).counts.tolist()

    assert counts("elements", "NC") == [6] * 3
    assert counts("elements", "NHWC") == [9 * 17 * 3] * 2
    assert counts("positions", "NCT") == [5] * 3
    assert counts("positions", "NHW") == [9 * 17] * 2
    # Parts of ceil(9 / 8) = 2 and ceil(17 / 8) = 3 places, of which the last may be smaller: 5 by 6.
    assert counts("grid", "NCHW") == [5 * 6] * 2
    assert counts("grid", "NDHWC") == [4 * 5 * 5] * 2
    grid = resolve_features("grid", np.zeros((1, 16, 16)), Layout("NHW")).indices[0]
    assert np.array_equal(grid, (np.arange(16) // 2)[:, np.newaxis] * 8 + np.arange(16) // 2)


def test_what_is_taken_without_a_wish():
    def same(axes, rule):
        inputs, layout = np.random.default_rng(0).normal(size=LAYOUTS[axes]), Layout(axes)
        found, named = (resolve_features(one, inputs, layout).indices for one in (None, rule))
        return np.array_equal(found, named)

    assert same("NCHW", "superpixels")
    assert same("NDHWC", "grid")
    assert same("NTC", "positions")
    assert same("NC", "elements")


@pytest.mark.parametrize("rule", ["positions", "grid", "superpixels", None])
def test_twins_have_the_same_features(rule):
    last = picture(2, 24, 20, 3)
    first = np.moveaxis(last, -1, 1)
    found = [
        Layout(axes).to_canonical(resolve_features(rule, x, Layout(axes)).indices)
        for axes, x in (("NHWC", last), ("NCHW", first))
    ]
    assert np.array_equal(*found)


def test_superpixels_follow_the_picture():
    flat = np.zeros((1, 32, 32, 3))
    flat[:, :, 16:] = 1
    two_halves = resolve_features("superpixels", flat, Layout("NHWC"))
    # None crosses the edge between the halves.
    left, right = (set(part.ravel().tolist()) for part in np.split(two_halves.indices[0], 2, axis=1))
    assert not left & right
    assert 20 <= two_halves.counts[0] <= 60
    # Brightness and contrast are no matter, nor is the precision.
    x = picture(1, 32, 32, 3).astype(np.float32)
    one, other = (resolve_features("superpixels", part, Layout("NHWC")).indices for part in (x, x * 4 + 8))
    assert (one == other).mean() > 0.99
    # Nothing to see, and nearly no pixels.
    assert resolve_features("superpixels", np.ones((1, 8, 8)), Layout("NHW")).counts[0] >= 1
    assert resolve_features("superpixels", np.ones((1, 1, 2, 2)), Layout("NCHW")).counts[0] >= 1


@pytest.mark.parametrize("value", [None, *FEATURE_RULES, np.array([0, 1]), [[0, 1]], np.array(3, np.uint8)])
def test_feature_masks(value):
    assert is_feature_mask(value)


@pytest.mark.parametrize(
    "value", ["pixels", np.array([0.0, 1.0]), [-1, 0], [], [True], object(), ["a"], {"a": 1}]
)
def test_what_is_no_feature_mask(value):
    assert not is_feature_mask(value)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(OptionError, match=r"feature_mask has shape \(4,\).*\(3, 6\)"):
        resolve_features(np.arange(4), np.zeros((3, 6)), Layout("NC"))


def test_a_tensor_is_as_good_as_an_array():
    import torch

    x = np.zeros((1, 3))
    found = resolve_features(torch.tensor([2, 0, 2]), x, Layout("NC"))
    assert found.indices.tolist() == [[1, 0, 1]]
    assert is_feature_mask(torch.tensor([2, 0, 2]))


def test_a_mask_is_recorded_by_its_shape_and_hash():
    assert recorded_feature_mask(None) is None
    assert recorded_feature_mask("grid") == "grid"
    first = recorded_feature_mask(np.array([[0, 1]], np.int32))
    assert first["shape"] == [1, 2]
    assert first == recorded_feature_mask([[0, 1]])
    assert first != recorded_feature_mask([[1, 0]])
    assert first != recorded_feature_mask([[0], [1]])


@st.composite
def coalitions(draw):
    """Features of two examples, points at which some are in place, and how the points are cut."""
    width, points = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    indices = np.array(draw(st.lists(st.integers(-1, 2), min_size=2 * width, max_size=2 * width)))
    bits = draw(st.lists(st.booleans(), min_size=2 * points * 3, max_size=2 * points * 3))
    cut = draw(st.integers(0, points))
    return indices.reshape(2, width), np.array(bits).reshape(2, points, 3), cut


@given(coalitions())
def test_points_have_what_is_in_place_and_the_baseline_elsewhere(drawn):
    indices, presence, cut = drawn
    count, points = presence.shape[:2]
    generator = np.random.default_rng(0)
    x = generator.normal(size=indices.shape).astype(np.float32)
    # A baseline of another precision does not change the points'.
    base = generator.normal(size=indices.shape)
    expansion = Coalitions(
        (x,), (base,), Features(indices, np.array([3, 3])), points, lambda row, part: presence[row, part]
    )
    (whole,) = expansion.inputs(slice(0, count), slice(0, points))
    assert whole.dtype == np.float32
    expected = [
        [
            x[row, place]
            if indices[row, place] == -1 or presence[row, point, indices[row, place]]
            else np.float32(base[row, place])
            for place in range(indices.shape[1])
        ]
        for row in range(count)
        for point in range(points)
    ]
    np.testing.assert_array_equal(whole, np.array(expected, np.float32))
    # Blocks are parts of the whole.
    for row in range(count):
        parts = [
            expansion.inputs(slice(row, row + 1), part)[0]
            for part in (slice(0, cut), slice(cut, points))
            if part.start < part.stop
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole[row * points : (row + 1) * points])
