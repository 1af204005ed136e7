"""Gradients along straight paths in TensorFlow, taken where the model's affine prefix ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from explain.backends.chunks import ChunkRunner
from explain.inputs.examples import Array, Arrays, Examples
from explain.tf_ext.affine_prefix.cut import ModuleCut, SourceCut

if TYPE_CHECKING:
    from explain.tf_ext.backend import TensorFlowBackend

# How far an affine prefix may be from the straight line between its ends: rounding of its sums.
_STRAIGHT = {tf.float32: 1e-4, tf.float64: 1e-10}


def path_gradients(
    backend: TensorFlowBackend,
    examples: Examples,
    baselines: Arrays,
    alphas: Array,
    weights: Array,
    executor: ChunkRunner,
) -> Arrays:
    """Give weighted sums of the gradients along the path; see `explain.backends.protocol.Backend.path_gradients`.

    The straight path goes through an affine prefix as a straight path: it is run at the two ends only, the
    gradients are taken and summed where it ends, and the sums are pulled back through it once.
    """
    line = _Line(backend, alphas, weights, executor)
    totals = tuple(np.zeros((len(weights), *array.shape), array.dtype) for array in examples.inputs)
    cut = None
    if backend.skips_affine_prefix and not backend.rounds_points:
        cut = backend.survey(examples).cut

    def compute(group: slice) -> tuple[Array, ...]:
        nonlocal cut
        part = examples.rows(group)
        ends = backend.tensors(part.inputs)
        starts = backend.tensors(tuple(start[group] for start in baselines))
        differences = tuple(end - start for end, start in zip(ends, starts, strict=True))
        found = None
        if cut is not None:
            found = line.sums_beyond(cut, part, starts, differences, ends)
            cut = None if found is None else cut
        return line.sums("path_block", part, starts, differences) if found is None else found

    for group, found in executor.over_groups(len(examples), compute):
        for total, sums in zip(totals, found, strict=True):
            total[:, group] = np.moveaxis(sums, 1, 0)
    return totals


def along(start: Any, difference: Any, nodes: Any) -> Any:
    """Form the points start + node × difference, example by example, shape (count × nodes, ...).

    The same two elementwise operations in the same order as in every extension: points that differ in
    their last bit flip kinks.
    """
    steps = tf.reshape(nodes, [1, -1, *([1] * (len(start.shape) - 1))])
    points = start[:, None] + steps * difference[:, None]
    return tf.reshape(points, [-1, *start.shape[1:]])


def weighted_sums(nodes: Any, weights: Any, gradient: Any, like: Any) -> Any:
    """Sum the gradients of each example's points, once for every row of weights, shape (N, M, ...)."""
    size, n_steps = math.prod(like.shape[1:]), tf.shape(nodes)[0]
    by_step = tf.reshape(gradient, [-1, n_steps, size])
    # Rows of weights come one after another, so that their number, as that of the steps, stays open in a trace.
    weights = tf.reshape(weights, [-1, n_steps])
    return tf.reshape(tf.matmul(weights, by_step), [tf.shape(like)[0], -1, *like.shape[1:]])


@dataclass(frozen=True)
class _Line:
    backend: TensorFlowBackend
    alphas: Array
    weights: Array
    executor: ChunkRunner

    def sums(
        self,
        computation: str,
        examples: Examples,
        starts: Sequence[Any],
        differences: Sequence[Any],
        entering: tuple[Any, Any] | None = None,
        cut: ModuleCut | SourceCut | None = None,
    ) -> tuple[Array, ...]:
        """Sum the gradients at points of the input, or of what enters at a cut; shape (N, M, ...)."""
        summed = starts if entering is None else entering[:1]
        totals = tuple(
            np.zeros((len(examples), len(self.weights), *one.shape[1:]), self.backend.dtype) for one in summed
        )

        def compute(rows: slice, steps: slice) -> list[Array]:
            found = self.backend.run(
                computation,
                examples.rows(rows),
                tuple(start[rows] for start in starts),
                tuple(difference[rows] for difference in differences),
                *(() if entering is None else ((entering[0][rows], entering[1][rows]),)),
                tf.constant(self.alphas[steps]),
                tf.constant(self.weights[:, steps].reshape(-1)),
                cut=cut,
            )
            return [part.numpy() for part in found]

        for rows, _, found in self.executor.over_blocks(len(examples), len(self.alphas), compute):
            for total, part in zip(totals, found, strict=True):
                total[rows] += part
        return totals

    def sums_beyond(
        self,
        cut: ModuleCut | SourceCut,
        examples: Examples,
        starts: Sequence[Any],
        differences: Sequence[Any],
        ends: Sequence[Any],
    ) -> tuple[Array, ...] | None:
        """Sum the gradients at points beyond the affine prefix and pull them back; None if it is not affine."""
        backend = self.backend
        first, last = (backend.run("prefix", examples, points, cut=cut) for points in (starts, ends))
        if first.shape[0] != len(examples):
            # Time is folded into the batch there.
            return None
        entering = (first, last - first)
        if not self._is_straight(cut, examples, (starts[0], differences[0]), entering):
            return None
        (totals,) = self.sums("path_block_beyond", examples, starts, differences, entering, cut)
        pulled = [
            backend.run("pull_back", examples, ends, tf.constant(totals[:, one]), cut=cut).numpy()
            for one in range(len(self.weights))
        ]
        return (np.stack(pulled, axis=1),)

    def _is_straight(
        self,
        cut: ModuleCut | SourceCut,
        examples: Examples,
        outside: tuple[Any, Any],
        inside: tuple[Any, Any],
    ) -> bool:
        """Look at a point in the middle of every example's path: does the prefix give the point in its middle?"""
        middle = tf.constant(self.alphas[len(self.alphas) // 2 :][:1])
        true = self.backend.run("prefix", examples, (along(*outside, middle),), cut=cut)
        # Each example by its own size: a large one must not hide another's bend.
        axes = list(range(1, len(true.shape)))
        size = tf.reduce_max(tf.abs(true), axis=axes)
        bend = tf.reduce_max(tf.abs(true - along(*inside, middle)), axis=axes)
        return bool(tf.reduce_all(bend <= _STRAIGHT[true.dtype] * size))
