"""Gradients along straight paths in TensorFlow, computed where the model's affine prefix ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from explain.inputs.examples import Arrays, Examples
from explain.keras.model.tracing import Beside
from explain.running import path_gradients
from explain.tf_ext.affine_prefix.cut import ModuleCut, SourceCut
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass
from explain.tf_ext.model.opened import OpenedModel

# Relative tolerance for the output of an affine prefix on a straight line: the rounding of sums.
_STRAIGHT = {tf.float32: 1e-4, tf.float64: 1e-10}


class Line(path_gradients.Line):
    """Straight paths of a TensorFlow model; see `explain.running.path_gradients.Line`."""

    _opened: OpenedModel
    _cut: ModuleCut | SourceCut | None

    def sums(self, examples: Examples, starts: Arrays) -> Arrays:
        """Sum the gradients at points of the input, one array of shape (N, M, ...) for each input."""
        found = self._summed(_path_block, examples, starts, ())
        assert found is not None
        return found

    def sums_beyond(self, examples: Examples, starts: Arrays) -> Arrays | None:
        """Sum the gradients at points beyond the affine prefix and pull them back; None if it is not affine."""
        cut = self._cut
        if cut is None:
            return None
        found = (
            self._summed(_path_block_beyond, examples, starts, (cut,))
            if self._keeps_rows(cut, examples)
            else None
        )
        if found is None:
            self._cut = None
        return found

    def _keeps_rows(self, cut: ModuleCut | SourceCut, examples: Examples) -> bool:
        """Tell whether the value at the cut has one row per example; a model may fold the time axis into that axis."""
        if isinstance(cut, SourceCut):
            # The output was checked.
            return True
        observed, shape = self._opened.observed, examples.inputs[0].shape[1:]
        if ("rows", cut, shape) not in observed:
            value = self._opened.run_eagerly(_prefix, examples.rows(slice(0, 1)), cut, reads_ending=False)
            observed["rows", cut, shape] = value.shape[0] == 1
        return bool(observed["rows", cut, shape])

    def _summed(
        self,
        block: Callable[..., Any],
        examples: Examples,
        starts: Arrays,
        static: tuple[ModuleCut | SourceCut, ...],
    ) -> Arrays | None:
        """Sum gradients at the inputs over blocks of points; None if a block tells that its paths are not straight."""
        shape = (len(examples), len(self._weights))
        totals = tuple(np.zeros((*shape, *one.shape[1:]), self._opened.dtype) for one in examples.inputs)

        def compute(rows: slice, steps: slice) -> tuple[Sequence[Any], Any]:
            part = examples.rows(rows)
            found: tuple[Sequence[Any], Any] = self._opened.run(
                block,
                part,
                self._opened.tensors([start[rows] for start in starts]),
                self._opened.points(part),
                tf.constant(self._alphas[steps]),
                tf.constant(self._weights[:, steps].reshape(-1)),
                static=static,
            )
            return found

        for rows, _, (found, is_straight) in self._executor.over_blocks(
            len(examples), len(self._alphas), compute
        ):
            if not is_straight:
                return None
            for total, part in zip(totals, found, strict=True):
                total[rows] += part.numpy()
        return totals


def _path_block(
    forward: TensorFlowForwardPass,
    starts: tuple[Any, ...],
    ends: tuple[Any, ...],
    nodes: Any,
    weights: Any,
    beside: Beside,
) -> tuple[tuple[Any, ...], Any]:
    """Give weighted sums of gradients over nodes along each example's path, shape (N, M, ...), and True."""
    points = tuple(_along(start, end - start, nodes) for start, end in zip(starts, ends, strict=True))
    gradients, _ = forward.gradients(points, _repeated(beside, nodes))
    sums = (
        _weighted_sums(nodes, weights, gradient, start)
        for gradient, start in zip(gradients, starts, strict=True)
    )
    return tuple(sums), tf.constant(True)


def _prefix(
    forward: TensorFlowForwardPass, cut: ModuleCut | SourceCut, points: tuple[Any, ...], beside: Beside
) -> Any:
    """Give the value at the cut."""
    return cut.prefix(forward, points, beside)


