"""The problem that a method solves: an explanation to compute, with everything resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.backends.protocol import Backend
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.layer_calls import LayerCall
from explain.inputs.layout import Layout
from explain.inputs.packing import Part
from explain.running.execution import Executor


@dataclass(frozen=True)
class Problem:
    """An explanation to compute, with everything resolved.

    Parameters
    ----------
    method : str
        Canonical name of the method.
    backend : Backend
        The opened model, inside its session.
    examples : Examples
        The examples to explain, batch first.
    scores : numpy.ndarray
        The score of each example, shape (N,).
    layout : Layout
        Axes of the first input, batch first.
    options : Mapping
        The method's options, defaults filled in.
    executor : Executor
        Cuts the work into chunks.
    seed : int
        Seed of everything random.
    baselines : tuple of numpy.ndarray, optional
        The baseline of each input, for methods that compare.
    references : tuple of numpy.ndarray, optional
        The set that every input is compared with, one array per input of shape (R, ...), for methods that
        take a set.
    bounds : tuple of float, optional
        Least and greatest valid input value, for methods that stay within them.
    call : LayerCall, optional
        The layer, for methods that explain a layer, and if the problem is posed at a layer.
    neuron : Target, optional
        The unit of that layer, for methods that explain the score through a unit.
    outer : Problem, optional
        For a problem posed at a layer: the same problem at the input.
    parts : tuple of Part
        The positions of several inputs in the packed input; empty without packing.
    """

    method: str
    backend: Backend
    examples: Examples
    scores: Array
    layout: Layout
    options: Mapping[str, Any]
    executor: Executor
    seed: int = 0
    baselines: tuple[Array, ...] | None = None
    references: tuple[Array, ...] | None = None
    bounds: tuple[float, float] | None = None
    call: LayerCall | None = None
    neuron: Target | None = None
    outer: Problem | None = None
    parts: tuple[Part, ...] = ()

    @property
    def in_rows(self) -> bool:
        """Whether each point must be in its example's own row: at a fixed batch size a model may keep states by row.

        A batch of one has one row for all.
        """
        return (self.backend.fixed_batch_size or 1) > 1

    def scores_at(self, inputs: tuple[Array, ...]) -> Array:
        """Give the scores of the examples at other inputs, shape (N,)."""
        moved = self.examples.with_inputs(inputs)
        parts = self.executor.over_rows(len(moved), lambda rows: self.backend.scores(moved.rows(rows)))
        return np.concatenate([scores for _, scores in parts])

    def gradients_at(self, inputs: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        """Give the gradients to the inputs, and the scores, at other inputs."""
        moved = self.examples.with_inputs(inputs)
        over = self.executor.over_rows(len(moved), lambda rows: self.backend.gradients(moved.rows(rows)))
        parts = [found for _, found in over]
        if len(parts) == 1:
            return parts[0]
        gradients = tuple(np.concatenate(part) for part in zip(*(found for found, _ in parts), strict=True))
        return gradients, np.concatenate([scores for _, scores in parts])
