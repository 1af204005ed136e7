"""The layer of a class activation map: the last one that carries all of the score's dependence on the input."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from explain.backends.protocol import LayeredBackend
from explain.backends.scoring import no_gradient_reason
from explain.errors import GradientError, LayerError
from explain.inputs.examples import Array
from explain.inputs.layer_calls import LayerCall, extent_of
from explain.inputs.layout import Layout
from explain.running.maps.axes import observed_axes, untold_axes_error, usual_axes
from explain.running.maps.changes import changed_rows, recorded
from explain.running.maps.mean_gradient import mean_is_rounding
from explain.running.maps.prediction import Output
from explain.running.maps.steps import with_steps
from explain.running.maps.token_grid import grid_of
from explain.running.problem import Problem


def as_map(problem: Problem, call: LayerCall, calls: Sequence[LayerCall]) -> LayerCall | None:
    """Give a call of known axes with its grid of tokens, if it has one; None if it is no map over the input.

    A map has the input's axes of space and time, or tokens on a grid over them, and more than one place.
    """
    extent, own = extent_of(problem.layout), extent_of(Layout(call.axes))
    if not extent:
        return None
    if own == "T" and len(extent) > 1:
        if "T" in extent and call.places == (_size(problem, "T"),):
            # They are the steps of the input, one value a frame.
            return None
        call = replace(call, grid=grid_of(problem, call, calls))
        return None if call.grid is None else call
    return call if sorted(own) == sorted(extent) and math.prod(call.places) > 1 else None


def default_call(
    problem: Problem, calls: Sequence[LayerCall], with_operations: Callable[[], Sequence[LayerCall]]
) -> LayerCall:
    """Find the layer of a class activation map that the caller does not name.

    It is the last call such that the gradient of the score at the input is zero if the output of the call is a
    constant, whose output is a map over the input, and to more than one place of which the score has a gradient.

    Behind it, several layers may each carry a part, and the model's own code may bring their outputs together, by a sum
    or a concatenation. Then it is the last operation of that code that carries everything.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    calls : sequence of LayerCall
        The calls to choose from, in the order in which they end.
    with_operations : callable
        Gives those and the operations of the model's own code, in the same order.

    Raises
    ------
    LayerError
        If there is none.
    GradientError
        If the score has no gradient to the input.
    """
    rank = len(extent_of(problem.layout))
    calls = with_steps(problem, calls)
    possible = [call for call in reversed(calls) if _may_be_map(call, rank)]
    if not possible:
        is_row = problem.layout.axes == "NC" and not problem.parts
        series = "if its second axis is time, as of a waveform, give layout='NT'; else " if is_row else ""
        raise LayerError(
            f"No layer of the model gives a map over {f'the {rank}' if rank else 'any'} axes of space or time of an "
            f"input of layout={problem.layout.axes!r}, and a class activation map needs one: {series}use "
            "method='integrated_gradients', which explains the input itself."
        )
    seen = _with_gradient(problem)
    if seen is None:
        return _first_map(problem, possible, calls)
    search = _Search(seen, calls)
    found = search.last_of(possible)
    if search.first_of_part is not None:
        every = with_steps(problem, with_operations())
        behind = every[every.index(search.first_of_part) :]
        operations = [call for call in reversed(behind) if call.is_operation and _may_be_map(call, rank)]
        found = _Search(seen, every).last_of(operations) or found
    if found is None:
        raise search.error()
    return found


# As many examples are tried until one has a gradient.
_TRIED = 4
# Without a call that carries nothing, a gradient is the same but for sums in another order.
_ROUNDING = 1e-5


class _Search:
    """Looks for the last map that carries everything, and collects why there is none.

    Parameters
    ----------
    problem : Problem
        Its first example's score has a gradient.
    calls : sequence of LayerCall
        All calls.

    Attributes
    ----------
    first_of_part : LayerCall, optional
        The first call behind the one that was found which carries a part of the dependence on the input.
    of_one_place : bool
        Whether a layer carries all of the dependence on the input, and the score depends on one place of it.
    cancels : bool
        Whether the gradients to such a layer cancel when they are averaged over its places.
    unread : list of GradientError
        The errors of the layers to which the score has no gradient.
    without_map : LayerCall, optional
        The first call that carries all of the dependence on the input, and is no map over it.
    """

    def __init__(self, problem: Problem, calls: Sequence[LayerCall]) -> None:
        self._problem, self._calls, self._output = problem, calls, Output(problem)
        self.first_of_part: LayerCall | None = None
        self.of_one_place = self.cancels = False
        self.unread: list[GradientError] = []
        self.without_map: LayerCall | None = None

    def last_of(self, possible: Sequence[LayerCall]) -> LayerCall | None:
        """Give the first of some calls, the last one first, that carries all and is a map; None if there is none."""
        return next((found for call in self._carrying_all(possible) if (found := self._as_map(call))), None)

    def _as_map(self, call: LayerCall) -> LayerCall | None:
        """Give a call that carries all as a map, or note why it is none."""
        problem = self._problem
        rank = len(extent_of(problem.layout))
        if len(call.shape) > max(rank + 1, 2):
            if call.is_operation:
                return None
            raise LayerError(
                f"All of the score's dependence on the input goes through layer {call.label!r}, whose output of shape "
                f"{call.shape} per example has more axes than a map over the {rank} of the input: which of them belong "
                "to a map cannot be told. Name another layer with layer=, or use method='integrated_gradients'."
            )
        axes = observed_axes(problem, call)
        if axes is None:
            if _is_another_map(problem, call, self._output):
                # An earlier layer would give another map than the one that the rule demands.
                raise untold_axes_error(problem, call, is_named=False)
            return None
        call = replace(call, axes=axes)
        slopes = _slopes(problem, call, self.unread)
        if slopes is None:
            return None
        if _n_places(slopes) <= 1:
            self.of_one_place = True
            return None
        mapped = as_map(problem, call, self._calls)
        if mapped is None:
            self.without_map = call
            return None
        if self._output.is_nearly(mapped):
            return None
        if mapped.grid is not None:
            slopes = mapped.grid.laid_out(slopes)
        if _n_places(slopes) <= 1 or not _spans_axes(problem, mapped, slopes):
            self.of_one_place = True
        elif mean_is_rounding(slopes, problem.backend.dtype).all():
            self.cancels = True
        elif carries_all(problem, call, first=1):
            return _innermost(problem, mapped, self._calls)
        return None

    def _carrying_all(self, calls: Sequence[LayerCall]) -> Iterator[LayerCall]:
        """Give those of some calls through which all of the score's dependence on the input goes; note others."""
        start, size = 0, 1
        if "gradients" not in self._problem.backend.provides:
            yield from calls
            return
        (whole,) = _gradients_without(self._problem, [None])
        while start < len(calls):
            # Most models need the first only: a few at first, then more at once.
            chunk = calls[start : start + size]
            gradients = _gradients_without(self._problem, chunk)
            for call, own in zip(chunk, gradients, strict=True):
                if not own.any():
                    yield call
                elif np.abs(own - whole).max() > _ROUNDING * np.abs(whole).max():
                    self.first_of_part = call
            start, size = start + size, min(2 * size, 16)

    def error(self) -> LayerError | GradientError:
        """Give the error that says so."""
        if self.cancels:
            return LayerError(
                "The gradients to every layer with a map over space or time cancel when they are averaged over its "
                "places, as in front of a softmax over them: a class activation map would show rounding. Use "
                "method='integrated_gradients', which explains the input itself."
            )
        if self.unread and not self.of_one_place:
            return self.unread[0]
        if self.of_one_place:
            return LayerError(
                "Of every layer that gives a map over space or time, the score depends on one place only, as on the "
                "last step of a recurrent layer, or on one value of each frame: a class activation map would have no "
                "information. Name a layer with "
                "layer= if you want it nevertheless, or use method='integrated_gradients'."
            )
        if self.without_map is not None:
            call = self.without_map
            return LayerError(
                f"All of the score's dependence on the input goes through layer {call.label!r}, whose output of shape "
                f"{call.shape} per example is no map over the input's axes of space or time, "
                f"{extent_of(self._problem.layout)}; no layer before it carries all of it and is one. Use "
                "method='integrated_gradients', which explains the input itself; a map that carries a part can be "
                "named with layer=."
            )
        return LayerError(
            "The score depends on the input by more than one way, past every layer that gives a map over space or "
            "time: no single class activation map shows all of it. Name the layer of one way with layer=, or use "
            "method='integrated_gradients', which explains the input itself."
        )


