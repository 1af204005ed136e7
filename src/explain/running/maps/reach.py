"""Which of several inputs the output of a layer depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from explain.backends.protocol import LayeredBackend
from explain.inputs.layer_calls import LayerCall
from explain.running.maps.changes import changed_rows, recorded
from explain.running.problem import Problem

# Rows of equal inputs may differ by the rounding of sums in another order, which is below this share of the output.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Reach:
    """The calls of layers whose output depends on one of several inputs, in the order in which they end.

    Parameters
    ----------
    problem : Problem
        A problem of packed inputs.
    place : int
        The place of the input.
    """

    problem: Problem
    place: int

    def read(self, *, operations: bool = False) -> tuple[LayerCall, ...]:
        """Give the calls that depend on this input, with those of operations between layers if asked."""
        return _read_by_each(self.problem, operations)[self.place]

    def alone(self, *, operations: bool = False) -> tuple[LayerCall, ...]:
        """Give the calls that depend on this input and on no other."""
        every = _read_by_each(self.problem, operations)
        return tuple(call for call in every[self.place] if sum(call in own for own in every) == 1)


def reach_of(problem: Problem) -> tuple[Reach, ...]:
    """Give the reach of each input of a problem of packed inputs."""
    return tuple(Reach(problem, place) for place in range(len(problem.parts)))


def _read_by_each(problem: Problem, operations: bool) -> tuple[tuple[LayerCall, ...], ...]:
    """Change one input after the other; give the calls that depend on each."""
    backend = cast(LayeredBackend, problem.backend)
    calls = [
        call for call in backend.layer_calls(problem.examples, operations=operations) if len(call.shape) > 1
    ]
    key = ("reach", tuple(calls), tuple((part.shape, part.layout) for part in problem.parts))
    if key not in backend.observed:
        backend.observed[key] = tuple(_changed(problem, calls, place) for place in range(len(problem.parts)))
    found: tuple[tuple[LayerCall, ...], ...] = backend.observed[key]
    return found


def _changed(problem: Problem, calls: Sequence[LayerCall], place: int) -> tuple[LayerCall, ...]:
    """Give the calls whose output changes with an input, or has rows that are not the examples."""
    part = problem.parts[place]
    everywhere = (slice(None),) * len(part.shape)
    outputs = recorded(problem, calls, changed_rows(problem, part, [everywhere]))
    return tuple(
        call
        for call, output in zip(calls, outputs, strict=True)
        if output is None or np.abs(output[0] - output[1]).max() > _ROUNDING * np.abs(output[0]).max()
    )
