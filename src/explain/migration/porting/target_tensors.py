"""The tensors that a layer of the target needs to compute the same as its partner in the source."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from explain.errors import PortError
from explain.migration.porting.fitting import Layers, Pair
from explain.migration.porting.flattening import (
    reordered,
    reordering,
    reordering_of_outputs,
    with_outputs_reordered,
)
from explain.parameters.canonical import Array, ParameterLayer

# The neutral value of a tensor: a layer with it computes the same as a layer without the tensor.
_NEUTRAL = {"gamma": 1.0, "moving_variance": 1.0, "beta": 0.0, "moving_mean": 0.0}


@dataclass(frozen=True, eq=False)
class PortedLayer:
    """A layer of the target with the tensors that it receives.

    Attributes
    ----------
    layer : ParameterLayer
        The layer of the target with its new tensors.
    notes : tuple of str
        A description of the conversions of the tensors besides moving axes.
    """

    layer: ParameterLayer
    notes: tuple[str, ...] = ()


def ported_layer(pair: Pair, source_layers: Layers, target_layers: Layers) -> PortedLayer:
    """Give a layer of the target with its partner's tensors, in the target's order and without extra tensors.

    Parameters
    ----------
    pair : Pair
        The two layers.
    source_layers, target_layers : sequence of ParameterLayer
        All layers of the two models, in order.

    Raises
    ------
    PortError
        If the target lacks a tensor that is not neutral, a tensor does not fit or is not finite, or the order in which
        a map is flattened is unknown.

    Examples
    --------
    >>> here = ParameterLayer("a", "dense", {"kernel": np.ones((3, 2))})
    >>> there = ParameterLayer("b", "dense", {"kernel": np.zeros((3, 2)), "bias": np.full(2, 7.0)})
    >>> found = ported_layer(Pair(here, there, "order"), [here], [there])
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
        for name, own in target.tensors.items():
            if name not in tensors:
                tensors[name] = _neutral(source, target, name, own)
                notes.append(f"{name} of {'ones' if tensors[name].any() else 'zeros'}")
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != target.shapes[name]:
            raise PortError(
                f"{name} of {source.label!r} has shape {tuple(tensor.shape)}, and that of {target.label!r} "
                f"{target.shapes[name]}."
            )
        if not np.isfinite(tensor).all():
            raise PortError(f"{name} of {source.label!r} in the source has values that are not finite.")
    return PortedLayer(
        replace(target, tensors={name: tensors[name] for name in target.tensors}), tuple(notes)
    )


def _by_names_or_shapes(source: ParameterLayer, target: ParameterLayer) -> dict[str, Array]:
    """Give the tensors of a layer of unknown kind: by name, or by shape if only one tensor has it."""
    if source.shapes == target.shapes:
        return dict(source.tensors)
    found: dict[str, Array] = {}
    for name, shape in target.shapes.items():
        same = [one for one, other in source.shapes.items() if other == shape]
        if name in same:
            same = [name]
        if len(same) != 1:
            raise PortError(
                f"{source.label!r} has the tensors {source.shapes} and {target.label!r} {target.shapes}: which one "
                "goes where is unclear. Give them the same names."
            )
        found[name] = source.tensors[same[0]]
    return found


def _as_shaped(tensor: Array, own: Array | None, kind: str) -> Array:
    """Move the channels of a layer normalisation of several axes to the target's position."""
    if own is None or kind != "layer_normalization" or tensor.shape == own.shape:
        return tensor
    moved = np.moveaxis(tensor, 0, -1)
    return moved if moved.shape == own.shape else np.moveaxis(tensor, -1, 0)


def _refuse_unless_neutral(source: ParameterLayer, target: ParameterLayer, name: str, tensor: Array) -> None:
    value = _neutral_value(name)
    if value is None or (tensor != value).any():
        raise PortError(
            f"{source.label!r} of the source has a {name}, and {target.label!r} of the target has no place for it: "
            "create it with one."
        )


def _neutral(source: ParameterLayer, target: ParameterLayer, name: str, own: Array) -> Array:
    value = _neutral_value(name)
    if value is None:
        raise PortError(
            f"{target.label!r} of the target has a {name}, and {source.label!r} of the source has none."
        )
    return np.full_like(own, value)


def _neutral_value(name: str) -> float | None:
    return 0.0 if name.endswith("bias") else _NEUTRAL.get(name)
