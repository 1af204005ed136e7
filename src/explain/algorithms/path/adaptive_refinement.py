"""Integration to a tolerance with nodes where the gradient changes: for smooth gradients that have sharp spikes."""

from __future__ import annotations

from functools import cache
from math import ceil, inf, log, sqrt

import numpy as np
import numpy.typing as npt

from explain.algorithms.completeness import allowed_relative_delta, convergence_delta
from explain.algorithms.path.integral import Integral, moved_inputs, too_far, weighted_sum
from explain.algorithms.path.local_cubics import judged, split
from explain.algorithms.path.nested_refinement import bound_of_difference, refine_nested
from explain.algorithms.path.own_nodes import RULE, as_nodes, gradients_at, mean_gradients, weighted
from explain.inputs.examples import Array
from explain.running.paths.quadrature import nodes_and_weights
from explain.running.problem import Problem

# The bound is _SCALE · e · (1 + _SLOPE · e), where e is the root of what all gaps add to the squared error: the larger
# the error, the more spikes are still unseen. Both were chosen on the `lstm` of benchmarks/cases.py and a random GELU
# network, as were the numbers below.
_SCALE, _SLOPE = 0.8, 15.0

# How much of the change of the map since the round before counts in e.
_CHANGE = 0.3

# The share of nodes that a round may add; the first round, when little is known, may add more.
_GROWTH, _FIRST_GROWTH = 0.75, 1.1

# A round brings the squared error no further down than to this share: what a new spike adds is seen in few gaps, and
# nodes in all others would be wasted.
_LEAST = 1 / 32

# If the sum of a map is wrong, a spike is unseen: the share of nodes that are added then, in wide gaps too.
_SEARCH = 1 / 3

# The sum of a map is wrong if it misses the difference of the scores, or else the size of the map, by so many times the
# tolerance.
_MISSED = 1.5

# Fejér's rule goes on to its next level only where the last level was nearer to the one before it by this factor.
_FAST = 4.0

# If all gradients differ by rounding only, which is at most so many units in the last place, the model is affine.
_ROUNDING, _AFFINE_DELTA = 128, 1e-3

# Below this tolerance Fejér's rule, whose error falls faster once it sees every spike, needs fewer nodes.
_FINE = 0.002

_FIRST, _SECOND = 3, 7


