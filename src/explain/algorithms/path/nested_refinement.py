"""Refinement of a rule of integration to a tolerance, by levels whose nodes stay nodes of the next."""

from __future__ import annotations

import numpy as np

from explain.algorithms.completeness import allowed_relative_delta, convergence_delta
from explain.algorithms.path.integral import (
    Integral,
    moved_inputs,
    squares,
    summed_gradients,
    too_far,
    weighted_sum,
)
from explain.algorithms.path.nested_rules import distinct, is_new, levels, weights_of
from explain.inputs.examples import Array
from explain.running.paths.quadrature import nodes_and_weights
from explain.running.problem import Problem

# These turn the difference of two successive maps into a bound on the error of the later one, valid for 95 %
# of examples. If gradients jump at random positions, the errors of the two maps are independent and
# proportional to 1 / steps; 1.4 was measured on ReLU networks for pictures. The further apart the two maps
# are, the slower the errors fall: the slope of 3 was measured on a deep network. benchmarks/calibration.py
# compares both with the true error.
_BOUND, _SLOPE = 1.4, 3.0


def refine_nested(problem: Problem, at_baseline: Array, rule: str) -> Integral:
    """Refine each example's integral by a nested rule until the estimated error of its map is within the tolerance.

    Refine it further while its relative delta is large enough for a warning: a map with a small mean error
    can have a wrong sum, if the difference of the scores is small compared with the map.

    Each level triples the midpoint rule, or doubles Fejér's rule, which converges as fast as Gauss–Legendre where
    gradients are smooth. Both reuse every earlier gradient.
    """
    count, options = len(problem.examples), problem.options
    tolerance, most = options["tolerance"], options["max_steps"]
    numbers = levels(rule, most)
    rules = [nodes_and_weights(rule, n_steps) for n_steps in numbers]
    gradients = tuple(np.zeros_like(array) for array in problem.examples.inputs)
    steps, error = np.zeros(count, np.int64), np.full(count, np.inf)
    active = np.arange(count)
    taken: list[tuple[Array, tuple[Array, ...]]] = []

    def mean_gradients(level: int) -> tuple[Array, ...]:
        parts = [[weighted_sum(shares[level], one) for one in sums] for shares, sums in taken]
        return tuple(np.sum(one, axis=0) for one in zip(*parts, strict=True))

    earlier: tuple[Array, ...] = ()
    for level in range(1, len(numbers)):
        # The first two levels are computed together: the second has the nodes of the first.
        new = np.flatnonzero(is_new(rule, numbers[level]) | (level == 1))
        shares, weights = distinct(weights_of(rules, level, new))
        taken.append((shares, summed_gradients(problem, active, rules[level][0][new], weights)))
        if level == 1:
            earlier = mean_gradients(0)
        later = mean_gradients(level)
        growth = numbers[level] / numbers[level - 1]
        moved = moved_inputs(problem, active)
        error[active] = bound_of_difference(moved, later, earlier, growth)
        steps[active] = numbers[level]
        for total, part in zip(gradients, later, strict=True):
            total[active] = part
        # An error of NaN is not above the tolerance: values that are not finite raise an error after the
        # method.
        left = (error[active] > tolerance) | (
            convergence_delta(
                tuple(step * part for step, part in zip(moved, later, strict=True)),
                problem.scores[active],
                at_baseline[active],
            )[1]
            > allowed_relative_delta(tolerance)
        )
        if not left.any():
            break
        if problem.in_rows:
            # All examples continue, each in its own row.
            left[:] = True
        active, earlier = active[left], tuple(part[left] for part in later)
        taken = [(shares, tuple(one[:, left] for one in sums)) for shares, sums in taken]
    far = np.flatnonzero(error > tolerance)
    warnings = () if far.size == 0 else too_far(far, error, tolerance, most)
    return Integral(gradients, steps, rule, error, warnings)


def bound_of_difference(
    moved: tuple[Array, ...], later: tuple[Array, ...], earlier: tuple[Array, ...], growth: float
) -> Array:
    """Bound the error of the later of two maps, relative to its size, shape (N,), from their difference.

    The bound is at most the bound for gradients at random nodes. There, errors are proportional to 1 /
    √steps, and the error of a mean of g · n draws, n of which form the earlier mean, is the difference
    divided by √(g − 1).

    Parameters
    ----------
    moved : tuple of numpy.ndarray
        Input − baseline; the maps are its products with the mean gradients.
    growth : float
        The number of steps of the later map divided by that of the earlier.
    """
    size, difference = np.zeros(len(later[0])), np.zeros(len(later[0]))
    for step, after, before in zip(moved, later, earlier, strict=True):
        wide = step.astype(np.float64)
        size += squares(wide * after)
        difference += squares(wide * (after.astype(np.float64) - before))
    apart = np.sqrt(np.divide(difference, size, out=np.zeros_like(size), where=size > 0))
    ratio = 1 / growth
    near = _BOUND * ratio / np.sqrt(1 + ratio**2) * apart
    bound: Array = np.minimum(near * (1 + _SLOPE * near), apart / np.sqrt(growth - 1))
    return bound
