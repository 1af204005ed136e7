"""From the tensors of Keras's layers to canonical axes and back; Keras is not imported."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explain.parameters.canonical import Array, LayerKind

Shapes = Mapping[str, tuple[int, ...]]


def to_canonical(kind: LayerKind, own: Mapping[str, Array], form: str = "") -> dict[str, Array]:
    """Give a layer's tensors in canonical axes.

    Parameters
    ----------
    kind : str
        The kind of the layer.
    own : Mapping of str to numpy.ndarray
        Its tensors under Keras's names.
    form : {"", "depthwise", "single_bias", "rectifier"}
        How the layer stores them, where there are several ways: ``"depthwise"`` a kernel (*space, in, multiplier),
        ``"single_bias"`` a GRU's one bias (``reset_after=False``), ``"rectifier"`` the slopes of a PReLU.

    Examples
    --------
    >>> to_canonical("convolution", {"kernel": np.zeros((3, 3, 4, 2))}, "depthwise")["kernel"].shape
    (3, 3, 1, 8)
    """
    found = dict(own)
    if kind == "transposed_convolution":
        found["kernel"] = own["kernel"].swapaxes(-1, -2)
    if form == "depthwise":
        kernel = own["kernel"]
        found["kernel"] = kernel.reshape(*kernel.shape[:-2], 1, -1)
    if form == "single_bias" and "bias" in own:
        found["bias"] = np.stack([own["bias"], np.zeros_like(own["bias"])])
    if form == "rectifier":
        found = {"weight": own["alpha"].reshape(_without_leading_ones(own["alpha"].shape))}
    return found


def to_native(
    kind: LayerKind, tensors: Mapping[str, Array], shapes: Shapes, form: str = ""
) -> dict[str, Array]:
    """Convert canonical tensors to those of a Keras layer, see `to_canonical`.

    Parameters
    ----------
    kind, form : str
        As in `to_canonical`.
    tensors : Mapping of str to numpy.ndarray
        In canonical axes.
    shapes : Mapping of str to tuple of int
        The layer's own shape of a depthwise kernel and of slopes, by Keras's name.

    Examples
    --------
    >>> own = to_native("convolution", {"kernel": np.zeros((3, 3, 1, 8))}, {"kernel": (3, 3, 4, 2)}, "depthwise")
    >>> own["kernel"].shape
    (3, 3, 4, 2)
    """
    found = dict(tensors)
    if kind == "transposed_convolution":
        found["kernel"] = tensors["kernel"].swapaxes(-1, -2)
    if form == "depthwise" and tensors["kernel"].size == np.prod(shapes["kernel"]):
        found["kernel"] = tensors["kernel"].reshape(shapes["kernel"])
    if form == "single_bias" and "bias" in tensors:
        found["bias"] = tensors["bias"].sum(axis=0)
    if form == "rectifier" and tensors["weight"].size == np.prod(shapes["alpha"]):
        found = {"alpha": tensors["weight"].reshape(shapes["alpha"])}
    return found


def _without_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Drop the leading axes along which slopes are shared: their size is one."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape
