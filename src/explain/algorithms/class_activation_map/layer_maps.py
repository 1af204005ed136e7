"""The parts of class activation maps: a layer's activations and gradients, and maps resampled to the input."""

from __future__ import annotations

import numpy as np

from explain.algorithms.example_warnings import examples_named, zero_gradient_warnings
from explain.backends.found import Found
from explain.errors import ZeroMapWarning
from explain.inputs.examples import Array
from explain.inputs.layer_calls import extent_of
from explain.inputs.layout import Layout
from explain.running.layer_view import layered
from explain.running.problem import Problem
from explain.running.resampling import resampled


def units_and_gradients(problem: Problem) -> tuple[Array, Array]:
    """Give the layer's activations and the gradients of the scores to them, batch first, channels last, in float64."""
    call = problem.call
    assert call is not None
    backend, examples = layered(problem), problem.examples
    over = problem.executor.over_rows(
        len(examples), lambda rows: backend.units_and_gradients(call, examples.rows(rows))
    )
    parts = [part for _, part in over]
    units, gradients = (
        over_places(problem, np.concatenate(part) if len(part) > 1 else np.ascontiguousarray(*part)).astype(
            np.float64
        )
        for part in zip(*parts, strict=True)
    )
    return units, gradients


def over_places(problem: Problem, outputs: Array) -> Array:
    """Give outputs of the layer, or gradients to them: batch first, space in the input's order, channels last.

    Tokens are laid out on the grid that they come from.
    """
    call = problem.call
    assert call is not None
    layout = call.layout(problem.layout)
    array = layout.to_canonical(outputs)
    if call.grid is not None:
        return call.grid.laid_out(array)
    own = [letter for letter in layout.axes if letter in extent_of(layout)]
    order = [own.index(letter) for letter in extent_of(problem.layout)]
    if order == sorted(order):
        return array
    return np.moveaxis(array, [1 + place for place in order], range(1, 1 + len(order)))


def places_of(units: Array) -> tuple[int, ...]:
    """Give the axes of space and time of an array with the batch first and channels last."""
    return tuple(range(1, units.ndim - 1))


def found_over_input(problem: Problem, maps: Array, gradients: Array | None = None) -> Found:
    """Give the positive part of maps, resampled to the input, and warn of maps that are zero everywhere.

    Parameters
    ----------
    problem : Problem
        A problem of a method with ``layer="map"``.
    maps : numpy.ndarray
        One value per position of the layer, shape (N, positions...).
    gradients : numpy.ndarray, optional
        The gradients of the scores to the layer, if the method computes them.
    """
    positive = np.maximum(maps, 0)
    warnings = () if gradients is None else zero_gradient_warnings((gradients,))
    dark = ~positive.reshape(len(positive), -1).any(axis=1)
    if gradients is not None and dark.any():
        # A gradient of zero has its own, more specific warning.
        dark &= gradients.reshape(len(gradients), -1).any(axis=1)
    empty = np.flatnonzero(dark)
    if empty.size:
        assert problem.call is not None
        text = (
            f"The map is zero everywhere for {examples_named(empty)}: nothing that layer {problem.call.label!r} gives "
            "raises the score there. Explain a class that the model sees in it, "
            "name another layer with layer=, or use a signed method such as integrated_gradients."
        )
        warnings = (*warnings, (text, ZeroMapWarning))
    return Found(values=(spread(positive, problem),), warnings=warnings)


def channels_of(problem: Problem) -> int:
    """Give the number of channels of the input."""
    axis = problem.layout.channel_axis
    return 1 if axis is None else int(problem.examples.inputs[0].shape[axis])


def over_input(maps: Array, shape: tuple[int, ...], layout: Layout) -> Array:
    """Resample maps, shape (N, positions...), to the input's size; the result has the input's rank and one channel."""
    extent = [index for index, letter in enumerate(layout.axes) if letter in "TDHW"]
    sizes = [shape[axis] for axis in extent]
    found = resampled(maps, range(1, maps.ndim), sizes)
    return found if layout.channel_axis is None else np.expand_dims(found, layout.channel_axis)


def spread(maps: Array, problem: Problem) -> Array:
    """Resample maps to the input's shape; the channels of a position get equal shares of its value."""
    shape = problem.examples.inputs[0].shape
    return np.broadcast_to(over_input(maps, shape, problem.layout) / channels_of(problem), shape)
