"""The features of a problem, and the conversion from values by feature to values by position."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from explain.inputs.examples import Array
from explain.inputs.features import Features, resolve_features
from explain.running.problem import Problem

_Drawn = TypeVar("_Drawn")


def features_of(problem: Problem) -> Features:
    """Give the features of each example, as the option ``feature_mask`` defines them."""
    examples = problem.examples
    return resolve_features(
        problem.options["feature_mask"], examples.inputs[0], problem.layout, examples.mask
    )


def drawn_by_count(features: Features, draw: Callable[[int], _Drawn]) -> dict[int, _Drawn]:
    """Draw once for each distinct number of features, so that an example's draws do not depend on the batch."""
    return {int(count): draw(int(count)) for count in np.unique(features.counts)}


def at_positions(features: Features, by_feature: Array) -> Array:
    """Give each position the whole value of its feature, whatever the feature's size, and padding zero.

    From shape (N, F) to (N, ...).
    """
    return np.stack([features.spread(row, of_example) for row, of_example in enumerate(by_feature)])
