"""Gradients summed along straight paths, group by group of examples; the same in every framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, cast

import numpy as np

from explain.backends.chunks import ChunkRunner
from explain.backends.protocol import Backend
from explain.inputs.examples import Array, Arrays, Examples
from explain.running.expansion import StraightPath, expanded_gradients
from explain.running.paths.path_sums import DeviceSums, ExpandedSums, PathSums, with_or_without_prefix

# With fewer points in a chunk, sums that grow are taken at the input.
_LEAST_CHUNK = 8


class AlongPaths(ABC):
    """The `path_gradients` and the `path_sums` of a backend."""

    sums_on_device: ClassVar[type[DeviceSums]]
    """The extension's class of sums."""

    fixed_batch_size: int | None
    """The only batch size that the model takes, None if any."""

    keeps_rows = False
    """Whether the model keeps a state for each row of the batch, so that points must stay in their example's row."""

    lost_cut = False
    """Whether a run of the model was seen to bypass the end of its affine prefix."""

    @abstractmethod
    def cut_for(self, examples: Examples, n_nodes: int) -> Any:
        """Give the end of the model's affine prefix; None if it has none, or skipping it does not pay."""

    def path_gradients(
        self, examples: Examples, baselines: Arrays, alphas: Array, weights: Array, executor: ChunkRunner
    ) -> Arrays:
        """Give weighted sums of the gradients along the straight path, accumulated on the device."""
        if self.fixed_batch_size is not None:
            differences = tuple(end - start for end, start in zip(examples.inputs, baselines, strict=True))
            path, backend = StraightPath(baselines, differences, alphas), cast(Backend, self)
            return expanded_gradients(backend, examples, path, weights, executor, in_rows=self.keeps_rows)
        # Each sum is pulled back through the prefix: many of them cost as much as the gradients that they are of.
        pays = 4 * len(weights) <= 3 * len(alphas)
        cut = self.cut_for(examples, len(alphas)) if pays else None
        totals = tuple(np.zeros((len(weights), *array.shape), array.dtype) for array in examples.inputs)
        shares = np.eye(len(weights), dtype=weights.dtype)

        def compute(group: slice) -> Arrays:
            part, starts = examples.rows(group), tuple(start[group] for start in baselines)
            none = tuple(np.zeros((0, *start.shape[1:]), np.int8) for start in starts)

            def summed() -> Arrays:
                own_cut = None if self.lost_cut else cut
                sums = self.sums_on_device(self, own_cut, part, starts, none, executor)
                sums.add(alphas, weights)
                return sums.combined(shares, np.arange(len(part)))

            return with_or_without_prefix(summed)

        for group, found in executor.over_groups(len(examples), len(alphas), compute):
            for total, sums in zip(totals, found, strict=True):
                total[:, group] = sums
        return totals

    def path_sums(
        self, examples: Examples, baselines: Arrays, signs: Arrays, executor: ChunkRunner, n_nodes: int
    ) -> PathSums:
        """Give sums of the gradients along the straight path that can grow; `n_nodes` is the number to reckon with."""
        if self.fixed_batch_size is not None:
            backend = cast(Backend, self)
            return ExpandedSums(backend, examples, baselines, signs, executor, in_rows=self.keeps_rows)
        # For each example the directions and the sums at the cut need the memory of a few points.
        pays = executor.size >= _LEAST_CHUNK and not self.lost_cut
        cut = self.cut_for(examples, n_nodes) if pays else None
        return self.sums_on_device(self, cut, examples, baselines, signs, executor)


def path_sums(
    backend: Backend,
    examples: Examples,
    baselines: Arrays,
    signs: Arrays,
    executor: ChunkRunner,
    n_nodes: int,
) -> PathSums:
    """Give the sums of a backend; on the host for one that has none of its own."""
    own = getattr(backend, "path_sums", None)
    if own is None:
        return ExpandedSums(backend, examples, baselines, signs, executor)
    found: PathSums = own(examples, baselines, signs, executor, n_nodes)
    return found
