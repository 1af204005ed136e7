"""Masks of the object: which are taken, and what is said of the others."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import explain
from explain.errors import EvaluationError
from explain.metrics.masks import resolve_masks
from explain.metrics.places import places_of

# A map that finds the object of the first example, and not that of the second.
VALUES = np.zeros((2, 3, 4, 5), np.float32)
VALUES[0, :, 1, 2], VALUES[1, :, 3, 4] = 1, 1
MASKS = np.zeros((2, 4, 5), bool)
MASKS[:, 1:3, 2:4] = True


@pytest.fixture
def picture(made):
    return made.attribution(VALUES, "NCHW")


def hits(one, masks):
    return explain.evaluate(None, one, "pointing_game", masks=masks)["pointing_game"].values.tolist()


@pytest.mark.parametrize(
    "convert",
    [
        lambda masks: masks,
        lambda masks: masks.astype(np.uint8),
        lambda masks: masks.astype(np.int64),
        lambda masks: masks.astype(np.float32),
        lambda masks: masks.tolist(),
        torch.tensor,
        lambda masks: [torch.tensor(mask) for mask in masks],
        lambda masks: np.asfortranarray(masks),
        lambda masks: masks[0],
    ],
    ids=["bool", "uint8", "int64", "float32", "list", "tensor", "tensors", "fortran", "one-for-all"],
)
def test_kinds_of_masks(picture, convert):
    assert hits(picture, convert(MASKS)) == [1, 0]


def test_a_mask_of_each_example(picture):
    other = MASKS.copy()
    other[1] = ~other[1]
    assert hits(picture, other) == [1, 1]


@pytest.mark.parametrize(
    "shape", [(2, 3, 4, 5), (2, 1, 4, 5), (2, 4, 5, 1), (3, 4, 5), (1, 4, 5), (5, 4), (2, 20), ()]
)
def test_a_mask_has_the_shape_of_the_places(picture, shape):
    says = (
        f"masks has shape {shape}, but the places of the 2 examples have shape (2, 4, 5): give True or False for each "
        "place, without an axis of channels; or one mask (4, 5) for all examples."
    )
    with pytest.raises(EvaluationError, match=re.escape(says)):
        hits(picture, np.ones(shape, bool))


@pytest.mark.parametrize(
    ("layout", "shape", "expected"),
    [
        ("NCHW", (2, 3, 4, 5), (4, 5)),
        ("NHWC", (2, 4, 5, 3), (4, 5)),
        ("NCDHW", (2, 3, 2, 4, 5), (2, 4, 5)),
        ("NTC", (2, 6, 3), (6,)),
        ("NCT", (2, 3, 6), (6,)),
        ("TNC", (6, 2, 3), (6,)),
        ("NT", (2, 6), (6,)),
        ("NC", (2, 7), (7,)),
    ],
)
def test_the_places_of_each_layout(made, layout, shape, expected):
    values = np.random.default_rng(0).normal(size=shape)
    mask = np.zeros(expected, bool)
    mask.flat[2:5] = True
    maps = np.moveaxis(values, layout.index("N"), 0)
    if layout != "NC" and "C" in layout:
        maps = maps.sum(axis=("N" + layout.replace("N", "")).index("C"))
    largest = maps.reshape(2, -1).argmax(axis=1)
    one = made.attribution(values, layout, inputs=values.astype(np.float32))
    assert hits(one, mask) == [int(place in (2, 3, 4)) for place in largest]


@pytest.mark.parametrize("inverted", [False, True], ids=["empty", "full"])
def test_a_mask_without_or_with_every_place(picture, inverted):
    masks = MASKS.copy()
    masks[1] = inverted
    what = "every place" if inverted else "no place"
    with pytest.raises(EvaluationError, match=f"masks has {what} of example 1: nothing can be located there"):
        hits(picture, masks)
    # The advice, followed.
    assert hits(picture[[0]], masks[[0]]) == [1]


def test_of_many_empty_masks_the_first_are_named(made):
    one = made.attribution(np.random.default_rng(0).normal(size=(300, 4)), "NC")
    masks = np.zeros((300, 4), bool)
    masks[:100, 0] = True
    with pytest.raises(EvaluationError) as caught:
        hits(one, masks)
    assert "such examples (100, 101, 102, 103, 104, 105, 106, 107 and 192 more of 300)" in str(caught.value)
    assert len(str(caught.value)) < 400
    keep = np.flatnonzero(masks.any(axis=1))
    assert len(hits(one[keep.tolist()], masks[keep])) == 100


def test_padding_is_left_out_of_a_mask(made):
    values = np.array([[[1.0], [2.0], [9.0]], [[1.0], [2.0], [9.0]]])
    one = made.attribution(values, "NTC", mask=np.array([[True, True, False], [True, True, True]]))
    found = resolve_masks([[False, True, True]] * 2, places_of(one))
    assert found.tolist() == [[False, True, False], [False, True, True]]
    with pytest.raises(EvaluationError, match="masks has no place of example 0"):
        hits(one, [[False, False, True]] * 2)
    with pytest.raises(EvaluationError, match="masks has every place of example 0"):
        hits(one, [[True, True, False]] * 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_numbers_of_objects_are_no_mask(picture, dtype):
    numbers = MASKS.astype(dtype) * 7
    with pytest.raises(
        EvaluationError, match=r"whole numbers other than 0 and 1.*: give masks == number"
    ) as caught:
        hits(picture, numbers)
    assert "numbers of several objects" in str(caught.value)
    assert hits(picture, numbers == 7) == [1, 0]


@pytest.mark.parametrize(
    "masks",
    [MASKS * 0.8, np.where(MASKS, np.nan, 0), MASKS.astype("U5"), np.where(MASKS, "object", None)],
    ids=["shares", "NaN", "words", "objects"],
)
def test_other_values_are_no_mask(picture, masks):
    with pytest.raises(
        EvaluationError, match=re.escape(f"masks has the dtype {masks.dtype} and values other")
    ):
        hits(picture, masks)
    assert hits(picture, MASKS * 0.8 > 0.5) == [1, 0]


@pytest.mark.parametrize(
    "masks", [[[True], [True, False]], torch.ones((2, 4, 5), requires_grad=True)], ids=["ragged", "grad"]
)
def test_what_is_no_array(picture, masks):
    with pytest.raises(
        EvaluationError, match=r"masks=.* is not an array: give numpy.ndarray of bool, shape \(2, 4"
    ):
        hits(picture, masks)


@pytest.mark.parametrize("metric", [row.name for row in explain.metrics.rows() if "masks" in row.needs])
def test_a_metric_that_needs_masks_asks_for_them(picture, metric):
    with pytest.raises(
        EvaluationError, match=f"metrics='{metric}' .*give masks=.* shape {re.escape('(2, 4, 5)')}"
    ):
        explain.evaluate(None, picture, metric)
    assert len(explain.evaluate(None, picture, metric, masks=MASKS)[metric].values) == 2


def test_masks_are_checked_where_no_metric_needs_them(picture):
    with pytest.raises(EvaluationError, match="masks has shape"):
        explain.evaluate(None, picture, "sparseness", masks=np.ones((2, 2)))
