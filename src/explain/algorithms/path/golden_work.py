"""The gradients of some examples at the golden nodes taken so far, their means, and what these are off by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from explain.algorithms.completeness import allowed_relative_delta, baselines_of, convergence_delta
from explain.algorithms.path.golden_levels import Gaps, Level
from explain.algorithms.path.integral import moved_inputs, sizes, summed_gradients, weighted_sum
from explain.inputs.baseline import drawn_in_one_order
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.running.paths.path_gradients import path_sums
from explain.running.paths.quadrature import nodes_and_weights
from explain.running.problem import Problem

# The size of an error estimated from jumps at random places is right on average. Its distribution is known too, and so
# the size that 95 % do not exceed; this allows for the rest. It was tuned on two networks, and
# benchmarks/calibration.py judges it on others.
_ALLOWANCE, _NORMAL_95 = 1.1, 1.645

# The number of random directions, and the seed that they are drawn with. The relative error of a squared size is
# √(2 / directions), and less for the sum of the squares of many jumps.
DIRECTIONS, _SEED = 7, 0

LIKELY = 48
"""The number of gradients of an example to reckon with."""

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
        # The products of input − baseline with the gradients, and their sums, node by node.
        self._products, self._totals = np.zeros((0, 0, 0)), np.zeros((0, 0))
        # What the size of a map is over that of the mean of its products.
        self._size_over_sketch = np.ones(len(rows))

    @property
    def level(self) -> Level:
        """The level whose nodes have been taken."""
        return self.levels[self.place]

    sketched = 0
    """The number of random directions that stand for the values of a product; 0 if the values themselves are kept."""

    def advance(self, place: int) -> None:
        """Take the nodes up to those of a level."""
        if place > self.place:
            taken = self.level.number if len(self._totals) else 0
            products, totals = self._taken(taken, self.levels[place])
            self._products = np.concatenate([self._products, products]) if taken else products
            self._totals = np.concatenate([self._totals, totals]) if taken else totals
            self.place = place

    @abstractmethod
    def _taken(self, taken: int, level: Level) -> tuple[Array, Array]:
        """Take the nodes of a level that come after the first `taken`; give their products, and the sums of these.

        The products of input − baseline with the gradients have the shape (nodes, N, values).
        """

    @abstractmethod
    def finish(self, which: Array, steps: Array) -> None:
        """Take the mean gradients of some of the examples over so many nodes each, for `finished`."""

    @abstractmethod
    def finished(self) -> tuple[Array, tuple[Array, ...]]:
        """Give all examples of `finish`, and their means, one array per input."""

    @abstractmethod
    def _numbers_between(self) -> range:
        """Give the numbers of nodes after the level before of which a mean can be had too, the largest first."""

    def keep(self, order: Array) -> None:
        """Go on with some of the examples in another order."""
        self.rows = self.rows[order]
        self._products, self._totals = self._products[:, order], self._totals[:, order]
        self._size_over_sketch = self._size_over_sketch[order]

    def judged(self, which: Array, tolerance: float) -> Judged:
        """Judge maps by the differences of neighbouring gradients.

        A map that is within the tolerance, but misses the difference of the scores, may have missed it by less with a
        few nodes fewer: every number of nodes is a rule of its own. So these are tried, the largest first.

        Parameters
        ----------
        which : numpy.ndarray of int
            The examples, by their places among `rows`.
        tolerance : float
            The largest bound that will do.
        """
        number = self.level.number
        steps = np.full(len(which), number)
        bound, likely = self._bounds(which, number)
        delta = self._relative_delta(which, self._sums(which, number))
        allowed = allowed_relative_delta(tolerance)
        missed = np.flatnonzero((bound <= tolerance) & (delta > allowed))
        for fewer in self._numbers_between():
            if not len(missed):
                break
            some = which[missed]
            tried = self._relative_delta(some, self._sums(some, fewer))
            hit = tried <= allowed
            hit[hit] = self._bounds(some[hit], fewer)[0] <= tolerance
            steps[missed[hit]], delta[missed[hit]] = fewer, tried[hit]
            bound[missed[hit]] = self._bounds(some[hit], fewer)[0]
            missed = missed[~hit]
        return Judged(steps, bound, likely, delta)

    def _sums(self, which: Array, number: int) -> Array:
        return weighted_sum(nodes_and_weights("golden", number)[1], self._totals[:number, which])

    def _bounds(self, which: Array, number: int) -> tuple[Array, Array]:
        """Bound the errors of maps of so many nodes, and give the estimates of their sizes with the same allowance."""
        nodes, weights = nodes_and_weights("golden", number)
        products = self._products[:number, which]
        size = np.linalg.norm(weighted_sum(weights, products), axis=-1) * self._size_over_sketch[which]
        error, unsure = error_of_gaps(nodes, products, self.sketched)
        return relative(_ALLOWANCE * error * unsure, size), relative(
            _ALLOWANCE * error * np.sqrt(unsure), size
        )

    def _relative_delta(self, which: Array, sums: Array) -> Array:
        """Give the relative convergence deltas of maps that have these sums."""
        rows = self.rows[which]
        relative_delta: Array = convergence_delta(
            (sums[:, np.newaxis],), self._problem.scores[rows], self._at_baseline[rows]
        )[1]
        return relative_delta


class Apart(Work):
    """Gradients that are kept one by one."""

    _gradients: tuple[Array, ...] = ()
    """One array per input, shape (nodes, N, ...)."""

    def __init__(self, problem: Problem, rows: Array, levels: tuple[Level, ...], at_baseline: Array) -> None:
        super().__init__(problem, rows, levels, at_baseline)
        self._finished: list[tuple[Array, tuple[Array, ...]]] = []

    def _taken(self, taken: int, level: Level) -> tuple[Array, Array]:
        new = summed_gradients(self._problem, self.rows, level.nodes[taken:], np.eye(level.number - taken))
        products = np.concatenate(
            [
                gradient.reshape(*gradient.shape[:2], -1) * step.reshape(len(step), -1)
                for step, gradient in zip(moved_inputs(self._problem, self.rows), new, strict=True)
            ],
            axis=-1,
        )
        if taken:
            new = tuple(np.concatenate(pair) for pair in zip(self._gradients, new, strict=True))
        self._gradients = new
        return products, products.sum(axis=-1, dtype=np.float64)

    def keep(self, order: Array) -> None:
        """Go on with some of the examples in another order."""
        super().keep(order)
        self._gradients = tuple(one[:, order] for one in self._gradients)

    def finish(self, which: Array, steps: Array) -> None:
        """Take the mean gradients of some of the examples over so many nodes each."""
        for number in np.unique(steps):
            alike = which[steps == number]
            _, weights = nodes_and_weights("golden", int(number))
            means = tuple(weighted_sum(weights, one[:number, alike]) for one in self._gradients)
            self._finished.append((self.rows[alike], means))

    def finished(self) -> tuple[Array, tuple[Array, ...]]:
        """Give all examples of `finish`, and their means."""
        rows, means = zip(*self._finished, strict=True)
        return np.concatenate(rows), tuple(map(np.concatenate, zip(*means, strict=True)))

    def _numbers_between(self) -> range:
        before = self.levels[self.place - 1].number if self.place else self.level.number
        return range(self.level.number - 1, before, -1)


class Summed(Work):
    """Gradients of which sums are kept only, for large inputs, and the products with a few random directions.

    The size of what a gradient adds to the map, and of the difference of two, is known from these products up to a few
    per cent (Johnson & Lindenstrauss, "Extensions of Lipschitz mappings into a Hilbert space", 1984); the size of the
    whole map, which has the largest share in the bound, is taken once from the map of the first level.
    """

    sketched = DIRECTIONS

    def __init__(self, problem: Problem, rows: Array, levels: tuple[Level, ...], at_baseline: Array) -> None:
        super().__init__(problem, rows, levels, at_baseline)
        moved = moved_inputs(problem, rows)
        # The first direction is that of the sum of the map.
        signs = _signs(tuple(one.shape[1:] for one in moved), problem.layout)
        self._path = path_sums(
            problem.backend,
            problem.examples.rows(rows),
            tuple(base[rows] for base in baselines_of(problem)),
            signs,
            problem.executor,
            LIKELY,
        )
        self._finished: list[Array] = []

    def _taken(self, taken: int, level: Level) -> tuple[Array, Array]:
        dtype = self._problem.backend.dtype
        into = level.sum_of[taken:]
        weights = (np.arange(level.sums)[:, np.newaxis] == into) * level.slopes[taken:]
        # Sums whose nodes are weighted alike from here on become one.
        becomes = None
        if taken:
            becomes = level.sum_of[np.unique(self.level.sum_of, return_index=True)[1]]
        products = self._path.add(level.nodes[taken:].astype(dtype), weights.astype(dtype), becomes)
        sketches = products[..., 1:] / np.sqrt(DIRECTIONS)
        if not taken:
            self._size_over_sketch = self._compared(level, sketches)
        return sketches, products[..., 0]

    def _compared(self, level: Level, sketches: Array) -> Array:
        """Give the size of each map of the first level over that of its sketch."""
        means = self._path.combined(level.shares[np.newaxis], np.arange(len(self.rows)))
        size = sizes(moved_inputs(self._problem, self.rows), tuple(one[0] for one in means))
        sketched = np.linalg.norm(
            weighted_sum(nodes_and_weights("golden", level.number)[1], sketches), axis=-1
        )
        found: Array = np.divide(size, sketched, out=np.ones_like(size), where=sketched > 0)
        return found

    def keep(self, order: Array) -> None:
        """Go on with some of the examples in another order."""
        super().keep(order)
        self._path.keep(order)

    def finish(self, which: Array, steps: Array) -> None:
        """Take the mean gradients of some of the examples, over all nodes that were taken."""
        self._path.finish(self.level.shares, which)
        self._finished.append(self.rows[which])

    def finished(self) -> tuple[Array, tuple[Array, ...]]:
        """Give all examples of `finish`, and their means."""
        return np.concatenate(self._finished), self._path.finished()

    def _numbers_between(self) -> range:
        return range(0)


def _signs(shapes: Sequence[tuple[int, ...]], layout: Layout) -> tuple[Array, ...]:
    """Give the signs of all directions, shape (1 + directions, ...), alike in every framework; the first are ones."""
    generator = np.random.default_rng(_SEED)

    def draw(size: tuple[int, ...]) -> Array:
        return generator.integers(0, 2, size, dtype=np.int8) * 2 - 1

    found = []
    for shape in shapes:
        size = DIRECTIONS, *shape
        drawn = drawn_in_one_order(size, layout, draw) if len(layout.axes) == len(size) else draw(size)
        found.append(np.concatenate([np.ones((1, *shape), np.int8), drawn]))
    return tuple(found)


def error_of_gaps(nodes: Array, products: Array, sketched: int = 0) -> tuple[Array, Array]:
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
    sketched : int
        The number of random directions that the values are products with; 0 if they are the values themselves.

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
    gaps, both = _gaps_between(tuple(nodes[order].tolist()))
    jumps = np.diff(products[order], axis=0).swapaxes(0, 1)
    # All that follows comes from the products of the jumps with each other.
    pairs = products_of_pairs(jumps)
    scaled = pairs * gaps.factors[:, np.newaxis] * gaps.factors
    squares = np.einsum("ngg->ng", scaled)
    total, alone = squares.sum(axis=1), np.square(squares).sum(axis=1)
    among = np.einsum("ngh,ngh->n", scaled, scaled) - alone
    own = np.zeros_like(total)
    if sketched:
        # Random directions add to the square of a product, on average, the share of the two sizes that is taken off.
        among = (among - (total**2 - alone) / sketched) / (1 + 1 / sketched)
        alone = alone / (1 + 2 / sketched)
        # And they make the sum of the squares itself unsure.
        own = 2 / sketched * (alone + np.maximum(among, 0))
    spread = np.sqrt(_KURTOSIS * alone + 2 * np.maximum(among, 0) + own)
    share = np.divide(spread, total, out=np.zeros_like(total), where=total > 0)
    unsure = np.sqrt(1 + _NORMAL_95 * share)
    rough = np.einsum("gh,ngh->n", both, pairs)
    bent = np.einsum("gh,ngh->n", np.outer(gaps.bent, gaps.bent), pairs)
    # What is left of a jump differs from gap to gap.
    kept = np.einsum("ng,g->n", squares, (gaps.rough**2).sum(axis=0) / gaps.factors**2)
    kept = np.divide(kept, total, out=np.ones_like(total), where=total > 0)
    # Rounding may make a square of nearly nothing negative.
    rough, bent = np.maximum(rough, 0), np.maximum(bent, 0)
    return np.maximum(np.sqrt(rough / kept), np.sqrt(bent) / unsure), unsure


@lru_cache(maxsize=256)
def _gaps_between(nodes: tuple[float, ...]) -> tuple[Gaps, Array]:
    """Give what gaps say, and the products of the columns of `Gaps.rough`: alike for all groups of examples."""
    gaps = Gaps.between(np.array(nodes))
    return gaps, gaps.rough.T @ gaps.rough


def products_of_pairs(vectors: Array) -> Array:
    """Give the products of each example's vectors with each other, (N, K, values) to (N, K, K).

    In pieces so small that BLAS takes no threads for them; see `weighted_sum`. The second factor is a copy: a product
    with itself is another routine, which takes threads earlier.
    """
    count, number, values = vectors.shape
    pairs = np.zeros((count, number, number))
    piece = max(1, _WITHOUT_THREADS // number**2)
    for first in range(0, values, piece):
        some = vectors[..., first : first + piece]
        pairs += some @ some.swapaxes(1, 2).copy()
    return pairs


def relative(error: Array, size: Array) -> Array:
    """Divide errors by the sizes of their maps; a map of zeros has none if nothing else was seen on the path."""
    shares: Array = np.divide(error, size, out=np.where(error == 0, 0.0, np.inf), where=size != 0)
    return shares
