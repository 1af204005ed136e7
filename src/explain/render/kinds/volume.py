"""Volumes: a figure shows one slice of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from explain.errors import RenderError
from explain.inputs.layout import Layout
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule, heatmaps


def most_relevant_slice(attribution: Attribution, *, channels: ChannelRule = "sum") -> npt.NDArray[np.intp]:
    """Find, for each volume, the slice with the largest sum of absolute heatmap values.

    Parameters
    ----------
    attribution : Attribution
        Of volumes, e.g. in layout ``"NCDHW"``, or of videos.
    channels : {"sum", "mean", "abs_sum", "abs_max"}
        See `explain.render.heatmaps`.

    Returns
    -------
    numpy.ndarray of int
        (N,), an index along depth (or time); the first one if several slices have the same sum.

    Raises
    ------
    RenderError
        If the examples are not volumes.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.zeros((1, 1, 3, 2, 2), np.float32)
    >>> values[0, 0, 2] = 1
    >>> most_relevant_slice(Attribution(values, values, "NCDHW", "saliency", np.ones(1)))
    array([2])
    """
    _check_volume(attribution)
    maps = heatmaps(attribution.values, attribution.layout, channels=channels)
    return np.asarray(np.abs(maps).sum(axis=(2, 3)).argmax(axis=1))


def slice_volume(attribution: Attribution, depth: int | npt.ArrayLike) -> Attribution:
    """Take one slice of each volume: an attribution of images that can be drawn and compared.

    Parameters
    ----------
    attribution : Attribution
        Of volumes, e.g. in layout ``"NCDHW"``, or of videos.
    depth : int or array_like of int
        Which slice along depth (or time): one for all, or one per example.

    Returns
    -------
    Attribution
        In layout ``"NHWC"``; scores and deltas still refer to the whole volume.

    Raises
    ------
    RenderError
        If the examples are not volumes, or `depth` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.zeros((2, 1, 3, 4, 5), np.float32)
    >>> slice_volume(Attribution(values, values, "NCDHW", "saliency", np.ones(2)), 1).values.shape
    (2, 4, 5, 1)
    """
    _check_volume(attribution)
    layout = Layout(attribution.layout)
    count, length = layout.to_canonical(attribution.values).shape[:2]
    depths = np.asarray(depth)
    right_type = np.issubdtype(depths.dtype, np.integer) and depths.shape in ((), (count,))
    if not right_type or (depths < 0).any() or (depths >= length).any():
        raise RenderError(
            f"depth={depth!r} does not pick a slice: give an int from 0 to {length - 1}, or {count} of them, "
            "one per example."
        )
    depths = np.broadcast_to(depths, (count,))

    def cut(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.ascontiguousarray(layout.to_canonical(array)[np.arange(count), depths])

    baseline = None if attribution.baseline is None else cut(attribution.baseline)
    return replace(
        attribution,
        values=cut(attribution.values),
        inputs=cut(attribution.inputs),
        baseline=baseline,
        mask=None,
        layout="NHWC",
    )


def _check_volume(attribution: Attribution) -> None:
    """Raise `RenderError` if an attribution has no depth to slice."""
    if len(set(attribution.layout) - {"N", "C"}) != 3:
        raise RenderError(
            f"layout={attribution.layout!r} has no slices: give an attribution of volumes, "
            "for example in layout 'NCDHW'."
        )
