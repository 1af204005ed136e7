"""The features of a table over many examples: their attributions, their importance, and how high their values are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain.inputs.display import Display
from explain.render.arguments import Choices, check_arguments, check_attribution
from explain.render.drawn import Drawn
from explain.render.tables.columns import as_table, check_table, column_names, own_rows
from explain.results.attribution import Attribution
from explain.results.canonical_axes import canonical
from explain.results.heatmap import Floats
from explain.results.view import default_channels

MOST_ROWS = 12
# The percentiles of a feature's values between which colours run: few outliers would make all others alike.
_LOW, _HIGH = 5, 95
# The swarm of a row is at most this part of the row, above and below its middle.
_HALF = 0.42
# Above so many examples, points are smaller.
FEW = 300


@dataclass(frozen=True, eq=False)
class FeatureRow:
    """One row: a feature over all examples.

    Attributes
    ----------
    name : str
        The feature, or how many features are summed.
    values : numpy.ndarray of float64
        Its attribution for each example, shape (N,).
    size : float
        The mean |attribution|; of several features, the sum of theirs.
    shades : numpy.ndarray of float64
        Where the feature's value is between its low and its high values, in [0, 1], shape (N,); NaN where there is
        nothing to show.
    without_shades : str
        Why there is nothing to show for all examples; else empty.
    """

    name: str
    values: Floats
    size: float
    shades: Floats
    without_shades: str = ""


def feature_rows(
    attribution: Attribution, *, max_features: int = MOST_ROWS, examples: int | Sequence[int] | None = None
) -> list[FeatureRow]:
    """Give the features of a table by their mean |attribution| over the examples, the largest first.

    Parameters
    ----------
    attribution : Attribution
        Of tables, layout ``"NC"``.
    max_features : int
        How many features have a row of their own; the last row has the sum of the others.
    examples : int or sequence of int, optional
        Which examples. By default all.

    Examples
    --------
    >>> values = np.array([[1.0, -3.0], [0.5, 1.0]], np.float32)
    >>> found = feature_rows(Attribution(values, values, "NC", "ig", np.ones(2)))
    >>> [(row.name, row.size) for row in found]
    [('feature 1', 2.0), ('feature 0', 0.75)]
    """
    return rows_of(over_examples(attribution, examples, max_features=max_features), max_features)


def over_examples(
    attribution: Attribution,
    examples: int | Sequence[int] | None,
    display: Display | None = None,
    *,
    max_features: int,
    what: str = "a beeswarm",
) -> Drawn:
    """Check the arguments of a figure that shows all examples of a table at once."""
    check_attribution("attribution", attribution)
    attribution = as_table(attribution)
    check_table(attribution, what, max_features)
    channels = default_channels([attribution])
    return check_arguments(
        [attribution], Choices(examples, max(len(attribution), 1), display, channels=channels)
    )


def rows_of(drawn: Drawn, max_features: int) -> list[FeatureRow]:
    """Give the features of the examples shown by their mean |attribution|; equal ones keep their order."""
    first, chosen = drawn.first, list(drawn.examples)
    values, inputs = drawn.maps[0][chosen], canonical(first, first.inputs)[chosen]
    names, sizes = column_names(first), np.abs(values).mean(axis=0)
    order = [int(column) for column in np.argsort(-sizes, kind="stable")]
    kept = own_rows(order, max_features)
    found = []
    for column in kept:
        shades = shades_of(inputs[:, column])
        why = "a feature with one value" if np.isnan(shades).all() else ""
        found.append(FeatureRow(names[column], values[:, column], float(sizes[column]), shades, why))
    rest = order[len(kept) :]
    if rest:
        found.append(
            FeatureRow(
                f"sum of {len(rest)} others",
                values[:, rest].sum(axis=1),
                float(sizes[rest].sum()),
                np.full(len(values), np.nan),
                "the sum of features",
            )
        )
    return found


def shades_of(values: Floats) -> Floats:
    """Tell where each value is between the low and the high ones, in [0, 1]; NaN for NaN, and if all are equal.

    Low and high are the 5th and the 95th percentile, or the least and the greatest value where these are equal.

    Examples
    --------
    >>> shades_of(np.array([0.0, 1.0, 0.0])).tolist(), shades_of(np.ones(2)).tolist()
    ([0.0, 1.0, 0.0], [nan, nan])
    """
    real = values[np.isfinite(values)]
    shades = np.full(len(values), np.nan)
    if not real.size or real.min() == real.max():
        return shades
    low, high = np.percentile(real, [_LOW, _HIGH])
    if low == high:
        low, high = real.min(), real.max()
    known = np.isfinite(values)
    shades[known] = np.clip((values[known] - low) / (high - low), 0.0, 1.0)
    return shades


def swarm(values: Floats, ends: tuple[float, float], bins: int, step: float) -> Floats:
    """Give the place of each point above or below the middle of its row, so that points do not hide each other.

    Parameters
    ----------
    values : numpy.ndarray
        The places along the axis, shape (N,).
    ends : (float, float)
        The ends of the axis.
    bins : int
        How many points fit side by side between the ends.
    step : float
        The height of a point, in rows; a dense row has points nearer to each other.

    Examples
    --------
    >>> swarm(np.array([0.0, 1.0, 1.0, 1.0]), (0.0, 2.0), 4, 0.1).tolist()
    [0.0, 0.0, 0.1, -0.1]
    """
    low, high = ends
    column = np.clip((values - low) / ((high - low) or 1.0) * bins, 0, bins - 1).astype(int)
    # Points of one column are taken in a random order, the same one each time: in the order of the table, neighbours
    # of a sorted table would form stripes.
    order = np.random.default_rng(0).permutation(len(values)) if len(values) > FEW else np.arange(len(values))
    order = order[np.argsort(column[order], kind="stable")]
    starts = np.searchsorted(column[order], np.arange(bins))
    rank = np.arange(len(values)) - starts[column[order]]
    layer = (rank + 1) // 2 * np.where(rank % 2, 1, -1)
    heights = np.zeros(len(values))
    heights[order] = layer * min(step, _HALF / max(int(np.abs(layer).max(initial=0)), 1))
    return heights
