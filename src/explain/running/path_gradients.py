"""Gradients summed along straight paths, group by group of examples; the same in every framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, cast

import numpy as np

from explain.backends.protocol import Backend
from explain.inputs.examples import Array, Examples
from explain.running.execution import Executor
from explain.running.expansion import StraightPath, expanded_gradients


class Line(Protocol):
    """The nodes and weights of a path, and how the gradients at its points are summed on a device."""

    def sums(self, examples: Examples, starts: tuple[Array, ...]) -> tuple[Array, ...]:
        """Sum the gradients at points between `starts` and the examples, one array an input of shape (N, M, ...)."""

    def sums_beyond(self, examples: Examples, starts: tuple[Array, ...]) -> tuple[Array, ...] | None:
        """Sum them where the model's affine prefix ends; None if it has none, or if it is not affine here.

        A straight path goes through an affine prefix as a straight path: the prefix is run at the two ends only, the
        gradients are taken and summed where it ends, and the sums are pulled back through it once.
        """


class AlongPaths(ABC):
    """What a backend answers for a straight path."""

    fixed_batch_size: int | None
    """The only batch size that the model takes, None if any."""

    keeps_rows = False
    """Whether the model keeps a state for each row of the batch, so that points must stay in their example's row."""

    @abstractmethod
    def line(self, examples: Examples, alphas: Array, weights: Array, executor: Executor) -> Line:
        """Give the line for all paths to `examples`."""

    def path_gradients(
        self,
        examples: Examples,
        baselines: tuple[Array, ...],
        alphas: Array,
        weights: Array,
        executor: Executor,
    ) -> tuple[Array, ...]:
        """Give weighted sums of the gradients along the straight path, accumulated on the device."""
        if self.fixed_batch_size is not None:
            differences = tuple(end - start for end, start in zip(examples.inputs, baselines, strict=True))
            path, backend = StraightPath(baselines, differences, alphas), cast(Backend, self)
            return expanded_gradients(backend, examples, path, weights, executor, in_rows=self.keeps_rows)
        line = self.line(examples, alphas, weights, executor)
        totals = tuple(np.zeros((len(weights), *array.shape), array.dtype) for array in examples.inputs)

        def compute(group: slice) -> tuple[Array, ...]:
            part, starts = examples.rows(group), tuple(start[group] for start in baselines)
            found = line.sums_beyond(part, starts)
            return line.sums(part, starts) if found is None else found

        for group, found in executor.over_groups(len(examples), compute):
            for total, sums in zip(totals, found, strict=True):
                total[:, group] = np.moveaxis(sums, 1, 0)
        return totals
