"""Why a score has no gradient: found by observation, when a method has failed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from explain.backends.scoring import unused_reason
from explain.errors import ExplainError
from explain.inputs.examples import Array
from explain.running.layer_view import at_layer
from explain.running.problem import Problem


def unused_reason_of(problem: Problem, *, of_map: bool) -> str | None:
    """Tell why a score has no gradient, if the score does not change with the input or with the layer's output.

    Parameters
    ----------
    problem : Problem
        The problem that a method could not solve.
    of_map : bool
        Whether the method uses the gradient at the problem's layer instead of the one at its input.

    Returns
    -------
    str or None
        The reason; None if the score changes, so that an operation without a gradient is between.
    """
    moved = problem
    # The probe may fail as the method did.
    with suppress(ExplainError):
        if of_map and problem.call is not None:
            moved = at_layer(replace(problem, baselines=None), problem.call)
        (inputs,) = moved.examples.inputs
        before, after = (moved.scores_at((one,)) for one in (inputs, with_noise(inputs)))
        if np.array_equal(before, after):
            layer = None if moved.outer is None or moved.call is None else moved.call.label
            return unused_reason(problem.backend.model_name, layer)
    return None


def with_noise(array: Array) -> Array:
    """Give an array with noise of its range plus one added, the same at every call."""
    noise = np.random.default_rng(0).normal(size=array.shape)
    return np.asarray(array + (noise * (1 + np.ptp(array))).astype(array.dtype))
