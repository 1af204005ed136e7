"""Gradients along straight paths of a model on JAX, summed on the device block by block."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from explain.inputs.examples import Array
from explain.jax_ext.model.forward_pass import JaxForwardPass
from explain.jax_ext.model.opened import OpenedModel
from explain.jax_ext.model.tracing import filled_up
from explain.jax_ext.model.transfer import to_host
from explain.running.paths import path_sums


class Sums(path_sums.OnHost, path_sums.DeviceSums):
    """Sums of the gradients of a model on JAX; see `explain.running.paths.path_sums`. No prefix is skipped."""

    lost = ()
    _opened: OpenedModel

    def begin_at_cut(self) -> bool:
        """Give False: no model has a cut."""
        return False

    def begin_at_input(self) -> None:
        """Leave the paths on the host, where the sums are."""

    def added(self, alphas: Array, weights: Array, becomes: npt.NDArray[np.intp] | None) -> Array:
        """Add the weighted gradients at points of the input."""
        starts = self._starts
        sums = self.begun(len(weights), becomes, [start.shape[1:] for start in starts])
        products = np.zeros((len(alphas), len(self), self.n_directions))

        def compute(rows: slice, steps: slice) -> tuple[list[Array], Array]:
            nodes, shares = alphas[steps], weights[:, steps]
            count = len(nodes)
            if count < len(alphas):
                # Of weight zero, so that fewer numbers of nodes are compiled.
                more = filled_up(count) - count
                nodes, shares = np.pad(nodes, (0, more), "edge"), np.pad(shares, ((0, 0), (0, more)))
            part = self._examples.rows(rows)
            padded = self._opened.padded(part)
            ends = self._opened.tensors(padded.inputs)
            first = self._opened.tensors([_filled(one[rows], len(padded)) for one in starts])
            signs = self._opened.tensors(self._signs)
            places = jnp.asarray(nodes)
            points = [_along(start, end - start, places) for start, end in zip(first, ends, strict=True)]
            found, along = self._opened.run(
                JaxForwardPass.summed_gradients,
                padded,
                points,
                places,
                jnp.asarray(shares),
                [
                    own * (end - start)[:, jnp.newaxis]
                    for own, start, end in zip(signs, first, ends, strict=True)
                ],
                points=len(padded) * len(nodes),
            )
            return [to_host(one)[: len(part)] for one in found], to_host(along)[: len(part), :count]

        for rows, steps, (found, along) in self._executor.over_blocks(len(self), len(alphas), compute):
            for place, part in enumerate(found):
                for one, total in enumerate(sums):
                    total[place][rows] += part[:, one]
            products[steps, rows] = along.swapaxes(0, 1)
        self._sums = sums
        return products


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
