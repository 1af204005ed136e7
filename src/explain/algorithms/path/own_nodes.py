"""Gradients at nodes that each example has of its own, on the straight path from its baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from explain.algorithms.completeness import baselines_of
from explain.algorithms.path.integral import Integral, moved_inputs, weighted_sum
from explain.errors import OptionError
from explain.inputs.examples import Array, Arrays
from explain.running.expansion import gradient_blocks
from explain.running.problem import Problem

RULE = "adaptive"
"""The rule of integrals whose nodes are kept in their result."""


@dataclass(frozen=True)
class _Paths:
    """An expansion: straight paths, each with its own nodes, `alphas` of shape (N, K)."""

    starts: Arrays
    differences: Arrays
    alphas: Array

    @property
    def n_points(self) -> int:
        """The number of points per example."""
        return int(self.alphas.shape[1])

    def inputs(self, rows: slice, points: slice) -> Arrays:
        """Form points by the same two elementwise operations as on any straight path."""
        formed = []
        for start, difference in zip(self.starts, self.differences, strict=True):
            nodes = self.alphas[rows, points]
            nodes = nodes.reshape(*nodes.shape, *([1] * (start.ndim - 1)))
            together = start[rows][:, np.newaxis] + nodes * difference[rows][:, np.newaxis]
            formed.append(together.reshape(-1, *start.shape[1:]))
        return tuple(formed)


def gradients_at(problem: Problem, owners: Array, nodes: Sequence[Array]) -> list[Array]:
    """Give the gradients of some examples, each at its own nodes.

    Parameters
    ----------
    owners : numpy.ndarray of int
        The examples, shape (M,); all of them where `Problem.in_rows`.
    nodes : sequence of numpy.ndarray
        The nodes of each, shape (K,); as many or as few as it needs.

    Returns
    -------
    list of numpy.ndarray
        For each example one array of shape (K, D): the gradients to all inputs, flat, one after the other.
    """
    counts = [len(one) for one in nodes]
    ends = np.cumsum([array[0].size for array in problem.examples.inputs])
    parts = [
        slice(stop - array[0].size, stop) for array, stop in zip(problem.examples.inputs, ends, strict=True)
    ]
    dtype = problem.backend.dtype
    if problem.in_rows:
        padded = np.full((len(owners), max(counts)), 0.5, dtype)
        for row, one in enumerate(nodes):
            padded[row, : len(one)] = one
        every = np.zeros((*padded.shape, ends[-1]), dtype)
        paths = _Paths(baselines_of(problem), moved_inputs(problem, owners), padded)
        blocks = gradient_blocks(problem.backend, problem.examples, paths, problem.executor, in_rows=True)
        for rows, points, gradients in blocks:
            for part, one in zip(parts, gradients, strict=True):
                every[rows, points, part] = one.reshape(*one.shape[:2], -1)
        return [own[:count] for own, count in zip(every, counts, strict=True)]
    owner, alphas = np.repeat(owners, counts), np.concatenate(nodes).astype(dtype)
    flat = np.zeros((len(owner), ends[-1]), dtype)
    for points, gradients in _one_by_one(problem, owner, alphas):
        for part, one in zip(parts, gradients, strict=True):
            flat[points, part] = one.reshape(len(one), -1)
    return np.split(flat, np.cumsum(counts)[:-1])


def _one_by_one(problem: Problem, owner: Array, alphas: Array) -> Iterator[tuple[slice, Arrays]]:
    """Give the gradient at each of some points, whichever examples they belong to, chunk by chunk."""
    bare, starts, inputs = problem.examples.without_inputs(), baselines_of(problem), problem.examples.inputs

    def compute(points: slice, _: slice) -> Arrays:
        rows = owner[points]
        differences = tuple(end[rows] - start[rows] for end, start in zip(inputs, starts, strict=True))
        paths = _Paths(tuple(start[rows] for start in starts), differences, alphas[points, np.newaxis])
        every = slice(0, len(rows))
        return problem.backend.gradients(bare.rows(rows).with_inputs(paths.inputs(every, slice(0, 1))))[0]

    for points, _, found in problem.executor.over_blocks(len(owner), 1, compute):
        yield points, found


def mean_gradients(rows: Array, means: Sequence[Array], into: Arrays) -> None:
    """Write flat means, one for each of some examples, into arrays of the inputs' shapes."""
    start = 0
    for total in into:
        stop = start + total[0].size
        for row, mean in zip(rows, means, strict=True):
            total[row] = mean[start:stop].reshape(total.shape[1:])
        start = stop


def weighted(weights: Array, gradients: Array) -> Array:
    """Give the weighted sum of gradients of shape (K, D), in double precision."""
    return weighted_sum(weights, gradients.astype(np.float64))


def as_nodes(found: Sequence[tuple[Array, Array]]) -> Array:
    """Give the nodes and weights of each example as one array, shape (N, 2, K): padding has the weight 0.

    Examples
    --------
    >>> one, two = (np.array([0.5]), np.ones(1)), (np.array([0.25, 0.75]), np.array([0.5, 0.5]))
    >>> as_nodes([one, two])[0].tolist()
    [[0.5, 1.0], [1.0, 0.0]]
    """
    longest = max(len(nodes) for nodes, _ in found)
    every = np.zeros((len(found), 2, longest))
    every[:, 0] = 1
    for row, (nodes, weights) in enumerate(found):
        every[row, 0, : len(nodes)], every[row, 1, : len(nodes)] = nodes, weights
    return every


def at_nodes(problem: Problem, given: Array) -> Integral:
    """Integrate with given nodes and weights, shape (N, 2, K), as a result keeps them.

    Raises
    ------
    OptionError
        If they are of another number of examples, or another option for the steps is given too.
    """
    options, count = problem.options, len(problem.examples)
    beside = [name for name, default in (("n_steps", "auto"), ("rule", None)) if options[name] != default]
    if beside and not (beside == ["rule"] and options["rule"] == RULE):
        raise OptionError(
            f"nodes and {beside[0]}={options[beside[0]]!r} are given, and each tells the steps: give one of them."
        )
    if len(given) != count:
        raise OptionError(
            f"nodes are of {len(given)} examples, and {count} are explained: give those of the same examples, such as "
            "nodes=a[:3].nodes for the first three."
        )
    own = [(alphas[weights != 0], weights[weights != 0]) for alphas, weights in given]
    gradients = tuple(np.zeros_like(array) for array in problem.examples.inputs)
    every = np.arange(count)
    size = sum(array[0].size for array in gradients) * problem.backend.dtype.itemsize
    longest = max(len(alphas) for alphas, _ in own)
    fitting = count if problem.in_rows else max(1, problem.executor.keep(longest, size) // longest)
    for start in range(0, count, fitting):
        rows = every[start : start + fitting]
        found = gradients_at(problem, rows, [own[row][0] for row in rows])
        means = [weighted(own[row][1], one) for row, one in zip(rows, found, strict=True)]
        mean_gradients(rows, means, gradients)
    steps = np.array([len(alphas) for alphas, _ in own], np.int64)
    return Integral(gradients, steps, RULE, nodes=as_nodes(own))
