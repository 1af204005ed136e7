"""The properties of a Keras model that a trace is specialised to; cached until an object in it is replaced.

The same for every framework that traces.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from explain.inputs.examples import Array
from explain.keras.inspection import input_shape_of
from explain.keras.layers import layers_of
from explain.keras.masks import has_masking

_PLAIN = frozenset({bool, int, float, str})

ToArray = Callable[[Any], Array | None]
"""From an attribute's value to its array, if it is a tensor of the framework with values; None for anything else."""

StructureOf = Callable[[Any], "Structure"]
"""From a built Keras model to its structure."""


@dataclass(frozen=True, eq=False)
class Structure:
    """The current settings of a Keras model.

    Parameters
    ----------
    token : object
        Stays the same object as long as layers and their settings are the same; part of the key of a trace.
    stateful : bool
        Whether a layer carries a state for each row of the batch from one call to the next.
    masking : bool
        Whether a layer computes a mask from values.
    input_shape : tuple of int, optional
        The shape of the only input, batch axis included, if it is stated.
    batch_size : int, optional
        The only batch size that the model accepts, if its inputs state one.
    precision : str, optional
        The precision of points for these weights: float64 or float32; None without floating-point weights.
    """

    token: object = None
    stateful: bool = False
    masking: bool = False
    input_shape: tuple[int | None, ...] | None = None
    batch_size: int | None = None
    precision: str | None = None


@dataclass
class _CachedStructure:
    """The cached structure of a model, and the values that show whether it is still current."""

    tokens: dict[Any, object] = field(default_factory=dict)
    identities: list[int] = field(default_factory=list)
    changeable: list[tuple[Any, Any]] = field(default_factory=list)
    held: list[Any] = field(default_factory=list)
    latest: Structure = field(default_factory=Structure)

    def is_current(self, identities: list[int], to_array: ToArray) -> bool:
        """Tell whether every attribute of a layer is the same object, and none was changed in place."""
        return self.identities == identities and all(
            _as_plain(value, to_array) == plain for value, plain in self.changeable
        )


_structures: weakref.WeakKeyDictionary[Any, _CachedStructure] = weakref.WeakKeyDictionary()


def structure_of(model: Any, to_array: ToArray, dtype_name: Callable[[Any], str]) -> Structure:
    """Give the structure of a built Keras model.

    Parameters
    ----------
    model : keras.Model
        The model.
    to_array : callable
        Gives the array of a tensor that a layer keeps in an attribute: a trace holds it as a constant.
    dtype_name : callable
        Gives the name of a variable's dtype.
    """
    layers = layers_of(model)
    identities: list[int] = []
    for layer in layers:
        identities.append(id(layer))
        identities.extend(map(id, layer.__dict__.values()))
    known = _structures.setdefault(model, _CachedStructure())
    if not (known.identities and known.is_current(identities, to_array)):
        plain = [
            (value, as_plain)
            for layer in layers
            for name, value in layer.__dict__.items()
            if name[0] != "_" and (as_plain := _as_plain(value, to_array)) is not None
        ]
        # Kept alive, so that their identities are not reused.
        known.held = [value for value, _ in plain]
        known.changeable = [one for one in plain if _may_change_in_place(one[0])]
        known.identities = identities
        known.latest = Structure(
            token=known.tokens.setdefault(_settings_key(layers, to_array), object()),
            stateful=any(getattr(layer, "stateful", False) for layer in layers),
            masking=has_masking(layers),
            input_shape=input_shape_of(model),
            batch_size=_batch_size_of(model),
            precision=points_precision(map(dtype_name, model.variables)),
        )
    return known.latest


def points_precision(names: Iterable[str]) -> str | None:
    """Give the precision of points for weights of some dtypes: float64, else float32, also for half precision.

    Examples
    --------
    >>> points_precision(["int32", "bfloat16"]), points_precision(["float64"]), points_precision([])
    ('float32', 'float64', None)
    """
    floating = next((name for name in names if "float" in name), None)
    if floating is None:
        return None
    return "float64" if floating == "float64" else "float32"


def _batch_size_of(model: Any) -> int | None:
    """Give the batch size that the inputs of a Keras model state, one or several."""
    try:
        shapes = [one.shape for one in model.inputs]
    # A subclassed model has no inputs, and raises one of these errors.
    except (AttributeError, TypeError, ValueError):
        return None
    return next((shape[0] for shape in shapes if len(shape) and shape[0] is not None), None)


def _settings_key(layers: Sequence[Any], to_array: ToArray) -> tuple[Any, ...]:
    """Give a key of the values that a trace is specialised to: layers, their activations, and plain settings."""
    return tuple(
        (
            id(layer),
            id(getattr(layer, "activation", None)),
            *(
                (name, plain)
                for name, value in layer.__dict__.items()
                if name[0] != "_" and (plain := _as_plain(value, to_array)) is not None
            ),
        )
        for layer in layers
    )


def _may_change_in_place(value: Any) -> bool:
    return isinstance(value, (list, np.ndarray)) or (
        isinstance(value, tuple) and any(map(_may_change_in_place, value))
    )


def _as_plain(value: Any, to_array: ToArray) -> Any:
    """Give an attribute's value in comparable form, None for a value that a trace is not specialised to."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (tuple, list)):
        return tuple(_as_plain(one, to_array) for one in value)
    array = value if isinstance(value, np.ndarray) else to_array(value)
    return None if array is None else (array.dtype.str, array.shape, array.tobytes())
