"""The integral of the gradient along a path: with a given number of steps, or to a given error of the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.algorithms.completeness import WORST_RELATIVE_DELTA, baselines_of, convergence_delta
from explain.algorithms.example_warnings import Warnings, examples_named
from explain.algorithms.path.nested_rules import REFINED, distinct, is_new, levels, nested, weights_of
from explain.errors import ConvergenceWarning, OptionError
from explain.inputs.examples import Array
from explain.running.problem import Problem
from explain.running.quadrature import nodes_and_weights

FIXED_RULE = "gauss_legendre"
"""The rule for a fixed number of steps if the options name none: that of Captum."""

# These turn the difference of two successive maps into a bound on the error of the later one, valid for 95 %
# of examples. If gradients jump at random positions, the errors of the two maps are independent and
# proportional to 1 / steps; 1.4 was measured on ReLU networks for pictures. The further apart the two maps
# are, the slower the errors fall: the slope of 3 was measured on a deep network. benchmarks/calibration.py
# compares both with the true error.
_BOUND, _SLOPE = 1.4, 3.0


@dataclass(frozen=True)
class Integral:
    """The mean gradient along each example's path, and how it was integrated.

    Parameters
    ----------
    gradients : tuple of numpy.ndarray
        One array per input, of the input's shape; none if another engine computed the values.
    steps : numpy.ndarray of int
        The number of gradients in each weighted mean, shape (N,).
    rule : str
        The rule of integration.
    map_error : numpy.ndarray, optional
        Estimated error of each example's map, relative to its size, shape (N,).
    warnings : tuple of (message, category)
        Warnings for the caller.
    """

    gradients: tuple[Array, ...]
    steps: Array
    rule: str
    map_error: Array | None = None
    warnings: Warnings = ()


def fixed_steps(options: Any, count: int, otherwise: int) -> Array:
    """Give the number of steps of each example, shape (N,), where it does not depend on the map.

    Parameters
    ----------
    options : Mapping
        The options of integrated gradients.
    count : int
        The number of examples N.
    otherwise : int
        The number for ``"auto"`` with an engine that cannot estimate the map's error.

    Raises
    ------
    OptionError
        If a number is given for each example, but not for N of them.
    """
    given = options["n_steps"]
    steps = np.asarray(otherwise if given == "auto" else given, np.int64)
    if steps.ndim and len(steps) != count:
        raise OptionError(
            f"n_steps has {len(steps)} entries for a batch of {count}: give one per example, one number for all, or "
            "'auto'."
        )
    return np.broadcast_to(steps, (count,))


def integrate(problem: Problem, at_baseline: Array) -> Integral:
    """Integrate as the options say; `at_baseline` has the scores of the baselines, shape (N,)."""
    if problem.options["n_steps"] == "auto":
        return _to_tolerance(problem, at_baseline)
    rule = problem.options["rule"] or FIXED_RULE
    steps = fixed_steps(problem.options, len(problem.examples), 0)
    gradients = tuple(np.zeros_like(array) for array in problem.examples.inputs)
    error = np.full(len(problem.examples), np.nan)
    for n_steps in np.unique(steps):
        rows = np.flatnonzero(steps == n_steps)
        alphas, weights = nodes_and_weights(rule, int(n_steps), problem.backend.dtype)
        refined_from = nested(rule, int(n_steps))
        sums = _path_gradients(problem, rows, alphas, np.stack([weights, *refined_from.values()]))
        for total, part in zip(gradients, sums, strict=True):
            total[rows] = part[0]
        for fewer in refined_from:
            later, earlier = (tuple(part[row] for part in sums) for row in range(2))
            error[rows] = _bound(_moved(problem, rows), later, earlier, n_steps / fewer)
    return Integral(gradients, steps.copy(), rule, None if np.isnan(error).any() else error)


def _to_tolerance(problem: Problem, at_baseline: Array) -> Integral:
    """Refine each example's integral until the estimated error of its map is within the tolerance.

    Refine it further while its relative delta is large enough for a warning: a map with a small mean error
    can have a wrong sum, if the difference of the scores is small compared with the map.

    Where gradients may jump, triple the midpoint rule; where they are smooth, double Fejér's rule, which converges as
    fast as Gauss–Legendre. Both reuse every earlier gradient.
    """
    count, options = len(problem.examples), problem.options
    tolerance, most = options["tolerance"], options["max_steps"]
    rule = options["rule"] or ("midpoint" if problem.backend.has_kinks(problem.examples) else "fejer")
    if rule not in REFINED:
        raise OptionError(
            f"rule={rule!r} cannot be refined to a tolerance: give n_steps a number, or rule one of "
            f"{', '.join(map(repr, REFINED))}, or None."
        )
    numbers = levels(rule, most)
    rules = [nodes_and_weights(rule, n_steps) for n_steps in numbers]
    gradients = tuple(np.zeros_like(array) for array in problem.examples.inputs)
    steps, error = np.zeros(count, np.int64), np.full(count, np.inf)
    active = np.arange(count)
    taken: list[tuple[Array, tuple[Array, ...]]] = []

    def mean_gradients(level: int) -> tuple[Array, ...]:
        parts = [
            [np.tensordot(shares[level].astype(one.dtype), one, axes=1) for one in sums]
            for shares, sums in taken
        ]
        return tuple(np.sum(one, axis=0) for one in zip(*parts, strict=True))

    earlier: tuple[Array, ...] = ()
    for level in range(1, len(numbers)):
        # The first two levels are computed together: the second has the nodes of the first.
        new = np.flatnonzero(is_new(rule, numbers[level]) | (level == 1))
        shares, weights = distinct(weights_of(rules, level, new))
        taken.append((shares, _path_gradients(problem, active, rules[level][0][new], weights)))
        if level == 1:
            earlier = mean_gradients(0)
        later = mean_gradients(level)
        growth = numbers[level] / numbers[level - 1]
        moved = _moved(problem, active)
        error[active] = _bound(moved, later, earlier, growth)
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
            > WORST_RELATIVE_DELTA
        )
        if not left.any():
            break
        if problem.in_rows:
            # All examples continue, each in its own row.
            left[:] = True
        active, earlier = active[left], tuple(part[left] for part in later)
        taken = [(shares, tuple(one[:, left] for one in sums)) for shares, sums in taken]
    far = np.flatnonzero(error > tolerance)
    warnings = () if far.size == 0 else _too_far(far, error, tolerance, most)
    return Integral(gradients, steps, rule, error, warnings)


def _path_gradients(problem: Problem, rows: Array, alphas: Array, weights: Array) -> tuple[Array, ...]:
    """Give sums over the gradients of some examples, one array per input, of shape (M, N, ...)."""
    examples, baselines = problem.examples, baselines_of(problem)
    if len(rows) < len(examples):
        examples, baselines = examples.rows(rows), tuple(base[rows] for base in baselines)
    dtype = problem.backend.dtype
    return problem.backend.path_gradients(
        examples, baselines, alphas.astype(dtype), weights.astype(dtype), problem.executor
    )


def _moved(problem: Problem, rows: Array) -> tuple[Array, ...]:
    """Give input − baseline of some examples, one array per input."""
    ends, starts = problem.examples.inputs, baselines_of(problem)
    return tuple(end[rows] - start[rows] for end, start in zip(ends, starts, strict=True))


def _bound(
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
        size += _squares(wide * after)
        difference += _squares(wide * (after.astype(np.float64) - before))
    apart = np.sqrt(np.divide(difference, size, out=np.zeros_like(size), where=size > 0))
    ratio = 1 / growth
    near = _BOUND * ratio / np.sqrt(1 + ratio**2) * apart
    bound: Array = np.minimum(near * (1 + _SLOPE * near), apart / np.sqrt(growth - 1))
    return bound


def _squares(values: Array) -> Array:
    total: Array = np.square(values).reshape(len(values), -1).sum(axis=1)
    return total


def _too_far(far: Array, error: Array, tolerance: float, most: int) -> Warnings:
    return (
        (
            f"The map has not reached tolerance={tolerance:g} within {most} steps for "
            f"{examples_named(far)}: the best map found is given, with an estimated error of up to "
            f"{error[far].max():.1%} (map_error has that of each). Raise max_steps (each tripling divides the error by "
            "about three) or tolerance; or take a baseline nearer to the input.",
            ConvergenceWarning,
        ),
    )
