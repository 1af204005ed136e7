"""The grid over the input that a sequence of tokens comes from, without the class and register tokens beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import permutations, product

import numpy as np

from explain.inputs.examples import Array
from explain.inputs.layer_calls import LayerCall, TokenGrid, extent_of
from explain.inputs.layout import Layout
from explain.running.maps.changes import changed_rows, changes_in, recorded
from explain.running.problem import Problem

# The largest number of grids that are tried; the first nearly always fits.
_MOST_TRIED = 6
# Along an axis of so many tokens, the one that changes most may be next to the corner: windows overlap.
_LEAST_WITH_NEIGHBOURS = 8


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
    letters = extent_of(problem.layout)
    sizes = tuple(problem.examples.inputs[0].shape[problem.layout.axes.index(letter)] for letter in letters)
    count = call.shape[call.axes.index("T") - 1]
    for grid in [*_possible(sizes, count, call, calls)][:_MOST_TRIED]:
        found = _fitting(problem, call, sizes, grid)
        if found is not None:
            return found
    return None


def _possible(
    sizes: tuple[int, ...], count: int, call: LayerCall, calls: Sequence[LayerCall]
) -> Iterator[tuple[int, ...]]:
    """Give the grids that the tokens may come from, those with the fewest tokens beside them first."""
    rank = len(sizes)
    found: dict[tuple[int, ...], None] = {}
    for earlier in calls:
        if earlier == call:
            break
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
    problem: Problem, call: LayerCall, sizes: tuple[int, ...], grid: tuple[int, ...]
) -> TokenGrid | None:
    """Change one corner of the input after the other; give the grid if the tokens of the corners change most."""
    layout = problem.layout
    letters = extent_of(layout)
    corners = [*product((0, 1), repeat=len(grid))]
    places = [_cell(layout, letters, sizes, grid, corner) for corner in corners]
    (outputs,) = recorded(problem, [call], changed_rows(problem, None, places))
    if outputs is None:
        return None
    changes = Layout(call.axes).to_canonical(changes_in(outputs)).sum(axis=-1)
    beside = changes.shape[1] - math.prod(grid)
    # Other tokens stand before the grid, behind it, or on both sides.
    between = min(int(changes[0].argmax()), beside)
    for first, order in product(dict.fromkeys((beside, 0, between)), permutations(range(len(grid)))):
        own: Array = changes[:, first : first + math.prod(grid)]
        if own.any(axis=1).all() and _are_in(corners, own.argmax(axis=1), grid, order):
            return TokenGrid(first, grid, order)
    return None


def _are_in(
    corners: Sequence[tuple[int, ...]], tokens: Array, grid: tuple[int, ...], order: tuple[int, ...]
) -> bool:
    """Tell whether each token is in its corner of a grid with its axes in some order, the slowest first."""
    sizes = np.array(grid)[list(order)]
    expected = np.array(corners)[:, order] * (sizes - 1)
    away = np.abs(np.stack(np.unravel_index(tokens, sizes), axis=1) - expected)
    return bool((away <= (sizes >= _LEAST_WITH_NEIGHBOURS)).all())


def _cell(
    layout: Layout, letters: str, sizes: tuple[int, ...], grid: tuple[int, ...], corner: tuple[int, ...]
) -> tuple[slice, ...]:
    """Give the part of the input that is under a token in a corner of a grid."""
    place = [slice(None)] * (len(layout.axes) - 1)
    for letter, size, number, end in zip(letters, sizes, grid, corner, strict=True):
        width = max(1, size // number)
        place[layout.axes.index(letter) - 1] = slice(size - width, size) if end else slice(0, width)
    return tuple(place)
