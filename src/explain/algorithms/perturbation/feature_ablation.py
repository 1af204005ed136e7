"""Feature ablation: one feature at a time replaced by the baseline."""

from __future__ import annotations

import numpy as np

from explain.algorithms.completeness import baselines_of, equal_baseline_warnings
from explain.algorithms.feature_values import at_positions, features_of
from explain.algorithms.method import Method
from explain.algorithms.options import FEATURE_MASK
from explain.algorithms.perturbation.perturbed_scores import lost_scores
from explain.backends.found import Found
from explain.running.coalitions import Coalitions, Presence
from explain.running.problem import Problem


def feature_ablation(problem: Problem) -> Found:
    """Replace one feature at a time by the baseline; each of its positions gets the drop of the score.

    Captum's ``FeatureAblation`` (Kokhlikyan et al., *Captum*, arXiv:2009.07896): F(x) − F(x without the
    feature), the whole difference at every position of the feature.
    """
    inputs, baselines = problem.examples.inputs, baselines_of(problem)
    features = features_of(problem)

    def all_but_one(row: int, points: slice) -> Presence:
        absent = np.arange(points.start, points.stop)[:, np.newaxis]
        in_place: Presence = np.arange(len(features)) != absent
        return in_place

    lost = lost_scores(problem, Coalitions(inputs, baselines, features, len(features), all_but_one))
    return Found(values=(at_positions(features, lost),), warnings=equal_baseline_warnings(inputs, baselines))


ROWS = (
    Method(
        feature_ablation,
        aliases=("ablation",),
        of_whole_places=True,
        keeps_values=True,
        summary="How much the score drops when one feature at a time is replaced by the baseline.",
        paper="Kokhlikyan et al. 2020, arXiv:2009.07896",
        needs=frozenset({"outputs"}),
        options=(FEATURE_MASK,),
        uses_baseline=True,
    ),
)
