"""Scores of coalitions of features, and the warning that there are too few of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from explain.algorithms.completeness import baselines_of
from explain.algorithms.example_warnings import Warnings, examples_named
from explain.errors import SurrogateWarning
from explain.inputs.features import Features
from explain.running.coalitions import Coalitions, Presence
from explain.running.expansion import expanded_scores
from explain.running.problem import Problem

Floats = npt.NDArray[np.float64]


def coalition_scores(problem: Problem, features: Features, drawn: Mapping[int, Presence]) -> Floats:
    """Give the score of every coalition of every example, shape (N, K); `drawn` is by number of features."""
    most = max(len(presence) for presence in drawn.values())
    if most == 0:
        return np.zeros((len(features.counts), 0))

    def present(row: int, points: slice) -> Presence:
        presence = drawn[int(features.counts[row])]
        if len(presence) == 0:
            return np.ones((points.stop - points.start, 1), bool)
        # An example with fewer coalitions than another repeats its last one; those scores are not read.
        return presence[np.minimum(np.arange(points.start, points.stop), len(presence) - 1)]

    expansion = Coalitions(problem.examples.inputs, baselines_of(problem), features, most, present)
    scores = expanded_scores(
        problem.backend, problem.examples, expansion, problem.executor, in_rows=problem.in_rows
    )
    return scores.astype(np.float64)


def underdetermined_warnings(rows: list[int], features: Features, n_samples: int) -> Warnings:
    """Warn of the examples (by row) whose samples do not determine a coefficient for each feature."""
    if not rows:
        return ()
    return (
        (
            f"n_samples={n_samples} is too few for {examples_named(rows)} with up to "
            f"{int(features.counts[rows].max())} features: the samples do not determine a coefficient for each. Raise "
            "n_samples to several times the number of features, or give a coarser feature_mask, so that there are "
            "fewer; if kernel_width gives weight to few samples only, raise it.",
            SurrogateWarning,
        ),
    )
