"""How far the maps of the same examples moved between two epochs of training."""

from __future__ import annotations

import math

from explain.results.attribution import Attribution
from explain.results.comparison import compare


def change(before: Attribution, now: Attribution) -> dict[str, float]:
    """Measure how similar the maps of two epochs are, over the examples that explain the same target in both.

    Without a given target the predicted class is explained, and training changes what a model predicts: the maps of two
    classes say nothing about how far one map moved.

    Parameters
    ----------
    before, now : Attribution
        Of the same examples, by the same model at two epochs.

    Returns
    -------
    dict of str to float
        ``same_target``, the share of examples that were compared; and, if there are any, the means of the figures of
        `explain.compare` that are defined for them.

    Raises
    ------
    ComparisonError
        If the two explain different inputs or kinds of score.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [2.0, 1.0]], np.float32)
    >>> before = Attribution(x, x, "NC", "saliency", np.ones(2), target=(0, 1))
    >>> now = Attribution(-x, x, "NC", "saliency", np.ones(2), target=(0, 0))
    >>> found = change(before, now)
    >>> found["same_target"], found["relative_l2"]
    (0.5, 2.0)
    """
    places = list(range(len(now)))
    if len(before.target) == len(now.target):
        places = [place for place in places if _target(before, place) == _target(now, place)]
    found = {"same_target": len(places) / len(now)}
    if places:
        means = compare(before[places], now[places]).mean
        found |= {name: value for name, value in means.items() if not math.isnan(value)}
    return found


def _target(attribution: Attribution, place: int) -> object:
    """Give the target of one example; a model's only output, or a neuron, is the same at every epoch."""
    return attribution.target[place] if attribution.target else None
