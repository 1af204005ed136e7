"""Maps of steps by features: each value has a cell of its own, and none is blended with its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from explain.results.heatmap import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# A figure saved at this many dots per inch or more shows every cell.
CELLS_PER_INCH = 100


def most_cells(axes: Axes) -> tuple[int, int]:
    """Give the largest numbers of rows and of columns that axes show, at least one."""
    extent = axes.get_window_extent()
    dpi = axes.figure.dpi
    per_inch = min(CELLS_PER_INCH, dpi)
    return max(round(extent.height * per_inch / dpi), 1), max(round(extent.width * per_inch / dpi), 1)


def merged_cells(cells: Floats, most: Sequence[int], centre: Floats | float = 0.0) -> Floats:
    """Merge cells that would share a dot: of these, the value that is farthest from `centre` remains.

    A renderer that gets more cells than dots drops some or blends them. The extreme value keeps a single
    relevant step of a long series visible, in its own colour.

    Parameters
    ----------
    cells : numpy.ndarray of float64
        Any number of axes, e.g. (T, C); NaN is padding, and remains where all merged cells are NaN.
    most : sequence of int
        The largest number of cells along each axis.
    centre : float or numpy.ndarray
        The value without relevance, or one per feature, shape (C,).

    Examples
    --------
    >>> merged_cells(np.array([[0.0], [-3.0], [1.0], [2.0]]), (2, 1)).tolist()
    [[-3.0], [2.0]]
    >>> merged_cells(np.array([[0.0], [-3.0]]), (5, 5)).tolist()
    [[0.0], [-3.0]]
    """
    away = np.abs(cells - centre)
    away[np.isnan(away)] = -1.0
    for axis, limit in enumerate(most):
        size = cells.shape[axis]
        if size <= limit:
            continue
        edges = np.arange(1, limit) * size // limit
        chosen = [
            (values, distances, np.argmax(distances, axis=axis, keepdims=True))
            for values, distances in zip(
                np.split(cells, edges, axis=axis), np.split(away, edges, axis=axis), strict=True
            )
        ]
        cells = np.concatenate([np.take_along_axis(one, best, axis) for one, _, best in chosen], axis)
        away = np.concatenate([np.take_along_axis(one, best, axis) for _, one, best in chosen], axis)
    return cells
