"""From the values of a token's embedding vector to one number for the token."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from explain.errors import OptionError
from explain.inputs.examples import Array
from explain.inputs.naming.brief import brief

Reduction = Literal["norm", "sum", "mean", "max"]

REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)
UNSIGNED = ("norm", "max")
"""The reductions whose numbers have no sign."""

# A sum below this share of its absolute terms, in units of their precision, is rounding noise.
_NOISE = 256


def reduction_of(given: Any) -> Reduction | None:
    """Check the argument `reduce`.

    Raises
    ------
    OptionError
        If it is neither None nor the name of a reduction.

    Examples
    --------
    >>> reduction_of("norm")
    'norm'
    """
    if given is None:
        return None
    for known in REDUCTIONS:
        if isinstance(given, str) and given == known:
            return known
    raise OptionError(
        f"reduce={brief(given)} is not a way to make one number of a token's vector: give one of "
        f"{', '.join(map(repr, REDUCTIONS))}, or leave it out."
    )


def reduced(values: Array, reduction: Reduction, real: npt.NDArray[np.bool_] | np.bool_ = np.True_) -> Array:
    """Reduce vectors on the last axis to one number each: (..., C) to (...), in float64.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (..., C).
    reduction : {"norm", "sum", "mean", "max"}
        ``"norm"`` is the L2 norm, ``"max"`` the largest absolute value.
    real : numpy.ndarray of bool
        Which numbers count, where vectors differ in size; shape (C,), or (T, C).

    Examples
    --------
    >>> vector = np.array([[3.0, -4.0]])
    >>> {how: float(reduced(vector, how)[0]) for how in REDUCTIONS}
    {'norm': 5.0, 'sum': -1.0, 'mean': -0.5, 'max': 4.0}
    """
    exact = np.where(real, values.astype(np.float64), 0)
    if reduction == "norm":
        return np.asarray(np.sqrt((exact**2).sum(axis=-1)))
    if reduction == "max":
        return np.asarray(np.abs(exact).max(axis=-1))
    total = np.asarray(exact.sum(axis=-1))
    count = np.broadcast_to(real, values.shape).sum(axis=-1)
    return total if reduction == "sum" else total / np.maximum(count, 1)


def cancelled(values: Array, precision: npt.DTypeLike) -> npt.NDArray[np.intp]:
    """Give the examples in which the sum of every vector is nothing but the rounding of its terms.

    A normalisation right after an embedding subtracts the mean of each vector, so that the score does not change along
    the direction of all ones: there the sum of a gradient over the vector is zero, whatever the model does.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (N, ..., C).
    precision : dtype
        The precision in which they were computed.

    Examples
    --------
    >>> cancelled(np.array([[[1.0, -1.0], [2.0, -2.0]], [[1.0, -1.0], [2.0, 2.0]]]), np.float32).tolist()
    [0]
    """
    exact = values.astype(np.float64).reshape(len(values), -1, values.shape[-1])
    size = np.abs(exact).sum(axis=-1)
    noise = np.abs(exact.sum(axis=-1)) <= _NOISE * np.finfo(precision).eps * size
    return np.flatnonzero(noise.all(axis=1) & size.any(axis=1))
