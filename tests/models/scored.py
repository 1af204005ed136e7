"""Functions of arrays that record what they are asked, and maps of them with any values: for tests of metrics."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from types import FunctionType

import numpy as np

import explain
from explain.errors import ExplainWarning
from explain.metrics.evaluating import chosen_metrics
from explain.metrics.evaluating import measured as measured_each


class Recorded:
    """A function of arrays that counts how often it was asked at each input."""

    def __init__(self, function):
        self._function, self.asked = function, Counter()

    def __call__(self, x):
        self.asked.update(np.ascontiguousarray(row, np.float64).tobytes() for row in np.asarray(x))
        return self._function(np.asarray(x, np.float64))

    def count(self, inputs):
        """How often each of some inputs was asked for, in order."""
        return [self.asked[np.ascontiguousarray(one, np.float64).tobytes()] for one in inputs]


def linear(weight, offset=0.0):
    """The sum of all values times weights: one output, no classes."""
    flat = np.asarray(weight, np.float64).ravel()
    return Recorded(lambda x: x.reshape(len(x), -1) @ flat[:, np.newaxis] + offset)


def map_of(model, x, values, method="integrated_gradients", **arguments):
    """An attribution of a model with the given values, as if the method had found them."""
    arguments = _framework(model) | arguments
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        found = explain.attribute(model, x, "feature_ablation", **arguments)
    values = np.broadcast_to(np.asarray(values, np.float32), found.values.shape)
    return replace(found, values=values, method=method, options={})


def measured(model, attribution, metric, seed=0, masks=None, **options):
    """What one metric measures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        found = explain.evaluate(
            model, attribution, [(metric, options)], seed=seed, masks=masks, **_framework(model)
        )
    return found[metric]


def with_cache(model, attribution, metrics, cache, seed=0):
    """What some metrics measure, with scores that are known already."""
    return measured_each(
        model, attribution, chosen_metrics(metrics), _framework(model), masks=None, seed=seed, cache=cache
    )


def _framework(model):
    is_function = isinstance(model, (Recorded, FunctionType))
    return {"framework": "numpy"} if is_function else {}
