"""The gradients of some examples at the golden nodes taken so far, their means, and what these are off by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explain.algorithms.completeness import WORST_RELATIVE_DELTA, convergence_delta
from explain.algorithms.path.golden_levels import Gaps, Level
from explain.algorithms.path.integral import moved_inputs, sizes, summed_gradients, weighted_sum
from explain.inputs.examples import Array
from explain.running.problem import Problem
from explain.running.quadrature import nodes_and_weights

# The size of an error estimated from jumps at random places is right on average. Where all gradients are at hand its
# distribution is known too, and so the size that 95 % do not exceed; this allows for the rest. Where levels are
# compared, a share of the size is added, and more where few gaps matter. All were tuned on two networks, and
# benchmarks/calibration.py judges them on others.
_ALLOWANCE, _NORMAL_95 = 1.1, 1.645
_BOUND_OF_LEVELS = 1.3

# No difference of levels sees every jump of a network with few kinks: the error of the first level, which does, falls
# with the spread of the nodes. This share of it is a lower limit.
_SHARE_OF_FIRST = 0.8

# OpenBLAS takes threads for a product of matrices of more multiplications.
_WITHOUT_THREADS = 2**18

# The kurtosis of a place anywhere in a gap, less one: E(o⁴) / E(o²)² − 1 for o uniform on both sides of zero.
_KURTOSIS = 0.8


@dataclass(frozen=True)
class Judged:
    """What is known of the maps of some examples, one entry each.

    Parameters
    ----------
    steps : numpy.ndarray of int
        The number of nodes of each map.
    bound : numpy.ndarray
        The bound of its error, relative to its size.
    likely : numpy.ndarray
        What foretells the bound at more nodes.
    delta : numpy.ndarray
        Its relative convergence delta.
    """

    steps: Array
    bound: Array
    likely: Array
    delta: Array


class Work(ABC):
    """The gradients of some examples that are not done, which all have the same nodes.

    Parameters
    ----------
    problem : Problem
        The explanation to compute.
    rows : numpy.ndarray of int
        The examples, shape (N,).
    levels : tuple of Level
        The levels of refinement.
    at_baseline : numpy.ndarray
        The score of the baseline of every example of the problem.
    """

    def __init__(self, problem: Problem, rows: Array, levels: tuple[Level, ...], at_baseline: Array) -> None:
        self._problem, self._at_baseline = problem, at_baseline
        self.levels = levels
        self.rows = rows
        """The examples that are not done."""
        self.place = -1
        """The place of the level whose nodes have been taken."""
        self._parts: tuple[Array, ...] = ()
        """One array per input, shape (sums, N, ...): what each level's shares are shares of."""

    @property
    def level(self) -> Level:
        """The level whose nodes have been taken."""
        return self.levels[self.place]

    def advance(self, place: int) -> None:
        """Take the nodes up to those of a level."""
        if place > self.place:
            self._take(self.level.number if self._parts else 0, self.levels[place])
            self.place = place

    @abstractmethod
    def _take(self, taken: int, level: Level) -> None:
        """Take the nodes of a level that come after the first `taken`."""

    @abstractmethod
    def judged(self, which: Array, tolerance: float) -> Judged:
        """Judge the maps of some of the examples, given by their places among `rows`."""

    @abstractmethod
    def means(self, which: Array, steps: Array) -> tuple[Array, ...]:
        """Give the mean gradients of some of the examples over so many nodes each, one array per input."""

    def keep(self, left: npt.NDArray[np.bool_]) -> None:
        """Go on with some of the examples."""
        if not left.all():
            self.rows = self.rows[left]
            self._parts = tuple(one[:, left] for one in self._parts)

    def _products_with(self, gradients: tuple[Array, ...]) -> Array:
        """Multiply gradients at single nodes by input − baseline; all inputs together, shape (nodes, N, values)."""
        moved = moved_inputs(self._problem, self.rows)
        return np.concatenate(
            [
                gradient.reshape(*gradient.shape[:2], -1) * step.reshape(len(step), -1)
                for step, gradient in zip(moved, gradients, strict=True)
            ],
            axis=-1,
        )

    def _relative_delta(self, which: Array, sums: Array) -> Array:
        """Give the relative convergence deltas of maps that have these sums."""
        rows = self.rows[which]
        relative_delta: Array = convergence_delta(
            (sums[:, np.newaxis],), self._problem.scores[rows], self._at_baseline[rows]
        )[1]
        return relative_delta


