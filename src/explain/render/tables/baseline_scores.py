"""The scores from which the values of an attribution add up to the scores of its examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.catalogue import methods
from explain.errors import RenderError
from explain.public_calls.callers_line import at_callers_line
from explain.render.tables.columns import as_table, check_table
from explain.results.attribution import Attribution
from explain.results.canonical_axes import canonical
from explain.results.heatmap import Floats


@at_callers_line
def start_scores(attribution: Attribution) -> Floats:
    """Give the scores from which values add up to the scores of the examples: those at the baseline.

    Parameters
    ----------
    attribution : Attribution
        Of tables, by a method whose values sum to a difference of scores, with its convergence delta.

    Returns
    -------
    numpy.ndarray of float64
        Shape (N,).

    Raises
    ------
    RenderError
        If the values do not sum to a difference of scores.

    Examples
    --------
    >>> values = np.array([[2.0, -0.5]], np.float32)
    >>> start_scores(Attribution(values, values, "NC", "ig", np.array([1.0]), delta=np.array([0.25])))
    array([-0.25])
    """
    attribution = as_table(attribution)
    check_table(attribution, "a waterfall")
    why = _why_incomplete(attribution)
    if why or attribution.delta is None:
        raise RenderError(
            "attribution has no waterfall, which leads from the score at a baseline to the score of the example: "
            f'{why} Or draw the values as they are: plot(kind="bars").'
        )
    sums = canonical(attribution, attribution.values).sum(axis=1)
    return np.asarray(np.asarray(attribution.scores, np.float64) - (sums - attribution.delta))


def _why_incomplete(attribution: Attribution) -> str:
    """Tell why the values do not sum to a difference of scores that is known; empty if they do."""
    options: Mapping[str, Any] = attribution.options
    if attribution.delta is None:
        return (
            f"the values of method={attribution.method!r} do not sum to a difference of scores. Explain with "
            "method='integrated_gradients', 'deep_lift', 'shapley_value_sampling' or 'kernel_shap'."
        )
    if len(attribution.together) > 1:
        return (
            f"only the values of all inputs together ({', '.join(attribution.together)}) sum to a difference of "
            "scores. Explain a model with one input, the columns of all side by side."
        )
    if options.get("feature_mask") is not None:
        return (
            "with feature_mask= each column has the value of its whole group. Explain without feature_mask=."
        )
    whole = any(row.of_whole_places for row in methods() if row.name == attribution.method)
    keeps_sum = "mean" if whole else "sum"
    if attribution.reduce not in ("", keeps_sum):
        return (
            f"reduce={attribution.reduce!r} makes numbers of the vectors of categories that do not sum to a "
            f"difference of scores. Explain with reduce={keeps_sum!r}."
        )
    return ""
