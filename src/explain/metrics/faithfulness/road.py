"""ROAD: the score while pixels are removed so that the picture does not show where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.algorithms.options import non_negative
from explain.inputs.examples import Array
from explain.metrics.faithfulness.linear_imputation import imputed
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.removal import SCORE, fractions, ranks, score_kind
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject

DRAWS = 0x20AD
"""The key of the noise, before those of the example and of the fraction, apart from the draws of other metrics."""


def road(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the mean score while pixels are removed by noisy linear imputation, those with the largest values first.

    Rong et al., *A consistent and efficient evaluation strategy for attribution methods*, arXiv:2202.00449:
    a removed pixel becomes the weighted mean of its neighbours (see `imputed`), plus Gaussian noise of the standard
    deviation 0.01 in units of the input, so that the form of what is removed tells the model little. The curve has the
    score at each fraction q, with the first ``⌊q · F⌋`` of the F pixels removed, and the value is its mean. The paper
    has the accuracy over a data set; here it is the probability of the target, since accuracy is no number of one
    example. For a model without classes it is the share of the size of the drop from the whole input to the mean
    picture.

    Every pixel has the same noise for every map of an example, so that maps differ by nothing but what they remove.

    Quantus 0.6 has the accuracy over the examples, and refuses pictures of several channels.
    """
    shares, places = np.array(options["fractions"]), subject.places

    def removed(row: int, point: int) -> npt.NDArray[np.bool_]:
        # 0.29 times 100 is a little below 29 in floating point.
        count = int(np.floor(places.values.shape[1] * shares[point] + 1e-9))
        found: npt.NDArray[np.bool_] = ranks(places.values[row]) < count
        return found.reshape(places.shape)

    kind = score_kind(subject, options["score"])
    with subject.opened("mean", kind) as model:
        layout = model.problem.layout

        def formed(row: int, point: int) -> Array:
            picture = np.asarray(layout.to_canonical(model.inputs[row : row + 1]), np.float64)[0]
            gone = removed(row, point)
            found = imputed(picture, gone)
            noise = drawn_noise(subject.generator(DRAWS, row, point), *picture.shape)
            found[gone] += options["noise"] * noise[gone]
            moved: Array = layout.from_canonical(found[np.newaxis])[0]
            return moved

        curve = model.scores_of(_Formed(model.inputs, formed, len(shares)))
        left_out = {}
        if kind is None:
            empty = model.scores_keeping(lambda row: np.zeros((1, places.counts[row]), bool), 1)
            drop = model.scores[:, np.newaxis] - empty
            same = np.flatnonzero(drop == 0)
            with np.errstate(invalid="ignore", divide="ignore"):
                curve = (curve - empty) / np.abs(drop)
            curve[same] = np.nan
            left_out = {int(row): "The score at the mean picture is that of the input." for row in same}
    left_out |= subject.no_information()
    values = curve.mean(axis=1)
    values[list(left_out)] = np.nan
    return Measured(values, curve, shares, left_out=left_out)


def drawn_noise(generator: np.random.Generator, height: int, width: int, channels: int) -> Floats:
    """Draw the noise of a picture, of the standard deviation 1, of which removed pixels get theirs: (H, W, C).

    Examples
    --------
    >>> drawn_noise(np.random.default_rng(0), 2, 3, 1).shape
    (2, 3, 1)
    """
    return generator.standard_normal((height, width, channels))


@dataclass(frozen=True)
class _Formed:
    """An expansion: a function forms each point of each example."""

    originals: Array
    formed: Callable[[int, int], Array]
    n_points: int

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example."""
        every = [
            self.formed(row, point)
            for row in range(rows.start, rows.stop)
            for point in range(points.start, points.stop)
        ]
        return (np.stack(every).astype(self.originals.dtype),)


ROWS = (
    Metric(
        road,
        summary="The mean score while pixels with the largest values are removed and their neighbours fill them in.",
        paper="Rong et al. 2022, arXiv:2202.00449",
        better="lower",
        title="ROAD",
        needs=frozenset({"scores"}),
        kinds=("image",),
        seeded=True,
        options=(
            fractions(
                (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
                "The shares of the pixels that are removed, those with the largest values.",
            ),
            non_negative("noise", 0.01, "The standard deviation of the noise, in units of the input."),
            SCORE,
        ),
    ),
)
