"""Guided integrated gradients: along a path that each example's gradients determine."""

from __future__ import annotations

import numpy as np

from explain.algorithms.completeness import (
    baselines_of,
    convergence_warnings,
    equal_baseline_warnings,
    found_with_delta,
    scores_at_baseline,
)
from explain.algorithms.method import Method
from explain.algorithms.options import from_0_to_1, one_of, whole_number
from explain.backends.found import Found
from explain.inputs.examples import Array
from explain.inputs.masking import spread_mask
from explain.public_calls.progress import counted
from explain.running.problem import Problem

# The relative and absolute tolerance for comparing the remaining distance with the wanted one.
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

    Every step moves the point towards the input by the same L1 distance. It changes the positions whose
    gradient is smallest, a fraction at a time, each within a band around the straight path. All examples take
    their steps together, each on its own path, in float64. The gradient of a step is the mean of the
    gradients at both its ends; with ``rule="riemann_left"`` it is the gradient at the start, as in the
    paper's published code.
    """
    (inputs,), baselines = problem.examples.inputs, baselines_of(problem)
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
    with counted(n_steps, "steps") as work:
        for step in range(n_steps):
            work.begins()
            moved = _advanced(
                point, start, end, np.abs(gradient), ranks, step, n_steps, problem.options["max_dist"]
            )
            before, after = gradient, gradient
            # The gradient at the end of the last step is computed only if the rule uses it.
            if step + 1 < n_steps or trapezoid:
                gradient = gradient_at(moved)
                after = gradient if trapezoid else before
            values += (moved - point) * (before + after) / 2
            point = moved
            work.advance()
    return found_with_delta(
        problem,
        (values.reshape(inputs.shape),),
        at_baseline,
        lambda relative_delta: convergence_warnings(relative_delta, _REMEDY),
        before=equal_baseline_warnings((inputs,), baselines),
    )


def _ranks(problem: Problem, fraction: float) -> Array:
    """Give, for each example, the rank of the largest gradient whose position changes in a round, shape (N,)."""
    (inputs,), mask = problem.examples.inputs, problem.examples.mask
    sizes = np.full(len(inputs), inputs[0].size)
    if mask is not None:
        # Padding never changes and does not count for the fraction.
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
        # Positions at their limit, and positions that never change, rank last.
        threshold = [np.partition(one, rank)[rank] for one, rank in zip(steep, ranks[moving], strict=True)]
        chosen = (steep <= np.array(threshold)[:, np.newaxis]) & (steep != np.inf)
        room = (np.abs(here - limit) * chosen).sum(axis=1)
        near = np.abs(left - wanted[moving]) <= np.maximum(
            _CLOSE * np.maximum(left, np.abs(wanted[moving])), _CLOSE
        )
        # Without room no position can change, up to rounding.
        going = ~near & (room > 0)
        moving, here, limit, chosen = moving[going], here[going], limit[going], chosen[going]
        ratio = (left[going] - wanted[moving]) / room[going]
        towards = np.where((ratio > 1)[:, np.newaxis], limit, here + (limit - here) * ratio[:, np.newaxis])
        point[moving] = np.where(chosen, towards, here)
        moving = moving[ratio > 1]
    return point


ROWS = (
    Method(
        guided_integrated_gradients,
        aliases=("guided_ig",),
        summary="Integrated gradients along a path that avoids large gradients, which reduces noise.",
        paper="Kapishnikov et al. 2021, arXiv:2106.09788",
        needs=frozenset({"outputs", "gradients"}),
        options=(
            whole_number("n_steps", 50, 1, "Number of steps of the path."),
            from_0_to_1(
                "fraction", 0.25, "Fraction of the positions, those of least gradient, that change at once."
            ),
            from_0_to_1(
                "max_dist", 0.02, "How far a position may be off the straight path, as a share of its length."
            ),
            one_of(
                "rule",
                "trapezoid",
                ("trapezoid", "riemann_left"),
                "Gradient of a step: the mean of those at its ends, or the one at its start.",
            ),
        ),
        uses_baseline=True,
    ),
)
