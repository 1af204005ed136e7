"""Examples expanded to many points each (steps, samples, windows, masks), for backends that take host arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from explain.backend import Backend
from explain.chunks import Block
from explain.examples import Array, Examples
from explain.execution import Executor


class Expansion(Protocol):
    """What an example is expanded to: its points are formed a block at a time, never all at once."""

    @property
    def n_points(self) -> int:
        """Points an example."""

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example, shape (rows × points, ...) for each input."""


@dataclass(frozen=True)
class StraightPath:
    """Points on the straight line from a baseline to an input.

    Parameters
    ----------
    starts, differences : tuple of numpy.ndarray
        One array an input, shape (N, ...): the baseline, and input − baseline.
    alphas : numpy.ndarray
        Where on the line, from 0 to 1, shape (K,).
    """

    starts: tuple[Array, ...]
    differences: tuple[Array, ...]
    alphas: Array

    @property
    def n_points(self) -> int:
        """Points an example."""
        return len(self.alphas)

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form points by the same two elementwise operations, in the same order, as on a device.

        Points that differ in their last bit fall on different sides of a kink.
        """
        formed = []
        for start, difference in zip(self.starts, self.differences, strict=True):
            nodes = self.alphas[points].reshape(1, -1, *([1] * (start.ndim - 1)))
            together = start[rows][:, np.newaxis] + nodes * difference[rows][:, np.newaxis]
            formed.append(together.reshape(-1, *start.shape[1:]))
        return tuple(formed)


def expanded_scores(
    backend: Backend, examples: Examples, expansion: Expansion, executor: Executor, *, in_rows: bool = False
) -> Array:
    """Give the score of every point, shape (N, points)."""
    found = np.zeros((len(examples), expansion.n_points), backend.dtype)
    for rows, points in executor.blocks(len(examples), expansion.n_points, in_rows=in_rows):
        scores = backend.scores(_block(examples, expansion, (rows, points)))
        found[rows, points] = scores.reshape(rows.stop - rows.start, -1)
    return found


def expanded_gradients(
    backend: Backend,
    examples: Examples,
    expansion: Expansion,
    weights: Array,
    executor: Executor,
    *,
    in_rows: bool = False,
) -> tuple[Array, ...]:
    """Give weighted sums of the gradients at the points, one array an input of shape (M, N, ...).

    Parameters
    ----------
    weights : numpy.ndarray
        Shape (M, points): one row for each sum.
    """
    totals = tuple(np.zeros((len(weights), *array.shape), array.dtype) for array in examples.inputs)
    for (rows, points), gradients in gradients_by_block(
        backend, examples, expansion, executor, in_rows=in_rows
    ):
        for total, by_point in zip(totals, gradients, strict=True):
            total[:, rows] += np.einsum("ms,ns...->mn...", weights[:, points], by_point)
    return totals


def gradients_by_block(
    backend: Backend, examples: Examples, expansion: Expansion, executor: Executor, *, in_rows: bool = False
) -> Iterator[tuple[Block, tuple[Array, ...]]]:
    """Give each block with the gradients at its points, one array an input of shape (rows, points, ...).

    For sums in which every position of every point has a factor of its own.
    """
    for rows, points in executor.blocks(len(examples), expansion.n_points, in_rows=in_rows):
        gradients, _ = backend.gradients(_block(examples, expansion, (rows, points)))
        yield (
            (rows, points),
            tuple(one.reshape(rows.stop - rows.start, -1, *one.shape[1:]) for one in gradients),
        )


def _block(examples: Examples, expansion: Expansion, block: Block) -> Examples:
    rows, points = block
    every = np.arange(rows.start, rows.stop).repeat(points.stop - points.start)
    repeated = examples.without_inputs().rows(every)
    return repeated.with_inputs(expansion.inputs(rows, points))
