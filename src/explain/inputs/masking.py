"""Which steps of a padded sequence are real: determined once, from the input, and fixed for all points."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import InputError
from explain.inputs.examples import Array
from explain.inputs.layout import Layout

Mask = npt.NDArray[np.bool_]


def resolve_mask(lengths: Any, inputs: Array, layout: Layout) -> Mask | None:
    """Give the (N, T) mask of real steps, or None if every step is real.

    Parameters
    ----------
    lengths : sequence of int, optional
        The number of real steps of each example. None finds the trailing all-zero steps of a one-hot
        sequence.
    inputs : numpy.ndarray
        The input, batch first.
    layout : Layout
        Its axes, batch first.

    Raises
    ------
    InputError
        If lengths are given for an input without a time axis, or are not one int from 1 to T per example.

    Examples
    --------
    >>> one_hot = np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]])
    >>> resolve_mask(None, one_hot, Layout("NTC")).tolist()
    [[True, True, False]]
    """
    axis = layout.time_axis
    if lengths is None:
        return _one_hot_mask(inputs, layout)
    if axis is None:
        raise InputError(
            f"lengths is for sequences, but layout={layout.axes!r} has no time axis T: leave lengths out, or name "
            'the time axis with layout=, for example layout="NTC".'
        )
    given = np.asarray(lengths)
    count, steps = inputs.shape[0], inputs.shape[axis]
    if given.shape != (count,) or not np.issubdtype(given.dtype, np.integer):
        raise InputError(
            f"lengths has shape {given.shape} and dtype {given.dtype}: give one int per example, shape ({count},)."
        )
    if given.min() < 1 or given.max() > steps:
        raise InputError(
            f"lengths has values from {given.min()} to {given.max()}: they should be from 1 to {steps}."
        )
    mask = np.arange(steps) < given[:, np.newaxis]
    return None if mask.all() else mask


def _one_hot_mask(inputs: Array, layout: Layout) -> Mask | None:
    """Find the padding of a one-hot sequence; any other input has none."""
    if layout.kind != "sequence" or layout.time_axis is None or layout.channel_axis is None:
        return None
    steps = np.moveaxis(inputs, layout.channel_axis, -1)
    if not np.isin(steps, (0, 1)).all():
        return None
    ones = steps.sum(axis=-1)
    if not np.isin(ones, (0, 1)).all():
        return None
    mask: Mask = ones == 1
    trailing = np.logical_not(mask[:, :-1] < mask[:, 1:]).all()
    if mask.all() or not mask[:, 0].all() or not trailing:
        return None
    return mask


def spread_mask(mask: Mask, layout: Layout) -> Mask:
    """Shape an (N, T) mask so that it broadcasts over a batch-first array of that layout.

    Examples
    --------
    >>> spread_mask(np.ones((2, 5), bool), Layout("NCT")).shape
    (2, 1, 5)
    """
    sizes = {"N": mask.shape[0], "T": mask.shape[1]}
    return mask.reshape([sizes.get(letter, 1) for letter in layout.axes])
