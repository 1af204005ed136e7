"""The integral of the gradient along a path: with a given number of steps, or to a given error of the map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.errors import ConvergenceWarning, ExplainWarning, OptionError
from explain.examples import Array
from explain.problem import Problem
from explain.quadrature import nodes_and_weights

# Without another wish a fixed number of steps is taken as Captum takes it.
FIXED_RULE = "gauss_legendre"

# From the difference of two successive maps to a bound on the later one's error that holds for 95 % of examples.
# Where gradients jump at random places, the errors of the two are independent and fall as one over the steps;
# docs/conventions.md says how 1.4 was found, and benchmarks/calibration.py finds it again.
_BOUND = 1.4
_REFINED = ("midpoint", "gauss_legendre")
_FIRST_MIDPOINTS = 5
_FIRST_GAUSS_LEGENDRE = 4


@dataclass(frozen=True)
class Integral:
    """The mean gradient along each example's path, and how it was had.

    Parameters
    ----------
    gradients : tuple of numpy.ndarray
        One array an input, of its shape.
    steps : numpy.ndarray of int
        How many gradients each is the weighted mean of, shape (N,).
    rule : str
        The rule of integration.
    map_error : numpy.ndarray, optional
        Estimated error of each example's map, relative to its size, shape (N,).
    warnings : tuple of (message, category)
        What the caller must be told.
    """

    gradients: tuple[Array, ...]
    steps: Array
    rule: str
    map_error: Array | None = None
    warnings: tuple[tuple[str, type[ExplainWarning]], ...] = ()


def fixed_steps(options: Any, count: int, otherwise: int) -> Array:
    """Give the number of steps of each example, shape (N,), where it does not depend on the map.

    Parameters
    ----------
    options : Mapping
        Those of integrated gradients.
    count : int
        The number of examples N.
    otherwise : int
        What ``"auto"`` stands for with an engine that cannot see the map's error.

    Raises
    ------
    OptionError
        If a number is given for each example, but not for N of them.
    """
    given = options["n_steps"]
    steps = np.asarray(otherwise if given == "auto" else given, np.int64)
    if steps.ndim and len(steps) != count:
        raise OptionError(
            f"n_steps has {len(steps)} entries for a batch of {count}: give one an example, one number for all, or "
            "'auto'."
        )
    return np.broadcast_to(steps, (count,))


def integrate(problem: Problem) -> Integral:
    """Integrate as the options say."""
    if problem.options["n_steps"] == "auto":
        return _to_tolerance(problem)
    rule = problem.options["rule"] or FIXED_RULE
    steps = fixed_steps(problem.options, len(problem.examples), 0)
    gradients = tuple(np.zeros_like(array) for array in problem.examples.inputs)
    error = np.full(len(problem.examples), np.nan)
    for n_steps in np.unique(steps):
        rows = np.flatnonzero(steps == n_steps)
        alphas, weights = nodes_and_weights(rule, int(n_steps), problem.backend.dtype)
        nested = _every_third(rule, int(n_steps), problem.backend.dtype)
        sums = _path_gradients(problem, rows, alphas, np.stack([weights, *nested]))
        for total, part in zip(gradients, sums, strict=True):
            total[rows] = part[0]
        if nested:
            error[rows] = _bound(
                problem, rows, tuple(part[0] for part in sums), tuple(part[1] for part in sums), 3
            )
    return Integral(gradients, steps.copy(), rule, None if np.isnan(error).any() else error)


def _to_tolerance(problem: Problem) -> Integral:
    """Refine each example's integral until the estimated error of its map is within the tolerance.

    Where gradients may jump, the midpoint rule is tripled: every gradient that was taken is used again. Where
    they are smooth, Gauss–Legendre rules are doubled, which converge so fast that few are enough.
    """
    count, options = len(problem.examples), problem.options
    tolerance, most = options["tolerance"], options["max_steps"]
    rule = options["rule"] or (
        "midpoint" if problem.backend.has_kinks(problem.examples) else "gauss_legendre"
    )
    if rule not in _REFINED:
        raise OptionError(
            f"rule={rule!r} cannot be refined to a tolerance: give n_steps a number, or rule one of "
            f"{', '.join(map(repr, _REFINED))}, or None."
        )
    gradients = tuple(np.zeros_like(array) for array in problem.examples.inputs)
    steps, error = np.zeros(count, np.int64), np.full(count, np.inf)
    active = np.arange(count)
    for rung in _rungs(rule, most, problem.backend.dtype):
        sums = _path_gradients(problem, active, rung.alphas, rung.weights)
        earlier = (
            tuple(part[1] for part in sums) if rung.first else tuple(total[active] for total in gradients)
        )
        later = tuple(
            part[0] + rung.keeps * before.astype(part.dtype)
            for part, before in zip(sums, earlier, strict=True)
        )
        error[active] = _bound(problem, active, later, earlier, rung.factor)
        steps[active] = rung.n_steps
        for total, part in zip(gradients, later, strict=True):
            total[active] = part
        # What is not finite will not become so, and is told of elsewhere.
        left = error[active] > tolerance
        if problem.backend.fixed_batch_size is None:
            active = active[left]
        elif not left.any():
            break
        if active.size == 0:
            break
    far = np.flatnonzero(error > tolerance)
    warnings = () if far.size == 0 else (_too_far(far, error, tolerance, most),)
    return Integral(gradients, steps, rule, error, warnings)


@dataclass(frozen=True)
class _Rung:
    """One refinement: the nodes that are new, and how their gradients and the map before make the next.

    The next is ``sum(weights[0] * new gradients) + keeps * earlier``; on the first rung ``weights[1]`` makes
    the earlier map from the same gradients.
    """

    n_steps: int
    alphas: Array
    weights: Array
    factor: int
    keeps: float = 0.0
    first: bool = False


def _rungs(rule: str, most: int, dtype: np.dtype[Any]) -> Iterator[_Rung]:
    """Give refinements of a rule as long as none takes more than `most` steps."""
    if rule == "midpoint":
        n_steps = 3 * min(_FIRST_MIDPOINTS, most // 3)
        alphas, weights = nodes_and_weights(rule, n_steps, dtype)
        yield _Rung(
            n_steps, alphas, np.stack([weights, *_every_third(rule, n_steps, dtype)]), 3, first=True
        )
        while 3 * n_steps <= most:
            n_steps *= 3
            alphas, weights = nodes_and_weights(rule, n_steps, dtype)
            new = np.arange(n_steps) % 3 != 1
            yield _Rung(n_steps, alphas[new], weights[np.newaxis, new], 3, keeps=1 / 3)
        return
    n_steps = min(_FIRST_GAUSS_LEGENDRE, most // 2)
    coarse, fine = (nodes_and_weights(rule, size, dtype) for size in (n_steps, 2 * n_steps))
    both = np.zeros((2, 3 * n_steps), dtype)
    both[0, n_steps:], both[1, :n_steps] = fine[1], coarse[1]
    yield _Rung(2 * n_steps, np.concatenate([coarse[0], fine[0]]), both, 2, first=True)
    n_steps *= 2
    while 2 * n_steps <= most:
        n_steps *= 2
        alphas, weights = nodes_and_weights(rule, n_steps, dtype)
        yield _Rung(n_steps, alphas, weights[np.newaxis], 2)


def _every_third(rule: str, n_steps: int, dtype: np.dtype[Any]) -> list[Array]:
    """Give the weights of the midpoint rule of a third of the steps, whose nodes are every third of these."""
    if rule != "midpoint" or n_steps % 3:
        return []
    return [np.where(np.arange(n_steps) % 3 == 1, 3 / n_steps, 0).astype(dtype)]


def _path_gradients(problem: Problem, rows: Array, alphas: Array, weights: Array) -> tuple[Array, ...]:
    """Give sums over the gradients of some examples, one array an input of shape (M, N, ...)."""
    assert problem.baselines is not None
    examples, baselines = problem.examples, problem.baselines
    if len(rows) < len(examples):
        examples, baselines = examples.rows(rows), tuple(base[rows] for base in baselines)
    return problem.backend.path_gradients(examples, baselines, alphas, weights, problem.executor)


def _bound(
    problem: Problem, rows: Array, later: tuple[Array, ...], earlier: tuple[Array, ...], factor: int
) -> Array:
    """Bound the error of the later of two maps, relative to its size, shape (N,), from their difference.

    Parameters
    ----------
    factor : int
        How many times the steps of the earlier the later has.
    """
    assert problem.baselines is not None
    size, difference = np.zeros(len(rows)), np.zeros(len(rows))
    for end, start, after, before in zip(
        problem.examples.inputs, problem.baselines, later, earlier, strict=True
    ):
        moved = (end[rows] - start[rows]).astype(np.float64)
        size += _squares(moved * after)
        difference += _squares(moved * (after.astype(np.float64) - before))
    ratio = 1 / factor
    share = _BOUND * ratio / np.sqrt(1 + ratio**2)
    return share * np.sqrt(np.divide(difference, size, out=np.zeros_like(size), where=size > 0))


def _squares(values: Array) -> Array:
    total: Array = np.square(values).reshape(len(values), -1).sum(axis=1)
    return total


def _too_far(
    far: Array, error: Array, tolerance: float, most: int
) -> tuple[str, type[ExplainWarning]]:
    named = ", ".join(f"{row} ({error[row]:.1%})" for row in far)
    return (
        f"The map has not reached tolerance={tolerance:g} within {most} steps for "
        f"example{'s' if far.size > 1 else ''} (estimated error) {named}: the best map found is given. Raise max_steps "
        "(each tripling divides the error by about three) or tolerance; or take a baseline nearer to the input.",
        ConvergenceWarning,
    )
