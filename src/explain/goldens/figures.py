"""How far an explanation is from its golden: three figures per example, each with a tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explain.errors import OptionError
from explain.inputs.naming.brief import brief
from explain.results.similarity import spearman, top_overlap

Floats = npt.NDArray[np.float64]

MOST_SHOWN = 5
"""How many examples the message about a change lists, and its pictures show."""

# Values are rounded to this share of the largest one before they are ranked: otherwise rounding errors would decide the
# ranks of values near zero.
_ONE_RANK = 1e-5


@dataclass(frozen=True)
class Tolerances:
    """How much an explanation may differ from its golden and still pass.

    Parameters
    ----------
    max_error : float
        The largest allowed difference of a value, as a share of the golden's largest value in that example.
    rank_correlation : float
        The smallest allowed rank correlation (Spearman's) of the two.
    top_overlap : float
        The smallest allowed overlap: the share of positions that are in the top tenth by size of both.

    Raises
    ------
    OptionError
        If a tolerance is not a number, or out of range.
    """

    max_error: float = 0.02
    rank_correlation: float = 0.99
    top_overlap: float = 0.95

    def __post_init__(self) -> None:
        """Check the range of each tolerance."""
        if not _is_number(self.max_error) or not 0 <= self.max_error < math.inf:
            raise OptionError(f"max_error={self.max_error!r} is out of range: give a number of at least 0.")
        for name in ("rank_correlation", "top_overlap"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value <= 1:
                raise OptionError(f"{name}={brief(value)} is out of range: give a number from 0 to 1.")


@dataclass(frozen=True, eq=False)
class Figures:
    """The three figures of every example, each of shape (N,), and whether each example passes.

    Attributes
    ----------
    max_error, rank_correlation, top_overlap : numpy.ndarray of float64
        As in `Tolerances`; NaN where a correlation or an overlap is not defined, for constant maps.
    passed : numpy.ndarray of bool
        Whether all three are within their tolerance.
    """

    max_error: Floats
    rank_correlation: Floats
    top_overlap: Floats
    passed: npt.NDArray[np.bool_]

    @property
    def moved_most(self) -> list[int]:
        """The examples that do not pass, the largest error first."""
        order = np.argsort(-self.max_error, kind="stable")
        return [int(one) for one in order if not self.passed[one]]


def figures(found: npt.ArrayLike, expected: npt.ArrayLike, tolerances: Tolerances) -> Figures:
    """Measure how far maps are from golden ones.

    Parameters
    ----------
    found, expected : array_like
        Shape (N, ...), in the same layout.
    tolerances : Tolerances
        How much they may differ.

    Returns
    -------
    Figures
        Of every example.

    Examples
    --------
    >>> golden = np.arange(20.0).reshape(1, 20)
    >>> figures(golden, golden, Tolerances()).passed.tolist()
    [True]
    >>> figures(golden[:, ::-1], golden, Tolerances()).max_error.tolist()
    [1.0]
    """
    rows = []
    for one, other in zip(np.asarray(found, np.float64), np.asarray(expected, np.float64), strict=True):
        rows.append(_of_example(one.ravel(), other.ravel()))
    error, ranks, top = (np.array(column) for column in zip(*rows, strict=True))
    # A figure that is not defined (NaN) does not fail an example.
    passed = (
        (error <= tolerances.max_error)
        & ~(ranks < tolerances.rank_correlation)
        & ~(top < tolerances.top_overlap)
    )
    return Figures(error, ranks, top, passed)


def _of_example(found: Floats, expected: Floats) -> tuple[float, float, float]:
    largest = float(np.abs(expected).max(initial=0.0))
    gap = float(np.abs(found - expected).max(initial=0.0))
    error = gap / largest if largest > 0 else 0.0 if gap == 0 else math.inf
    grain = _ONE_RANK * max(largest, float(np.abs(found).max(initial=0.0)))
    if grain == 0:
        return error, math.nan, math.nan
    grains = np.round(found / grain), np.round(expected / grain)
    return error, spearman(*grains), top_overlap(*grains)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