class Apart(Work):
    """Gradients that are kept one by one: each jump between two nodes is seen."""

    _products = np.zeros((0, 0, 0))
    """The products of input − baseline with the gradient at each node, shape (nodes, N, values)."""
    _totals = np.zeros((0, 0))
    """Their sums, shape (nodes, N)."""

    def _take(self, taken: int, level: Level) -> None:
        new = summed_gradients(self._problem, self.rows, level.nodes[taken:], np.eye(level.number - taken))
        products = self._products_with(new)
        totals = products.sum(axis=-1, dtype=np.float64)
        if taken:
            new = tuple(np.concatenate(pair) for pair in zip(self._parts, new, strict=True))
            products = np.concatenate([self._products, products])
            totals = np.concatenate([self._totals, totals])
        self._parts, self._products, self._totals = new, products, totals

    def keep(self, left: npt.NDArray[np.bool_]) -> None:
        """Go on with some of the examples."""
        super().keep(left)
        self._products, self._totals = self._products[:, left], self._totals[:, left]

    def judged(self, which: Array, tolerance: float) -> Judged:
        """Judge maps by the differences of neighbouring gradients.

        A map that is within the tolerance, but misses the difference of the scores, may have missed it by less with a
        few nodes fewer: every number of nodes is a rule of its own. So these are tried, the largest first.
        """
        number = self.level.number
        steps = np.full(len(which), number)
        bound, likely = self._bounds(which, number)
        delta = self._relative_delta(which, self._sums(which, number))
        missed = np.flatnonzero((bound <= tolerance) & (delta > WORST_RELATIVE_DELTA))
        before = self.levels[self.place - 1].number if self.place else number
        for fewer in range(number - 1, before, -1):
            if not len(missed):
                break
            some = which[missed]
            tried = self._relative_delta(some, self._sums(some, fewer))
            hit = tried <= WORST_RELATIVE_DELTA
            hit[hit] = self._bounds(some[hit], fewer)[0] <= tolerance
            steps[missed[hit]], delta[missed[hit]] = fewer, tried[hit]
            bound[missed[hit]] = self._bounds(some[hit], fewer)[0]
            missed = missed[~hit]
        return Judged(steps, bound, likely, delta)

    def means(self, which: Array, steps: Array) -> tuple[Array, ...]:
        """Give the mean gradients of some of the examples over so many nodes each."""
        found = tuple(np.zeros((len(which), *one.shape[2:]), one.dtype) for one in self._parts)
        for number in np.unique(steps):
            alike = steps == number
            _, weights = nodes_and_weights("golden", int(number))
            for total, one in zip(found, self._parts, strict=True):
                total[alike] = weighted_sum(weights, one[:number, which[alike]])
        return found

    def _sums(self, which: Array, number: int) -> Array:
        return weighted_sum(nodes_and_weights("golden", number)[1], self._totals[:number, which])

    def _bounds(self, which: Array, number: int) -> tuple[Array, Array]:
        """Bound the errors of maps of so many nodes, and give the estimates of their sizes with the same allowance."""
        nodes, weights = nodes_and_weights("golden", number)
        products = self._products[:number, which]
        size = np.linalg.norm(weighted_sum(weights, products), axis=-1)
        error, unsure = error_of_gaps(nodes, products)
        return relative(_ALLOWANCE * error * unsure, size), relative(
            _ALLOWANCE * error * np.sqrt(unsure), size
        )


class Summed(Work):
    """Gradients of which sums are kept only, for large inputs: means of several levels are compared."""

    _first, _unsure = np.zeros(0), np.zeros(0)
    """What the gradients of the first level tell, see `error_of_gaps`; shape (N,)."""

    def keep(self, left: npt.NDArray[np.bool_]) -> None:
        """Go on with some of the examples."""
        super().keep(left)
        self._first, self._unsure = self._first[left], self._unsure[left]

    def _take(self, taken: int, level: Level) -> None:
        into = level.sum_of[taken:]
        asked = np.unique(into)
        weights = (asked[:, np.newaxis] == into) * level.slopes[taken:]
        new = summed_gradients(self._problem, self.rows, level.nodes[taken:], weights)
        parts = tuple(np.zeros((level.sums, *one.shape[1:]), one.dtype) for one in new)
        for total, part in zip(parts, new, strict=True):
            total[asked] = part
        if taken:
            # Sums whose nodes are weighted alike from here on become one.
            first = np.unique(self.level.sum_of, return_index=True)[1]
            for total, part in zip(parts, self._parts, strict=True):
                for own, one in zip(level.sum_of[first], part, strict=True):
                    total[own] += one
        else:
            products = self._products_with(parts)
            products /= level.slopes.astype(products.dtype)[:, np.newaxis, np.newaxis]
            self._first, self._unsure = error_of_gaps(level.nodes, products)
        self._parts = parts

    def judged(self, which: Array, tolerance: float) -> Judged:
        """Judge maps by the differences of levels; at the first level, of neighbouring gradients."""
        level, moved = self.level, moved_inputs(self._problem, self.rows[which])
        means = self._combined(0, which)
        size = sizes(moved, means)
        first, unsure = self._first[which], self._unsure[which]
        likely = relative(_BOUND_OF_LEVELS * first, size)
        bound = relative(_ALLOWANCE * unsure * first, size)
        if self.place:
            error = np.zeros(len(which))
            for row, factor in enumerate(level.factors, start=1):
                error = np.maximum(error, factor * sizes(moved, self._combined(row, which)))
            fallen = _SHARE_OF_FIRST * level.spread / self.levels[0].spread
            error = np.maximum(error, fallen * first)
            bound = likely = relative(np.maximum(_BOUND_OF_LEVELS, unsure) * error, size)
        sums = np.sum(
            [
                (step * mean).reshape(len(which), -1).sum(axis=1, dtype=np.float64)
                for step, mean in zip(moved, means, strict=True)
            ],
            axis=0,
        )
        return Judged(np.full(len(which), level.number), bound, likely, self._relative_delta(which, sums))

    def means(self, which: Array, steps: Array) -> tuple[Array, ...]:
        """Give the mean gradients of some of the examples, over all nodes that were taken."""
        return self._combined(0, which)

    def _combined(self, row: int, which: Array) -> tuple[Array, ...]:
        shares = self.level.shares[row]
        return tuple(weighted_sum(shares, one[:, which]) for one in self._parts)


