"""Which axis of a layer's output is which: found by what changes in the output when a part of the input changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any, cast

import numpy as np

from explain.backends.protocol import LayeredBackend
from explain.errors import LayerError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall, extent_of
from explain.inputs.layout import Layout
from explain.running.maps.changes import Floats, Followed, followed_by, recorded
from explain.running.problem import Problem

# An axis follows one of the input if the centre of what changes in it moves by this share of its length, or more, when
# the change of the input moves from its first quarter to its last. Random weights also move it: by the more, the fewer
# values each place of the axis has.
_LEAST, _MOST_OF_LEAST, _LEAST_OF_ONE_VALUE = 0.05, 0.3, 0.8
# Axes that contradict the operation of the layer itself follow the input by this share of their length, or more, for
# each of some draws of noise.
_LEAST_AGAINST_OPERATION, _DRAWS_AGAINST_OPERATION = 0.5, 6
_LEAST_OF_TWO_PLACES = 0.9
# Where a place has so few values, the moves of as many draws of noise are averaged.
_FEW_VALUES, _DRAWS_OF_FEW_VALUES = 32, 6
# Another reading of the axes may explain at most this share of it.
_MOST_OF_ANOTHER = 0.75


def with_axes(problem: Problem, call: LayerCall, stated: Layout | None = None) -> LayerCall:
    """Give a call with the axes of its output.

    Found by the first of these that tells them apart: which axes follow the input's when a part of the input changes;
    which change their size with the input; the operation of the layer itself; which follow those of the last such
    operation before the layer; sizes of one.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    call : LayerCall
        A call of a layer.
    stated : Layout, optional
        The axes that the caller states.

    Raises
    ------
    LayerError
        If they cannot be told, or the stated ones do not fit.
    """
    if stated is not None:
        return _as_stated(call, stated)
    axes = known_axes(problem, call)
    if axes is None:
        raise untold_axes_error(problem, call)
    return replace(call, axes=axes)


def known_axes(problem: Problem, call: LayerCall) -> str | None:
    """Give the axes of a call's output, observed once for inputs of these shapes; None if they cannot be told."""
    parts = tuple((part.shape, part.layout) for part in problem.parts)
    key = ("axes", call, problem.layout, parts, *_shapes(problem.examples))
    known = _layered(problem).observed
    if key not in known:
        known[key] = observed_axes(problem, call)
    axes: str | None = known[key]
    return axes


def untold_axes_error(problem: Problem, call: LayerCall, *, is_named: bool = True) -> LayerError:
    """Say that the axes of a layer's output cannot be told, and how to state them.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    call : LayerCall
        The call of the layer.
    is_named : bool
        Whether the caller names the layer; else it is the default layer of a class activation map.
    """
    usual = " or layer_layout=".join(map(repr, usual_axes(problem, call)))
    which, name = (
        (f"layer={call.label!r}", "")
        if is_named
        else (
            f"All of the score's dependence on the input goes through layer {call.label!r}, which",
            f"layer={call.label!r}, ",
        )
    )
    return LayerError(
        f"{which} gives shape {call.shape} per example, and which of its axes are space or time cannot be told: none "
        f"follows those of the input, and another size of the input does not tell either. State them: {name}"
        f"layer_layout={usual}."
    )


def observed_axes(problem: Problem, call: LayerCall) -> str | None:
    """Give the axes of a call's output; None if they cannot be told."""
    if len(call.shape) == 1:
        return "NC"

    def run(examples: Examples) -> Array | None:
        return recorded(problem, [call], examples)[0]

    if call.has_steps:
        # The rows of an example, such as its frames, are one axis; the others are those of the layer's own rows.
        follows = len(extent_of(problem.layout)) == len(call.shape) - 1
        found = _axes_that_follow(problem, call, run) if follows else None
        return found if found and found[1] != "C" else call.layout(problem.layout).axes
    first, last = usual_axes(problem, call)
    axes = _axes_that_follow(problem, call, run)
    if axes is not None:
        return axes
    axes = _by_another_size(problem, call)
    if axes is not None:
        return axes
    if call.keeps_axes:
        return last if call.channels_last else first
    axes = _axes_after_an_operation(problem, call)
    if axes is not None:
        return axes
    if max(call.shape[:-1]) == 1 or max(call.shape[1:]) == 1:
        # All places are one: the axis of another size is that of the channels.
        return last if call.shape[-1] > 1 or (call.shape[0] == 1 and call.channels_last) else first
    return None


def agreed_axes(problem: Problem, call: LayerCall, run: Callable[[Examples], Array | None]) -> str | None:
    """Give the axes on which one change of the input and the classes of the layers agree.

    None where they do not: `observed_axes`, which needs more runs, then tells them.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    call : LayerCall
        A call with an output for each example.
    run : callable
        Gives the call's output for changed examples.
    """
    first, last = usual_axes(problem, call)
    for part in problem.parts or (None,):
        followed = followed_by(problem, part, run)
        axes = None if followed is None else _read(call, followed)
        if axes is not None and axes == (last if call.channels_last else first):
            return axes
    return None


