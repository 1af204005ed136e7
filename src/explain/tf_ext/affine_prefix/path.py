"""Gradients along straight paths in TensorFlow, computed where the model's affine prefix ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from explain.inputs.examples import Array, Arrays, Examples
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
        first, differences, _ = self._ends(examples, starts)
        return self._summed(_path_block, examples, (first, differences), first)

    def sums_beyond(self, examples: Examples, starts: Arrays) -> Arrays | None:
        """Sum the gradients at points beyond the affine prefix and pull them back; None if it is not affine."""
        if self._cut is None:
            return None
        found = self._sums_beyond(self._cut, examples, starts)
        if found is None:
            self._cut = None
        return found

    def _sums_beyond(self, cut: ModuleCut | SourceCut, examples: Examples, starts: Arrays) -> Arrays | None:
        opened, static = self._opened, (cut,)
        points, differences, ends = self._ends(examples, starts)
        first, last = (opened.run(_prefix, examples, one, static=static) for one in (points, ends))
        if first.shape[0] != len(examples):
            # The model folds the time axis into the batch axis at the cut.
            return None
        entering = (first, last - first)
        if not self._is_straight(cut, examples, (points[0], differences[0]), entering):
            return None
        (totals,) = self._summed(
            _path_block_beyond, examples, (points, differences, entering), entering[:1], static
        )
        pulled = [
            opened.run(_pulled_back, examples, ends, tf.constant(totals[:, one]), static=static).numpy()
            for one in range(len(self._weights))
        ]
        return (np.stack(pulled, axis=1),)

    def _ends(
        self, examples: Examples, starts: Arrays
    ) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
        """Give the starts of the paths, the differences, and the ends."""
        ends, first = self._opened.tensors(examples.inputs), self._opened.tensors(starts)
        return first, tuple(end - start for end, start in zip(ends, first, strict=True)), ends

    def _summed(
        self,
        block: Callable[..., Any],
        examples: Examples,
        lines: tuple[tuple[Any, ...], ...],
        like: tuple[Any, ...],
        static: tuple[ModuleCut | SourceCut, ...] = (),
    ) -> Arrays:
        """Sum gradients over blocks of points on lines, each a tuple of tensors; shapes (N, M, ...) as in `like`."""
        totals = tuple(
            np.zeros((len(examples), len(self._weights), *one.shape[1:]), self._opened.dtype) for one in like
        )

        def compute(rows: slice, steps: slice) -> list[Array]:
            found = self._opened.run(
                block,
                examples.rows(rows),
                *(tuple(tensor[rows] for tensor in line) for line in lines),
                tf.constant(self._alphas[steps]),
                tf.constant(self._weights[:, steps].reshape(-1)),
                static=static,
            )
            return [part.numpy() for part in found]

        for rows, _, found in self._executor.over_blocks(len(examples), len(self._alphas), compute):
            for total, part in zip(totals, found, strict=True):
                total[rows] += part
        return totals

    def _is_straight(
        self,
        cut: ModuleCut | SourceCut,
        examples: Examples,
        outside: tuple[Any, Any],
        inside: tuple[Any, Any],
    ) -> bool:
        """Tell whether the prefix maps the midpoint of each example's path to the midpoint of its image."""
        middle = tf.constant(self._alphas[len(self._alphas) // 2 :][:1])
        true = self._opened.run(_prefix, examples, (_along(*outside, middle),), static=(cut,))
        # Relative to each example's own magnitude, so that a large example does not hide the deviation of another.
        axes = list(range(1, len(true.shape)))
        size = tf.reduce_max(tf.abs(true), axis=axes)
        deviation = tf.reduce_max(tf.abs(true - _along(*inside, middle)), axis=axes)
        return bool(tf.reduce_all(deviation <= _STRAIGHT[true.dtype] * size))


def _path_block(
    forward: TensorFlowForwardPass,
    starts: tuple[Any, ...],
    differences: tuple[Any, ...],
    nodes: Any,
    weights: Any,
    beside: Beside,
) -> tuple[Any, ...]:
    """Give weighted sums of gradients over nodes along each example's path, shape (N, M, ...)."""
    points = tuple(_along(start, step, nodes) for start, step in zip(starts, differences, strict=True))
    gradients, _ = forward.gradients(points, _repeated(beside, nodes))
    return tuple(
        _weighted_sums(nodes, weights, gradient, start)
        for gradient, start in zip(gradients, starts, strict=True)
    )


def _prefix(
    forward: TensorFlowForwardPass, cut: ModuleCut | SourceCut, points: tuple[Any, ...], beside: Beside
) -> Any:
    """Give the value at the cut."""
    return cut.prefix(forward, points, beside)


def _path_block_beyond(
    forward: TensorFlowForwardPass,
    cut: ModuleCut | SourceCut,
    starts: tuple[Any, ...],
    differences: tuple[Any, ...],
    entering: tuple[Any, Any],
    nodes: Any,
    weights: Any,
    beside: Beside,
) -> tuple[Any, ...]:
    """Give weighted sums of gradients to the value at the cut, on the same path, shape (N, M, ...)."""
    repeated = _repeated(beside, nodes)
    value = _along(*entering, nodes)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(value)
        if isinstance(cut, SourceCut):
            explained = cut.explained(forward, value, starts, beside)
        else:
            points = tuple(
                _along(start, step, nodes) for start, step in zip(starts, differences, strict=True)
            )
            explained = cut.explained(forward, value, points, repeated)
        scores = forward.scores_of(explained, repeated)
    gradient = tf.convert_to_tensor(tape.gradient(scores, value))
    return (_weighted_sums(nodes, weights, gradient, entering[0]),)


def _pulled_back(
    forward: TensorFlowForwardPass,
    cut: ModuleCut | SourceCut,
    points: tuple[Any, ...],
    sums: Any,
    beside: Beside,
) -> Any:
    """Pull sums of gradients to the value at the cut, shape (N, ...), back to the input."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        entering = cut.prefix(forward, points, beside)
    return tf.convert_to_tensor(tape.gradient(entering, points, output_gradients=sums)[0])


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
    return tf.nest.map_structure(lambda rows: tf.repeat(rows, tf.shape(nodes)[0], axis=0), beside)
