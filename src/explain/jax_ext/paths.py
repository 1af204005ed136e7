"""Gradients along straight paths of a model on JAX, summed on the device block by block."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from explain.inputs.examples import Array, Arrays, Examples
from explain.jax_ext.model.forward_pass import JaxForwardPass
from explain.jax_ext.model.opened import OpenedModel
from explain.jax_ext.model.tracing import filled_up
from explain.jax_ext.model.transfer import to_host
from explain.running import path_gradients


class Line(path_gradients.Line):
    """Straight paths of a model on JAX; see `explain.running.path_gradients.Line`."""

    _opened: OpenedModel

    def sums(self, examples: Examples, starts: Arrays) -> Arrays:
        """Sum the gradients at points of the input, one array of shape (N, M, ...) for each input."""
        n_sums, n_nodes = self._weights.shape
        dtype = self._opened.dtype
        totals = tuple(np.zeros((len(one), n_sums, *one.shape[1:]), dtype) for one in starts)

        def compute(rows: slice, steps: slice) -> list[Array]:
            alphas, weights = self._alphas[steps], self._weights[:, steps]
            if len(alphas) < n_nodes:
                # Of weight zero, so that fewer numbers of nodes are compiled.
                more = filled_up(len(alphas)) - len(alphas)
                alphas, weights = np.pad(alphas, (0, more), "edge"), np.pad(weights, ((0, 0), (0, more)))
            part = examples.rows(rows)
            padded = self._opened.padded(part)
            ends = self._opened.tensors(padded.inputs)
            first = self._opened.tensors([_filled(one[rows], len(padded)) for one in starts])
            nodes = jnp.asarray(alphas)
            points = [_along(start, end - start, nodes) for start, end in zip(first, ends, strict=True)]
            found = self._opened.run(
                JaxForwardPass.summed_gradients, padded, points, nodes, jnp.asarray(weights)
            )
            return [to_host(one)[: len(part)] for one in found]

        for rows, _, found in self._executor.over_blocks(len(examples), n_nodes, compute):
            for total, part in zip(totals, found, strict=True):
                total[rows] += part
        return totals

    def sums_beyond(self, examples: Examples, starts: Arrays) -> None:
        """Give None: no prefix of the model is skipped."""


def _along(start: Any, difference: Any, nodes: Any) -> Any:
    """Compute the points start + node × difference, example by example, shape (count, nodes, ...).

    Every extension uses the same two elementwise operations in the same order: points that differ in their last bit can
    fall on different sides of a kink. They run one by one, since a compiled sum of a product is rounded only once.
    """
    steps = jnp.reshape(nodes, (1, -1, *([1] * (start.ndim - 1))))
    return start[:, jnp.newaxis] + steps * difference[:, jnp.newaxis]


def _filled(array: Array, count: int) -> Array:
    """Repeat the last row up to a number of rows."""
    return np.concatenate([array, np.repeat(array[-1:], count - len(array), axis=0)])
