"""What changes in the outputs of layers when parts of an input change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from explain.backends.protocol import LayeredBackend
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall, extent_of
from explain.inputs.layout import Layout
from explain.inputs.packing import Part
from explain.running.problem import Problem

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Followed:
    """How far the axes of a layer's output follow those of an input.

    Parameters
    ----------
    letters : str
        The axes of the input of which parts were changed: those of space and time, or the features of a table.
    moves : numpy.ndarray
        How far the centre of what changes in the output moves along each of its axes, as a share of the axis, when the
        changed part of the input moves from one end to the other; shape (letters, axes of the output). NaN where
        nothing changes.
    """

    letters: str
    moves: Floats


def followed_by(
    problem: Problem, part: Part | None, run: Callable[[Examples], Array | None], draw: int = 0
) -> Followed | None:
    """Change both ends of each axis of an input; None if the output has no row for each example."""
    layout = problem.layout if part is None else part.layout
    letters = extent_of(layout) or "C"
    outputs = run(changed_rows(problem, part, [*_ends(problem, layout, letters, part)], draw))
    # What follows the features of a table is a sequence.
    return outputs if outputs is None else Followed(letters.replace("C", "T"), _moves(outputs, len(letters)))


def changed_rows(
    problem: Problem, part: Part | None, places: Sequence[tuple[slice, ...]], draw: int = 0
) -> Examples:
    """Give the first example, and once for each of some places the same example with noise there.

    Parameters
    ----------
    problem : Problem
        Its examples.
    part : Part, optional
        The changed input, of several.
    places : sequence of tuple of slice
        One slice per axis of that input, without the batch axis.
    draw : int, optional
        The number of the draw of noise.
    """
    one = problem.examples.rows(np.zeros(len(places) + 1, np.intp))
    array = one.inputs[0].copy()
    inner = array if part is None else part.shaped(array[:, part.columns])
    noise = np.random.default_rng(draw).normal(size=inner.shape[1:])
    scale = float(inner[0].std()) or 1.0
    for row, place in enumerate(places, start=1):
        inner[row][place] += (scale * noise[place]).astype(array.dtype)
    if part is not None:
        array[:, part.columns] = part.flat(inner)
    return one.with_inputs((array, *one.inputs[1:]))


def recorded(problem: Problem, calls: Sequence[LayerCall], examples: Examples) -> list[Array | None]:
    """Give the outputs of layers for examples; None for one without a row for each."""
    backend = cast(LayeredBackend, problem.backend)
    parts = [
        [output if len(output) == rows.stop - rows.start else None for output in outputs]
        for rows, outputs in problem.executor.over_rows(
            len(examples), lambda rows: backend.recorded(calls, examples.rows(rows))
        )
    ]
    found: list[Array | None] = []
    for outputs in zip(*parts, strict=True):
        whole = [output for output in outputs if output is not None]
        found.append(np.concatenate(whole) if len(whole) == len(outputs) else None)
    return found


def changes_in(outputs: Array) -> Floats:
    """Give the squared difference of each row but the first from the first; NaN if it is not finite."""
    wide = outputs.astype(np.float64)
    changes: Floats = (wide[1:] - wide[0]) ** 2
    return changes


def _ends(problem: Problem, layout: Layout, letters: str, part: Part | None) -> Iterator[tuple[slice, ...]]:
    """Give, for each axis of an input, the places of its first quarter and of its last."""
    shape = problem.examples.inputs[0].shape[1:] if part is None else part.shape
    for letter in letters:
        axis = layout.axes.index(letter) - 1
        size, mask = shape[axis], problem.examples.mask
        if letter == "T" and mask is not None and part is None:
            # A model does not read padding.
            size = int(mask[0].sum())
        width = max(1, size // 4)
        for ends in (slice(0, width), slice(size - width, size)):
            yield tuple(ends if index == axis else slice(None) for index in range(len(shape)))


def _moves(outputs: Array, n_axes: int) -> Floats:
    """Give how far the centre of a change moves between each two rows, along each axis of an output."""
    changes = changes_in(outputs)
    rank = changes.ndim - 1
    moves = np.full((n_axes, rank), np.nan)
    for axis in range(rank):
        size = changes.shape[1 + axis]
        if size == 1:
            continue
        profile = changes.sum(axis=tuple(1 + other for other in range(rank) if other != axis))
        total = profile.sum(axis=1)
        centres = np.divide(
            profile @ np.arange(size), total, out=np.full(len(total), np.nan), where=total > 0
        ) / (size - 1)
        moves[:, axis] = centres[1::2] - centres[::2]
    return moves
