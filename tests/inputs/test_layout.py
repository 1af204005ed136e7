"""The meaning of axes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.errors import LayoutError
from explain.inputs.layout import Layout, default_layout

# Every order of every choice of axes that has a batch axis.
LAYOUTS = st.sets(st.sampled_from("CTDHW"), max_size=4).flatmap(
    lambda letters: st.permutations(["N", *sorted(letters)])
)


@given(LAYOUTS)
def test_batch_first_and_back(letters):
    layout = Layout("".join(letters))
    array = np.random.default_rng(0).normal(size=tuple(range(2, 2 + len(letters))))
    moved = layout.to_batch_first(array)
    assert moved.shape == tuple(array.shape[layout.axes.index(letter)] for letter in layout.batch_first.axes)
    np.testing.assert_array_equal(layout.from_batch_first(moved), array)


@given(LAYOUTS)
def test_canonical_ends_in_channels(letters):
    layout = Layout("".join(letters))
    sizes = dict(zip("NCTDHW", (2, 3, 4, 5, 6, 7), strict=True))
    array = np.random.default_rng(0).normal(size=[sizes[letter] for letter in letters])
    found = layout.to_canonical(array)
    others = [letter for letter in letters if letter not in "NC"]
    assert found.shape == (2, *(sizes[letter] for letter in others), 3 if "C" in letters else 1)


def test_axes_by_name():
    layout = Layout("TNC")
    assert (layout.batch_axis, layout.channel_axis, layout.time_axis, layout.spatial_axes) == (1, 2, 0, ())
    assert Layout("NHW").channel_axis is None
    assert Layout("NCDHW").spatial_axes == (2, 3, 4)
    kinds = {"NC": "table", "NTC": "sequence", "NHWC": "image", "NHW": "image", "NCDHW": "volume"}
    assert {axes: Layout(axes).kind for axes in kinds} == kinds


@pytest.mark.parametrize("axes", ["", "CHW", "NN", "NXY", "nchw", "NCHWC"])
def test_layouts_that_are_none(axes):
    with pytest.raises(LayoutError, match="one letter"):
        Layout(axes)


@pytest.mark.parametrize(
    ("ndim", "first", "last"),
    [(2, "NC", "NC"), (3, "NCT", "NTC"), (4, "NCHW", "NHWC"), (5, "NCDHW", "NDHWC")],
)
def test_usual_layouts(ndim, first, last):
    assert default_layout(ndim, "first").axes == first
    assert default_layout(ndim, "last").axes == last


@pytest.mark.parametrize("ndim", [1, 6])
def test_no_usual_layout(ndim):
    with pytest.raises(LayoutError, match="layout="):
        default_layout(ndim, "first")


def test_check_counts_axes():
    with pytest.raises(LayoutError, match="4 axes"):
        Layout("NCHW").check(np.zeros((2, 3)))