def _is_another_map(problem: Problem, call: LayerCall, output: Output) -> bool:
    """Tell whether a call whose axes cannot be told is a map over the places of a picture or a volume.

    A sequence may be that of a decoder, or of the classes; a map may be the prediction.
    """
    rank = len(extent_of(problem.layout))
    if rank < 2 or len(call.shape) != rank + 1:
        return False
    return not any(output.is_nearly(replace(call, axes=axes)) for axes in usual_axes(problem, call))


def _may_be_map(call: LayerCall, rank: int) -> bool:
    """Tell whether the shape of an output allows a map over `rank` axes, or a sequence of tokens."""
    if rank == 0 or not call.has_examples or (len(call.shape) < rank + 1 and len(call.shape) != 2):
        return False
    # One place, or a line of places in one channel.
    return sum(size > 1 for size in call.shape) >= min(rank, 2)


def _with_gradient(problem: Problem) -> Problem | None:
    """Give the problem with an example whose score has a gradient: the first one, the same with noise, or another.

    None if none of them has.
    """
    if "gradients" not in problem.backend.provides or _gradients_without(problem, [None]).any():
        return problem
    everywhere = (slice(None),) * (problem.examples.inputs[0].ndim - 1)
    noisy = changed_rows(problem, None, [everywhere]).rows(slice(1, 2))
    few = (problem.examples.rows(slice(row, row + 1)) for row in range(1, min(_TRIED, len(problem.examples))))
    others = (replace(problem, examples=one) for one in (noisy, *few))
    return next((other for other in others if _gradients_without(other, [None]).any()), None)


