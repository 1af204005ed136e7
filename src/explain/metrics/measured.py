"""What the function of a metric gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from explain.metrics.results.measurement import Floats


@dataclass(frozen=True)
class Measured:
    """What the function of a metric gives; see `explain.metrics.results.measurement.Measurement`.

    Parameters
    ----------
    values : numpy.ndarray of float64
        One number for each example, shape (N,); NaN where there is a reason in `left_out`.
    curve, positions : numpy.ndarray of float64, optional
        The curve of each example, shape (N, K), and where its points lie, shape (K,).
    labels : tuple of str
        The names of the points.
    left_out : Mapping of int to str
        Why an example has no value: a sentence.
    """

    values: Floats
    curve: Floats | None = None
    positions: Floats | None = None
    labels: tuple[str, ...] = ()
    left_out: Mapping[int, str] = field(default_factory=dict)


def one_by_one(count: int, measure: Callable[[int], float | str]) -> Measured:
    """Measure examples one by one.

    Parameters
    ----------
    count : int
        The number of examples.
    measure : callable
        From the index of an example to its number, or to the sentence that says why it has none.

    Examples
    --------
    >>> found = one_by_one(2, lambda row: 0.5 if row else "The map is zero.")
    >>> found.values, found.left_out
    (array([nan, 0.5]), {0: 'The map is zero.'})
    """
    found = [measure(row) for row in range(count)]
    left_out = {row: one for row, one in enumerate(found) if isinstance(one, str)}
    return Measured(np.array([np.nan if isinstance(one, str) else one for one in found]), left_out=left_out)
