"""The outputs of a model's layers in one run, in one layout for every framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from explain.inputs.examples import Array
from explain.inputs.layout import Layout

ModelInputs = Sequence[Array | None]
"""The inputs of a model as it takes them; None for one that is passed as None."""


@dataclass(frozen=True, eq=False)
class ObservedCall:
    """One call of a layer that contains no other layers.

    Parameters
    ----------
    name : str
        The layer's name in the model.
    call : int
        The number of the call.
    operation : str
        The same word in both frameworks: ``"convolution"``, ``"max_pooling"``, ``"relu"``, ``"flatten"``…
    inputs : numpy.ndarray, optional
        Its input, batch first, channels or features last; the first if there are several.
    outputs : numpy.ndarray
        Its output in the same layout, before an activation that the layer itself applies.
    activation : str, optional
        The activation that the layer applies itself.
    settings : Mapping
        The settings of a layer without parameters, such as the sizes of a pool.
    dtype : str
        The precision of its output.
    has_known_axes : bool
        Whether the channel axis is known; else it may be the first after the batch or the last.
    """

    name: str
    call: int
    operation: str
    inputs: Array | None
    outputs: Array
    activation: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    has_known_axes: bool = True


@dataclass(frozen=True, eq=False)
class Observation:
    """One run of a model.

    Parameters
    ----------
    outputs : Mapping of str to numpy.ndarray
        The model's outputs, batch first, the other axes in the model's order; by key, or by position. The name of a
        single output is empty.
    calls : tuple of ObservedCall
        Every call of a layer that contains no other layers, in the order in which the calls ended.
    is_training : bool
        Whether the model itself was in training mode.
    flattens_channels_last : bool
        Whether the model's maps have their channels last, and so in what order it flattens them.
    is_opaque : bool
        Whether the model's layers cannot be accessed, so that only its output itself can be explained.
    """

    outputs: Mapping[str, Array]
    calls: tuple[ObservedCall, ...] = ()
    is_training: bool = False
    flattens_channels_last: bool = True
    is_opaque: bool = False


class CallLog:
    """Collects the calls of a model's layers and lays their arrays out batch first and channels last.

    Parameters
    ----------
    layout : Layout
        The axes of the model's input.

    Attributes
    ----------
    calls : list of ObservedCall
        In the order in which they ended.
    channels_last : bool
        Whether a map has its channels last at this point of the run. The extension updates it as layers are called.
    """

    def __init__(self, layout: Layout) -> None:
        self.calls: list[ObservedCall] = []
        # An input without channels gets them last, in an embedding.
        self.channels_last = layout.axes[-1] == "C" or "C" not in layout.axes
        self._batch_axis = layout.batch_axis

    def add(self, call: ObservedCall, batch_axis: int | None = None) -> None:
        """Add a call.

        Parameters
        ----------
        call : ObservedCall
            The call, with arrays in the layer's layout; this method sets its number.
        batch_axis : int, optional
            The batch axis of its arrays, by default that of the model's input.
        """
        axis = self._batch_axis if batch_axis is None else batch_axis
        inputs, outputs = (
            None if array is None else canonical(array, axis, channels_last=self.channels_last)
            for array in (call.inputs, call.outputs)
        )
        assert outputs is not None
        number = sum(one.name == call.name for one in self.calls)
        self.calls.append(replace(call, call=number, inputs=inputs, outputs=outputs))


def canonical(array: Array, batch_axis: int, *, channels_last: bool) -> Array:
    """Bring an array of a layer to batch first and channels last.

    Parameters
    ----------
    array : numpy.ndarray
        In the layer's own layout.
    batch_axis : int
        The batch axis of the model's input; arrays of fewer than three axes have the batch first.
    channels_last : bool
        Whether the channels are already the last axis; else they are the first after the batch.

    Examples
    --------
    >>> canonical(np.zeros((2, 3, 8, 9)), 0, channels_last=False).shape
    (2, 8, 9, 3)
    >>> canonical(np.zeros((7, 2, 3)), 1, channels_last=True).shape
    (2, 7, 3)
    """
    if array.ndim < 3:
        return array
    array = batch_first(array, batch_axis)
    return array if channels_last else np.moveaxis(array, 1, -1)


def batch_first(array: Array, batch_axis: int) -> Array:
    """Give a model's output batch first; one of fewer than three axes has no time axis and is batch first already.

    Examples
    --------
    >>> batch_first(np.zeros((7, 2, 3)), 1).shape, batch_first(np.zeros((2, 3)), 1).shape
    ((2, 7, 3), (2, 3))
    """
    return np.moveaxis(array, batch_axis, 0) if array.ndim > 2 else array


def named_outputs(
    result: Any, is_tensor: Callable[[Any], bool], to_host: Callable[[Any], Array], layout: Layout
) -> dict[str, Array]:
    """Copy the tensors in a model's result to the host, batch first, by the names of `tensors_in`.

    Parameters
    ----------
    result : object
        The model's result.
    is_tensor : callable
        Tells whether a value is a tensor of the framework.
    to_host : callable
        Converts a tensor to an array.
    layout : Layout
        The axes of the model's input.
    """
    found = tensors_in(result, is_tensor)
    return {name: batch_first(to_host(tensor), layout.batch_axis) for name, tensor in found.items()}


def tensors_in(value: Any, is_tensor: Callable[[Any], bool], name: str = "") -> dict[str, Any]:
    """Give the tensors in a model's output by name: a dict's keys, else positions; a single one has an empty name.

    Examples
    --------
    >>> tensors_in({"b": (1.0, None), "a": 2.0}, lambda one: isinstance(one, float))
    {'b 0': 1.0, 'a': 2.0}
    """
    parts: list[tuple[str, Any]]
    if isinstance(value, Mapping):
        parts = [(str(key), one) for key, one in value.items()]
    elif isinstance(value, (tuple, list)):
        parts = [(str(place), one) for place, one in enumerate(value)] if len(value) > 1 else [("", *value)]
    else:
        return {name: value} if is_tensor(value) else {}
    found: dict[str, Any] = {}
    for own, one in parts:
        found |= tensors_in(one, is_tensor, f"{name} {own}".strip())
    return found


def plain_settings(layer: Any, names: Sequence[str]) -> dict[str, Any]:
    """Give the listed attributes of a layer that exist and have plain values: numbers, strings, tuples.

    Examples
    --------
    >>> plain_settings(np.zeros(3), ("ndim", "shape", "flat", "stride"))
    {'ndim': 1, 'shape': (3,)}
    """
    found = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    return {name: value for name, value in found.items() if isinstance(value, (bool, int, float, str, tuple))}


def first_in(value: Any) -> Any:
    """Give the first item in nested tuples, lists and dicts.

    Examples
    --------
    >>> first_in(({"a": 1}, 2))
    1
    """
    while isinstance(value, (tuple, list, dict)) and value:
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return value
