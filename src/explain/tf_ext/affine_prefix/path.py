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
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass, repeating
from explain.tf_ext.model.opened import OpenedModel
from explain.tf_ext.model.scores import gradients_of_scores

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


@repeating
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
    count = tf.size(nodes)
    gradients, _ = forward.gradients(points, _taken(beside, _each_row(starts[0], count)))
    sums = (
        _weighted_sums(count, weights, gradient, start)
        for gradient, start in zip(gradients, starts, strict=True)
    )
    return tuple(sums), tf.constant(True)


def _prefix(
    forward: TensorFlowForwardPass, cut: ModuleCut | SourceCut, points: tuple[Any, ...], beside: Beside
) -> Any:
    """Give the value at the cut."""
    return cut.prefix(forward, points, beside)[0]


@repeating
def _path_block_beyond(
    forward: TensorFlowForwardPass,
    cut: ModuleCut | SourceCut,
    starts: tuple[Any, ...],
    ends: tuple[Any, ...],
    nodes: Any,
    weights: Any,
    beside: Beside,
) -> tuple[tuple[Any, ...], Any]:
    """Give the same sums from gradients at the cut, and whether the prefix maps straight paths to straight paths.

    TensorFlow takes longer to trace an operation than a small model needs for it, so that no operation is in vain.
    """
    (start,), (end,), count = starts, ends, tf.size(nodes)
    middle = nodes[count // 2]
    of_lines = tf.concat([start, end, start + middle * (end - start)], axis=0)
    at_cut, explained_from = cut.prefix(forward, (of_lines,), _tiled(beside, 3))
    first, last, true = tf.split(at_cut, 3)
    difference = last - first
    rows = _each_row(start, count)
    repeated = _taken(beside, rows)
    value = _along(first, difference, nodes)
    with forward.tape() as tape:
        tape.watch(value)
        # The rows of the input count here, but not its values.
        explained = explained_from(value, lambda: (tf.gather(end, rows),), repeated)
        explained, picked = forward.picked_of(explained, repeated)
    (gradient,) = gradients_of_scores(tape, explained, (value,), forward.model_name, picked)
    sums = _weighted_sums(count, weights, gradient, first)
    is_straight = _is_straight(true, first + middle * difference)
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
    rows = _each_row(points, count)
    repeated = tf.gather(points, rows)
    with forward.tape() as tape:
        tape.watch(repeated)
        entering, _ = cut.prefix(forward, (repeated,), _taken(beside, rows))
    arriving = tf.reshape(sums, tf.shape(entering))
    found = tf.convert_to_tensor(tape.gradient(entering, repeated, output_gradients=arriving))
    return tf.reshape(found, [-1, count, *points.shape[1:]])


def _along(start: Any, difference: Any, nodes: Any) -> Any:
    """Compute the points start + node × difference, example by example, shape (count × nodes, ...).

    Every extension uses the same two elementwise operations in the same order: points that differ in
    their last bit can fall on different sides of a kink.
    """
    steps = tf.reshape(nodes, [1, -1, *([1] * (len(start.shape) - 1))])
    points = tf.expand_dims(start, 1) + steps * tf.expand_dims(difference, 1)
    return tf.reshape(points, [-1, *start.shape[1:]])


def _weighted_sums(n_steps: Any, weights: Any, gradient: Any, like: Any) -> Any:
    """Sum the gradients of each example's points, once for every row of weights, shape (N, M, ...)."""
    size = math.prod(like.shape[1:])
    by_step = tf.reshape(gradient, [-1, n_steps, size])
    # The rows of weights are concatenated, so that a trace fixes neither their number nor the number of steps.
    weights = tf.reshape(weights, [-1, n_steps])
    sums = tf.matmul(weights, by_step)
    return tf.reshape(sums, [-1, tf.shape(weights)[0], *like.shape[1:]])


def _each_row(examples: Any, count: Any) -> Any:
    """Give the row of each example as many times, one after the other."""
    return tf.range(tf.shape(examples)[0] * count) // count


def _taken(beside: Beside, rows: Any) -> Any:
    return tf.nest.map_structure(lambda part: tf.gather(part, rows), beside)


def _tiled(beside: Beside, count: int) -> Any:
    """Put all rows as many times behind each other."""
    return tf.nest.map_structure(lambda rows: tf.concat([rows] * count, axis=0), beside)
