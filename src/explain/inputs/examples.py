"""The examples that are being explained, with everything that must stay beside them row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rows = slice | npt.NDArray[np.intp]


@dataclass(frozen=True)
class Target:
    """Which scalar of each example's output is explained, resolved.

    Parameters
    ----------
    indices : numpy.ndarray of int64, optional
        One index into the output of an example a row, shape (N, R) with R the rank of that output.
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
        What is explained.
    companions : Mapping of str to numpy.ndarray
        Keyword arguments of the model that have one row an example.
    mask : numpy.ndarray of bool, optional
        True where a step of a padded sequence is real, shape (N, T).
    held : tuple of numpy.ndarray
        What a backend computes once, from the input, and keeps for every point: the masks that a model
        works out from values.
    outer : tuple of numpy.ndarray
        Where `inputs` are what a layer gave: the inputs of the model itself, which it is still called with.
    unmoved : tuple of numpy.ndarray
        Of a model of several inputs those that stay as they are at every point: masks, lengths, token ids.
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
        """Give the examples at `rows` (a slice, or indices that may repeat); themselves, if that is all of them."""
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
        """Give the same examples seen at other inputs."""
        return replace(self, inputs=inputs)

    def without_inputs(self) -> Examples:
        """Give what goes beside the inputs, to be repeated for many points without a copy of what they replace."""
        return self.with_inputs(tuple(array.reshape(len(array), -1)[:, :0] for array in self.inputs))

    def at_layer(self, activations: Array, mask: npt.NDArray[np.bool_] | None) -> Examples:
        """Give the same examples seen at a layer, where they are what it gave; `mask` is that of its own steps."""
        outer = self.outer or self.inputs
        return replace(self, inputs=(activations,), mask=mask, outer=outer)

    def without_layer(self) -> Examples:
        """Give examples that are seen at a layer as they are at the input of the model."""
        return replace(self, inputs=self.outer, outer=())

    def with_target(self, target: Target) -> Examples:
        """Give the same examples with another target."""
        return replace(self, target=target)

    def padded(self, size: int) -> Examples:
        """Repeat the last row until there are `size` rows, for a model whose batch size is fixed."""
        assert len(self) <= size, "a backend is given no more examples at once than its model takes"
        return self.rows(np.minimum(np.arange(size), len(self) - 1))
