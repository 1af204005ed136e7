"""Values that add up: what the places of a map, taken together, say about the score."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from explain.algorithms.catalogue import find_method
from explain.errors import EvaluationError
from explain.inputs.features import resolve_features
from explain.metrics.places import place_axes
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject
from explain.results.heatmap import heatmaps


def shares_of(subject: Subject) -> Floats:
    """Give values that may be added up, batch first, shape (N, ...) of the inputs.

    They are the values of the attribution, except where a method gives one value to many: methods of features, such as
    Kernel SHAP, give the value of a superpixel to each of its pixels, and methods of whole places to each channel.
    There each gets an equal part, so that the sum over a feature is its value.

    Raises
    ------
    EvaluationError
        If the features were an array, which the attribution does not record, and it is not given again.
    """
    attribution, values = subject.attribution, subject.values
    method, layout = find_method(attribution.method), subject.layout.batch_first
    if not method.of_whole_places:
        return values
    if all(option.name != "feature_mask" for option in method.options):
        axes = (0, *place_axes(layout))
        found: Floats = values / prod(one for axis, one in enumerate(values.shape) if axis not in axes)
        return found
    rule = subject.arguments.get("feature_mask")
    if rule is None and isinstance(attribution.options.get("feature_mask"), Mapping):
        raise EvaluationError(
            f"attribution is of method={attribution.method!r} with an array as feature_mask, which it does not record: "
            "give feature_mask= as it was given to explain.attribute."
        )
    indices = resolve_features(rule, subject.inputs, layout, attribution.mask).indices
    found = np.empty_like(values)
    for one, own, feature in zip(found, values, indices, strict=True):
        # Padding has the feature -1 and the value zero.
        one[...] = own / np.bincount(feature.ravel() + 1)[feature + 1]
    return found


def summed_over_places(subject: Subject, by_value: Floats) -> Floats:
    """Give the sum over the channels of each place: shape (N, ...) of the inputs to (N, P).

    Parameters
    ----------
    subject : Subject
        What is evaluated.
    by_value : numpy.ndarray of float64
        A number for each value of the inputs, batch first.
    """
    maps = heatmaps(by_value, subject.layout.batch_first)
    return maps.reshape(len(maps), -1)
