"""Integration of gradients that may jump, by nodes of the golden section: a few more until the error is small."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explain.algorithms.completeness import WORST_RELATIVE_DELTA, convergence_delta
from explain.algorithms.path.golden_levels import Level, gap_factors, levels_up_to
from explain.algorithms.path.integral import Integral, moved_inputs, sizes, summed_gradients, too_far
from explain.inputs.examples import Array
from explain.running.problem import Problem

RULE = "golden"

# An error estimated from jumps at random places is right on average; these make it a bound that holds for 95 % of
# examples. They were tuned on two networks, and benchmarks/calibration.py judges them on others. The first is that of
# the first level, where all gradients are at hand, the second that of differences between levels.
_BOUND_OF_GAPS, _BOUND_OF_LEVELS = 1.3, 1.2

# No difference of levels sees every jump of a network with few kinks: the error of the first level, which does, falls
# with the spread of the nodes. This share of it is a lower limit.
_SHARE_OF_FIRST = 0.8

# The level at which an example will be done is foretold: no further than a few times the nodes that foretell it, and
# taken a little low, since the next one is near.
_LEAP, _LOW = 3.3, 1.03

# The error of a sum has a sign and falls by chance, so it foretells less.
_LEAP_OF_SUM = 1.5

# The sums of the examples in work need at most this much memory, in bytes, or that of a single example.
_KEPT = 2**25


def refine_golden(problem: Problem, at_baseline: Array) -> Integral:
    """Refine each example's integral until the bound of the error of its map is within the tolerance.

    Refine it further while its relative delta is large enough for a warning: a map with a small mean error
    can have a wrong sum, if the difference of the scores is small compared with the map.
    """
    tolerance, most = problem.options["tolerance"], problem.options["max_steps"]
    levels, count = levels_up_to(most), len(problem.examples)
    gradients = tuple(np.zeros_like(array) for array in problem.examples.inputs)
    steps, error = np.zeros(count, np.int64), np.full(count, np.inf)
    for rows in _in_groups(problem, levels, np.arange(count)):
        work = _Work(problem, rows, levels)
        # The place of the level at which each active example is judged next.
        goals = np.zeros(len(rows), np.intp)
        while len(goals):
            work.advance(int(goals.min()))
            judged = goals == work.place
            means, bound = work.judge(judged)
            into = work.rows[judged]
            error[into], steps[into] = bound, work.level.number
            for total, part in zip(gradients, means, strict=True):
                total[into] = part
            # An error of NaN is not above the tolerance: values that are not finite raise an error after the method.
            delta = _relative_delta(problem, into, means, at_baseline)
            left = (bound > tolerance) | (delta > WORST_RELATIVE_DELTA)
            if work.place == len(levels) - 1:
                left[:] = False
            elif problem.in_rows and left.any():
                # All examples continue, each in its own row.
                left[:] = True
            above = np.fmax(bound / tolerance, np.fmin(delta / WORST_RELATIVE_DELTA, _LEAP_OF_SUM))
            goals[judged] = np.where(left, _foretold(levels, work.place, above), -1)
            if problem.in_rows:
                goals[:] = goals.min()
            work.keep(goals >= 0)
            goals = goals[goals >= 0]
    far = np.flatnonzero(error > tolerance)
    warnings = () if far.size == 0 else too_far(far, error, tolerance, most)
    return Integral(gradients, steps, RULE, error, warnings)


def sum_golden(problem: Problem, rows: Array, n_steps: int) -> tuple[tuple[Array, ...], Array]:
    """Give the mean gradients of some examples at a given number of steps, and the bounds of their maps' errors.

    The bound of a single step is NaN: nothing tells of its error.
    """
    levels = levels_up_to(n_steps)
    gradients = tuple(np.zeros_like(array[rows]) for array in problem.examples.inputs)
    error = np.full(len(rows), np.nan)
    for group in _in_groups(problem, levels, np.arange(len(rows))):
        work = _Work(problem, rows[group], levels)
        work.advance(0)
        work.advance(len(levels) - 1)
        means, error[group] = work.judge(np.ones(len(group), np.bool_))
        for total, part in zip(gradients, means, strict=True):
            total[group] = part
    return gradients, error


class _Work:
    """The sums of the gradients of some examples that are not done, which all have the same nodes.

    Parameters
    ----------
    problem : Problem
        The explanation to compute.
    rows : numpy.ndarray of int
        The examples, shape (N,).
    levels : tuple of Level
        The levels of refinement.
    """

    def __init__(self, problem: Problem, rows: Array, levels: tuple[Level, ...]) -> None:
        self._problem, self._levels = problem, levels
        self._sums: tuple[Array, ...] = ()
        self._first = np.zeros(len(rows))
        self.rows = rows
        """The examples that are not done."""
        self.place = -1
        """The place of the level whose nodes have been taken."""

    @property
    def level(self) -> Level:
        """The level whose nodes have been taken."""
        return self._levels[self.place]

    def advance(self, place: int) -> None:
        """Take the nodes up to those of a level."""
        if place == self.place:
            return
        level = self._levels[place]
        taken = self.level.number if self._sums else 0
        into = level.sum_of[taken:]
        asked = np.unique(into)
        weights = (asked[:, np.newaxis] == into) * level.slopes[taken:]
        new = summed_gradients(self._problem, self.rows, level.nodes[taken:], weights)
        sums = tuple(np.zeros((level.sums, *one.shape[1:]), one.dtype) for one in new)
        for total, part in zip(sums, new, strict=True):
            total[asked] = part
        if self._sums:
            # Sums whose nodes are weighted alike from here on become one.
            representatives = np.unique(self.level.sum_of, return_index=True)[1]
            for total, part in zip(sums, self._sums, strict=True):
                for own, one in zip(level.sum_of[representatives], part, strict=True):
                    total[own] += one
        self._sums, self.place = sums, place
        if place == 0:
            self._first = self._error_of_gaps()

    def judge(self, judged: npt.NDArray[np.bool_]) -> tuple[tuple[Array, ...], Array]:
        """Give the mean gradients of some of the examples, and the bounds of the errors of their maps, shape (N,)."""
        level = self.level
        parts = self._sums if judged.all() else tuple(one[:, judged] for one in self._sums)
        combined = [np.tensordot(level.shares.astype(one.dtype), one, axes=1) for one in parts]
        moved = moved_inputs(self._problem, self.rows[judged])
        size, *apart = (sizes(moved, tuple(one[row] for one in combined)) for row in range(len(level.shares)))
        if self.place:
            error = _BOUND_OF_LEVELS * np.max(level.factors[:, np.newaxis] * apart, axis=0)
            fallen = level.spread / self._levels[0].spread
            error = np.maximum(error, _SHARE_OF_FIRST * fallen * self._first[judged])
        else:
            error = _BOUND_OF_GAPS * self._first[judged]
        # A map of zeros has no error if nothing else was seen on the path.
        bound: Array = np.divide(error, size, out=np.where(error == 0, 0.0, np.inf), where=size != 0)
        return tuple(one[0] for one in combined), bound

    def keep(self, left: npt.NDArray[np.bool_]) -> None:
        """Go on with some of the examples."""
        if not left.all():
            self.rows, self._first = self.rows[left], self._first[left]
            self._sums = tuple(one[:, left] for one in self._sums)

    def _error_of_gaps(self) -> Array:
        """Estimate the errors of the first level's maps from the differences of neighbouring gradients, shape (N,)."""
        level, moved = self.level, moved_inputs(self._problem, self.rows)
        order = np.argsort(level.nodes)
        if len(order) == 1:
            return np.full(len(self.rows), np.nan)
        alone = [
            tuple(one[node] / level.slopes[node].astype(one.dtype) for one in self._sums) for node in order
        ]
        squares = np.zeros(len(self.rows))
        for factor, before, after in zip(gap_factors(level.nodes[order]), alone, alone[1:], strict=False):
            jump = tuple(right - left for left, right in zip(before, after, strict=True))
            squares += (factor * sizes(moved, jump)) ** 2
        error: Array = np.sqrt(squares)
        return error


