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
    weights, order = _neighbours(*removed.shape)
    flags = removed.ravel()
    unknown, known = order[flags[order]], np.flatnonzero(~flags)
    rows = weights[unknown]
    # All weights of a pixel, those of known neighbours too.
    system = (sparse.diags_array(rows.sum(axis=1)) - rows[:, unknown]).tocsc()
    flat = picture.reshape(-1, picture.shape[-1])
    # The system is symmetric and dominated by its diagonal, so that no pivot is needed and the order of `unknown`, in
    # which few zeros fill up, can stay.
    factors = splu(system, permc_spec="NATURAL", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    found = flat.copy()
    found[unknown] = factors.solve(rows[:, known] @ flat[known])
    return found.reshape(picture.shape)


@lru_cache(maxsize=4)
def _neighbours(height: int, width: int) -> tuple[sparse.csr_array, npt.NDArray[np.int64]]:
    """Give the weights of the neighbours of each pixel, shape (P, P), and the order to eliminate pixels in, (P,)."""
    numbers = np.arange(height * width).reshape(height, width)
    pairs = (
        (numbers[:, :-1], numbers[:, 1:], _SIDE),
        (numbers[:-1], numbers[1:], _SIDE),
        (numbers[:-1, :-1], numbers[1:, 1:], _CORNER),
        (numbers[:-1, 1:], numbers[1:, :-1], _CORNER),
    )
    first = np.concatenate([one.ravel() for one, _, _ in pairs])
    second = np.concatenate([other.ravel() for _, other, _ in pairs])
    weight = np.concatenate([np.full(one.size, size) for one, _, size in pairs])
    half = sparse.csr_array((weight, (first, second)), shape=(numbers.size, numbers.size))
    return (half + half.T).tocsr(), np.concatenate(_dissected(numbers))


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
