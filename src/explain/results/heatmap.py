"""From values to heatmaps: one number per position, in any layout."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from explain.errors import RenderError
from explain.inputs.layout import Layout
from explain.public_calls.callers_line import at_callers_line
from explain.results.names import listed

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
ChannelRule = Literal["sum", "mean", "abs_sum", "abs_max"]


@at_callers_line
def heatmaps(
    values: Array, layout: str | Layout, *, channels: ChannelRule = "sum", per_feature: bool = False
) -> Floats:
    """Make one heatmap per example from values in any layout.

    Parameters
    ----------
    values : numpy.ndarray
        The attribution, of the layout's shape, e.g. (N, C, H, W); finite.
    layout : str or Layout
        Which axis is which.
    channels : {"sum", "mean", "abs_sum", "abs_max"}
        How the channels of a position are merged: ``"sum"`` adds the signed values, so that the heatmap has the
        same sum as the values (completeness is preserved); ``"mean"`` is for values that belong to the whole
        position and are repeated for each channel; ``"abs_sum"`` and ``"abs_max"`` give unsigned maps, the
        sum or the maximum of the absolute values. The features of a table are the explained units and are
        never merged: the rule only decides whether their signs are preserved.
    per_feature : bool
        For sequences: do not merge the features of a step (rows as time), as for a table.

    Returns
    -------
    numpy.ndarray of float64
        (N, H, W) for images, (N, D, H, W) for volumes, (N, T) for sequences, (N, T, C) for sequences with
        `per_feature`, (N, C) for tables.

    Raises
    ------
    RenderError
        If a value is NaN or infinite, or `channels` is not a known rule.
    LayoutError
        If the layout does not fit the shape.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([[[[1.0, 2.0]], [[-3.0, 1.0]]]])  # (N, C, H, W) = (1, 2, 1, 2)
    >>> heatmaps(values, "NCHW")
    array([[[-2.,  3.]]])
    >>> heatmaps(values, "NCHW", channels="abs_max")
    array([[[3., 2.]]])
    """
    check_channel_rule(channels)
    layout = layout if isinstance(layout, Layout) else Layout(layout)
    layout.check(values)
    canonical = layout.to_canonical(np.asarray(values, np.float64))
    wrong = ~np.isfinite(canonical)
    if wrong.any():
        examples = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1)).tolist()
        raise RenderError(
            f"values has {int(wrong.sum())} NaN or infinite of {wrong.size} (examples {listed(examples)}): "
            "a heatmap needs finite values. Check the input, the weights and the model's output for NaN."
        )
    if canonical.ndim == 2 or (per_feature and canonical.ndim == 3):
        return canonical.copy() if is_signed(channels) else np.abs(canonical)
    if is_signed(channels):
        return np.asarray(canonical.sum(axis=-1) if channels == "sum" else canonical.mean(axis=-1))
    merged = np.abs(canonical)
    return np.asarray(merged.sum(axis=-1) if channels == "abs_sum" else merged.max(axis=-1))


def is_signed(channels: ChannelRule) -> bool:
    """Tell whether the heatmap of a channel rule has two signs.

    Examples
    --------
    >>> is_signed("sum"), is_signed("abs_max")
    (True, False)
    """
    return channels in ("sum", "mean")


def check_channel_rule(channels: object) -> None:
    """Raise `RenderError` unless `channels` is a known rule.

    Examples
    --------
    >>> check_channel_rule("sum")
    """
    known = get_args(ChannelRule)
    if channels not in known:
        raise RenderError(
            f"channels={channels!r} is not a rule for merging channels: give one of "
            f"{', '.join(map(repr, known))} (the first two keep the sign, the others do not)."
        )
