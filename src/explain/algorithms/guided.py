"""Integrated gradients along a path that each example's gradients choose."""

from __future__ import annotations

import numpy as np

from explain.algorithms.completeness import convergence_delta, convergence_warnings, scores_at_baseline
from explain.algorithms.path import equal_baseline_warnings
from explain.backends.found import Found
from explain.inputs.examples import Array
from explain.inputs.masking import spread_mask
from explain.running.problem import Problem

# Within which the distance that is left counts as the one that is wanted, relative and absolute.
_CLOSE = 1e-9

_REMEDY = (
    "Take rule='trapezoid' if it is not; lower max_dist, since a position may jump by twice as much in a step; or "
    "take a baseline nearer to the input."
)


def guided_integrated_gradients(problem: Problem) -> Found:
    """Integrate the gradient along a path that moves first where the score changes least.

    Kapishnikov et al., *Guided integrated gradients: an adaptive path method for removing noise*,
    arXiv:2106.09788. The values of an example sum to the difference of its scores at input and baseline, up to the
    convergence delta.

    Every step brings the point nearer to the input by the same L1 distance. It moves the positions whose gradient
    is smallest, a fraction at a time, each within a band about the straight path. All examples take their steps
    together, each on a path of its own, in float64. A step counts with the mean of the gradients at both its ends;
    with ``rule="riemann_left"`` with that where it begins, as in the paper's published code.
    """
    (inputs,), baselines = problem.examples.inputs, problem.baselines
    assert baselines is not None, "the catalogue says that this method needs a baseline"
    at_baseline = scores_at_baseline(problem)
    count, n_steps = len(inputs), problem.options["n_steps"]
    start = baselines[0].reshape(count, -1).astype(np.float64)
    end = inputs.reshape(count, -1).astype(np.float64)
    point, values = start.copy(), np.zeros_like(start)
    ranks, trapezoid = _ranks(problem, problem.options["fraction"]), problem.options["rule"] == "trapezoid"

    def gradient_at(point: Array) -> Array:
        at = point.reshape(inputs.shape).astype(inputs.dtype)
        return problem.gradients_at((at,))[0][0].reshape(count, -1).astype(np.float64)

    gradient = gradient_at(point)
    for step in range(n_steps):
        moved = _advanced(
            point, start, end, np.abs(gradient), ranks, step, n_steps, problem.options["max_dist"]
        )
        before, after = gradient, gradient
        # The last step's end needs a gradient of its own only where it is used.
        if step + 1 < n_steps or trapezoid:
            gradient = gradient_at(moved)
            after = gradient if trapezoid else before
        values += (moved - point) * (before + after) / 2
        point = moved
    found = (values.reshape(inputs.shape),)
    delta, relative_delta = convergence_delta(found, problem.scores, at_baseline)
    return Found(
        values=found,
        delta=delta,
        relative_delta=relative_delta,
        warnings=(
            *equal_baseline_warnings((inputs,), baselines),
            *convergence_warnings(relative_delta, _REMEDY),
        ),
    )


def _ranks(problem: Problem, fraction: float) -> Array:
    """Give, for each example, the place in order of size of the greatest gradient that is still moved, shape (N,)."""
    (inputs,), mask = problem.examples.inputs, problem.examples.mask
    sizes = np.full(len(inputs), inputs[0].size)
    if mask is not None:
        # Padding never moves, and is no part of what a fraction is taken of.
        real = np.broadcast_to(spread_mask(mask, problem.layout), inputs.shape)
        sizes = real.reshape(len(inputs), -1).sum(axis=1)
    ranks: Array = np.floor(fraction * (sizes - 1)).astype(np.int64)
    return ranks


def _advanced(
    point: Array,
    start: Array,
    end: Array,
    steepness: Array,
    ranks: Array,
    step: int,
    n_steps: int,
    max_dist: float,
) -> Array:
    """Give the points after a step, shape (N, size); `steepness` are the absolute gradients before it."""
    whole = end - start
    reached = (step + 1.0) / n_steps
    least, most = max(reached - max_dist, 0.0), min(reached + max_dist, 1.0)
    behind, ahead = start + whole * least, start + whole * most
    point, steepness = point.copy(), steepness.copy()
    distance = np.abs(whole).sum(axis=1)
    wanted = distance * (1 - (step + 1) / n_steps)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = np.where(whole != 0, (point - start) / whole, most)
    point = np.where(along < least, behind, point)
    moving = np.flatnonzero(distance > 0)
    while moving.size:
        here, limit = point[moving], ahead[moving]
        left = np.abs(here - end[moving]).sum(axis=1)
        steep = np.where(here == limit, np.inf, steepness[moving])
        # What is already at its limit, or moves nowhere, ranks last.
        threshold = [np.partition(one, rank)[rank] for one, rank in zip(steep, ranks[moving], strict=True)]
        chosen = (steep <= np.array(threshold)[:, np.newaxis]) & (steep != np.inf)
        room = (np.abs(here - limit) * chosen).sum(axis=1)
        near = np.abs(left - wanted[moving]) <= np.maximum(
            _CLOSE * np.maximum(left, np.abs(wanted[moving])), _CLOSE
        )
        # Without room nothing is left that could move, but for rounding.
        going = ~near & (room > 0)
        moving, here, limit, chosen = moving[going], here[going], limit[going], chosen[going]
        ratio = (left[going] - wanted[moving]) / room[going]
        towards = np.where((ratio > 1)[:, np.newaxis], limit, here + (limit - here) * ratio[:, np.newaxis])
        point[moving] = np.where(chosen, towards, here)
        moving = moving[ratio > 1]
    return point
