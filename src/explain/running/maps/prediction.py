"""Whether the map of a layer is the prediction itself: a class activation map of it would show the prediction."""

from __future__ import annotations

from functools import cached_property
from typing import cast

import numpy as np

from explain.backends.protocol import LayeredBackend
from explain.errors import GradientError
from explain.inputs.examples import Array, Target
from explain.inputs.layer_calls import LayerCall, extent_of
from explain.inputs.layout import Layout
from explain.running.maps.axes import observed_output_axes
from explain.running.maps.changes import recorded
from explain.running.problem import Problem

# The number of classes that are tried until the output of one has a gradient.
_MOST_TRIED = 4


class Output:
    """The explained output of the first example.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._one = problem.examples.rows(slice(0, 1))

    @cached_property
    def _values(self) -> Array:
        return self._problem.backend.outputs(self._one)[0]

    @cached_property
    def _readings(self) -> tuple[str, ...]:
        """The axes that the output may have; none if it has no map over the input."""
        axes = observed_output_axes(self._problem, self._values.shape[1:])
        if axes is not None:
            return (axes,)
        extent = extent_of(self._problem.layout)
        if self._values.ndim - 1 == len(extent):
            # One class, without an axis.
            return (f"N{extent}",)
        # Places that all depend on the whole input do not follow it: a layer's channels show which axis they are.
        return (f"NC{extent}", f"N{extent}C") if self._values.ndim - 2 == len(extent) else ()

    def is_nearly(self, call: LayerCall) -> bool:
        """Tell whether the output of a layer is the model's, or only resizing or a pointwise activation leads to it.

        Each class of the output then depends on one channel of the layer, and the layer has as many channels.
        """
        size, channels = int(np.prod(call.shape)), call.shape[call.axes.index("C") - 1]
        if self._values.size == size:
            (own,) = recorded(self._problem, [call], self._one)
            if own is not None and np.array_equal(np.sort(own.ravel()), np.sort(self._values.ravel())):
                return True
        return any(
            self._has_map_of(channels, axes) and self._is_read_by_channel(call, channels, axes)
            for axes in self._readings
        )

    def _has_map_of(self, n_classes: int, axes: str) -> bool:
        """Tell whether an output of these axes is a map over the input, of so many classes."""
        extent = extent_of(self._problem.layout)
        if self._values.ndim < 3 or sorted(extent_of(Layout(axes))) != sorted(extent):
            return False
        return n_classes == (self._values.shape[axes.index("C")] if "C" in axes else 1)

    def _is_read_by_channel(self, call: LayerCall, channels: int, axes: str) -> bool:
        """Tell whether a class of an output of these axes has a gradient to the layer in its own channel only."""
        backend = cast(LayeredBackend, self._problem.backend)
        for number in range(min(channels, _MOST_TRIED)):
            sizes = zip(axes[1:], self._values.shape[1:], strict=True)
            index = [number if letter == "C" else size // 2 for letter, size in sizes]
            one = self._one.with_target(Target(np.array([index], np.int64)))
            try:
                _, slopes = backend.units_and_gradients(call, one)
            except GradientError:
                continue
            read = Layout(call.axes).to_canonical(slopes).reshape(-1, channels).any(axis=0)
            if read.any():
                return bool(np.flatnonzero(read).tolist() == [number])
        return False
