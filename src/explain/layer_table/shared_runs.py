"""Axes of the outputs of many calls, from runs of the model that all of them share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from explain.errors import ExplainError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall
from explain.running.maps.axes import agreed_axes, observed_axes
from explain.running.maps.changes import recorded
from explain.running.problem import Problem

# Outputs of as many bytes are kept at once.
_MOST_BYTES = 1 << 28
# The first example, and the same with a change at each end of each of three axes at most.
_MOST_ROWS = 7


class SharedRuns:
    """Runs of a model in which the outputs of several calls are kept, one group of calls after the other.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    calls : sequence of LayerCall
        The calls, in the order in which their axes are asked for.
    """

    def __init__(self, problem: Problem, calls: Sequence[LayerCall]) -> None:
        self._problem = problem
        self._group_of: dict[LayerCall, list[LayerCall]] = {}
        group: list[LayerCall] = []
        size = 0
        for call in calls:
            own = _MOST_ROWS * math.prod(call.shape) * problem.backend.dtype.itemsize
            if group and size + own > _MOST_BYTES:
                group, size = [], 0
            group.append(call)
            size += own
            self._group_of[call] = group
        self._kept: list[LayerCall] = []
        self._outputs: dict[bytes, list[Array | None]] = {}

    def axes_of(self, call: LayerCall) -> str:
        """Give the axes of a call's output, batch first; empty where they cannot be told."""
        if not call.has_examples:
            return ""
        if len(call.shape) == 1:
            return "NC"
        try:
            axes = None
            if not call.has_steps:
                axes = agreed_axes(self._problem, call, lambda examples: self._output_of(call, examples))
            return axes or observed_axes(self._problem, call) or ""
        except ExplainError:
            return ""

    def _output_of(self, call: LayerCall, examples: Examples) -> Array | None:
        group = self._group_of[call]
        if group is not self._kept:
            self._kept, self._outputs = group, {}
        key = examples.inputs[0].tobytes()
        if key not in self._outputs:
            self._outputs[key] = recorded(self._problem, group, examples)
        return self._outputs[key][group.index(call)]
