"""Gradients summed along straight paths, group by group of examples; the same in every framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, cast

import numpy as np

from explain.backends.chunks import ChunkRunner
from explain.backends.protocol import Backend
from explain.inputs.examples import Array, Arrays, Examples
from explain.running.expansion import StraightPath, expanded_gradients


class Line(ABC):
    """The nodes and weights of straight paths, and the sums of gradients along them on a device.

    Parameters
    ----------
    opened : object
        The extension's opened model.
    cut : object, optional
        The end of the model's affine prefix, None if it has none.
    alphas, weights : numpy.ndarray
        The nodes, shape (K,), and the weights of each sum, shape (M, K).
    executor : ChunkRunner
        Cuts the work into chunks.
    """

    def __init__(self, opened: Any, cut: Any, alphas: Array, weights: Array, executor: ChunkRunner) -> None:
        self._opened, self._cut = opened, cut
        self._alphas, self._weights = alphas, weights
        self._executor = executor

    @abstractmethod
    def sums(self, examples: Examples, starts: Arrays) -> Arrays:
        """Sum the gradients at points between `starts` and the examples, one array per input of shape (N, M, ...)."""

    @abstractmethod
    def sums_beyond(self, examples: Examples, starts: Arrays) -> Arrays | None:
        """Sum the gradients at the end of the affine prefix; None if there is no prefix, or if it is not affine here.

        The affine prefix maps a straight path to a straight path. So it is run at the two ends only, the gradients are
        taken and summed at its end, and the sums are pulled back through it once.
        """


class AlongPaths(ABC):
    """The `path_gradients` of a backend."""

    line: ClassVar[type[Line]]
    """The extension's class of lines."""

    fixed_batch_size: int | None
    """The only batch size that the model takes, None if any."""

    keeps_rows = False
    """Whether the model keeps a state for each row of the batch, so that points must stay in their example's row."""

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
        cut = self.cut_for(examples, len(alphas)) if 2 * len(weights) <= len(alphas) else None
        line = self.line(self, cut, alphas, weights, executor)
        totals = tuple(np.zeros((len(weights), *array.shape), array.dtype) for array in examples.inputs)

        def compute(group: slice) -> Arrays:
            part, starts = examples.rows(group), tuple(start[group] for start in baselines)
            found = line.sums_beyond(part, starts)
            return line.sums(part, starts) if found is None else found

        for group, found in executor.over_groups(len(examples), len(alphas), compute):
            for total, sums in zip(totals, found, strict=True):
                total[:, group] = np.moveaxis(sums, 1, 0)
        return totals
