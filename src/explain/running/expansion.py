"""Examples expanded to many points each (steps, samples, windows, masks), for backends that take host arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from explain.backends.chunks import ChunkRunner
from explain.backends.protocol import Backend
from explain.inputs.examples import Array, Examples


class Expansion(Protocol):
    """The points that an example is expanded to, formed a block at a time, never all at once."""

    @property
    def n_points(self) -> int:
        """The number of points per example."""

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example, shape (rows × points, ...) for each input."""


@dataclass(frozen=True)
class StraightPath:
    """Points on the straight line from a baseline to an input.

    Parameters
    ----------
    starts, differences : tuple of numpy.ndarray
        One array per input, shape (N, ...): the baseline, and input − baseline.
    alphas : numpy.ndarray
        The positions on the line, from 0 to 1, shape (K,).
    """

    starts: tuple[Array, ...]
    differences: tuple[Array, ...]
    alphas: Array

    @property
    def n_points(self) -> int:
        """The number of points per example."""
        return len(self.alphas)

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form points by the same two elementwise operations, in the same order, as on a device.

        Points that differ in their last bit can fall on different sides of a kink.
        """
        formed = []
        for start, difference in zip(self.starts, self.differences, strict=True):
            nodes = self.alphas[points].reshape(1, -1, *([1] * (start.ndim - 1)))
            together = start[rows][:, np.newaxis] + nodes * difference[rows][:, np.newaxis]
            formed.append(together.reshape(-1, *start.shape[1:]))
        return tuple(formed)


@dataclass(frozen=True)
class ReferencePaths:
    """Points on straight lines from the references of a set to an example; each point has its own reference.

    Parameters
    ----------
    ends : Expansion
        The ends of the lines, with as many points per example: the example itself, or the example with noise
        added.
    references : tuple of numpy.ndarray
        The set, one array per input of shape (R, ...), the same for every example.
    chosen : numpy.ndarray of int
        The reference of each point, shape (K,).
    alphas : numpy.ndarray
        The positions on the line, from 0 at the reference to 1 at the end, shape (K,), in the precision of
        the points.
    real : numpy.ndarray of bool, optional
        False at padding, True elsewhere; broadcasts over the input. Padding has the example's values.
    """

    ends: Expansion
    references: tuple[Array, ...]
    chosen: npt.NDArray[np.intp]
    alphas: Array
    real: npt.NDArray[np.bool_] | None = None

    @property
    def n_points(self) -> int:
        """The number of points per example."""
        return len(self.alphas)

    def differences(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Give end − reference of a block, one array per input of shape (rows, points, ...)."""
        return tuple(end - start for start, end in self._lines(rows, points))

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block by the same two elementwise operations as on any straight path."""
        formed = []
        for start, end in self._lines(rows, points):
            together = end - start
            together *= self.alphas[points].reshape(1, -1, *([1] * (end.ndim - 2)))
            together += start
            formed.append(together.reshape(-1, *end.shape[2:]))
        return tuple(formed)

    def _lines(self, rows: slice, points: slice) -> Iterator[tuple[Array, Array]]:
        ends = self.ends.inputs(rows, points)
        for references, flat in zip(self.references, ends, strict=True):
            end = flat.reshape(rows.stop - rows.start, -1, *flat.shape[1:])
            start = references[self.chosen[points]][np.newaxis]
            yield (start if self.real is None else np.where(self.real[rows][:, np.newaxis], start, end)), end


@dataclass(frozen=True)
class Repeated:
    """An expansion: each point is the example itself."""

    originals: tuple[Array, ...]
    n_points: int

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Repeat the examples of a block."""
        return tuple(array[rows].repeat(points.stop - points.start, axis=0) for array in self.originals)


def expanded_scores(
    backend: Backend,
    examples: Examples,
    expansion: Expansion,
    executor: ChunkRunner,
    *,
    in_rows: bool = False,
) -> Array:
    """Give the score of every point, in float64, since a model may compute in higher precision than its points.

    Shape (N, points).
    """
    found = np.zeros((len(examples), expansion.n_points))

    def compute(rows: slice, points: slice) -> Array:
        return backend.scores(expanded_block(examples, expansion, rows, points))

    n_points = expansion.n_points
    for rows, points, scores in executor.over_blocks(len(examples), n_points, compute, in_rows=in_rows):
        found[rows, points] = scores.reshape(rows.stop - rows.start, -1)
    return found


