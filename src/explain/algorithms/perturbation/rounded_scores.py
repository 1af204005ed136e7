"""Notices scores that the model computes in half precision, whose differences are steps of rounding."""

from __future__ import annotations

import numpy as np

from explain.algorithms.example_warnings import examples_named
from explain.errors import CancellationWarning
from explain.inputs.examples import Array
from explain.running.model_checks.half_precision import MANTISSAS, precision_of
from explain.running.problem import Problem

# A step of rounding that is a larger share of the largest value than this is told of.
_SHARE = 0.05


def rounding_warnings(problem: Problem, values: Array) -> list[tuple[str, type[CancellationWarning]]]:
    """Warn of examples whose values, differences of scores, are hardly larger than the steps of their rounding."""
    if "gradients" not in problem.backend.provides:
        # Only a network computes in half precision.
        return []
    precision = precision_of(problem.scores)
    is_known = getattr(problem.backend, "rounds_points", False)
    if precision is None or not (is_known or (problem.scores % 1).any()):
        # Whole numbers may be counts.
        return []
    steps = steps_of(problem.scores, precision)
    largest = np.abs(values.reshape(len(steps), -1)).max(axis=1, initial=0)
    coarse = np.flatnonzero((steps > _SHARE * largest) & (largest > 0))
    if not coarse.size:
        return []
    worst = coarse[np.argmax(steps[coarse] / largest[coarse])]
    text = (
        f"The model computes its scores in {precision}. For {examples_named(coarse)} their differences, of which the "
        f"map consists, are rounded to steps of up to {steps[worst]:.2g}, and its largest value is "
        f"{largest[worst]:.2g}. Explain the model in single precision (model.float(), or a Keras model built with "
        "dtype='float32' and the same weights; without autocast), or use method='input_x_gradient', whose values are "
        "no such differences."
    )
    return [(text, CancellationWarning)]


def steps_of(scores: Array, precision: str) -> Array:
    """Give the distance from each score to the next number of a half precision.

    Examples
    --------
    >>> steps_of(np.array([1.0, -3.0, 0.0]), "bfloat16").tolist()
    [0.0078125, 0.015625, 0.0]
    """
    _, exponents = np.frexp(np.asarray(scores, np.float64))
    steps: Array = np.where(scores == 0, 0, np.ldexp(1.0, exponents - 1 - MANTISSAS[precision]))
    return steps
