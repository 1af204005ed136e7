"""The grid over the input that a sequence of tokens comes from, without the class and register tokens beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations, product
from typing import cast

import numpy as np

from explain.backends.protocol import LayeredBackend
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall, TokenGrid, extent_of
from explain.inputs.layout import Layout
from explain.running.maps.changes import changed_rows, changes_in, recorded
from explain.running.problem import Problem

# The largest number of grids that are tried; the first nearly always fits.
_MOST_TRIED = 6
# Along an axis of so many tokens, the one that changes most may be next to the corner: windows overlap.
_LEAST_WITH_NEIGHBOURS = 8
# How many steps of a sequence are changed, and at most how many columns of a table: these may come in any order.
_STEPS, _MOST_COLUMNS = 5, 256
# A token whose change is a smaller share of the greatest has not changed; changes are squared.
_UNMOVED = 1e-10
# Where a token sees its neighbours' places, weights drawn at random may make a neighbour change most.
_DRAWS = 6


def grid_of(problem: Problem, call: LayerCall, calls: Sequence[LayerCall]) -> TokenGrid | None:
    """Give the grid that the tokens of a layer come from, None if there is none or it cannot be told.

    A grid is tried if an earlier layer has a map of its size, or of its size divided by a power of two, or if it has
    the proportions of the input. It is the right one if a change in a corner of the input changes most the token of
    that corner, for every corner. Its tokens may follow each other along any of its axes.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    call : LayerCall
        The call of the layer, with its axes: one of them is the sequence.
    calls : sequence of LayerCall
        All calls of the model.
    """

    def outputs_of(examples: Examples) -> Array | None:
        (outputs,) = recorded(problem, [call], examples)
        return None if outputs is None else Layout(call.axes).to_canonical(outputs)

    letters = extent_of(problem.layout)
    sizes = tuple(problem.examples.inputs[0].shape[problem.layout.axes.index(letter)] for letter in letters)
    count = call.shape[call.axes.index("T") - 1]
    earlier = calls[: calls.index(call)] if call in calls else calls
    for grid in [*_possible(sizes, count, earlier)][:_MOST_TRIED]:
        found = _fitting(problem, outputs_of, letters, sizes, grid)
        if found is not None:
            return found
    return None


def grid_of_tokens(problem: Problem, count: int, outputs_of: Callable[[Examples], Array]) -> TokenGrid | None:
    """Give the grid that a sequence of tokens comes from, None if there is none or it cannot be told.

    As `grid_of`, for tokens that have not been mixed yet: a token that does not change when all of the input does, such
    as a class token, is not on the grid. The columns of a table, and the steps of a sequence, are a grid of one axis.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    count : int
        The number of tokens.
    outputs_of : callable
        Runs examples and gives the tokens, shape (N, T, D).
    """
    letters = extent_of(problem.layout) or "C"
    sizes = tuple(problem.examples.inputs[0].shape[problem.layout.axes.index(letter)] for letter in letters)
    everywhere = (slice(None),) * (problem.examples.inputs[0].ndim - 1)
    changes = changes_in(outputs_of(changed_rows(problem, None, [everywhere])))[0].sum(axis=-1)
    moved = np.flatnonzero(changes > _UNMOVED * changes.max())
    if not moved.size or moved[-1] - moved[0] + 1 != moved.size:
        return None
    first, number = int(moved[0]), int(moved.size)
    if len(sizes) == 1:
        return _fitting(problem, outputs_of, letters, sizes, (number,), first=first, tolerance=0) or _fitting(
            problem, outputs_of, letters, sizes, (number,), first=first, draws=_DRAWS
        )
    backend = problem.backend
    calls = (
        cast(LayeredBackend, backend).layer_calls(problem.examples) if "layers" in backend.provides else ()
    )
    possible = [grid for grid in _possible(sizes, number, calls) if math.prod(grid) == number]
    found = (
        _fitting(problem, outputs_of, letters, sizes, grid, first=first) for grid in possible[:_MOST_TRIED]
    )
    return next(filter(None, found), None)


def _possible(sizes: tuple[int, ...], count: int, calls: Sequence[LayerCall]) -> Iterator[tuple[int, ...]]:
    """Give the grids that the tokens may come from, those with the fewest tokens beside them first."""
    rank = len(sizes)
    found: dict[tuple[int, ...], None] = {}
    for earlier in calls:
        if len(earlier.shape) == rank + 1:
            for own in (earlier.shape[1:], earlier.shape[:-1]):
                for halved in range(4):
                    found |= dict.fromkeys(permutations(-(-size // 2**halved) for size in own))
    for first in range(1, count + 1):
        found[(first, *(max(1, round(first * size / sizes[0])) for size in sizes[1:]))] = None
    # At least half of the tokens are on the grid.
    fitting = [grid for grid in found if count / 2 < math.prod(grid) <= count and max(grid) > 1]
    yield from sorted(fitting, key=math.prod, reverse=True)


def _fitting(
    problem: Problem,
    outputs_of: Callable[[Examples], Array | None],
    letters: str,
    sizes: tuple[int, ...],
    grid: tuple[int, ...],
    *,
    first: int | None = None,
    tolerance: int = 1,
    draws: int = 1,
) -> TokenGrid | None:
    """Change one corner of the input after the other; give the grid if the tokens of the corners change most.

    Of a single axis, places between its ends are changed too; those alone may be beside where they should be.

    Parameters
    ----------
    first : int, optional
        The number of tokens before the grid, where it is known.
    tolerance : int
        How far beside its place a token may be, on an axis of many.
    draws : int
        How many draws of noise are averaged.
    """
    real = _real_steps(problem) if len(grid) == 1 else None
    extents = [(0, size) for size in sizes] if real is None else [real]
    along = [
        _tokens_to_change(letters, number * start // size, -(-number * stop // size) - 1)
        for number, size, (start, stop) in zip(grid, sizes, extents, strict=True)
    ]
    expected = np.array([*product(*along)])
    places = [_cell(problem.layout, letters, extents, sizes, grid, token) for token in expected]
    drawn = [outputs_of(changed_rows(problem, None, places, draw)) for draw in range(draws)]
    every = [changes_in(outputs).sum(axis=-1) for outputs in drawn if outputs is not None]
    if not every:
        return None
    changes = np.mean(every, axis=0)
    away = np.array(grid) >= _LEAST_WITH_NEIGHBOURS
    allowed = np.broadcast_to(tolerance * away, expected.shape).copy()
    if len(grid) == 1:
        allowed[[0, -1]] = 0
    beside = changes.shape[1] - math.prod(grid)
    # Other tokens stand before the grid, behind it, or on both sides.
    between = min(int(changes[0].argmax()), beside)
    starts = dict.fromkeys((beside, 0, between)) if first is None else [first]
    for start, order in product(starts, permutations(range(len(grid)))):
        own: Array = changes[:, start : start + math.prod(grid)]
        if own.any(axis=1).all() and _are_at(expected, own.argmax(axis=1), grid, order, allowed):
            return TokenGrid(start, grid, order)
    return None


def _tokens_to_change(letters: str, first: int, last: int) -> list[int]:
    """Give the tokens along an axis that are changed: its ends, some between them on a line, all columns of a table."""
    most = {"C": _MOST_COLUMNS}.get(letters, _STEPS if len(letters) == 1 else 2)
    return sorted({round(one) for one in np.linspace(first, last, most).tolist()})


def _real_steps(problem: Problem) -> tuple[int, int] | None:
    """Give the first real step of the first example and the step after its last one, of a padded sequence."""
    axis, examples = problem.layout.time_axis, problem.examples
    if axis is None:
        return None
    shape = len(examples), examples.inputs[0].shape[axis]
    for mask in (*examples.held, examples.mask):
        if mask is not None and mask.shape == shape and mask[0].any():
            steps = np.flatnonzero(mask[0])
            return int(steps[0]), int(steps[-1]) + 1
    return None


def _are_at(
    expected: Array, tokens: Array, grid: tuple[int, ...], order: tuple[int, ...], allowed: Array
) -> bool:
    """Tell whether each token is at its place on a grid with its axes in some order, the slowest first."""
    sizes = np.array(grid)[list(order)]
    away = np.abs(np.stack(np.unravel_index(tokens, sizes), axis=1) - expected[:, order])
    return bool((away <= allowed[:, order]).all())


def _cell(
    layout: Layout,
    letters: str,
    extents: Sequence[tuple[int, int]],
    sizes: tuple[int, ...],
    grid: tuple[int, ...],
    token: Array,
) -> tuple[slice, ...]:
    """Give the part of the input that is under a token of a grid."""
    place = [slice(None)] * (len(layout.axes) - 1)
    for letter, (start, stop), size, number, index in zip(letters, extents, sizes, grid, token, strict=True):
        width = max(1, size // number)
        is_last = index == -(-number * stop // size) - 1
        own = stop - width if is_last else max(start, int(index) * size // number)
        place[layout.axes.index(letter) - 1] = slice(own, own + width)
    return tuple(place)
