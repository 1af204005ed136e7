"""Gradients along straight paths in TensorFlow, computed where the model's affine prefix ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from explain.inputs.examples import Array, Arrays, Examples
from explain.keras.model.tracing import Beside
from explain.public_calls.passes import takes_passes
from explain.running.paths import path_sums
from explain.tf_ext.affine_prefix.cut import ModuleCut, SourceCut
from explain.tf_ext.affine_prefix.images import images_of, pulled_back
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass, repeating
from explain.tf_ext.model.opened import OpenedModel
from explain.tf_ext.model.runs.unoptimized import of_points
from explain.tf_ext.model.scores import gradients_of_scores

# Where the paths are seen to be straight: not in the middle, where a symmetric bend may be hidden.
_MIDDLE = 0.45

# Relative tolerance for the output of an affine prefix on a straight line: the rounding of sums.
_STRAIGHT = {tf.float32: 1e-4, tf.float64: 1e-10}


class Sums(path_sums.OnHost, path_sums.DeviceSums):
    """Sums of the gradients of a TensorFlow model; see `explain.running.paths.path_sums`."""

    # A trace does not change: no run bypasses the cut.
    lost = ()
    _opened: OpenedModel
    _cut: ModuleCut | SourceCut | None

    def begin_at_input(self) -> None:
        """Take the paths and the directions to the device, as they are."""
        opened = self._opened
        self._paths = opened.tensors(self._starts), opened.points(self._examples)
        # Where the examples that are left are in what follows, which is as large as the points of a chunk.
        self._places = np.arange(len(self))
        # One row of signs for all examples.
        self._directions = tuple(
            tf.constant(one.reshape(self.n_directions, math.prod(one.shape[1:]))) for one in self._signs
        )

    def begin_at_cut(self) -> bool:
        """Take the paths and the directions to the cut; False if the paths are not straight there."""
        cut, opened, examples = self._cut, self._opened, self._examples
        assert cut is not None, "the base class asks only with a cut"
        (start,), (end,) = opened.tensors(self._starts), opened.points(examples)
        (signs,), count = opened.tensors(self._signs), len(examples)
        directions = tf.cast(signs, end.dtype) * tf.expand_dims(end - start, 1)
        beside = tf.reshape(tf.expand_dims(start, 1) + directions, [-1, *start.shape[1:]])
        points = tf.concat([start, end, start + _MIDDLE * (end - start), beside], axis=0)
        every = np.arange(count)
        rows = np.concatenate([np.tile(every, 3), every.repeat(self.n_directions)])
        at_cut = images_of(opened, cut, examples.rows(rows), points)
        # A model may fold the time axis into that of the examples.
        if at_cut.shape[0] != len(rows):
            return False
        first, last, middle, moved = tf.split(at_cut, [count, count, count, -1])
        if not _is_straight(middle, first + _MIDDLE * (last - first)):
            return False
        self._paths, self._places = ((first,), (last,)), np.arange(len(self))
        # An affine map takes a direction as it takes the difference of two points.
        moved = tf.reshape(moved, [count, self.n_directions, *first.shape[1:]])
        self._directions = (_flat(moved - tf.expand_dims(first, 1)),)
        return True

    def added(self, alphas: Array, weights: Array, becomes: npt.NDArray[np.intp] | None) -> Array:
        """Add the weighted gradients, where the paths are."""
        starts, ends = self._paths
        sums = self.begun(len(weights), becomes, [tuple(one.shape[1:]) for one in starts])
        products = np.zeros((len(alphas), len(self), self.n_directions))
        block, static = (_path_block, ()) if self._cut is None else (_path_block_beyond, (self._cut,))

        def compute(rows: slice, steps: slice) -> tuple[Array, Sequence[Any], Any]:
            part, places = self._examples.rows(rows), self._places[rows]
            inputs = () if self._cut is None else self._opened.points(part)
            # Most sums get nothing from a block, and would be copied to the host all the same.
            asked = np.flatnonzero(weights[:, steps].any(axis=1))
            count = len(places) * len(alphas[steps])
            with of_points(count):
                found: tuple[Sequence[Any], Any] = self._opened.run(
                    block,
                    part,
                    (*_at(places, starts), *_at(places, ends), *inputs),
                    tf.constant(alphas[steps]),
                    tf.constant(weights[asked, steps].reshape(-1)),
                    self._directions if self._cut is None else _at(places, self._directions),
                    static=static,
                    points=count,
                )
            return asked, *found

        for rows, steps, (asked, found, along) in self._executor.over_blocks(len(self), len(alphas), compute):
            for place, part in enumerate(found):
                # Read where they are, without a copy.
                for one, own in zip(asked, np.asarray(part).swapaxes(0, 1), strict=True):
                    sums[one][place][rows] += own
            products[steps, rows] = np.asarray(along).swapaxes(0, 1)
        self._sums = sums
        return products

    def pulled(self, mixed: Arrays, examples: Examples) -> Arrays:
        """Give combinations of the sums, one for each of some examples, as gradients to the inputs."""
        if self._cut is None:
            return mixed
        (arriving,) = self._opened.tensors(mixed)
        (points,) = self._opened.points(examples)
        return (pulled_back(self._opened, self._cut, examples, points, arriving).numpy(),)

    def keep(self, order: Array) -> None:
        """Go on with some of the examples in another order."""
        super().keep(order)
        self._places = self._places[order]


@repeating
@takes_passes()
def _path_block(
    forward: TensorFlowForwardPass,
    lines: tuple[Any, ...],
    nodes: Any,
    weights: Any,
    signs: tuple[Any, ...],
    beside: Beside,
) -> tuple[tuple[Any, ...], Any]:
    """Give weighted sums of gradients over nodes along each example's path, and what signs tell of their products.

    Parameters
    ----------
    lines : tuple of tensor
        The starts, then the ends, one tensor per input.
    signs : tuple of tensor
        Shape (R, values), one tensor per input.

    Returns
    -------
    tuple of tensor
        Shape (N, M, ...), one tensor per input.
    tensor
        Shape (N, K, R).
    """
    half = len(lines) // 2
    starts, ends = lines[:half], lines[half:]
    points = tuple(_along(start, end - start, nodes) for start, end in zip(starts, ends, strict=True))
    count = tf.size(nodes)
    gradients, _ = forward.gradients(points, _taken(beside, _each_row(starts[0], count)))
    directions = tuple(
        tf.cast(own, end.dtype) * tf.reshape(end - start, [-1, 1, math.prod(start.shape[1:])])
        for own, start, end in zip(signs, starts, ends, strict=True)
    )
    return _summed(gradients, starts, count, weights, directions)


@repeating
@takes_passes()
def _path_block_beyond(
    forward: TensorFlowForwardPass,
    cut: ModuleCut | SourceCut,
    lines: tuple[Any, ...],
    nodes: Any,
    weights: Any,
    directions: tuple[Any, ...],
    beside: Beside,
) -> tuple[tuple[Any, ...], Any]:
    """Give the same at the cut, from the images of the paths there; the last of `lines` are the inputs themselves."""
    first, last, inputs = lines
    count = tf.size(nodes)
    rows = _each_row(first, count)
    repeated = _taken(beside, rows)
    value = _along(first, last - first, nodes)
    explained_from = cut.rest(forward, (inputs,), beside)
    with forward.tape() as tape:
        tape.watch(value)
        # The rows of the input count here, but not its values.
        explained = explained_from(value, lambda: (tf.gather(inputs, rows),), repeated)
        explained, picked = forward.picked_of(explained, repeated)
    (gradient,) = gradients_of_scores(tape, explained, (value,), forward.model_name, picked)
    return _summed((gradient,), (first,), count, weights, directions)


def _summed(
    gradients: Sequence[Any], like: Sequence[Any], count: Any, weights: Any, directions: Sequence[Any]
) -> tuple[tuple[Any, ...], Any]:
    """Sum the gradients of each example's points, once for every row of weights; multiply them by directions."""
    # The rows of weights are concatenated, so that a trace fixes neither their number nor the number of steps.
    weights = tf.reshape(weights, [-1, count])
    sums, along = [], []
    for gradient, start, own in zip(gradients, like, directions, strict=True):
        by_step = tf.reshape(gradient, [-1, count, math.prod(start.shape[1:])])
        sums.append(tf.reshape(tf.matmul(weights, by_step), [-1, tf.shape(weights)[0], *start.shape[1:]]))
        along.append(tf.matmul(by_step, own, transpose_b=True))
    return tuple(sums), tf.add_n(along)