class _Refined:
    """The integral of one example: the gradients at its nodes so far, and what to do next.

    Parameters
    ----------
    moved : numpy.ndarray
        Input − baseline, all inputs flat, in double precision.
    ends : tuple of numpy.ndarray
        The scores of input and baseline, each of shape (1,).
    tolerance, most
        The options.
    """

    def __init__(self, moved: Array, ends: tuple[Array, Array], tolerance: float, most: int) -> None:
        self._moved, self._ends = moved, ends
        self._tolerance, self._most = tolerance, most
        self._allowed = (sqrt(_SCALE**2 + 4 * _SCALE * _SLOPE * tolerance) - _SCALE) / (2 * _SCALE * _SLOPE)
        self._before: Array | None = None
        self.nodes, self.gradients = np.zeros(0), np.zeros(0)
        self.weights = np.zeros(0)
        self.is_nested = True
        self.error = inf

    def end(self, nodes: Array, weights: Array, gradients: Array, error: float) -> None:
        """Take an integral that is known as it is."""
        self.nodes, self.weights, self.gradients, self.error = nodes, weights, gradients, error

    def more(self, nodes: Array, gradients: Array) -> Array:
        """Take the gradients at some new nodes; give the nodes at which gradients are still needed, none if done."""
        if len(self.nodes):
            nodes, gradients = (
                np.concatenate([self.nodes, nodes]),
                np.concatenate([self.gradients, gradients]),
            )
            order = np.argsort(nodes, kind="stable")
            nodes, gradients = nodes[order], gradients[order]
        self.nodes, self.gradients = nodes, gradients
        products = gradients * self._moved
        if self.is_nested:
            new = self._nested(products)
            if new is not None:
                return new
            self.is_nested = False
        return self._adapted(products)

    def _nested(self, products: Array) -> Array | None:
        """Do the same while the nodes are those of Fejér's rule; None if its next level does not pay."""
        count = len(self.nodes)
        self.weights = _fejer(count)[1]
        if count == _FIRST:
            return _fejer(_SECOND)[0][::2]
        later = weighted_sum(self.weights, products)
        before = weighted_sum(_fejer(count // 2)[1], products[1::2])
        apart = later - before
        growth = count / (count // 2)
        one = np.ones((1, 1))
        self.error = float(
            bound_of_difference((one,), (later[np.newaxis],), (before[np.newaxis],), growth)[0]
        )
        # Comparisons with NaN are false: values that are not finite raise an error after the method.
        if not (self.error > self._tolerance or self._misses(later)):
            return np.zeros(0)
        finer = 2 * count + 1
        if self.error > self._tolerance and finer <= self._most:
            first = weighted_sum(_fejer(count // 4)[1], products[3::4])
            pace = _norm(before - first) / max(_norm(apart), np.finfo(float).tiny)
            if pace >= _FAST:
                levels = ceil(log(self.error / self._tolerance) / log(pace))
                share = sqrt(judged(self.nodes, products).gaps.sum()) / _norm(later) / self._allowed
                # An adaptive rule's estimate falls with the power 1.5 of the nodes.
                if (count + 1) * 2.0**levels <= count * share ** (2 / 3):
                    return _fejer(finer)[0][::2]
        return None

    def _adapted(self, products: Array) -> Array:
        """Do the same with nodes where the gradient changes."""
        found, count = judged(self.nodes, products), len(self.nodes)
        self.weights, gaps = found.weights, found.gaps
        sum_of_gaps = gaps.sum()
        later = weighted_sum(self.weights, products)
        squared = sum_of_gaps
        if self._before is not None:
            squared += (_CHANGE * _norm(later - self._before)) ** 2
        size = _norm(later)
        apart = sqrt(squared) / size if size else (inf if squared > 0 else 0.0)
        self.error = _SCALE * apart * (1 + _SLOPE * apart) if apart < inf else inf
        is_far = self.error > self._tolerance
        is_first, self._before = self._before is None, later
        if not (is_far or self._misses(later)) or count >= self._most:
            return np.zeros(0)
        widths = np.diff(np.concatenate([[0], self.nodes, [1]]))
        if is_far:
            gaps = gaps * (squared / sum_of_gaps)
            target = max((self._allowed * size) ** 2, _LEAST * gaps.sum())
            share = _FIRST_GROWTH if is_first else _GROWTH
        else:
            gaps = gaps / max(sum_of_gaps, np.finfo(float).tiny) + widths**2 / (widths**2).sum()
            target, share = 0.0, _SEARCH
        # Between nodes that the precision of the points hardly tells apart, there is nothing left to find.
        gaps = np.where(widths > 16 * np.finfo(self.gradients.dtype).eps, gaps, 0)
        return split(self.nodes, gaps, target, min(ceil(share * count), self._most - count))

    def _misses(self, product: Array) -> bool:
        """Tell whether the sum of a map is wrong by more than the map may be: no node has met some spike."""
        delta, relative = self._delta(product)
        allowed = max(_MISSED * self._tolerance, _AFFINE_DELTA)
        return relative > allowed_relative_delta(self._tolerance) or (
            relative > allowed and abs(delta) > allowed * _norm(product)
        )

    def _delta(self, product: Array) -> tuple[float, float]:
        """Give the convergence delta of a map, and its relative size."""
        delta, relative = convergence_delta((product[np.newaxis],), *self._ends)
        return float(delta[0]), float(relative[0])


def refine_adaptive(problem: Problem, at_baseline: Array) -> Integral:
    """Refine each example's integral until the estimated error of its map is within the tolerance.

    Each example begins with Fejér's rule and keeps it where gradients are as smooth as that rule needs. Else it goes
    on with nodes of its own: each round adds nodes in the gaps that add most to the error, so that all gradients are
    used. Every gradient is kept; if even one example's gradients do not fit the memory budget, and for a very small
    tolerance, Fejér's rule serves alone.

    Parameters
    ----------
    problem : Problem
        The options, examples and baselines.
    at_baseline : numpy.ndarray
        The scores of the baselines, shape (N,).

    Returns
    -------
    Integral
        Its rule is Fejér's if that served for all examples, unless the caller named this rule.
    """
    count, most = len(problem.examples), problem.options["max_steps"]
    inputs = problem.examples.inputs
    size = sum(array[0].size for array in inputs) * problem.backend.dtype.itemsize
    together = count if problem.in_rows else 1
    # A caller who names the rule gets it at any tolerance.
    pays = problem.options["tolerance"] >= _FINE or problem.options["rule"] is not None
    fitting = 0
    if pays and most >= _SECOND and "gradients" in problem.backend.provides:
        fitting = problem.executor.keep(together * most, size) // most
    if not fitting:
        return refine_nested(problem, at_baseline, "fejer")
    gradients = tuple(np.zeros_like(array) for array in inputs)
    nodes, is_nested, error = [], True, np.full(count, np.inf)
    for start in range(0, count, fitting):
        rows = np.arange(start, min(start + fitting, count))
        refined = _refined(problem, rows, at_baseline)
        is_nested = is_nested and all(one.is_nested for one in refined)
        mean_gradients(rows, [weighted(one.weights, one.gradients) for one in refined], gradients)
        nodes += [(one.nodes, one.weights) for one in refined]
        error[rows] = [one.error for one in refined]
    steps = np.array([len(own) for own, _ in nodes], np.int64)
    tolerance = problem.options["tolerance"]
    far = np.flatnonzero(error > tolerance)
    warnings = () if far.size == 0 else too_far(far, error, tolerance, most)
    if is_nested and problem.options["rule"] is None:
        return Integral(gradients, steps, "fejer", error, warnings)
    return Integral(gradients, steps, RULE, error, warnings, as_nodes(nodes))


def _refined(problem: Problem, rows: Array, at_baseline: Array) -> list[_Refined]:
    """Refine the integrals of some examples, whose gradients are kept together."""
    moved = np.concatenate([part.reshape(len(rows), -1) for part in moved_inputs(problem, rows)], axis=1)
    options = problem.options
    every = [
        _Refined(
            one.astype(np.float64),
            (problem.scores[[row]], at_baseline[[row]]),
            options["tolerance"],
            options["max_steps"],
        )
        for one, row in zip(moved, rows, strict=True)
    ]
    nodes = [_fejer(_FIRST)[0]] * len(rows)
    found = gradients_at(problem, rows, nodes)
    affine, error = _is_affine(problem, rows, at_baseline, moved, np.stack(found))
    for place, gradients in enumerate(found):
        if affine[place]:
            every[place].end(*_fejer(_FIRST), gradients, float(error[place]))
            nodes[place] = np.zeros(0)
        else:
            nodes[place] = every[place].more(nodes[place], gradients)
    while True:
        asked = [place for place, new in enumerate(nodes) if len(new)]
        if not asked:
            return every
        # A model that keeps rows gets all examples in every round.
        places = list(range(len(rows))) if problem.in_rows else asked
        found = gradients_at(problem, rows[places], [nodes[place] for place in places])
        for place, gradients in zip(places, found, strict=True):
            if len(nodes[place]):
                nodes[place] = every[place].more(nodes[place], gradients)


def _is_affine(
    problem: Problem, rows: Array, at_baseline: Array, moved: Array, gradients: Array
) -> tuple[npt.NDArray[np.bool_], Array]:
    """Tell of which examples the model is affine along the path, by the gradients at the first nodes, all at once.

    Parameters
    ----------
    moved : numpy.ndarray
        Input − baseline, shape (N, values).
    gradients : numpy.ndarray
        Shape (N, nodes, values).

    Returns
    -------
    numpy.ndarray of bool
        Shape (N,).
    numpy.ndarray
        The bounds of the errors of the maps, shape (N,).
    """
    products = (gradients * moved.astype(np.float64)[:, np.newaxis]).swapaxes(0, 1)
    later = weighted_sum(_fejer(_FIRST)[1], products)
    before = weighted_sum(_fejer(_FIRST // 2)[1], products[1::2])
    error = bound_of_difference((np.ones((1, 1)),), (later,), (before,), _FIRST / (_FIRST // 2))
    steps = np.abs(np.diff(products, axis=0)).max(axis=(0, 2), initial=0)
    rounding = _ROUNDING * np.finfo(gradients.dtype).eps * np.abs(products).max(axis=(0, 2), initial=0)
    relative = convergence_delta((later,), problem.scores[rows], at_baseline[rows])[1]
    return (steps <= rounding) & (relative <= _AFFINE_DELTA), error


@cache
def _fejer(count: int) -> tuple[Array, Array]:
    """Give the nodes and weights of Fejér's rule, made once for all examples."""
    return nodes_and_weights("fejer", count)


def _norm(product: Array) -> float:
    return float(np.linalg.norm(product))
