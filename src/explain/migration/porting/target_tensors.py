"""What a layer of the target must hold to do what its partner in the source does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from explain.errors import PortError
from explain.migration.porting.flattening import (
    reordered,
    reordering,
    reordering_of_outputs,
    with_outputs_reordered,
)
from explain.migration.porting.pairing import Pair
from explain.parameters.canonical import Array, ParameterLayer

Layers = Sequence[ParameterLayer]

# What a layer does without a tensor is what it does with this in all its places.
_NEUTRAL = {"gamma": 1.0, "moving_variance": 1.0, "beta": 0.0, "moving_mean": 0.0}


@dataclass(frozen=True, eq=False)
class Carried:
    """What is carried over from one layer to its partner.

    Attributes
    ----------
    layer : ParameterLayer
        The target's layer with the tensors that it must hold.
    notes : tuple of str
        What was done to them besides, in words.
    """

    layer: ParameterLayer
    notes: tuple[str, ...] = ()


def carried(pair: Pair, source_layers: Layers, target_layers: Layers) -> Carried:
    """Give what a layer of the target must hold: the source's tensors, in the target's order and none too many.

    Parameters
    ----------
    pair : Pair
        The two layers.
    source_layers, target_layers : sequence of ParameterLayer
        All layers of the two models, in order.

    Raises
    ------
    PortError
        If a tensor has no place in the target and is not neutral, does not fit, or is not finite; or if it cannot be
        told in which order a map was flattened.

    Examples
    --------
    >>> here = ParameterLayer("a", "dense", {"kernel": np.ones((3, 2))})
    >>> there = ParameterLayer("b", "dense", {"kernel": np.zeros((3, 2)), "bias": np.full(2, 7.0)})
    >>> found = carried(Pair(here, there, "order"), [here], [there])
    >>> found.layer.tensors["bias"].tolist(), found.notes
    ([0.0, 0.0], ('bias of zeros',))
    """
    source, target = pair.source, pair.target
    notes: list[str] = []
    tensors = dict(source.tensors)
    if source.kind == "weights":
        tensors = _by_names_or_shapes(source, target)
    else:
        order = reordering(source, target, source_layers, target_layers)
        if order is not None:
            tensors = reordered(source, order)
            notes.append("flattened order")
        made = reordering_of_outputs(source, target)
        if made is not None and source.kind in ("dense", "batch_normalization"):
            tensors = with_outputs_reordered(tensors, made)
            notes.append("order of the map it is made into")
        tensors = {
            name: _as_shaped(tensor, target.tensors.get(name), source.kind)
            for name, tensor in tensors.items()
        }
        for name in set(tensors) - set(target.tensors):
            _refuse_unless_neutral(source, target, name, tensors.pop(name))
        for name, held in target.tensors.items():
            if name not in tensors:
                tensors[name] = _neutral(source, target, name, held)
                notes.append(f"{name} of {'ones' if tensors[name].any() else 'zeros'}")
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != target.shapes[name]:
            raise PortError(
                f"{name} of {source.label!r} has shape {tuple(tensor.shape)}, and that of {target.label!r} "
                f"{target.shapes[name]}."
            )
        if not np.isfinite(tensor).all():
            raise PortError(f"{name} of {source.label!r} in the source has values that are not finite.")
    return Carried(replace(target, tensors={name: tensors[name] for name in target.tensors}), tuple(notes))


def expected_tensors(pair: Pair, source_layers: Layers, target_layers: Layers) -> dict[str, Array]:
    """Give the tensors that the target's layer of a pair must hold, in canonical axes, see `carried`."""
    return dict(carried(pair, source_layers, target_layers).layer.tensors)


def _by_names_or_shapes(source: ParameterLayer, target: ParameterLayer) -> dict[str, Array]:
    """Give the tensors of a layer of which nothing else is known: by name, or where only one has a shape, by that."""
    if source.shapes == target.shapes:
        return dict(source.tensors)
    found: dict[str, Array] = {}
    for name, shape in target.shapes.items():
        same = [one for one, other in source.shapes.items() if other == shape]
        if name in same:
            same = [name]
        if len(same) != 1:
            raise PortError(
                f"{source.label!r} holds {source.shapes} and {target.label!r} {target.shapes}: which is which cannot "
                "be told. Give them the same names."
            )
        found[name] = source.tensors[same[0]]
    return found


def _as_shaped(tensor: Array, held: Array | None, kind: str) -> Array:
    """Give what is normalised along several axes with its channels where the target has them."""
    if held is None or kind != "layer_normalization" or tensor.shape == held.shape:
        return tensor
    moved = np.moveaxis(tensor, 0, -1)
    return moved if moved.shape == held.shape else np.moveaxis(tensor, -1, 0)


def _refuse_unless_neutral(source: ParameterLayer, target: ParameterLayer, name: str, tensor: Array) -> None:
    value = _value_of_nothing(name)
    if value is None or (tensor != value).any():
        raise PortError(
            f"{source.label!r} of the source has a {name}, for which {target.label!r} of the target has no place: make "
            "it with one."
        )


def _neutral(source: ParameterLayer, target: ParameterLayer, name: str, held: Array) -> Array:
    value = _value_of_nothing(name)
    if value is None:
        raise PortError(
            f"{target.label!r} of the target has a {name}, which {source.label!r} of the source has not."
        )
    return np.full_like(held, value)


def _value_of_nothing(name: str) -> float | None:
    return 0.0 if name.endswith("bias") else _NEUTRAL.get(name)
