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
    """The calls of layers whose output depends on one of several inputs.

    Parameters
    ----------
    place : int
        The place of the input.
    alone : tuple of LayerCall
        The calls that depend on this input and on no other, in the order in which they end.
    read : tuple of LayerCall
        Those and the calls that depend on other inputs too.
    """

    place: int
    alone: tuple[LayerCall, ...]
    read: tuple[LayerCall, ...]


def reach_of(problem: Problem) -> tuple[Reach, ...]:
    """Change one input after the other; give the reach of each.

    Parameters
    ----------
    problem : Problem
        A problem of packed inputs.
    """
    backend = cast(LayeredBackend, problem.backend)
    calls = [call for call in backend.layer_calls(problem.examples) if len(call.shape) > 1]
    parts = tuple((part.shape, part.layout) for part in problem.parts)
    key = ("reach", tuple(calls), parts)
    if key not in backend.observed:
        read = [_changed(problem, calls, place) for place in range(len(parts))]
        n_inputs = {call: sum(call in own for own in read) for call in calls}
        backend.observed[key] = tuple(
            Reach(place, tuple(call for call in own if n_inputs[call] == 1), own)
            for place, own in enumerate(read)
        )
    found: tuple[Reach, ...] = backend.observed[key]
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
