"""Integration of gradients that may jump, by nodes of the golden section: a few more until the error is small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from explain.algorithms.completeness import allowed_relative_delta
from explain.algorithms.path.golden_levels import levels_up_to
from explain.algorithms.path.golden_work import LIKELY, Apart, Summed, Work
from explain.algorithms.path.integral import Integral, too_far
from explain.inputs.examples import Array
from explain.running.paths.path_sums import with_or_without_prefix
from explain.running.problem import Problem

RULE = "golden"

# The level at which an example will be done is foretold, no further than so many times the nodes that foretell it.
_LEAP = 4.5

# The gradients of an input of at most so many values are kept one by one: they need little memory, and each jump is
# seen. Of a larger input sums are kept, which can be taken where the affine prefix of the model ends.
_SMALL = 1024

# The examples in work whose gradients are kept need at most about this much memory, in bytes, or that of one example.
_KEPT = 2**26


def refine_golden(problem: Problem, at_baseline: Array) -> Integral:
    """Refine each example's integral until the bound of the error of its map is within the tolerance.

    Refine it further while its relative delta is large enough for a warning: a map with a small mean error
    can have a wrong sum, if the difference of the scores is small compared with the map.
    """
    tolerance, most = problem.options["tolerance"], problem.options["max_steps"]
    count = len(problem.examples)
    gradients = tuple(np.zeros_like(array) for array in problem.examples.inputs)
    steps, error = np.zeros(count, np.int64), np.full(count, np.inf)

    def refine(work: Work) -> None:
        numbers = np.array([level.number for level in work.levels])
        # The place of the level at which each example that is not done is judged next.
        goals = np.zeros(len(work.rows), np.intp)
        while len(goals):
            work.advance(int(goals.min()))
            here = np.flatnonzero(goals == work.place)
            judged = work.judged(here, tolerance)
            # An error of NaN is not above the tolerance: values that are not finite raise an error after the method.
            left = (judged.bound > tolerance) | (judged.delta > allowed_relative_delta(tolerance))
            if work.place == len(numbers) - 1:
                left[:] = False
            elif problem.in_rows and left.any():
                # All examples continue, each in its own row.
                left[:] = True
            done = here[~left]
            if len(done):
                into = work.rows[done]
                steps[into], error[into] = judged.steps[~left], judged.bound[~left]
                work.finish(done, steps[into])
            # The error of a sum has a sign and is small by chance: it foretells nothing, so the next level is tried.
            goals[here] = np.where(left, _foretold(numbers, work.place, judged.likely / tolerance), -1)
            if problem.in_rows:
                goals[:] = goals.min()
            if (goals < 0).any() and (goals >= 0).any():
                order = _compact(goals >= 0)
                work.keep(order)
                goals = goals[order]
            goals = goals[goals >= 0]
        into, means = work.finished()
        for total, part in zip(gradients, means, strict=True):
            total[into] = part

    _over_works(problem, np.arange(count), most, at_baseline, refine)
    far = np.flatnonzero(error > tolerance)
    warnings = () if far.size == 0 else too_far(far, error, tolerance, most)
    return Integral(gradients, steps, RULE, error, warnings)


def sum_golden(problem: Problem, rows: Array, n_steps: int) -> tuple[tuple[Array, ...], Array]:
    """Give the mean gradients of some examples at a given number of steps, and the bounds of their maps' errors.

    The bound of a single step is NaN: nothing tells of its error.
    """
    gradients = tuple(np.zeros_like(array) for array in problem.examples.inputs)
    error = np.full(len(problem.examples), np.nan)

    def take(work: Work) -> None:
        work.advance(0)
        work.advance(len(work.levels) - 1)
        every = np.arange(len(work.rows))
        # Within no tolerance, so that no other number of steps is tried.
        error[work.rows] = work.judged(every, -np.inf).bound
        work.finish(every, np.full(len(every), n_steps))
        into, means = work.finished()
        for total, part in zip(gradients, means, strict=True):
            total[into] = part

    _over_works(problem, rows, n_steps, np.zeros(len(problem.examples)), take)
    return tuple(total[rows] for total in gradients), error[rows]


def _over_works(
    problem: Problem, rows: Array, most: int, at_baseline: Array, compute: Callable[[Work], None]
) -> None:
    """Compute some examples in groups that fit in memory; they are not divided where each has its own row.

    A group may be computed again in smaller ones, if memory runs out.
    """
    one = sum(array[:1].nbytes for array in problem.examples.inputs)
    if sum(array[0].size for array in problem.examples.inputs) <= _SMALL:
        levels = levels_up_to(most, apart=True)
        groups = 1 if problem.in_rows else -(-len(rows) // max(1, _KEPT // (one * LIKELY)))
        for part in np.array_split(rows, groups):
            compute(Apart(problem, part, levels, at_baseline))
        return
    levels = levels_up_to(most, apart=False)
    if problem.in_rows:
        compute(Summed(problem, rows, levels, at_baseline))
        return

    def compute_group(group: slice) -> None:
        with_or_without_prefix(lambda: compute(Summed(problem, rows[group], levels, at_baseline)))

    for _ in problem.executor.over_groups(len(rows), LIKELY, compute_group):
        pass


def _compact(left: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Give an order of what is left in which little moves: the last take the places of those that go.

    Examples
    --------
    >>> _compact(np.array([True, False, True, False, True])).tolist()
    [0, 4, 2]
    """
    order = np.arange(left.sum())
    order[~left[: len(order)]] = len(order) + np.flatnonzero(left[len(order) :])
    return order


def _foretold(numbers: Array, place: int, above: Array) -> npt.NDArray[np.intp]:
    """Foretell at which level an example will be done whose error is so many times the tolerance."""
    wanted = numbers[place] * np.fmin(above, _LEAP)
    found: npt.NDArray[np.intp] = np.clip(np.searchsorted(numbers, wanted), place + 1, len(numbers) - 1)
    return found