def _path_block_beyond(
    forward: TensorFlowForwardPass,
    cut: ModuleCut | SourceCut,
    starts: tuple[Any, ...],
    ends: tuple[Any, ...],
    nodes: Any,
    weights: Any,
    beside: Beside,
) -> tuple[tuple[Any, ...], Any]:
    """Give the same sums from gradients at the cut, and whether the prefix maps straight paths to straight paths."""
    (start,), (end,) = starts, ends
    difference = end - start
    middle = nodes[tf.shape(nodes)[0] // 2][None]
    of_lines = tf.concat([start, end, _along(start, difference, middle)], axis=0)
    first, last, true = tf.split(cut.prefix(forward, (of_lines,), _tiled(beside, 3)), 3)
    entering = (first, last - first)
    repeated = _repeated(beside, nodes)
    value = _along(*entering, nodes)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(value)
        if isinstance(cut, SourceCut):
            explained = cut.explained(forward, value, starts, beside)
        else:
            explained = cut.explained(forward, value, (_along(start, difference, nodes),), repeated)
        scores = forward.scores_of(explained, repeated)
    gradient = tf.convert_to_tensor(tape.gradient(scores, value))
    sums = _weighted_sums(nodes, weights, gradient, first)
    is_straight = _is_straight(true, _along(*entering, middle))
    return (_pulled_back(forward, cut, end, sums, beside),), is_straight


def _is_straight(true: Any, on_line: Any) -> Any:
    """Tell whether the prefix maps a point of each example's path to the same point of the path of its image."""
    # Relative to each example's own magnitude, so that a large example does not hide the deviation of another.
    axes = list(range(1, len(true.shape)))
    size = tf.reduce_max(tf.abs(true), axis=axes)
    deviation = tf.reduce_max(tf.abs(true - on_line), axis=axes)
    return tf.reduce_all(deviation <= _STRAIGHT[true.dtype] * size)


def _pulled_back(
    forward: TensorFlowForwardPass, cut: ModuleCut | SourceCut, points: Any, sums: Any, beside: Beside
) -> Any:
    """Pull sums of gradients to the value at the cut, shape (N, M, ...), back to the input."""
    count = tf.shape(sums)[1]
    repeated = tf.repeat(points, count, axis=0)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(repeated)
        entering = cut.prefix(forward, (repeated,), _each(beside, count))
    at_cut = tf.reshape(sums, tf.shape(entering))
    found = tf.convert_to_tensor(tape.gradient(entering, repeated, output_gradients=at_cut))
    return tf.reshape(found, [-1, count, *points.shape[1:]])


def _along(start: Any, difference: Any, nodes: Any) -> Any:
    """Compute the points start + node × difference, example by example, shape (count × nodes, ...).

    Every extension uses the same two elementwise operations in the same order: points that differ in
    their last bit can fall on different sides of a kink.
    """
    steps = tf.reshape(nodes, [1, -1, *([1] * (len(start.shape) - 1))])
    points = start[:, None] + steps * difference[:, None]
    return tf.reshape(points, [-1, *start.shape[1:]])


def _weighted_sums(nodes: Any, weights: Any, gradient: Any, like: Any) -> Any:
    """Sum the gradients of each example's points, once for every row of weights, shape (N, M, ...)."""
    size, n_steps = math.prod(like.shape[1:]), tf.shape(nodes)[0]
    by_step = tf.reshape(gradient, [-1, n_steps, size])
    # The rows of weights are concatenated, so that a trace fixes neither their number nor the number of steps.
    weights = tf.reshape(weights, [-1, n_steps])
    return tf.reshape(tf.matmul(weights, by_step), [tf.shape(like)[0], -1, *like.shape[1:]])


def _repeated(beside: Beside, nodes: Any) -> Any:
    return _each(beside, tf.shape(nodes)[0])


def _each(beside: Beside, count: Any) -> Any:
    """Repeat the row of each example as many times, one after the other."""
    return tf.nest.map_structure(lambda rows: tf.repeat(rows, count, axis=0), beside)


def _tiled(beside: Beside, count: int) -> Any:
    """Put all rows as many times behind each other."""
    return tf.nest.map_structure(lambda rows: tf.concat([rows] * count, axis=0), beside)