def observed_output_axes(problem: Problem, shape: tuple[int, ...]) -> str | None:
    """Give the axes of the model's output, shape (N, *shape); None if they do not follow those of the input."""
    if len(shape) <= 1:
        return None

    def run(examples: Examples) -> Array:
        over = problem.executor.over_rows(
            len(examples), lambda rows: problem.backend.outputs(examples.rows(rows))[0]
        )
        return np.concatenate([outputs for _, outputs in over])

    return _axes_that_follow(problem, LayerCall("output", 0, shape, channels_last=True), run)


def _axes_that_follow(
    problem: Problem, call: LayerCall, run: Callable[[Examples], Array | None]
) -> str | None:
    """Change parts of each input; give the axes if those that follow tell them apart."""
    for part in problem.parts or (None,):
        followed = followed_by(problem, part, run)
        if followed is None:
            # The rows of the output are not the examples.
            return None
        axes = _read(call, followed)
        if axes is not None and _may_be_chance(call, axes):
            draws = [followed_by(problem, part, run, draw) for draw in range(1, _DRAWS_OF_FEW_VALUES)]
            moves = [followed.moves, *(one.moves for one in draws if one is not None)]
            axes = _read(call, replace(followed, moves=np.mean(moves, axis=0)))
        if axes is not None:
            fixed = _contradicted(problem, call, axes)
            if fixed is None or all(
                (again := followed_by(problem, part, run, draw)) and _follow_clearly(call, again, axes)
                for draw in range(1, 1 + _DRAWS_AGAINST_OPERATION)
            ):
                return axes
            return fixed
    return None


def _contradicted(problem: Problem, call: LayerCall, axes: str) -> str | None:
    """Give the axes that an operation fixes for a call, None if there are none or the observed ones agree.

    In a small output, such as one of two places, random weights and normalisations move what changes too.
    """
    if not call.keeps_axes or call.has_steps:
        return None
    first, last = usual_axes(problem, call)
    fixed = last if call.channels_last else first
    sizes, own = (dict(zip(one[1:], call.shape, strict=True)) for one in (axes, fixed))
    if set(sizes) != set(own) or (sizes == own and not call.fixes_axes):
        # Moved axes of the same sizes look as if nothing had moved them.
        return None
    return fixed if fixed != axes else None


def _may_be_chance(call: LayerCall, axes: str) -> bool:
    """Tell whether a place of an axis that follows the input has so few values that their weights may move it."""
    values = [
        np.prod(call.shape) / size for size, letter in zip(call.shape, axes[1:], strict=True) if letter != "C"
    ]
    return bool(min(values) < _FEW_VALUES)


def _follow_clearly(call: LayerCall, followed: Followed, axes: str) -> bool:
    """Tell whether some axes of a call follow the input by more than chance."""
    values = np.prod(call.shape) / np.array(call.shape)
    least = np.maximum(_LEAST_AGAINST_OPERATION, _LEAST_OF_ONE_VALUE / np.sqrt(values))
    # What changes in one of two places moves the centre along the whole axis, or by chance along much of it.
    least[np.array(call.shape) == 2] = _LEAST_OF_TWO_PLACES
    return all(
        followed.moves[followed.letters.index(letter), index] >= least[index]
        for index, letter in enumerate(axes[1:])
        if letter in followed.letters and call.shape[index] > 1
    )


def _axes_after_an_operation(problem: Problem, call: LayerCall) -> str | None:
    """Change parts of the output of the last earlier layer that fixes its axes; give those that follow it.

    Attention over the whole input mixes all places, while little mixes them from that layer on.
    """
    if problem.examples.outer or call.has_steps:
        return None
    backend = _layered(problem)
    calls = backend.layer_calls(problem.examples, operations=call.is_operation)
    # The call may be given with the rows of one of several inputs.
    index = [(one.name, one.call) for one in calls].index((call.name, call.call))
    earlier = [
        one
        for one in calls[:index]
        if one.fixes_axes and one.has_examples and not one.has_steps and len(one.shape) == len(call.shape)
    ]
    if not earlier:
        return None
    source, one = earlier[-1], problem.examples.rows(slice(0, 1))
    axes = observed_axes(problem, source)
    if axes is None:
        return None
    at_source = replace(
        problem,
        backend=backend.at(source),
        examples=one.at_layer(backend.activations(source, one), None),
        layout=Layout(axes),
        parts=(),
    )
    return _axes_that_follow(at_source, call, lambda examples: recorded(at_source, [call], examples)[0])


