"""Which layers of two models could have the same parameters: layers of one kind, with tensors of the same shapes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from explain.parameters.canonical import ParameterLayer

Reason = Literal["mapping", "name", "order", "shape", "follows"]
Layers = Sequence[ParameterLayer]
Form = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Pair:
    """A layer of the source and the layer of the target that it is paired with.

    Attributes
    ----------
    source, target : ParameterLayer
        The layers.
    reason : {"mapping", "name", "order", "shape", "follows"}
        Why they are paired: the caller's mapping pairs them, their names agree, they have the same position among the
        layers of their shape, no other layer has their shape, or they are norms that follow the two layers of a pair.
    """

    source: ParameterLayer
    target: ParameterLayer
    reason: Reason


def fits(one: ParameterLayer, other: ParameterLayer) -> bool:
    """Tell whether two layers could have the same parameters: one kind, and tensors of the same shapes.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = {"kernel": np.zeros((3, 2))}
    >>> biased = kernel | {"bias": np.zeros(2)}
    >>> fits(ParameterLayer("a", "dense", kernel), ParameterLayer("b", "dense", biased))
    True
    """
    if one.kind != other.kind:
        return False
    bare = one.kind.endswith("normalization") and not (one.tensors and other.tensors)
    return bare or _form(one) == _form(other)


def _form(layer: ParameterLayer) -> Form:
    """Give the shapes that must be equal for two layers to fit."""
    shapes = layer.shapes
    if layer.kind == "weights":
        return tuple(sorted(shapes.values()))
    if layer.kind.endswith("normalization"):
        # The channels may be first or last among the axes that are normalised.
        return (tuple(sorted(next(iter(shapes.values()), ()))),)
    needed = {name: shape for name, shape in shapes.items() if not name.endswith("bias")}
    return tuple(sorted(needed.items()))


def by_form(
    sources: Layers, targets: Layers
) -> dict[Form, tuple[list[ParameterLayer], list[ParameterLayer]]]:
    """Group the layers of two models by their form: their kind, and the shapes that must agree."""
    forms: dict[Form, tuple[list[ParameterLayer], list[ParameterLayer]]] = defaultdict(lambda: ([], []))
    for model, layers in enumerate((sources, targets)):
        for layer in layers:
            forms[layer.kind, _form(layer)][model].append(layer)
    return forms


def description(layers: Layers) -> str:
    """Describe layers for a message: names, kinds and shapes."""
    return "; ".join(
        f"{one.label!r} ({one.kind}, "
        + ", ".join(f"{name} {'×'.join(map(str, shape)) or '1'}" for name, shape in one.shapes.items())
        + ")"
        for one in layers
    )