def error_of_gaps(nodes: Array, products: Array) -> tuple[Array, Array]:
    """Estimate the size of the error of a mean of gradients from the differences of neighbouring ones.

    The error is Σ o δ over the gaps: δ is the difference of the gradients, and the place o of the jump in the gap is
    random. So its square has the mean Σ q, where q = E(o²) ‖δ‖², and the variance 0.8 Σ q² + 2 Σ (pairs' products)².
    What a gap shares with its neighbours is no jump, but a gradient that changes smoothly: it is left out of δ. The
    error is at least that of the curve.

    Parameters
    ----------
    nodes : numpy.ndarray
        Shape (K,).
    products : numpy.ndarray
        The products of input − baseline with the gradients, shape (K, N, values).

    Returns
    -------
    error : numpy.ndarray
        The root of the mean, shape (N,); NaN for a single node.
    unsure : numpy.ndarray
        The size that 95 % of errors do not exceed, as a multiple of it, shape (N,).
    """
    order = np.argsort(nodes)
    if len(order) == 1:
        return np.full(products.shape[1], np.nan), np.ones(products.shape[1])
    gaps = Gaps.between(nodes[order])
    jumps = np.diff(products[order], axis=0).swapaxes(0, 1)
    # All that follows comes from the products of the jumps with each other.
    pairs = products_of_pairs(jumps)
    scaled = pairs * gaps.factors[:, np.newaxis] * gaps.factors
    squares = np.einsum("ngg->ng", scaled)
    total, alone = squares.sum(axis=1), np.square(squares).sum(axis=1)
    among = np.einsum("ngh,ngh->n", scaled, scaled) - alone
    spread = np.sqrt(_KURTOSIS * alone + 2 * np.maximum(among, 0))
    share = np.divide(spread, total, out=np.zeros_like(total), where=total > 0)
    unsure = np.sqrt(1 + _NORMAL_95 * share)
    rough = ((gaps.rough @ pairs) * gaps.rough).sum(axis=(1, 2))
    bent = (pairs @ gaps.bent) @ gaps.bent
    # What is left of a jump differs from gap to gap.
    kept = squares @ ((gaps.rough**2).sum(axis=0) / gaps.factors**2)
    kept = np.divide(kept, total, out=np.ones_like(total), where=total > 0)
    # Rounding may make a square of nearly nothing negative.
    rough, bent = np.maximum(rough, 0), np.maximum(bent, 0)
    return np.maximum(np.sqrt(rough / kept), np.sqrt(bent) / unsure), unsure


def products_of_pairs(vectors: Array) -> Array:
    """Give the products of each example's vectors with each other, (N, K, values) to (N, K, K).

    In pieces so small that BLAS takes no threads for them; see `weighted_sum`.
    """
    count, number, values = vectors.shape
    pairs = np.zeros((count, number, number))
    piece = max(1, _WITHOUT_THREADS // number**2)
    for first in range(0, values, piece):
        some = vectors[..., first : first + piece]
        pairs += some @ some.swapaxes(1, 2)
    return pairs


def relative(error: Array, size: Array) -> Array:
    """Divide errors by the sizes of their maps; a map of zeros has none if nothing else was seen on the path."""
    shares: Array = np.divide(error, size, out=np.where(error == 0, 0.0, np.inf), where=size != 0)
    return shares
