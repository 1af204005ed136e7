"""The places of an input: what a metric orders, removes or points at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explain.algorithms.catalogue import find_method
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.metrics.results.measurement import Floats
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule, heatmaps


@dataclass(frozen=True)
class Places:
    """The places of each example, with their values.

    A place is a pixel or a voxel with all its channels, a step with all its features, a token, or a column of a table.
    Its value is the sum of the values of its channels; their mean for methods that give each channel the value of the
    whole place.

    Parameters
    ----------
    values : numpy.ndarray of float64
        The value of each place, shape (N, P), in the order of the axes D, H, W or T.
    real : numpy.ndarray of bool
        False at padding, shape (N, P).
    shape : tuple of int
        The extent of the axes of the places, whose product is P.
    axes : tuple of int
        These axes in the input, batch first.
    """

    values: Floats
    real: npt.NDArray[np.bool_]
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """The number of real places of each example, shape (N,)."""
        counts: npt.NDArray[np.int64] = self.real.sum(axis=1, dtype=np.int64)
        return counts

    def of(self, row: int) -> Floats:
        """Give the values of the real places of an example, shape (F,)."""
        own: Floats = self.values[row, self.real[row]]
        return own

    def spread(self, rows: npt.NDArray[np.intp], by_place: Array, ndim: int) -> Array:
        """Give arrays over all places the shape of an input, with length 1 along other axes.

        Parameters
        ----------
        rows : numpy.ndarray of int
            The example of each array, shape (M,).
        by_place : numpy.ndarray
            Shape (M, P).
        ndim : int
            The number of axes of the input.

        Returns
        -------
        numpy.ndarray
            Shape (M, ...), which broadcasts over the input.
        """
        shape = [1] * ndim
        shape[0] = len(rows)
        for axis, extent in zip(self.axes, self.shape, strict=True):
            shape[axis] = extent
        return by_place.reshape(shape)


def places_of(attribution: Attribution) -> Places:
    """Give the places of an attribution.

    Examples
    --------
    >>> values = np.array([[[1.0, 2.0], [3.0, 4.0]]], np.float32)  # (N, C, T)
    >>> a = Attribution(values=values, inputs=values, layout="NCT", method="saliency", scores=np.ones(1))
    >>> places_of(a).values.tolist(), places_of(a).shape, places_of(a).axes
    ([[4.0, 6.0]], (2,), (2,))
    """
    layout = Layout(attribution.layout)
    first = layout.batch_first
    channels: ChannelRule = "mean" if find_method(attribution.method).of_whole_places else "sum"
    maps = heatmaps(attribution.values, layout, channels=channels)
    axes = place_axes(first)
    shape = maps.shape[1:]
    values = maps.reshape(len(maps), -1)
    real = np.ones(values.shape, bool)
    mask = attribution.mask
    if mask is not None and first.time_axis is not None:
        along = [1] * maps.ndim
        along[0] = len(maps)
        along[1 + axes.index(first.time_axis)] = mask.shape[1]
        real = np.broadcast_to(mask.reshape(along), maps.shape).reshape(values.shape)
    return Places(values, real, tuple(shape), axes)


def place_axes(layout: Layout) -> tuple[int, ...]:
    """Give the axes, batch first, along which the places of an input lie.

    Examples
    --------
    >>> place_axes(Layout("NCHW")), place_axes(Layout("NHWC")), place_axes(Layout("NC")), place_axes(Layout("NT"))
    ((2, 3), (1, 2), (1,), (1,))
    """
    extent = tuple(index for index, letter in enumerate(layout.axes) if letter in "TDHW")
    return extent or tuple(range(1, len(layout.axes)))