def _as_stated(call: LayerCall, stated: Layout) -> LayerCall:
    axes, rank = stated.axes, len(call.shape) + 1
    if axes[0] != "N" or len(axes) != rank or "C" not in axes:
        raise LayerError(
            f"layer_layout={axes!r} does not fit layer={call.label!r}, which gives shape {call.shape} per example: "
            f"give {rank} letters, N first and C among them."
        )
    return replace(call, axes=axes)


def usual_axes(problem: Problem, call: LayerCall) -> tuple[str, str]:
    """Give the two usual orders of the axes: channels first, channels last."""
    # With several inputs, the layout is that of packed rows.
    layouts = [part.layout for part in problem.parts] or [problem.layout]
    fitting = [one for one in layouts if len(extent_of(one)) == len(call.shape) - 1]
    extent = call.extent((fitting or layouts)[0])
    return f"NC{extent}", f"N{extent}C"


def _read(call: LayerCall, followed: Followed) -> str | None:
    """Give the axes of a call's output if one reading of them explains what follows the input, and no other does."""
    moves, rank = np.nan_to_num(followed.moves), len(call.shape)
    values = np.prod(call.shape) / np.array(call.shape)
    least = np.clip(_LEAST_OF_ONE_VALUE / np.sqrt(values), _LEAST, _MOST_OF_LEAST)
    if len(followed.letters) != rank - 1:
        return _read_by_number(call, moves, least)
    found: list[tuple[float, bool, str]] = []
    for order in permutations(range(rank)):
        channel, places = order[0], order[1:]
        pairs = [(index, axis) for index, axis in enumerate(places) if call.shape[axis] > 1]
        if not pairs:
            # The only longer axis may be that of the channels.
            least = np.full(rank, _MOST_OF_LEAST)
            continue
        letters = [""] * rank
        letters[channel] = "C"
        for index, axis in enumerate(places):
            letters[axis] = followed.letters[index]
        # Tokens in the order of rows follow the first axis of the input more than any other.
        is_own = all(moves[index, axis] >= moves[:, axis].max() for index, axis in pairs)
        strength = float(np.mean([moves[pair] for pair in pairs]))
        found.append((strength, is_own, "N" + "".join(letters)))
    found.sort(reverse=True)
    if not found or not found[0][1]:
        return None
    axes = found[0][2]
    if not axes.replace("C", "").endswith(followed.letters):
        # Axes in another order than those of the input are rare: nothing weak shows them.
        least = np.full(rank, _MOST_OF_LEAST)
    followers = [axis for axis in range(rank) if axes[1 + axis] != "C" and call.shape[axis] > 1]
    if any(moves[followed.letters.index(axes[1 + axis]), axis] < least[axis] for axis in followers):
        return None
    # A reading with one other axis of three explains the more the same, so that two axes count at most.
    count = max(1, len(followers))
    most = 1 - (1 - _MOST_OF_ANOTHER) * min(2, count) / count
    return None if len(found) > 1 and found[1][0] > most * found[0][0] else axes


def _read_by_number(call: LayerCall, moves: Floats, least: Floats) -> str | None:
    """Give the axes of a call's output with more or fewer axes of space or time than the input has."""
    strongest = moves.max(axis=0)
    extent = call.extent(Layout("N"))
    for channel, axes in ((0, f"NC{extent}"), (len(call.shape) - 1, f"N{extent}C")):
        others = [axis for axis, size in enumerate(call.shape) if axis != channel and size > 1]
        if others and all(
            strongest[axis] >= max(least[axis], strongest[channel] / _MOST_OF_ANOTHER) for axis in others
        ):
            return axes
    return None


def _by_another_size(problem: Problem, call: LayerCall) -> str | None:
    """Run the model on inputs that are twice as long along an axis, if it takes them; give the axes that grow."""
    examples, letters = problem.examples, extent_of(problem.layout)
    rank = len(call.shape)
    is_plain = not (problem.parts or examples.outer or examples.unmoved or examples.companions)
    if not is_plain or examples.mask is not None or examples.held or len(letters) != rank - 1:
        return None
    one = examples.rows(slice(0, 1))
    found = ["C"] * rank
    for letter in letters:
        axis = problem.layout.axes.index(letter)
        longer = np.concatenate([one.inputs[0]] * 2, axis=axis)
        # Where a later layer takes no other size, this one has run before.
        calls = _layered(problem).layer_calls(
            one.with_inputs((longer,)), until_failure=True, operations=call.is_operation
        )
        same = next((other for other in calls if (other.name, other.call) == (call.name, call.call)), None)
        if same is None or len(same.shape) != rank:
            return None
        grown = [index for index in range(rank) if same.shape[index] > call.shape[index]]
        if len(grown) != 1 or found[grown[0]] != "C":
            return None
        found[grown[0]] = letter
    return "N" + "".join(found)


def _shapes(examples: Examples) -> tuple[Any, ...]:
    return tuple(array.shape[1:] for array in (*examples.inputs, *examples.unmoved))


def _layered(problem: Problem) -> LayeredBackend:
    return cast(LayeredBackend, problem.backend)
