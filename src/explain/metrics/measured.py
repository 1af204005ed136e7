"""What the function of a metric gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
