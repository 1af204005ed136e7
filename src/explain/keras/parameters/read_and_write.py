"""Reads and writes the parameters of a Keras model, whichever framework Keras runs on; does not import Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from explain.errors import PortError
from explain.keras.layers import dtype_name, is_keras_model, layers_of, named_layers, trained_variables
from explain.keras.parameters.stored_layers import by_name, stored_layers
from explain.parameters import keras_axes
from explain.parameters.canonical import Array, ParameterLayer
from explain.parameters.read_and_write import StoredLayer, read_layers, write_layers


def read_parameters(model: Any, names: Mapping[int, str]) -> tuple[ParameterLayer, ...]:
    """Copy the parameters of a Keras model into canonical axes; see `stored_layers` for `names` and errors."""
    return read_layers(stored_layers(model, names), _KerasStore())


def write_parameters(model: Any, layers: Sequence[ParameterLayer], names: Mapping[int, str]) -> None:
    """Assign tensors to the variables of a Keras model, see `explain.parameters.read_and_write.write_layers`.

    The variable objects and their dtype stay the same, so that an optimiser still refers to them.
    """
    write_layers(stored_layers(model, names), layers, _KerasStore())


def read_raw_parameters(model: Any, names: Mapping[int, str]) -> tuple[ParameterLayer, ...]:
    """Copy what training changes in a model as it is stored, the variables of one layer together, in their order.

    Parameters
    ----------
    model : keras.Model, or an object with trainable variables
        The model.
    names : Mapping of int to str
        The names of the layers of a Keras model by their identity.

    Raises
    ------
    PortError
        If there are no such variables of floating-point numbers.
    """
    return read_layers(_raw_layers(model, names), _KerasStore())


def write_raw_parameters(model: Any, layers: Sequence[ParameterLayer], names: Mapping[int, str]) -> None:
    """Assign tensors to the variables of a model, as `read_raw_parameters` gives them."""
    write_layers(_raw_layers(model, names), layers, _KerasStore())


def _raw_layers(model: Any, names: Mapping[int, str]) -> list[StoredLayer]:
    owners = layers_of(model) if is_keras_model(model) else [model]
    found: list[StoredLayer] = []
    seen: set[int] = set()
    for owner in owners:
        own = [one for one in trained_variables(owner) if id(one) not in seen and "float" in dtype_name(one)]
        seen.update(map(id, own))
        if own:
            found.append(
                StoredLayer(
                    names.get(id(owner), owner.name if owner is not model else ""),
                    "",
                    "weights",
                    by_name(own),
                )
            )
    if not found:
        raise PortError(
            f"model is of type {type(model).__name__} and has no trainable variables of floating-point numbers: give "
            "the keras.Model that it was made from."
        )
    return found


def names_of(model: Any) -> dict[int, str]:
    """Give the names of the layers of a Keras model by the identity of the layer.

    Raises
    ------
    PortError
        If it is no Keras model.
    """
    if not is_keras_model(model):
        raise PortError(
            f"model is of type {type(model).__name__}, whose layers cannot be distinguished: give the "
            "keras.Model that it was made from."
        )
    return {id(layer): name for name, layer in named_layers(model).items()}


class _KerasStore:
    """Variables of Keras, as `explain.parameters.read_and_write.ParameterStore`."""

    def to_canonical(self, layer: StoredLayer, own: Mapping[str, Array]) -> dict[str, Array]:
        return keras_axes.to_canonical(layer.kind, own, layer.form)

    def to_native(self, layer: StoredLayer, tensors: Mapping[str, Array]) -> dict[str, Array]:
        return keras_axes.to_native(layer.kind, tensors, layer.shapes, layer.form)

    def to_host(self, tensor: Any) -> Array:
        array: Array = np.array(np.asarray(tensor))
        # NumPy does not treat bfloat16 as a floating-point dtype.
        return array.astype(np.float32) if array.dtype.kind == "V" or array.dtype == np.float16 else array

    def cast(self, array: Array, like: Any) -> Array:
        with np.errstate(over="ignore"):
            return array.astype(np.asarray(like).dtype)

    def is_finite(self, value: Array) -> bool:
        return bool(np.isfinite(value.astype(np.float64)).all())

    def is_equal(self, first: Array, second: Array) -> bool:
        return np.array_equal(first, second)

    def assign(self, tensor: Any, value: Array) -> None:
        tensor.assign(value)
