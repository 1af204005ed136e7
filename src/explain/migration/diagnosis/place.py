"""The pair of layers at which the search for the cause of a divergence takes place."""

from __future__ import annotations

from dataclasses import dataclass

from explain.inputs.examples import Array
from explain.migration.diagnosis.kernel_orders import flattening
from explain.migration.measurement.alignment import Aligned
from explain.migration.measurement.distance import flatten_order
from explain.migration.measurement.matching import ObservedModel


@dataclass(frozen=True, eq=False)
class Place:
    """A pair of calls in their models.

    Parameters
    ----------
    pair : Aligned
        The calls.
    a, b : ObservedModel
        The models.
    is_first : bool
        Whether it is the first pair.
    """

    pair: Aligned
    a: ObservedModel
    b: ObservedModel
    is_first: bool = False

    @property
    def names(self) -> str:
        """The name of the layer, or both names if they differ."""
        one, other = self.pair.a.name, self.pair.b.name
        return one if one == other else f"{one} (a) and {other} (b)"

    @property
    def map_before(self) -> tuple[int, ...] | None:
        """The shape, channels last, of the map whose flattened values are the layer's input; None if there is none."""
        inputs = self.pair.inputs[0]
        if inputs is None or inputs.ndim != 2:
            return None
        width = inputs.shape[1]
        of_a = self.a.flattened_before(self.a.observation.calls.index(self.pair.a), width)
        return of_a or self.b.flattened_before(self.b.observation.calls.index(self.pair.b), width)

    @property
    def flattened_as_in_b(self) -> str | None:
        """The order of the map's axes in the layer's input in b; None if the input holds other values."""
        shape, (one, other) = self.map_before, self.pair.inputs
        if shape is None or one is None or other is None:
            return None
        rows = one if self.a.flattens_channels_last else one[:, flatten_order(shape)]
        return flattening(rows.T, other.T, shape)


def differ_in_space(a: Array, b: Array) -> bool:
    """Tell whether two maps with the same number of channels differ in their sizes in space or time.

    Examples
    --------
    >>> import numpy as np
    >>> differ_in_space(np.ones((1, 4, 4, 2)), np.ones((1, 5, 5, 2)))
    True
    """
    return a.ndim == b.ndim > 2 and a.shape[1:-1] != b.shape[1:-1] and a.shape[-1] == b.shape[-1]


def sizes(a: Array, b: Array) -> str:
    """Describe the sizes of two maps in space or time.

    Examples
    --------
    >>> import numpy as np
    >>> sizes(np.ones((1, 4, 4, 2)), np.ones((1, 5, 5, 2)))
    '4 × 4 in a and 5 × 5 in b'
    """
    return f"{_size(a)} in a and {_size(b)} in b"


def _size(array: Array) -> str:
    return " × ".join(map(str, array.shape[1:-1])) or str(array.shape[-1])
