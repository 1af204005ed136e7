"""Linear imputation: pixels that are removed become weighted means of their neighbours, all at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import splu

from explain.metrics.results.measurement import Floats

# The weights of the eight neighbours of a pixel: those that share a side count twice those at a corner.
_SIDE, _CORNER = 1 / 6, 1 / 12

# Parts of a picture with at most so many pixels are not cut any further.
_SMALLEST_PART = 64


def imputed(picture: Floats, removed: npt.NDArray[np.bool_]) -> Floats:
    """Give a picture in which each removed pixel is the weighted mean of its neighbours, removed ones among them.

    Rong et al., *A consistent and efficient evaluation strategy for attribution methods*, arXiv:2202.00449:
    the values of the removed pixels solve the sparse system ``x_i Σ_n w_n = Σ_n w_n x_n`` over the neighbours n of
    each, with the weight 1/6 for those that share a side and 1/12 for those at a corner; at the edge of the picture
    there are fewer. The system has one factorisation for all channels.

    Parameters
    ----------
    picture : numpy.ndarray of float64
        Shape (H, W, C).
    removed : numpy.ndarray of bool
        The pixels to replace, shape (H, W); at least one is kept.

    Returns
    -------
    numpy.ndarray of float64
        Shape (H, W, C).

    Examples
    --------
    >>> step = np.array([[[0.0], [5.0], [1.0]]])
    >>> imputed(step, np.array([[False, True, False]])).ravel().tolist()
    [0.0, 0.5, 1.0]
    """
    assert not removed.all(), "the system of a picture without a kept pixel is singular"
    if not removed.any():
        return picture.copy()
    neighbours, weights, order = _neighbours(*removed.shape)
    flat = picture.reshape(-1, picture.shape[-1])
    unknown = order[removed.ravel()[order]]
    around, weight = neighbours[unknown], weights[unknown]
    # The number of each unknown pixel among them, -1 for the others and beyond the edge.
    number = np.full(removed.size + 1, -1)
    number[unknown] = np.arange(len(unknown))
    columns = number[around]
    of_known = np.where(columns < 0, weight, 0)
    right = np.einsum("un,unc->uc", of_known, np.append(flat, np.zeros_like(flat[:1]), axis=0)[around])
    found = flat.copy()
    found[unknown] = _solved(columns, weight, right)
    return found.reshape(picture.shape)


def _solved(columns: npt.NDArray[np.int64], weight: Floats, right: Floats) -> Floats:
    """Solve the system of U unknown pixels.

    Its arrays are formed here: sums and products of sparse arrays take longer than the factorisation.

    Parameters
    ----------
    columns : numpy.ndarray of int
        The numbers of the eight neighbours of each among them, below zero where there is no unknown one: (U, 8).
    weight : numpy.ndarray of float64
        The weights of all neighbours, zero beyond the edge, (U, 8).
    right : numpy.ndarray of float64
        The right side, (U, C).
    """
    own = np.arange(len(columns))[:, np.newaxis]
    every = np.concatenate([own, columns], axis=1)
    values = np.concatenate([weight.sum(axis=1, keepdims=True), -weight], axis=1)
    present = every >= 0
    ends = np.append(0, np.cumsum(present.sum(axis=1)))
    # Symmetric, so that the rows are the columns.
    system = sparse.csc_array((values[present], every[present], ends), shape=2 * (len(columns),))
    # It is dominated by its diagonal, so that no pivot is needed and the order of the pixels can stay: in it few zeros
    # fill up.
    factors = splu(system, permc_spec="NATURAL", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    found: Floats = factors.solve(right)
    return found


@lru_cache(maxsize=4)
def _neighbours(height: int, width: int) -> tuple[npt.NDArray[np.int64], Floats, npt.NDArray[np.int64]]:
    """Give the eight neighbours of each of P pixels, their weights, each of shape (P, 8), and an order to eliminate in.

    Beyond the edge the neighbour is P, and its weight zero.
    """
    numbers = np.arange(height * width).reshape(height, width)
    wider = np.pad(numbers, 1, constant_values=numbers.size)
    steps = [(down, right) for down in range(3) for right in range(3) if (down, right) != (1, 1)]
    around = [wider[down : down + height, right : right + width].ravel() for down, right in steps]
    neighbours = np.stack(around, axis=1)
    weights = np.array([_SIDE if 1 in step else _CORNER for step in steps])
    weights = np.where(neighbours < numbers.size, weights, 0)
    return neighbours, weights, np.concatenate(_dissected(numbers))


def _dissected(numbers: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Order pixels by nested dissection: two halves of the picture, then the line between them, and so in each half.

    George, "Nested dissection of a regular finite element mesh", SIAM J. Numer. Anal. 10, 1973: in this order the
    factors of the system have about half the entries of a general ordering.
    """
    height, width = numbers.shape
    if numbers.size <= _SMALLEST_PART:
        return [numbers.ravel()]
    if height < width:
        return _dissected(numbers.T)
    middle = height // 2
    return [*_dissected(numbers[:middle]), *_dissected(numbers[middle + 1 :]), numbers[middle]]
