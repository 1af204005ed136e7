"""RISE: the mean score over random masks that keep or dim each position."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from explain.algorithms.completeness import baselines_of, equal_baseline_warnings
from explain.algorithms.method import Method, Option
from explain.algorithms.options import is_count_or_counts, is_number, plain_counts, whole_number
from explain.algorithms.perturbation.perturbed_scores import perturbed_scores
from explain.backends.found import Found
from explain.errors import OptionError
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.running.problem import Problem

_USUAL_GRID_SIZE = 7

# Masks are drawn in groups, each from its own seed: any mask can be computed again without the masks before
# it.
_GROUP = 64

# The number of mask values in memory at once while scores are summed over them.
_VALUES_AT_ONCE = 2**20


def rise(problem: Problem) -> Found:
    """Dim random parts of the input to the baseline; compare the mean score where a position is kept with that of all.

    Petsiuk, Das & Saenko, *RISE: Randomized input sampling for explanation of black-box models*,
    arXiv:1806.07421. The paper's map is Σ F(xₖ) mₖ / (N p). Here the sum is divided by Σ mₖ, whose
    expectation is N p, and the mean score is subtracted: a constant added to the score then changes nothing,
    and the sign tells whether a position raises or lowers the score.
    """
    inputs, baselines, options = problem.examples.inputs, baselines_of(problem), problem.options
    masked, cells = masked_axes(inputs[0].shape, problem.layout, options["grid_size"])
    masks = RandomMasks(
        tuple(inputs[0].shape[axis] for axis in masked),
        cells,
        options["preservation_probability"],
        problem.seed,
        inputs[0].dtype,
    )
    shape = tuple(side if axis in masked else 1 for axis, side in enumerate(inputs[0].shape))[1:]
    differences = tuple(end - start for end, start in zip(inputs, baselines, strict=True))
    dimmed = Dimmed(baselines, differences, masks, shape, options["n_masks"])
    by_place = mean_where_kept(perturbed_scores(problem, dimmed), masks)
    values = np.broadcast_to(by_place.reshape(-1, *shape), inputs[0].shape)
    return Found(values=(values,), warnings=equal_baseline_warnings(inputs, baselines))


@dataclass(frozen=True)
class RandomMasks:
    """Masks in [0, 1], each computed from its number: random cells, enlarged by interpolation and shifted.

    Parameters
    ----------
    sides : tuple of int
        Extent of each axis that is masked.
    cells : tuple of int
        The number of cells along each axis; equal to its number of positions if nothing is interpolated.
    probability : float
        The probability that a cell is kept.
    seed : int
        Seed of the draws.
    dtype : numpy.dtype
        Precision of the masks.

    Examples
    --------
    >>> masks = RandomMasks((6, 6), (2, 2), 0.5, seed=0, dtype=np.dtype(np.float64))
    >>> bool((masks.formed(slice(3, 5)) == masks.formed(slice(0, 5))[3:]).all())
    True
    """

    sides: tuple[int, ...]
    cells: tuple[int, ...]
    probability: float
    seed: int
    dtype: np.dtype[np.floating]

    def formed(self, points: slice) -> Array:
        """Form some of the masks, shape (points, *sides)."""
        groups = range(points.start // _GROUP, ceil(points.stop / _GROUP))
        drawn = [self._drawn(group) for group in groups]
        inside = slice(points.start - groups.start * _GROUP, points.stop - groups.start * _GROUP)
        masks, shifts = (np.concatenate(parts)[inside] for parts in zip(*drawn, strict=True))
        for axis, (side, cells) in enumerate(zip(self.sides, self.cells, strict=True)):
            if cells < side:
                weights = interpolation(side, cells, shifts[:, axis])
                moved = np.moveaxis(masks, axis + 1, -1)
                shape = moved.shape
                enlarged = moved.reshape(len(moved), -1, cells) @ weights.swapaxes(1, 2)
                masks = np.moveaxis(enlarged.reshape(*shape[:-1], side), -1, axis + 1)
        return masks.astype(self.dtype)

    def _drawn(self, group: int) -> tuple[Array, Array]:
        """Draw the cells and the shifts, in cells, of a group of masks."""
        generator = np.random.default_rng((self.seed, group))
        cells = (generator.random((_GROUP, *self.cells)) < self.probability).astype(np.float64)
        return cells, generator.random((_GROUP, len(self.cells)))


def interpolation(side: int, cells: int, shifts: Array) -> Array:
    """Give the weights that enlarge random cells to one cell more than a side and crop them to the side.

    Parameters
    ----------
    side, cells : int
        Positions and cells along the axis.
    shifts : numpy.ndarray
        Where each mask is cropped, from 0 to 1 in a cell's extent, shape (K,).

    Returns
    -------
    numpy.ndarray
        Shape (K, side, cells); rows sum to one.

    Examples
    --------
    >>> interpolation(4, 2, np.array([0.0])).round(2).tolist()
    [[[1.0, 0.0], [1.0, 0.0], [0.67, 0.33], [0.33, 0.67]]]
    """
    extent = ceil(side / cells)
    start = np.floor(shifts * extent)[:, np.newaxis]
    # The middle of a position, measured in cells from the middle of the first.
    at = (np.arange(side) + start + 0.5) * cells / ((cells + 1) * extent) - 0.5
    at = np.clip(at, 0, cells - 1)[..., np.newaxis]
    weights: Array = np.maximum(0, 1 - np.abs(at - np.arange(cells)))
    return weights


@dataclass(frozen=True)
class Dimmed:
    """An expansion: each point is the input, dimmed by a mask; see `explain.running.expansion.Expansion`.

    Parameters
    ----------
    starts, differences : tuple of numpy.ndarray
        One array, shape (N, ...): the baseline, and input − baseline.
    masks : RandomMasks
        The masks: 1 keeps the input, 0 gives the baseline.
    shape : tuple of int
        The shape of a mask, so that it broadcasts over an example.
    n_points : int
        The number of masks.
    """

    starts: tuple[Array, ...]
    differences: tuple[Array, ...]
    masks: RandomMasks
    shape: tuple[int, ...]
    n_points: int

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example, with the operations of a straight path."""
        (start,), (difference,) = self.starts, self.differences
        kept = self.masks.formed(points).reshape(-1, *self.shape)
        together = start[rows][:, np.newaxis] + kept * difference[rows][:, np.newaxis]
        return (together.reshape(-1, *start.shape[1:]),)


