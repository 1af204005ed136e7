"""What both frameworks' parts of a model have in common: an operation is run once when it is added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from fuzzing.program import Layout, Operation, Program, Sort, Value

ACTIVATIONS = (
    "relu",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "tanh",
    "sigmoid",
    "softplus",
    "relu6",
    "hardswish",
)
"""The pointwise functions that both frameworks have."""


class Parts:
    """Operations of one framework, added to a program one after the other.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws weights and the form in which an operation is written.
    dtype : str
        ``"float64"`` or ``"float32"``.
    """

    framework = ""

    def __init__(self, rng: np.random.Generator, dtype: str) -> None:
        self.rng, self.dtype = rng, dtype
        self.program = Program()
        self.layers: dict[str, Any] = {}
        self.chain = True
        """Whether every operation so far is a layer that reads the one before."""
        self._tensors: list[Any] = []

    # --- for the drawing of architectures -----------------------------------------------------------------

    def given(self, array: np.ndarray, layout: Layout) -> Value:
        """Add an input of the model."""
        self.program.operations.append(None)
        self.program.n_inputs += 1
        self._tensors.append(self.tensor(array))
        return Value(len(self._tensors) - 1, array.shape, layout)

    def chance(self, probability: float) -> bool:
        """Draw yes or no."""
        return bool(self.rng.random() < probability)

    def one_of(self, choices: Sequence[Any]) -> Any:
        """Draw one of several things, all alike."""
        return choices[int(self.rng.integers(len(choices)))]

    def channel_axis(self, value: Value) -> int:
        """Give the axis of the channels of a result."""
        raise NotImplementedError

    def channels(self, value: Value) -> int:
        """Give the number of channels of a result."""
        return value.shape[self.channel_axis(value)]

    def sides(self, value: Value) -> tuple[int, ...]:
        """Give the extent of a grid in time and space."""
        axis = self.channel_axis(value) % len(value.shape)
        return tuple(side for index, side in enumerate(value.shape) if index not in (0, axis))

    def dense_with_end(self, value: Value, width: int, end: str) -> tuple[Value, Value]:
        """Add a dense layer and its end, ``"softmax"``, ``"log_softmax"`` or ``"sigmoid"``; give both results."""
        raise NotImplementedError

    # --- for the parts of a framework ---------------------------------------------------------------------

    def tensor(self, array: np.ndarray) -> Any:
        """Give a tensor of the framework."""
        raise NotImplementedError

    def named(self, layer: Any) -> str:
        """Give a layer its name in the model."""
        for name, known in self.layers.items():
            if known is layer:
                return name
        name = f"part{len(self.layers)}"
        self.layers[name] = layer
        return name

    def add_operation(
        self,
        call: Callable[..., Any],
        reads: Sequence[Value],
        sort: Sort,
        layout: Layout,
        *,
        layer: Any = None,
        inside: Sequence[Any] = (),
        as_written: Callable[..., Any] | None = None,
        activation: str = "",
        run_with: Callable[..., Any] | None = None,
        hides_relu: bool = False,
        read_as_written: Sequence[Value] | None = None,
    ) -> Value:
        """Add an operation, and run it once for the shape of its result.

        Parameters
        ----------
        call : callable
            From the tensors that it reads to its result.
        reads : sequence of Value
            The results that it reads.
        sort, as_written, activation, run_with, hides_relu, read_as_written
            As in `Operation`.
        layout : str
            The layout of the result.
        layer : object, optional
            The layer whose output this is.
        inside : sequence of layers
            Further layers that the operation calls.
        """
        # A layer of a sequence is called once.
        self.chain = (
            self.chain and layer is not None and all(known is not layer for known in self.layers.values())
        )
        name = "" if layer is None else self.named(layer)
        for one in inside:
            self.named(one)
        numbers = tuple(one.index for one in reads)
        self.chain = self.chain and numbers == (len(self._tensors) - 1,)
        result = call(*(self._tensors[index] for index in numbers))
        self._tensors.append(result)
        operation = Operation(
            call,
            numbers,
            sort,
            name,
            as_written,
            activation,
            run_with,
            hides_relu,
            None if read_as_written is None else tuple(one.index for one in read_as_written),
        )
        self.program.operations.append(operation)
        value = Value(len(self._tensors) - 1, tuple(int(side) for side in result.shape), layout)
        operation.channel_axis = self.channel_axis(value)
        return value
