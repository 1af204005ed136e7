"""The calls of a layer that a model makes for one step of the input after the other, such as for each frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from explain.inputs.joined_calls import StepCalls
from explain.inputs.layer_calls import LayerCall, extent_of
from explain.running.maps.changes import changed_rows, recorded
from explain.running.problem import Problem

# More steps are not tried: each is a run of one example, and each call is recorded in all of them.
_MOST_STEPS = 256
# A change below this share of the output is the rounding of sums in another order.
_ROUNDING = 1e-5


def as_steps(problem: Problem, calls: Sequence[LayerCall]) -> StepCalls | None:
    """Give the calls of a layer as one if they are those for the steps of the input, in any order; else None.

    They are if there are as many as steps, and the first of them depends on one step, and each later one on one step
    more: that one alone, or also those before, as in a recurrent cell.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    calls : sequence of LayerCall
        The calls of one layer, in the order in which the model makes them.
    """
    found = _joined(problem, [tuple(calls)])
    return found[0] if found else None


def with_steps(problem: Problem, calls: Sequence[LayerCall]) -> list[LayerCall]:
    """Give calls, those of a layer for the steps of the input as one, in place of the last of them."""
    by_layer: defaultdict[str, list[LayerCall]] = defaultdict(list)
    for call in calls:
        if not call.is_operation:
            by_layer[call.name].append(call)
    joined = _joined(problem, [tuple(own) for own in by_layer.values()])
    last = {max(one.calls, key=lambda call: call.call): one for one in joined}
    hidden = {call for one in joined for call in one.calls} - set(last)
    return [last.get(call, call) for call in calls if call not in hidden]


def _joined(problem: Problem, layers: Sequence[tuple[LayerCall, ...]]) -> list[StepCalls]:
    """Give the calls of each of some layers as one, of those that have one for each step."""
    found: list[StepCalls] = []
    left = [calls for calls in layers if _may_be_steps(calls)]
    for letter in extent_of(problem.layout):
        size = problem.examples.inputs[0].shape[problem.layout.axes.index(letter)]
        fitting = [calls for calls in left if len(calls) == size <= _MOST_STEPS]
        if not fitting:
            continue
        for calls, reads in zip(fitting, _reads(problem, letter, size, fitting), strict=True):
            order = _order(reads)
            if order is not None:
                found.append(StepCalls.of([calls[index] for index in order], letter))
                left.remove(calls)
    return found


def _may_be_steps(calls: tuple[LayerCall, ...]) -> bool:
    """Tell whether calls have outputs of one shape, with one row for each example."""
    return len(calls) > 1 and all(
        call.shape == calls[0].shape and call.has_examples and call.fold is None for call in calls
    )


def _reads(
    problem: Problem, letter: str, size: int, layers: Sequence[tuple[LayerCall, ...]]
) -> list[npt.NDArray[np.bool_]]:
    """Change one step of the input after the other; tell which of them each call depends on, shape (calls, steps)."""
    axis = problem.layout.axes.index(letter) - 1
    whole = [slice(None)] * (problem.examples.inputs[0].ndim - 1)
    places = [
        tuple(slice(step, step + 1) if index == axis else own for index, own in enumerate(whole))
        for step in range(size)
    ]
    every = [call for calls in layers for call in calls]
    outputs = iter(recorded(problem, every, changed_rows(problem, None, places)))
    found = []
    for calls in layers:
        rows = []
        for _ in calls:
            output = next(outputs)
            if output is None:
                rows.append(np.ones(size, bool))
                continue
            flat = output.astype(np.float64).reshape(size + 1, -1)
            rows.append(np.abs(flat[1:] - flat[0]).max(axis=1) > _ROUNDING * np.abs(flat[0]).max())
        found.append(np.stack(rows))
    return found


def _order(reads: npt.NDArray[np.bool_]) -> list[int] | None:
    """Give the number of the call for each step; None if a call depends on no step, or on several that are new.

    Examples
    --------
    >>> _order(np.array([[0, 1, 0], [0, 1, 1], [1, 1, 1]], bool))
    [2, 0, 1]
    >>> _order(np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]], bool)) is None
    True
    """
    call_of: dict[int, int] = {}
    for call, steps in enumerate(reads):
        new = [step for step in np.flatnonzero(steps).tolist() if step not in call_of]
        if len(new) != 1:
            return None
        call_of[new[0]] = call
    return [call_of[step] for step in sorted(call_of)]
