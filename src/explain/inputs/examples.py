"""The examples that are explained, with everything that belongs to them row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.records import changed

Array = npt.NDArray[Any]
Rows = slice | npt.NDArray[np.intp]

Arrays = tuple[Array, ...]
"""One array per input."""


@dataclass(frozen=True)
class Target:
    """The scalar of each example's output that is explained, resolved.

    Parameters
    ----------
    indices : numpy.ndarray of int64, optional
        One index into the output of an example per row, shape (N, R), where R is the rank of that output.
    function : callable, optional
        Instead of indices: from the framework's output tensor (N, ...) to N scalars.
    """

    indices: npt.NDArray[np.int64] | None = None
    function: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Examples:
    """A batch of N examples, batch first, as host arrays.

    Parameters
    ----------
    inputs : tuple of numpy.ndarray
        The model's inputs, each with N rows; one array is a 1-tuple.
    target : Target
        The scalar to explain.
    companions : Mapping of str to numpy.ndarray
        Keyword arguments of the model that have one row per example.
    mask : numpy.ndarray of bool, optional
        True where a step of a padded sequence is real, shape (N, T).
    held : tuple of numpy.ndarray
        Arrays that a backend computes once from the input and uses for every point: masks that a model
        computes from values.
    outer : tuple of numpy.ndarray
        If `inputs` are outputs of a layer: the inputs of the model itself, with which it is still called.
    unmoved : tuple of numpy.ndarray
        The inputs, of several, that stay fixed at every point: masks, lengths, token ids.
    """

    inputs: tuple[Array, ...]
    target: Target = field(default_factory=Target)
    companions: Mapping[str, Array] = field(default_factory=dict)
    mask: npt.NDArray[np.bool_] | None = None
    held: tuple[Array, ...] = ()
    outer: tuple[Array, ...] = ()
    unmoved: tuple[Array, ...] = ()

    def __len__(self) -> int:
        """Give N."""
        return int((self.inputs or self.unmoved)[0].shape[0])

    def rows(self, rows: Rows) -> Examples:
        """Give the examples at `rows` (a slice, or indices that may repeat); `self` if that is all of them."""
        if isinstance(rows, slice) and rows == slice(0, len(self)):
            return self
        indices = self.target.indices
        return Examples(
            inputs=tuple(array[rows] for array in self.inputs),
            target=replace(self.target, indices=None if indices is None else indices[rows]),
            companions={name: array[rows] for name, array in self.companions.items()},
            mask=None if self.mask is None else self.mask[rows],
            held=tuple(array[rows] for array in self.held),
            outer=tuple(array[rows] for array in self.outer),
            unmoved=tuple(array[rows] for array in self.unmoved),
        )

    def with_inputs(self, inputs: tuple[Array, ...]) -> Examples:
        """Give the same examples with other inputs."""
        if inputs is self.inputs:
            return self
        return changed(self, inputs=inputs)

    def without_inputs(self) -> Examples:
        """Give the examples with empty inputs, to repeat the rest for many points without a copy of the inputs."""
        return self.with_inputs(tuple(array.reshape(len(array), -1)[:, :0] for array in self.inputs))

    def at_layer(self, activations: Array, mask: npt.NDArray[np.bool_] | None) -> Examples:
        """Give the same examples at a layer, with its output as inputs; `mask` is for the layer's own steps."""
        outer = self.outer or self.inputs
        return replace(self, inputs=(activations,), mask=mask, outer=outer)

    def without_layer(self) -> Examples:
        """Undo `at_layer`: give the examples at the input of the model."""
        return replace(self, inputs=self.outer, outer=())

    def with_target(self, target: Target) -> Examples:
        """Give the same examples with another target."""
        return changed(self, target=target)

    def with_changed(
        self, rows: npt.NDArray[np.bool_], *, stretched: bool = True, ids: bool = False
    ) -> Examples:
        """Change the inputs at some rows, shape (N,): each row is reversed, and its numbers are stretched.

        Stretched, the mean, the largest and the smallest number of a row are others than before; whole numbers are
        not stretched. With `ids`, whole numbers among the inputs that stay fixed are reversed too.

        Examples
        --------
        >>> two = Examples((np.array([[1.0, 2.0], [3.0, 5.0]]),))
        >>> two.with_changed(np.array([False, True])).inputs[0].round(1).tolist()
        [[1.0, 2.0], [6.8, 0.8]]
        >>> two.with_changed(np.array([False, True]), stretched=False).inputs[0].tolist()
        [[1.0, 2.0], [5.0, 3.0]]
        """
        found = []
        for array in self.inputs:
            other = array.copy()
            other[rows] = np.flip(array[rows], tuple(range(1, array.ndim)))
            if stretched and array.dtype.kind == "f":
                other[rows] = _stretched(other[rows])
            found.append(other)
        changed = self.with_inputs(tuple(found))
        if not ids:
            return changed
        beside = [array.copy() for array in self.unmoved]
        for array in beside:
            if array.dtype.kind in "iu":
                array[rows] = np.flip(array[rows], tuple(range(1, array.ndim)))
        return replace(changed, unmoved=tuple(beside))

    def padded(self, size: int) -> Examples:
        """Repeat the last row until there are `size` rows, for a model whose batch size is fixed."""
        assert len(self) <= size, "a backend gets no more examples at once than its model takes"
        return self.rows(np.minimum(np.arange(size), len(self) - 1))


def _stretched(rows: Array) -> Array:
    """Give rows of numbers in which mean, extremes and every value are others, stretched about the mean and lower."""
    places = tuple(range(1, rows.ndim))
    middle = rows.mean(axis=places, keepdims=True)
    width = np.ptp(rows, axis=places, keepdims=True)
    width = np.where(width > 0, width, np.maximum(np.abs(middle), 1))
    found: Array = (middle + 3 * (rows - middle) - width / 10).astype(rows.dtype)
    return found
