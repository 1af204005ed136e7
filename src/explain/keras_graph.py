"""What the graph of a functional Keras model tells of the layers beside a layer; Keras is not imported.

A Sequential model has such a graph too. A subclassed one has none: nothing is told of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from explain.padding import Pairs, added

_PLAIN_ACTIVATIONS: Mapping[str, str | None] = {
    "linear": None,
    "swish": "silu",
    "hard_swish": "hard_silu",
    "leaky_relu": "leaky_relu(0.2)",
    "elu": "elu(1)",
}
# Operations of `keras.ops` in a graph.
_OPERATIONS: Mapping[str, str] = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
}
# What an activation after them is still an activation of what was before them.
_PASSES = {
    *(
        "Dropout",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "GaussianDropout",
        "GaussianNoise",
    ),
    *("AlphaDropout", "ActivityRegularization", "Identity", "Flatten", "Reshape"),
    *("MaxPooling1D", "MaxPooling2D", "MaxPooling3D"),
}
# What keeps every value at its place.
_ELEMENTWISE = {
    *(
        "Dropout",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "GaussianDropout",
        "GaussianNoise",
    ),
    *(
        "AlphaDropout",
        "ActivityRegularization",
        "Identity",
        "Activation",
        "ReLU",
        "LeakyReLU",
        "ELU",
        "PReLU",
    ),
    *(
        "Softmax",
        "BatchNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "Rescaling",
        *_OPERATIONS,
        "Gelu",
    ),
}
_POOLS = {
    *(
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
    ),
    *("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "UpSampling1D", "UpSampling2D", "UpSampling3D"),
    *("Cropping1D", "Cropping2D", "Cropping3D"),
}


_SUMS = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"}


@dataclass(frozen=True)
class Flattening:
    """What a layer's input features were before they were put in a row.

    Parameters
    ----------
    shape : tuple of int
        Of the map, channels last, without the batch axis.
    channels_last : bool, optional
        Whether the row has the channels of a place beside each other; None where it cannot be told.
    """

    shape: tuple[int, ...]
    channels_last: bool | None


def class_name(layer: object) -> str:
    """Give the name of a layer's class as Keras has it: of one derived from Keras's own, that one's.

    Examples
    --------
    >>> class_name(3)
    ''
    """
    for base in type(layer).__mro__:
        if base.__module__.split(".")[0] == "keras":
            return base.__name__
    return ""


def activation_of(layer: Any) -> str | None:
    """Give the name of the activation that a layer applies, None for none."""
    name = class_name(layer)
    if name == "ReLU":
        return _rectifier(layer)
    if name == "LeakyReLU":
        return f"leaky_relu({layer.negative_slope:g})"
    if name == "ELU":
        return f"elu({layer.alpha:g})"
    if name == "Softmax":
        return "softmax"
    if name in _OPERATIONS:
        return _OPERATIONS[name]
    if name == "Gelu":
        return "gelu_tanh" if layer.approximate else "gelu"
    return named_activation(getattr(layer, "activation", None))


def named_activation(function: Any) -> str | None:
    """Give the name of a function of `keras.activations`, None for the linear one.

    Examples
    --------
    >>> def leaky_relu(x): return x
    >>> named_activation(leaky_relu), named_activation(None)
    ('leaky_relu(0.2)', None)
    """
    if function is None:
        return None
    if class_name(function) in ("ReLU", "LeakyReLU", "ELU", "Softmax"):
        return activation_of(function)
    name = str(getattr(function, "__name__", type(function).__name__))
    return _PLAIN_ACTIVATIONS.get(name, name)


def following_activation(layer: Any, outputs: frozenset[int]) -> tuple[str | None, bool]:
    """Give the activation that follows a layer, and whether that can be told.

    Parameters
    ----------
    layer : keras.Layer
        One that applies none itself.
    outputs : frozenset of int
        The identities of the tensors that the model gives: nothing follows them.
    """
    while True:
        nodes = getattr(layer, "_inbound_nodes", None) or []
        if len(nodes) != 1 or len(nodes[0].output_tensors) != 1:
            return None, False
        followers = list(layer._outbound_nodes)
        if id(nodes[0].output_tensors[0]) in outputs:
            return None, not followers
        if len(followers) != 1:
            return None, False
        layer = followers[0].operation
        name = class_name(layer)
        if name not in _PASSES:
            activation = activation_of(layer) if name in {*_ELEMENTWISE, *_OPERATIONS} else None
            parametric = bool(getattr(layer, "_trainable_variables", None)) or name == "BatchNormalization"
            return activation, activation is not None or parametric


def zeros_before(layer: Any) -> Pairs | None:
    """Give the zeros that layers directly before a layer put around each axis of its input, None without one."""
    found: Pairs | None = None
    for before in _before(layer):
        if class_name(before) not in ("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"):
            break
        sides = before.padding
        pairs = (tuple(sides),) if isinstance(sides[0], int) else tuple(map(tuple, sides))
        found = pairs if found is None else added(found, pairs)
    return found


def flattening_before(layer: Any) -> Flattening | None:
    """Give what was flattened into a layer's input, None where nothing was or it cannot be told."""
    for before in _before(layer):
        name = class_name(before)
        if name in _ELEMENTWISE:
            continue
        given = input_shape_of(before)
        if given is None or len(given) < 3 or None in given[1:]:
            return None
        if not (name == "Flatten" or (name == "Reshape" and len(before.target_shape) == 1)):
            return None
        known = _channels_last_before(before)
        sizes = tuple(int(size or 0) for size in given[1:])
        if known is False:
            sizes = (*sizes[1:], sizes[0])
        if name == "Flatten" and before.data_format == "channels_first":
            # It puts the first axis last before it flattens.
            known = True if known is False else None
        return Flattening(sizes, known)
    return None