def expanded_gradients(
    backend: Backend,
    examples: Examples,
    expansion: Expansion,
    weights: Array,
    executor: ChunkRunner,
    *,
    in_rows: bool = False,
) -> tuple[Array, ...]:
    """Give weighted sums of the gradients at the points, one array per input of shape (M, N, ...).

    Parameters
    ----------
    weights : numpy.ndarray
        Shape (M, points): one row for each sum.
    """
    totals = tuple(np.zeros((len(weights), *array.shape), array.dtype) for array in examples.inputs)
    for rows, points, gradients in gradient_blocks(backend, examples, expansion, executor, in_rows=in_rows):
        for total, gradient in zip(totals, gradients, strict=True):
            flat = gradient.reshape(*gradient.shape[:2], -1)
            sums = weights[:, points].astype(gradient.dtype, copy=False) @ flat
            total[:, rows] += sums.swapaxes(0, 1).reshape(total[:, rows].shape)
    return totals


def expanded_means(
    backend: Backend,
    examples: Examples,
    expansion: Expansion,
    executor: ChunkRunner,
    *,
    in_rows: bool = False,
) -> tuple[Array, ...]:
    """Give the means of the gradients over the points of each example, in double precision; see `expanded_moments`."""
    totals = tuple(np.zeros(array.shape) for array in examples.inputs)
    for rows, _, gradients in gradient_blocks(backend, examples, expansion, executor, in_rows=in_rows):
        for total, gradient in zip(totals, gradients, strict=True):
            total[rows] += gradient.sum(axis=1, dtype=np.float64)
    return tuple(total / expansion.n_points for total in totals)


def expanded_moments(
    backend: Backend,
    examples: Examples,
    expansion: Expansion,
    executor: ChunkRunner,
    *,
    in_rows: bool = False,
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Give the means and the variances of the gradients over the points of each example, in double precision.

    The moments of each block are merged with those of the blocks before it (Chan, Golub & LeVeque, "Updating
    formulae and a pairwise algorithm for computing sample variances", 1979): the mean of the squares minus
    the square of the mean would lose a variance that is small compared with the mean. Each result has one
    array per input, of the input's shape; the variance divides by the number of points, not by one less.
    """
    means, squares = (tuple(np.zeros(one.shape) for one in examples.inputs) for _ in range(2))
    for rows, points, gradients in gradient_blocks(backend, examples, expansion, executor, in_rows=in_rows):
        before, count = points.start, points.stop - points.start
        for mean, square, gradient in zip(means, squares, gradients, strict=True):
            wide = gradient.astype(np.float64)
            of_block = wide.mean(axis=1)
            wide -= of_block[:, np.newaxis]
            apart = of_block - mean[rows]
            square[rows] += np.einsum("np...,np...->n...", wide, wide)
            square[rows] += apart**2 * (before * count / (before + count))
            mean[rows] += apart * (count / (before + count))
    return means, tuple(square / expansion.n_points for square in squares)


def gradient_blocks(
    backend: Backend,
    examples: Examples,
    expansion: Expansion,
    executor: ChunkRunner,
    *,
    in_rows: bool = False,
) -> Iterator[tuple[slice, slice, tuple[Array, ...]]]:
    """Compute the gradients at all points, a block at a time; the points of an example come in order.

    Yields the rows and the points of a block, and one array per input of shape (rows, points, ...).
    """

    def compute(rows: slice, points: slice) -> tuple[Array, ...]:
        return backend.gradients(expanded_block(examples, expansion, rows, points))[0]

    n_points = expansion.n_points
    for rows, points, gradients in executor.over_blocks(len(examples), n_points, compute, in_rows=in_rows):
        yield (
            rows,
            points,
            tuple(one.reshape(rows.stop - rows.start, -1, *one.shape[1:]) for one in gradients),
        )


def expanded_block(examples: Examples, expansion: Expansion, rows: slice, points: slice) -> Examples:
    """Give the examples of a block of rows and points, each at its point, example by example."""
    every = np.arange(rows.start, rows.stop).repeat(points.stop - points.start)
    repeated = examples.without_inputs().rows(every)
    return repeated.with_inputs(expansion.inputs(rows, points))
