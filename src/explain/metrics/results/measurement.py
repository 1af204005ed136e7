"""What one metric measured on the examples of an attribution, and its mean with an interval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from explain.results.attribution import Attribution
from explain.results.content import read_only

Floats = npt.NDArray[np.float64]

Better = Literal["higher", "lower", "nearer to zero", ""]
"""Which values of a metric speak for an explanation; empty where neither do."""

N_RESAMPLES = 9999
LEVEL = 0.95

# How many numbers are drawn at once, and of how many examples the draws are kept.
_MOST_DRAWN = 4_000_000
_MOST_KEPT = 256


@dataclass(frozen=True, eq=False)
class Measurement:
    """What one metric measured.

    Attributes
    ----------
    metric : str
        The name of the metric.
    values : numpy.ndarray of float64
        One number for each example, shape (N,); NaN for the examples in `left_out`.
    better : {"higher", "lower", "nearer to zero", ""}
        Which values speak for the explanation.
    curve : numpy.ndarray of float64, optional
        For a metric that is made of a curve: shape (N, K).
    positions : numpy.ndarray of float64, optional
        Where each of the K points of the curve lies, shape (K,), such as the share of the input that is removed.
    labels : tuple of str
        The name of each of the K points, where they have names, such as the layers of a model.
    left_out : Mapping of int to str
        The examples without a value, and why.
    options : Mapping
        The options of the metric, with defaults.
    seeded : bool
        Whether the values depend on the seed.

    Examples
    --------
    >>> one = Measurement("deletion", np.array([0.25, np.nan, 0.75]), "lower", left_out={1: "The map is constant."})
    >>> one.mean, one.count, one.worst
    (0.5, 2, 2)
    """

    metric: str
    values: Floats
    better: Better
    curve: Floats | None = None
    positions: Floats | None = None
    labels: tuple[str, ...] = ()
    left_out: Mapping[int, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    seeded: bool = False

    def __post_init__(self) -> None:
        """Hold arrays that nobody can change."""
        for name in ("values", "curve", "positions"):
            array = getattr(self, name)
            if array is not None:
                object.__setattr__(self, name, read_only(np.asarray(array, np.float64)))

    @property
    def measured(self) -> Floats:
        """The values of the examples that have one."""
        return self.values[~np.isnan(self.values)]

    @property
    def count(self) -> int:
        """The number of examples that have a value."""
        return len(self.measured)

    @property
    def mean(self) -> float:
        """The mean over the examples that have a value; NaN if none has."""
        return float(self.measured.mean()) if self.count else math.nan

    @property
    def worst(self) -> int | None:
        """The index of the first example whose value speaks most against the explanation; None if none does."""
        if not self.count or not self.better:
            return None
        sizes = np.abs(self.values) if self.better == "nearer to zero" else self.values
        return int(np.nanargmin(sizes) if self.better == "higher" else np.nanargmax(sizes))

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """Give a 95 % interval of the mean: the percentile bootstrap over the examples.

        NaN under two examples, and where a value is infinite. It says how much the mean would vary with other examples
        of the same kind.
        """
        return _interval(self.measured.tobytes(), seed)


# A table, a figure and a page ask for the same intervals; the key is short beside what is drawn to find one.
@lru_cache(maxsize=4096)
def _interval(measured: bytes, seed: int) -> tuple[float, float]:
    values = np.frombuffer(measured)
    count = len(values)
    if count < 2 or not np.isfinite(values).all():
        return math.nan, math.nan
    if count <= _MOST_KEPT:
        means = _shares(count, seed) @ values
    else:
        means = np.concatenate([values[drawn].mean(axis=1) for drawn in _resamples(count, seed)])
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _resamples(count: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Draw the examples of every resample, in parts of at most so many numbers, since there may be many examples."""
    generator = np.random.default_rng((seed, count))
    most = max(1, _MOST_DRAWN // count)
    for start in range(0, N_RESAMPLES, most):
        yield generator.integers(0, count, (min(most, N_RESAMPLES - start), count))


@lru_cache(maxsize=4)
def _shares(count: int, seed: int) -> Floats:
    """Give the share that each example has in the mean of each resample: one draw serves all that was measured."""
    rows = []
    for drawn in _resamples(count, seed):
        places = drawn + count * np.arange(len(drawn))[:, np.newaxis]
        rows.append(np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape))
    return np.concatenate(rows) / count


class Aggregate(float):
    """The mean of a metric over the examples: a number, which also knows its interval and its worst example.

    Attributes
    ----------
    measurement : Measurement
        What was measured.
    low, high : float
        The 95 % interval of the mean.
    attribution : Attribution, optional
        What was evaluated, for a picture of the worst example.
    """

    measurement: Measurement
    low: float
    high: float
    attribution: Attribution | None

    def __new__(
        cls, measurement: Measurement, seed: int = 0, attribution: Attribution | None = None
    ) -> Aggregate:
        """Make the mean of a measurement."""
        found = super().__new__(cls, measurement.mean)
        found.measurement, found.attribution = measurement, attribution
        found.low, found.high = measurement.interval(seed)
        return found

    def __repr__(self) -> str:
        """Write the mean with its interval, the count, and the worst example."""
        one = self.measurement
        interval = "" if math.isnan(self.low) else f" [{self.low:.4g}, {self.high:.4g}]"
        worst = "" if one.worst is None else f"; worst: example {one.worst}, {one.values[one.worst]:.4g}"
        skipped = f", {len(one.left_out)} left out" if one.left_out else ""
        return f"{float(self):.4g}{interval} ({one.metric}, n={one.count}{skipped}{worst})"
