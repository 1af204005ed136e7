"""What the first layers of a Keras model do to pixels, observed: whether it takes them from 0 to 255."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_Step = Callable[[Array], Any]

_WHITE = 255.0
# Numbers that layers with weights are trained on; pixels up to 255 are far outside.
_LARGEST = 20.0
# Less than this between black and white is no picture.
_SMALLEST = 0.05
_PROBE = 100.0
_SIDE = 32
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Beginning:
    """What a model does to pixels before its first weights.

    Attributes
    ----------
    divide_by : float
        What pixels from 0 to 255 are divided by for the model: 1 if it takes them as they are, or 255.
    names : tuple of str
        The layers that change them.
    """

    divide_by: float
    names: tuple[str, ...]


def beginning_of(model: Any, shape: tuple[int | None, ...], channel_axis: int) -> Beginning | None:
    """Observe the layers before the first weights on pictures of one colour.

    A layer counts if it gives pictures of one colour for pictures of one colour, by a linear map of their channels: a
    `Rescaling`, a `Normalization`, an arithmetic operation, a resizing.

    Parameters
    ----------
    model : object
        A Keras model.
    shape : tuple of int or None
        Of one picture, as the model states it.
    channel_axis : int
        Of a batch.

    Returns
    -------
    Beginning, optional
        None if nothing changes the pixels there, or their range cannot be told from it.
    """
    sizes = [size or _SIDE for size in shape]
    channels = sizes[channel_axis - 1]
    colours = np.concatenate([np.zeros((1, channels)), np.eye(channels) * _PROBE, _check_colours(channels)])
    seen = pixels = _plain_pictures(colours, sizes, channel_axis)
    names: list[str] = []
    found = colours
    for name, step in _steps(model):
        try:
            seen = _array(step(seen))
        # Whatever a layer raises that was called on its own ends the beginning.
        except Exception:
            break
        given = _colours_of(seen, len(pixels), channels, channel_axis)
        if given is None or not _is_linear(colours, given):
            break
        if np.abs(given - found).max() > _TOLERANCE * max(np.abs(found).max(), 1):
            names.append(name)
        found = given
    return _taken(found, channels, names) if names else None


def _taken(found: Array, channels: int, names: list[str]) -> Beginning | None:
    """Tell the range of the pixels that a linear map was made for."""
    black, matrix = found[0], (found[1 : channels + 1] - found[0]) / _PROBE
    for white, divide_by in ((_WHITE, 1.0), (1.0, _WHITE)):
        ends = [
            black + white * np.minimum(matrix, 0).sum(axis=0),
            black + white * np.maximum(matrix, 0).sum(axis=0),
        ]
        if np.abs(ends).max() <= _LARGEST and (ends[1] - ends[0]).min() >= _SMALLEST:
            return Beginning(divide_by, tuple(names))
    # The mean colour is subtracted, and nothing is divided.
    undivided = np.allclose(np.sort(np.abs(matrix), axis=0)[-1], 1.0) and np.allclose(
        np.abs(matrix).sum(axis=0), 1.0
    )
    if undivided and (black < -1).all() and (black > -_WHITE).all():
        return Beginning(1.0, tuple(names))
    return None


def _steps(model: Any) -> Iterator[tuple[str, _Step]]:
    """Give the operations that follow one another from the only input to the first weights."""
    graph = model if hasattr(model, "_nodes_by_depth") else getattr(model, "_functional", None)
    inputs = getattr(graph, "inputs", None)
    if isinstance(inputs, (list, tuple)) and len(inputs) == 1 and hasattr(graph, "_nodes_by_depth"):
        yield from _along([node for nodes in graph._nodes_by_depth.values() for node in nodes], inputs[0])
    else:
        for layer in getattr(model, "layers", None) or []:
            yield from _of_layer(layer, layer)


def _along(nodes: Any, tensor: Any) -> Iterator[tuple[str, _Step]]:
    while True:
        readers = [node for node in nodes if any(one is tensor for one in node.input_tensors)]
        if len(readers) != 1 or len(readers[0].input_tensors) != 1 or len(readers[0].outputs) != 1:
            return
        node = readers[0]
        if node.arguments.kwargs.get("training"):
            return  # It would draw random numbers.
        key = id(tensor)

        def step(x: Array, node: Any = node, key: int = key) -> Any:
            args, kwargs = node.arguments.fill_in({key: x})
            return node.operation(*args, **kwargs)

        passed = False
        for one in _of_layer(node.operation, step):
            passed = True
            yield one
        if not passed:
            return
        tensor = node.outputs[0]


def _of_layer(layer: Any, step: _Step) -> Iterator[tuple[str, _Step]]:
    """Give a layer's step; of a model within a model its own; nothing if it has weights that are trained."""
    weights = list(getattr(layer, "weights", None) or [])
    if weights and hasattr(layer, "layers") and hasattr(layer, "inputs"):
        yield from _steps(layer)
    # A Normalization has weights too, which it finds by `adapt` and not in training.
    elif not weights or hasattr(layer, "adapt"):
        yield str(getattr(layer, "name", type(layer).__name__)), step


def _array(value: Any) -> Array:
    value = value.detach().cpu() if hasattr(value, "detach") else value
    return np.asarray(value, dtype=np.float32)


def _check_colours(channels: int) -> Array:
    """Give colours of which a map that is not linear gives another mixture than a linear one."""
    return np.stack(
        [np.full(channels, _WHITE), np.linspace(7, 211, channels), np.linspace(180, 20, channels)]
    )


def _plain_pictures(colours: Array, sizes: list[int], channel_axis: int) -> Array:
    shape = [len(colours), 1, 1, 1]
    shape[channel_axis] = colours.shape[1]
    whole = (len(colours), *sizes)
    return np.ascontiguousarray(np.broadcast_to(colours.reshape(shape), whole), dtype=np.float32)


def _colours_of(pictures: Array, count: int, channels: int, channel_axis: int) -> Array | None:
    """Give the colour of each picture, if each has but one."""
    if (
        pictures.ndim != 4
        or len(pictures) != count
        or pictures.shape[channel_axis] != channels
        or not pictures.size
    ):
        return None
    flat = np.moveaxis(pictures, channel_axis, 1).reshape(count, channels, -1)
    if not np.isfinite(flat).all():
        return None
    spread = flat.max(axis=2) - flat.min(axis=2)
    return (
        flat[..., 0].astype(np.float64) if spread.max() <= _TOLERANCE * max(np.abs(flat).max(), 1) else None
    )


def _is_linear(colours: Array, found: Array) -> bool:
    """Compare the colours that a map gives with those of the linear map that its first ones state."""
    channels = colours.shape[1]
    matrix = (found[1 : channels + 1] - found[0]) / _PROBE
    expected = found[0] + colours @ matrix
    return bool(np.abs(expected - found).max() <= _TOLERANCE * max(np.abs(found).max(), 1))