def flattenings_of(model: Any) -> dict[int, Flattening]:
    """Give what the Flatten layers of a model without a graph were built for, by how many features they give.

    Their maps are taken to have their channels where the layer says.
    """
    found: dict[int, Flattening] = {}
    for layer in model._flatten_layers():
        shape = input_shape_of(layer) if class_name(layer) == "Flatten" and not is_on_graph(layer) else None
        if shape is not None and len(shape) > 2 and None not in shape[1:]:
            sizes = tuple(int(size or 0) for size in shape[1:])
            if layer.data_format == "channels_first":
                sizes = (*sizes[1:], sizes[0])
            found[math.prod(sizes)] = Flattening(sizes, channels_last=True)
    return found


def input_shape_of(layer: Any) -> tuple[int | None, ...] | None:
    """Give the shape of a layer's input, batch axis included, None where it is not known.

    It is the one with which it was built where its graph does not say.
    """
    nodes = getattr(layer, "_inbound_nodes", None) or []
    if len(nodes) == 1 and len(nodes[0].input_tensors) == 1:
        shape = tuple(nodes[0].input_tensors[0].shape)
        if None not in shape[1:]:
            return shape
    built = list((getattr(layer, "_build_shapes_dict", None) or {}).values())
    if (
        built
        and isinstance(built[0], (tuple, list))
        and all(one is None or isinstance(one, int) for one in built[0])
    ):
        return tuple(built[0])
    return None


def is_on_graph(layer: Any) -> bool:
    """Tell whether a layer's place in a graph is known."""
    return len(getattr(layer, "_inbound_nodes", None) or []) == 1


def _before(layer: Any, *, through_sums: bool = False) -> Iterator[Any]:
    """Give the operations before a layer, from the nearest on, as long as there is one way only.

    `through_sums`: of what merges maps of one shape, go on at the first.
    """
    while True:
        nodes = getattr(layer, "_inbound_nodes", None) or []
        if len(nodes) != 1 or not nodes[0].input_tensors:
            return
        merges = through_sums and class_name(layer) in _SUMS
        if len(nodes[0].input_tensors) > 1 and not merges:
            return
        layer = nodes[0].input_tensors[0]._keras_history.operation
        yield layer


def _channels_last_before(layer: Any) -> bool | None:
    """Tell whether the map before a layer has its channels last; None where that cannot be told."""
    moved: list[tuple[int, ...]] = []
    for before in _before(layer, through_sums=True):
        name = class_name(before)
        if name == "Permute":
            moved.append(tuple(before.dims))
        elif not (name in _SUMS or (name in _ELEMENTWISE and name != "BatchNormalization")):
            last = getattr(before, "data_format", "channels_last") != "channels_first"
            # Pools, of which many give no thought to their format, leave it to what is before them.
            if not (name in _POOLS and last):
                return _after_moving(last, moved)
    return _after_moving(True, moved)


def _after_moving(last: bool, moved: list[tuple[int, ...]]) -> bool | None:
    """Tell where the channels are after the axes of a map were permuted."""
    if not moved:
        return last
    (count, *_) = map(len, moved)
    places = list(range(1, count + 1))
    for dims in reversed(moved):
        places = [places[axis - 1] for axis in dims]
    channels = count if last else 1
    space = [place for place in places if place != channels]
    if space != sorted(space):
        return None
    return {0: False, count - 1: True}.get(places.index(channels))


def _rectifier(layer: Any) -> str:
    slope, threshold = float(layer.negative_slope or 0), float(layer.threshold or 0)
    if threshold:
        return f"relu(threshold={threshold:g})"
    if slope:
        return f"leaky_relu({slope:g})"
    if layer.max_value is None:
        return "relu"
    return "relu6" if float(layer.max_value) == 6 else f"relu(max={float(layer.max_value):g})"