def mean_where_kept(scores: Array, masks: RandomMasks) -> Array:
    """Give the mean score weighted by the masks at each position, minus the mean: (N, masks) to (N, positions)."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    places = int(np.prod(masks.sides))
    total, kept = np.zeros((len(scores), places)), np.zeros(places)
    at_once = max(1, _VALUES_AT_ONCE // places)
    for start in range(0, scores.shape[1], at_once):
        points = slice(start, min(start + at_once, scores.shape[1]))
        formed = masks.formed(points).reshape(-1, places).astype(np.float64)
        total += centred[:, points] @ formed
        kept += formed.sum(axis=0)
    # A position that no mask keeps has the value zero.
    return np.divide(total, kept, out=np.zeros_like(total), where=kept > 0)


def masked_axes(
    shape: tuple[int, ...], layout: Layout, grid_size: int | tuple[int, ...] | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give the axes that are masked, and the number of cells along each.

    Parameters
    ----------
    shape : tuple of int
        The shape of the input, batch first.
    layout : Layout
        Its axes, batch first.
    grid_size : int or tuple of int, optional
        The option: cells along each axis of space and time. None: 7; in a table each column by itself.

    Raises
    ------
    OptionError
        If it has another number of entries than there are axes, or is given for a table.

    Examples
    --------
    >>> masked_axes((1, 3, 32, 32), Layout("NCHW"), None), masked_axes((1, 5, 8), Layout("NTC"), None)
    (((2, 3), (7, 7)), ((1,), (5,)))
    """
    extent = tuple(index for index, letter in enumerate(layout.axes) if letter in "TDHW")
    if not extent:
        if grid_size is not None:
            raise OptionError(
                f"grid_size={grid_size} needs axes of space or time, but layout={layout.axes!r} has none: leave it "
                "out; each column is then kept or not by itself."
            )
        columns = tuple(range(1, len(shape)))
        return columns, tuple(shape[axis] for axis in columns)
    sizes = _USUAL_GRID_SIZE if grid_size is None else grid_size
    along = (sizes,) * len(extent) if isinstance(sizes, int) else sizes
    if len(along) != len(extent):
        raise OptionError(
            f"grid_size={grid_size} has {len(along)} numbers, but layout={layout.axes!r} has {len(extent)} axes of "
            "space and time: give one number for each, or one for all."
        )
    # A side with no more positions than cells needs no interpolation: each position is a cell.
    return extent, tuple(min(cells, shape[axis]) for cells, axis in zip(along, extent, strict=True))


ROWS = (
    Method(
        rise,
        title="RISE",
        aliases=("randomized_input_sampling",),
        of_whole_places=True,
        seeded=True,
        summary="How much higher the score is where a position is kept, over random masks.",
        paper="Petsiuk, Das & Saenko 2018, arXiv:1806.07421",
        needs=frozenset({"outputs"}),
        of_shape=True,
        options=(
            whole_number("n_masks", 2000, 2, "Number of random masks."),
            Option(
                "grid_size",
                None,
                "a whole number of at least 1, one such number for each axis of space and time, or None",
                lambda value: value is None or is_count_or_counts(value),
                "How many random cells lie along each axis of space and time. None: 7; in a table each column is "
                "one.",
                plain_counts,
                per_input=lambda value: False,
            ),
            Option(
                "preservation_probability",
                0.5,
                "a number between 0 and 1",
                lambda value: is_number(value) and 0 < value < 1,
                "Probability that a cell is kept.",
            ),
        ),
        uses_baseline=True,
    ),
)
