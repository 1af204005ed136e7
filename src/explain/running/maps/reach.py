"""Which of several inputs the output of a layer depends on, and which of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from explain.backends.protocol import LayeredBackend
from explain.inputs.layer_calls import LayerCall
from explain.running.maps.changes import changed_rows, recorded
from explain.running.problem import Problem

# Rows of equal inputs may differ by the rounding of sums in another order, which is below this share of the output.
_ROUNDING = 1e-5

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reach:
    """The calls of layers whose output depends on one of several inputs, in the order in which they end.

    Where a model puts its inputs on the axis of the examples, some rows of a call depend on one input and others on
    another: the call is then given with the rows of this input.

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
        return tuple(
            _of_own_rows(call, rows[self.place])
            for call, rows in _read_by_each(self.problem, operations)
            if rows[self.place].any()
        )

    def alone(self, *, operations: bool = False) -> tuple[LayerCall, ...]:
        """Give the calls, or their rows, that depend on this input and on no other."""
        return tuple(
            _of_own_rows(call, rows[self.place])
            for call, rows in _read_by_each(self.problem, operations)
            if rows[self.place].any() and not rows[:, rows[self.place]].sum(axis=0).max() > 1
        )

    def among(self, calls: Sequence[LayerCall], *, operations: bool = False) -> tuple[LayerCall, ...]:
        """Give those of some calls that depend on this input: on no other, if there are any."""
        return _those(calls, self.alone(operations=operations)) or _those(
            calls, self.read(operations=operations)
        )

    def own(self, calls: Sequence[LayerCall], *, operations: bool = False) -> tuple[LayerCall, ...]:
        """Give those of some calls, or their rows, that depend on this input and on no other."""
        return _those(calls, self.alone(operations=operations))


def reach_of(problem: Problem) -> tuple[Reach, ...]:
    """Give the reach of each input of a problem of packed inputs."""
    return tuple(Reach(problem, place) for place in range(len(problem.parts)))


def _those(wanted: Sequence[LayerCall], found: Sequence[LayerCall]) -> tuple[LayerCall, ...]:
    """Give the wanted calls as they were found: with their own rows."""
    names = {(call.name, call.call) for call in wanted}
    return tuple(call for call in found if (call.name, call.call) in names)


def _of_own_rows(call: LayerCall, rows: Flags) -> LayerCall:
    """Give a call with the rows that an input changes, if they follow each other and are not all."""
    first, stop = int(rows.argmax()), len(rows) - int(rows[::-1].argmax())
    return call if rows.all() or not rows[first:stop].all() else call.of_rows(first, stop)


def _read_by_each(problem: Problem, operations: bool) -> tuple[tuple[LayerCall, Flags], ...]:
    """Change one input after the other; give each call, and which rows of an example each changes: (inputs, rows)."""
    backend = cast(LayeredBackend, problem.backend)
    calls = backend.layer_calls(problem.examples, operations=operations)
    key = ("reach", calls, tuple((part.shape, part.layout) for part in problem.parts))
    if key not in backend.observed:
        by_input = [_changed(problem, calls, place) for place in range(len(problem.parts))]
        backend.observed[key] = tuple(
            (call, np.stack(rows)) for call, *rows in zip(calls, *by_input, strict=True)
        )
    found: tuple[tuple[LayerCall, Flags], ...] = backend.observed[key]
    return found


def _changed(problem: Problem, calls: Sequence[LayerCall], place: int) -> list[Flags]:
    """Tell which rows of the output of each call change with an input; all of one whose rows are not the examples."""
    part = problem.parts[place]
    everywhere = (slice(None),) * len(part.shape)
    outputs = recorded(problem, calls, changed_rows(problem, part, [everywhere]))
    return [_rows_of(call, output) for call, output in zip(calls, outputs, strict=True)]


def _rows_of(call: LayerCall, output: npt.NDArray[np.generic] | None) -> Flags:
    """Tell which rows of an example differ between two of them; where it has one row, whether that does."""
    if output is None:
        return np.ones(1, bool)
    before, after = output.astype(np.float64).reshape(2, call.shape[0] if call.has_steps else 1, -1)
    found: Flags = np.abs(before - after).max(axis=1, initial=0) > _ROUNDING * np.abs(before).max(initial=0)
    return found
