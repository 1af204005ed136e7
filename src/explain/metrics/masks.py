"""Masks of the object, as the caller gives them: which places belong to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import EvaluationError
from explain.inputs.naming.brief import brief
from explain.metrics.places import Places
from explain.results.names import listed


def resolve_masks(masks: Any, places: Places) -> npt.NDArray[np.bool_] | None:
    """Give the places of each example that belong to the object, shape (N, P).

    Parameters
    ----------
    masks : array of bool, or of 0 and 1, optional
        Shape (N, ...) of the places, e.g. (N, H, W) or (N, T); or of one example, for all.
    places : Places
        The places of the examples.

    Raises
    ------
    EvaluationError
        If the shape is another, there are other values than 0 and 1, or the mask of an example is empty or full.
    """
    if masks is None:
        return None
    count = len(places.values)
    expected = (count, *places.shape)
    try:
        given = np.asarray(masks)
    # A tensor on a device may raise any error.
    except Exception as cause:
        raise EvaluationError(
            f"masks={brief(masks)} is not an array: give numpy.ndarray of bool, shape {expected}."
        ) from cause
    if given.shape not in (expected, places.shape):
        raise EvaluationError(
            f"masks has shape {given.shape}, but the places of the {count} examples have shape {expected}: give True "
            f"or False for each place, without an axis of channels; or one mask {places.shape} for all examples."
        )
    if given.dtype.kind not in "bui" and not np.isin(given, (0, 1)).all():
        raise EvaluationError(
            f"masks has the dtype {given.dtype} and values other than 0 and 1: give masks > 0.5, or another threshold "
            "that says where the object is."
        )
    if given.dtype.kind in "ui" and not np.isin(given, (0, 1)).all():
        raise EvaluationError(
            "masks has whole numbers other than 0 and 1, which may be the numbers of several objects: give "
            "masks == number, the mask of the object that is the target."
        )
    found: npt.NDArray[np.bool_] = (
        np.broadcast_to(given.astype(bool), expected).reshape(count, -1) & places.real
    )
    sizes = found.sum(axis=1)
    wrong = np.flatnonzero((sizes == 0) | (sizes == places.counts))
    if wrong.size:
        row = int(wrong[0])
        what = "no place" if sizes[row] == 0 else "every place"
        raise EvaluationError(
            f"masks has {what} of example {row}: nothing can be located there. Give the mask of its object, or leave "
            f"such examples ({listed(wrong.tolist())} of {count}) out of attribution and masks, by attribution[[...]]."
        )
    return found