def _at(places: Array, tensors: Sequence[Any]) -> tuple[Any, ...]:
    """Give the rows of tensors at some places, without a copy where they lie one after the other."""
    first, count = int(places[0]), len(places)
    if (np.diff(places) == 1).all():
        if count == len(tensors[0]):
            return tuple(tensors)
        return tuple(
            tf.slice(one, [first, *[0] * (len(one.shape) - 1)], [count, *one.shape[1:]]) for one in tensors
        )
    return tuple(tf.gather(one, places) for one in tensors)


def _is_straight(true: Any, on_line: Any) -> Any:
    """Tell whether the prefix maps a point of each example's path to the same point of the path of its image."""
    # Relative to each example's own magnitude, so that a large example does not hide the deviation of another.
    axes = list(range(1, len(true.shape)))
    size = tf.reduce_max(tf.abs(true), axis=axes)
    deviation = tf.reduce_max(tf.abs(true - on_line), axis=axes)
    return tf.reduce_all(deviation <= _STRAIGHT[true.dtype] * size)


def _along(start: Any, difference: Any, nodes: Any) -> Any:
    """Compute the points start + node × difference, example by example, shape (count × nodes, ...).

    Every extension uses the same two elementwise operations in the same order: points that differ in
    their last bit can fall on different sides of a kink.
    """
    steps = tf.reshape(nodes, [1, -1, *([1] * (len(start.shape) - 1))])
    points = tf.expand_dims(start, 1) + steps * tf.expand_dims(difference, 1)
    return tf.reshape(points, [-1, *start.shape[1:]])


def _each_row(examples: Any, count: Any) -> Any:
    """Give the row of each example as many times, one after the other."""
    return tf.range(tf.shape(examples)[0] * count) // count


def _taken(beside: Beside, rows: Any) -> Any:
    return tf.nest.map_structure(lambda part: tf.gather(part, rows), beside)


def _flat(directions: Any) -> Any:
    """Give directions of shape (N, R, ...) as (N, R, values)."""
    return tf.reshape(directions, [*directions.shape[:2], math.prod(directions.shape[2:])])
