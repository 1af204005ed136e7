"""The order of the rows of a dense layer that reads a flattened map."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explain.parameters.canonical import ParameterLayer
from explain.parameters.flattened import Block, order_between

# Layers whose output may be flattened: its order depends on the framework.
_MAPS = ("convolution", "transposed_convolution", "batch_normalization", "group_normalization")


def rows_channels_last(layer: ParameterLayer, before: ParameterLayer | None) -> npt.NDArray[np.intp] | None:
    """Give the rows of a dense kernel in the order of a map that was flattened with channels last.

    Parameters
    ----------
    layer : ParameterLayer
        A layer with a kernel (in, out).
    before : ParameterLayer, optional
        The layer with parameters before it, None for the first.

    Returns
    -------
    numpy.ndarray of int, optional
        For each row in that order its present index, shape (in,); None if the rows have that order, or none is known.

    Examples
    --------
    >>> convolution = ParameterLayer("a", "convolution", {"kernel": np.zeros((3, 3, 1, 2))}, channels_last=False)
    >>> dense = ParameterLayer("b", "dense", {"kernel": np.zeros((6, 5))}, channels_last=False)
    >>> rows_channels_last(dense, convolution).tolist(), rows_channels_last(dense, None) is None
    ([0, 3, 1, 4, 2, 5], True)
    """
    row = _flattened(layer, before)
    return None if row is None else order_between((row,), [False], [True])


def _flattened(layer: ParameterLayer, before: ParameterLayer | None) -> Block | None:
    """Give the map with channels first that was flattened to a dense layer's input; None if there was none."""
    width = layer.tensors["kernel"].shape[0]
    known = layer.settings.get("flattened")
    if known is not None:
        (row,) = known if len(known) == 1 else (None,)
        return None if row is None or row.channels_last is not False else row
    if layer.channels_last or before is None or before.kind not in _MAPS:
        return None
    channels = len(next(iter(before.tensors.values()))) if before.kind not in _MAPS[:2] else _channels(before)
    positions = width // channels
    return Block(positions, channels, False) if positions > 1 and positions * channels == width else None


def _channels(layer: ParameterLayer) -> int:
    """Give the number of channels that a convolution gives."""
    kernel = layer.tensors["kernel"]
    if layer.kind == "transposed_convolution":
        return int(kernel.shape[-1]) * int(layer.settings.get("groups") or 1)
    return int(kernel.shape[-1])