def _in_groups(problem: Problem, levels: tuple[Level, ...], rows: Array) -> list[Array]:
    """Divide examples into groups whose sums fit in memory; none is divided where each has its own row."""
    if problem.in_rows:
        return [rows]
    of_one = sum(array[:1].nbytes for array in problem.examples.inputs) * max(level.sums for level in levels)
    return np.array_split(rows, -(-len(rows) // max(1, _KEPT // of_one)))


def _foretold(levels: tuple[Level, ...], place: int, above: Array) -> npt.NDArray[np.intp]:
    """Foretell at which level an example will be done whose error is so many times the tolerance."""
    numbers = np.array([level.number for level in levels])
    wanted = numbers[place] * np.fmin(_LOW * above, _LEAP)
    found: npt.NDArray[np.intp] = np.maximum(np.searchsorted(numbers, wanted, side="right") - 1, place + 1)
    return found


def _relative_delta(problem: Problem, rows: Array, means: tuple[Array, ...], at_baseline: Array) -> Array:
    """Give the relative convergence delta of some examples, shape (N,)."""
    moved = moved_inputs(problem, rows)
    values = tuple(step * mean for step, mean in zip(moved, means, strict=True))
    relative: Array = convergence_delta(values, problem.scores[rows], at_baseline[rows])[1]
    return relative
