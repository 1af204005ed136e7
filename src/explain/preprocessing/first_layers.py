"""What the first layers of a Keras model do to pixels, observed: whether it takes them from 0 to 255."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

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
    probe = _Probe(colours, channel_axis)
    seen, names = _followed(model, _plain_pictures(colours, sizes, channel_axis), probe)
    found = probe.colours_of(seen)
    return _taken(found, channels, names) if names and found is not None else None


@dataclass(frozen=True)
class _Probe:
    """Pictures of one colour, and what a map made of them."""

    colours: Array
    channel_axis: int

    def colours_of(self, pictures: Array) -> Array | None:
        """Give the colour of each picture, if each has but one, by a linear map of the colours."""
        count, channels = self.colours.shape
        fits = (
            pictures.ndim == 4
            and pictures.shape[0] == count
            and pictures.shape[self.channel_axis] == channels
        )
        if not fits or not pictures.size or not np.isfinite(pictures).all():
            return None
        flat = np.moveaxis(pictures, self.channel_axis, 1).reshape(count, channels, -1).astype(np.float64)
        found = flat[..., 0]
        matrix = (found[1 : channels + 1] - found[0]) / _PROBE
        most = _TOLERANCE * max(np.abs(flat).max(), 1)
        even = (flat.max(axis=2) - flat.min(axis=2)).max() <= most
        return found if even and np.abs(found[0] + self.colours @ matrix - found).max() <= most else None


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


def _followed(model: Any, pictures: Array, probe: _Probe) -> tuple[Array, list[str]]:
    """Follow pictures to the last tensor before the weights that maps their colours and that all pass through."""
    graph: Any = model if hasattr(model, "_nodes_by_depth") else getattr(model, "_functional", None)
    inputs = getattr(graph, "inputs", None)
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 1 or not hasattr(graph, "_nodes_by_depth"):
        return pictures, []
    nodes = [
        node for depth in sorted(graph._nodes_by_depth, reverse=True) for node in graph._nodes_by_depth[depth]
    ]
    values: dict[int, Any] = {id(inputs[0]): pictures}
    last, seen, names, changed = inputs[0], pictures, [], []
    for node in nodes:
        value = _value_of(node, values)
        if value is None:
            continue
        values[id(node.outputs[0])] = value
        found, before = probe.colours_of(_array(value)), probe.colours_of(seen)
        if found is None:
            continue
        if before is None or np.abs(found - before).max() > _TOLERANCE * max(np.abs(before).max(), 1):
            changed.append(str(node.operation.name))
        if _all_pass(nodes, inputs[0], node.outputs[0]):
            last, seen, names = node.outputs[0], _array(value), list(changed)
    readers = [node for node in nodes if any(one is last for one in node.input_tensors)]
    if len(readers) == 1 and _has_weights(readers[0].operation):
        inner, more = _followed(readers[0].operation, seen, probe)
        return inner, [*names, *more]
    return seen, names


def _value_of(node: Any, values: dict[int, Any]) -> Any:
    """Run an operation without weights on values; None if it has some, or lacks a value."""
    known = node.input_tensors and all(id(one) in values for one in node.input_tensors)
    if not known or len(node.outputs) != 1 or _has_weights(node.operation):
        return None
    # The seeds of layers that draw random numbers.
    states = [(one, _array(one)) for one in getattr(node.operation, "variables", None) or []]
    try:
        args, kwargs = node.arguments.fill_in(values)
        if "training" in kwargs:
            # Keras sets it for layers that prepare data; those that draw random numbers shall not.
            kwargs = {**kwargs, "training": False}
        value = node.operation(*args, **kwargs)
        _array(value)
    # Whatever a layer raises that is called on its own.
    except Exception:
        return None
    finally:
        for one, state in states:
            one.assign(state)
    return value


def _all_pass(nodes: list[Any], start: Any, through: Any) -> bool:
    """Tell whether every operation with weights is reached from the input through one tensor alone."""
    reached = {id(start)} - {id(through)}
    for node in nodes:
        if any(id(one) in reached for one in node.input_tensors):
            if _has_weights(node.operation):
                return False
            reached |= {id(one) for one in node.outputs} - {id(through)}
    return True


def _has_weights(layer: Any) -> bool:
    # A Normalization has weights too, which it finds by `adapt` and not in training.
    return bool(getattr(layer, "weights", None)) and not hasattr(layer, "adapt")


def _array(value: Any) -> Array:
    """Copy a tensor or a variable of any framework that Keras runs on."""
    value = value.value if hasattr(value, "assign") and hasattr(value, "value") else value
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value).copy()


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