def _first_map(problem: Problem, possible: Sequence[LayerCall], calls: Sequence[LayerCall]) -> LayerCall:
    """Give the last call with a map, of a score without a gradient: the method says that it has none.

    The prediction has a gradient to itself, so that its map would say otherwise.
    """
    output = Output(problem)
    for call in possible:
        axes = observed_axes(problem, call)
        mapped = None if axes is None else as_map(problem, replace(call, axes=axes), calls)
        if mapped is None or output.is_nearly(mapped):
            continue
        slopes = _slopes(problem, mapped, [])
        if slopes is None or _n_places(slopes) != 1:
            return mapped
    raise GradientError(no_gradient_reason(problem.backend.model_name))


def carries_all(problem: Problem, call: LayerCall, first: int = 0) -> bool:
    """Tell whether all of the dependence of a few examples goes through a call: a maximum may take turns."""
    if "gradients" not in problem.backend.provides:
        return True
    few = range(first, min(_TRIED, len(problem.examples)))
    return not (few and _gradients_without(problem, [call] * len(few), few).any())


def _gradients_without(
    problem: Problem, calls: Sequence[LayerCall | None], rows: Sequence[int] | None = None
) -> Array:
    """Give the gradient to the input of the first example, or one a call, with the call's output as a constant."""
    backend = _layered(problem)
    examples = problem.examples.rows(np.array(rows or [0] * len(calls), np.intp))
    over = problem.executor.over_rows(
        len(calls), lambda rows: backend.gradients_without(calls[rows], examples.rows(rows))[0]
    )
    return np.concatenate([gradients for _, gradients in over])


def _n_places(slopes: Array) -> int:
    return int(np.count_nonzero(slopes.any(axis=-1)))


def _spans_axes(problem: Problem, call: LayerCall, slopes: Array) -> bool:
    """Tell whether the score depends on several places along enough axes of a map, from its slopes: (1, places..., C).

    A map over three axes, as of a video, has two such axes: one value a frame is no map of its frames. Of the calls for
    each step, or of rows folded into the batch, the axis of the steps is among them: the last step alone is none.
    """
    used = slopes[0].any(axis=-1)
    lengths = [
        int(used.any(axis=tuple(other for other in range(used.ndim) if other != axis)).sum())
        for axis in range(used.ndim)
    ]
    if call.has_steps and call.grid is None and lengths[0] == 1:
        return False
    sizes = [_size(problem, letter) for letter in extent_of(problem.layout)]
    least = min(2, sum(size > 1 for size in sizes)) if len(sizes) > 2 else 1
    return sum(length > 1 for length in lengths) >= least


def _size(problem: Problem, letter: str) -> int:
    return int(problem.examples.inputs[0].shape[problem.layout.axes.index(letter)])


def _slopes(problem: Problem, call: LayerCall, unread: list[GradientError]) -> Array | None:
    """Give the gradient of the first example's score to a layer, shape (1, places..., C); None, noted, without one."""
    if "gradients" not in problem.backend.provides:
        # Any gradient that is not the same everywhere.
        return np.arange(1.0, 1 + math.prod(call.shape)).reshape(1, *call.places, -1)
    try:
        _, slopes = _layered(problem).units_and_gradients(call, problem.examples.rows(slice(0, 1)))
    except GradientError as cause:
        # The score may depend on a recurrent layer's state and not on its sequence, which is its first output.
        unread.append(cause)
        return None
    return Layout(call.axes).to_canonical(slopes)


def _innermost(problem: Problem, call: LayerCall, calls: Sequence[LayerCall]) -> LayerCall:
    """Give the last layer inside a layer that gives the same output, if there is one: its name says more."""
    inner = [
        one
        for one in calls[: calls.index(call)]
        if one.shape == call.shape and one.name.startswith(call.name) and not call.is_leaf
    ]
    if not inner:
        return call
    outer, *outputs = recorded(problem, [call, *inner], problem.examples.rows(slice(0, 1)))
    same = [
        one
        for one, output in zip(inner, outputs, strict=True)
        if output is not None and outer is not None and np.array_equal(output, outer)
    ]
    leaves = [one for one in same if one.is_leaf]
    if not same:
        return call
    return replace((leaves or same[:1])[-1], axes=call.axes, grid=call.grid)


def _layered(problem: Problem) -> LayeredBackend:
    return cast(LayeredBackend, problem.backend)
