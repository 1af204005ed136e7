"""Points on the straight path from a baseline to an input, for backends that know no faster way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from explain.backend import Backend
from explain.chunks import blocks, row_chunks
from explain.examples import Array, Examples


def path_gradients_point_by_point(
    backend: Backend,
    examples: Examples,
    baselines: tuple[Array, ...],
    alphas: Array,
    weights: Array,
    batch_size: int,
    *,
    in_rows: bool = False,
) -> tuple[Array, ...]:
    """Answer `Backend.path_gradients` through `Backend.gradients`, with the points formed on the host.

    For a model whose batch size is fixed, whose chunks must be padded, and for a backend that computes in
    NumPy anyway. The points are formed by the same two elementwise operations in the same order as on a
    device, so that they are the same to the last bit.

    With `in_rows` every point of an example is seen in the row of the batch that the example has itself:
    a stateful model keeps a state for each row.

    Returns
    -------
    tuple of numpy.ndarray
        One array an input, of its shape.
    """
    batch_size = backend.fixed_batch_size or batch_size
    differences = tuple(end - start for end, start in zip(examples.inputs, baselines, strict=True))
    totals = tuple(np.zeros_like(end) for end in examples.inputs)
    cuts = _one_step_at_a_time(len(examples), len(alphas), batch_size) if in_rows else None
    for rows, steps in cuts or blocks(len(examples), len(alphas), batch_size):
        count, n_steps = rows.stop - rows.start, steps.stop - steps.start
        points = tuple(
            _along(start[rows], difference[rows], alphas[steps])
            for start, difference in zip(baselines, differences, strict=True)
        )
        repeated = examples.rows(np.arange(rows.start, rows.stop).repeat(n_steps))
        gradients, _ = backend.gradients(repeated.with_inputs(points))
        for total, gradient in zip(totals, gradients, strict=True):
            by_step = gradient.reshape(count, n_steps, *gradient.shape[1:])
            total[rows] += np.einsum("s,ns...->n...", weights[steps], by_step)
    return totals


def _one_step_at_a_time(count: int, n_points: int, batch_size: int) -> Iterator[tuple[slice, slice]]:
    for rows in row_chunks(count, batch_size):
        for step in range(n_points):
            yield rows, slice(step, step + 1)


def _along(start: Array, difference: Array, nodes: Array) -> Array:
    steps = nodes.reshape(1, -1, *([1] * (start.ndim - 1)))
    points: Array = start[:, np.newaxis] + steps * difference[:, np.newaxis]
    return points.reshape(-1, *start.shape[1:])
