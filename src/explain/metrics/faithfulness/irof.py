"""IROF: how fast the score falls while whole segments are removed, those with the largest mean value first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.algorithms.options import FEATURE_MASK
from explain.errors import EvaluationError
from explain.inputs.features import resolve_features
from explain.inputs.naming.brief import brief
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.removal import REFERENCE, SCORE, followed, held_areas, ranks, score_kind
from explain.metrics.subject import Subject


def irof(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the area over the score while segments are removed, as a share of the score of the whole input.

    Rieger & Hansen, *IROF: a low resource evaluation metric for explanation methods*, arXiv:2003.08747: the
    segments of a picture are superpixels (SLIC), and the segment with the largest mean value goes first. With L
    segments and x⁽ˡ⁾ the input without the first l, the curve is ``f(x⁽ˡ⁾) / f(x)`` and the value the area between it
    and 1, over l / L from 0 to 1, by trapezoids. The paper removes a segment by the mean of the picture
    (``reference="mean"``). Other kinds of examples have the segments of `explain.inputs.features`: steps, columns, a
    grid. For a model without classes f is the share of the drop to the reference.

    Quantus 0.6 leaves x itself out of the curve, does not divide the area by L, and takes the mean of the whole batch.
    """
    segments = segments_of(subject, options["feature_mask"])
    counts = segments.max(axis=1) + 1
    n_points = int(counts.max()) + 1

    def kept(row: int) -> npt.NDArray[np.bool_]:
        own = segments[row, subject.places.real[row]]
        sums = np.bincount(own, weights=subject.places.of(row))
        order = ranks(sums / np.bincount(own))
        found: npt.NDArray[np.bool_] = order[own] >= np.arange(n_points)[:, np.newaxis]
        return found

    curve, left_out = followed(subject, options, kept, n_points)
    if score_kind(subject, options["score"]) is not None:
        # The share of a drop is a share of the whole already. No probability is zero but by underflow.
        nothing = np.flatnonzero(curve[:, 0] == 0)
        curve[nothing] = np.nan
        curve /= curve[:, :1]
        left_out |= {int(row): "The score of the whole input is zero." for row in nothing}
    left_out |= subject.no_information()
    left_out |= {int(row): "There is only one segment." for row in np.flatnonzero(counts == 1)}
    values = curve[:, 0] - held_areas(curve, counts)
    values[list(left_out)] = np.nan
    return Measured(values, curve, np.arange(n_points, dtype=np.float64), left_out=left_out)


def segments_of(subject: Subject, feature_mask: Any = None) -> npt.NDArray[np.int64]:
    """Give the number of the segment of each place, from 0 on, shape (N, P); -1 at padding.

    Parameters
    ----------
    subject : Subject
        What is evaluated.
    feature_mask : None, str or array of int
        As the methods of features take it; see `explain.inputs.features.resolve_features`.

    Raises
    ------
    EvaluationError
        If it divides the channels of a place.
    """
    layout, places = subject.layout.batch_first, subject.places
    found = resolve_features(feature_mask, subject.inputs, layout, subject.attribution.mask).indices
    of_places = np.moveaxis(found, places.axes, range(1, 1 + len(places.axes)))
    of_places = of_places.reshape(*places.values.shape, -1)
    if (of_places != of_places[..., :1]).any():
        raise EvaluationError(
            f"feature_mask={brief(feature_mask)} divides the channels of a place, which is removed as a whole: give "
            "'positions', 'grid' or 'superpixels', or an array with one number for all channels of a place."
        )
    return of_places[..., 0]


ROWS = (
    Metric(
        irof,
        summary="The area over the score while segments are removed, those with the largest mean value first.",
        paper="Rieger & Hansen 2020, arXiv:2003.08747",
        better="higher",
        title="IROF",
        needs=frozenset({"scores"}),
        aliases=("iterative_removal_of_features",),
        options=(FEATURE_MASK, REFERENCE, SCORE),
    ),
)
