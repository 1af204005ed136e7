"""Reading and writing the parameters of a model's layers, the same for every framework that stores them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from explain.errors import PortError
from explain.parameters.canonical import Array, LayerKind, ParameterLayer


@dataclass(frozen=True, eq=False)
class StoredLayer:
    """A layer with parameters, or one part of a layer, with the tensors that its framework stores.

    Parameters
    ----------
    name, part, kind, settings, channels_last, buffers
        As in `ParameterLayer`.
    tensors : Mapping of str to tensor
        The framework's own tensors by their names there, those of a recurrent PyTorch module without a suffix.
    form : str
        How Keras stores them, see `explain.parameters.keras_axes.to_canonical`.
    why_read_only : str
        The error text for a layer whose tensors can only be read; empty for all others.
    finish : callable, optional
        Updates the values that the layer derives from its tensors, after they were written.
    """

    name: str
    part: str
    kind: LayerKind
    tensors: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    form: str = ""
    channels_last: bool = True
    why_read_only: str = ""
    finish: Callable[[], None] | None = None
    buffers: tuple[str, ...] = ()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, by its name."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}


class ParameterStore(Protocol):
    """The operations of a framework for reading and writing parameters."""

    def to_canonical(self, layer: StoredLayer, own: Mapping[str, Array]) -> dict[str, Array]:
        """Convert a layer's tensors, as arrays, to canonical axes."""

    def to_native(self, layer: StoredLayer, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Convert canonical tensors to the layer's own names and axes."""

    def to_host(self, tensor: Any) -> Array:
        """Copy a tensor to an array, half precision as float32."""

    def cast(self, array: Array, like: Any) -> Any:
        """Copy an array to the precision and the device of a tensor."""

    def is_finite(self, value: Any) -> bool:
        """Tell whether all of a cast value is finite."""

    def is_equal(self, first: Any, second: Any) -> bool:
        """Tell whether two cast values are the same."""

    def assign(self, tensor: Any, value: Any) -> None:
        """Write a cast value into a tensor."""


def read_layers(stored: Iterable[StoredLayer], store: ParameterStore) -> tuple[ParameterLayer, ...]:
    """Copy layers into canonical axes.

    Parameters
    ----------
    stored : iterable of StoredLayer
        The layers of a model.
    store : ParameterStore
        The store of their framework.
    """
    found = []
    for one in stored:
        own = {name: store.to_host(tensor) for name, tensor in one.tensors.items()}
        tensors = store.to_canonical(one, own)
        found.append(
            ParameterLayer(
                one.name, one.kind, tensors, one.settings, one.part, one.channels_last, one.buffers
            )
        )
    return tuple(found)


def write_layers(
    stored: Iterable[StoredLayer], layers: Sequence[ParameterLayer], store: ParameterStore
) -> None:
    """Give the layers of a model the tensors of `layers`, found by name and part: all or none.

    Parameters
    ----------
    stored : iterable of StoredLayer
        The layers of the model.
    layers : sequence of ParameterLayer
        The tensors of some of them in canonical axes; the other layers stay as they are.
    store : ParameterStore
        The store of the model's framework.

    Raises
    ------
    PortError
        If a tensor does not fit, or cannot be written; nothing is changed then.
    """
    own = {(one.name, one.part): one for one in stored}
    planned: dict[int, _Change] = {}
    finishing: list[Callable[[], None]] = []
    for layer in layers:
        one = own[layer.name, layer.part]
        if one.why_read_only:
            raise PortError(f"{layer.label!r} {one.why_read_only}")
        native = store.to_native(one, layer.tensors)
        if set(native) != set(one.tensors):
            raise PortError(f"{layer.label!r} has {sorted(one.tensors)}, and was given {sorted(native)}.")
        for name, tensor in one.tensors.items():
            _plan(planned, _Change(f"{layer.label}, {name}", tensor, native[name]), store)
        finishing += [] if one.finish is None else [one.finish]
    _write(list(planned.values()), finishing, store)


@dataclass
class _Change:
    """A tensor to write: `value` is `array` in the tensor's precision."""

    label: str
    tensor: Any
    array: Array
    value: Any = None


def _plan(planned: dict[int, _Change], change: _Change, store: ParameterStore) -> None:
    """Check a change and add it to the planned ones, by the `id` of the tensor."""
    label, tensor, array = change.label, change.tensor, change.array
    if tuple(array.shape) != tuple(tensor.shape):
        raise PortError(f"{label} has shape {tuple(tensor.shape)}, and was given {tuple(array.shape)}.")
    change.value = store.cast(array, tensor)
    if np.isfinite(array).all() and not store.is_finite(change.value):
        raise PortError(f"{label} is of {tensor.dtype}, in which some of the values given are infinite.")
    # Two layers may share a tensor.
    other = planned.get(id(tensor))
    if other is not None and not store.is_equal(other.value, change.value):
        raise PortError(
            f"{label} is the same tensor as {other.label}, and they were given different values: the two layers "
            "are tied in this model and not in the other one."
        )
    planned[id(tensor)] = change


def _write(
    changes: Sequence[_Change], finishing: Sequence[Callable[[], None]], store: ParameterStore
) -> None:
    before = [store.cast(store.to_host(one.tensor), one.tensor) for one in changes]
    try:
        for one in changes:
            store.assign(one.tensor, one.value)
        for finish in finishing:
            finish()
    except BaseException:
        for one, value in zip(changes, before, strict=True):
            store.assign(one.tensor, value)
        for finish in finishing:
            finish()
        raise
