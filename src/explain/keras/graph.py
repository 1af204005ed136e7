"""The graph of a functional Keras model: the operations before and after a layer; does not import Keras.

A Sequential model has such a graph too. A subclassed model has none, so its layers' neighbours are unknown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from explain.keras.activations import ACTIVATIONS, activation_of
from explain.keras.layers import class_name, layers_of
from explain.parameters.padding import Pairs, added

# Layers and operations by the names of their classes.
ONLY_IN_TRAINING = frozenset(
    [
        "Dropout",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "GaussianDropout",
        "GaussianNoise",
        "AlphaDropout",
        "ActivityRegularization",
        "Identity",
    ]
)
MAX_POOLS = frozenset({"MaxPooling1D", "MaxPooling2D", "MaxPooling3D"})
# Layers between a layer and its activation that do not prevent the activation from being the layer's own.
_PASSES = ONLY_IN_TRAINING | MAX_POOLS | {"Flatten", "Reshape"}
ZERO_PADS = frozenset({"ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"})
MERGES = frozenset({"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"})


def input_shape_of(layer: Any) -> tuple[int | None, ...] | None:
    """Give the shape of a layer's input, batch axis included; None if it is unknown.

    If the graph does not determine it, use the shape that the layer was built with.
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


def in_order_of_calls(layers: list[Any]) -> list[Any]:
    """Sort the layers of one graph by the order of their calls when the graph was built, if that order is known.

    Keras sorts layers by their distance from the output, which mixes branches. The names of Keras tensors are numbered
    in the order of the calls.
    """
    numbers: dict[int, int] = {}
    for layer in layers:
        if not is_on_graph(layer):
            return layers
        node = layer._inbound_nodes[0]
        found = [re.fullmatch(r"keras_tensor_?(\d*)", one.name) for one in node.output_tensors[:1]]
        if not found or found[0] is None:
            return layers
        numbers[id(layer)] = int(found[0][1] or 0)
        before = [numbers.get(id(one._keras_history.operation), -1) for one in node.input_tensors]
        # Numbers restart when Keras's session is cleared: then they do not give the order.
        if any(number >= numbers[id(layer)] for number in before):
            return layers
    return sorted(layers, key=lambda layer: numbers[id(layer)])


def is_on_graph(layer: Any) -> bool:
    """Tell whether a layer has exactly one known position in a graph."""
    return len(getattr(layer, "_inbound_nodes", None) or []) == 1


class Graph:
    """The graph of a Keras model, including the graphs of nested models.

    Parameters
    ----------
    model : keras.Model
        The model.
    """

    def __init__(self, model: Any) -> None:
        self._outputs = frozenset(map(id, _tensors_of(model, "outputs")))
        self._outside: dict[int, Any] = {}
        for layer in layers_of(model):
            nodes = getattr(layer, "_inbound_nodes", None) or []
            inner = _tensors_of(layer, "inputs")
            if len(nodes) == 1 and len(nodes[0].input_tensors) == len(inner):
                self._outside |= {
                    id(one): tensor for one, tensor in zip(inner, nodes[0].input_tensors, strict=True)
                }

    def following_activation(self, layer: Any) -> tuple[str | None, bool]:
        """Give the activation that follows a layer without its own activation, and whether it is known."""
        while True:
            nodes = getattr(layer, "_inbound_nodes", None) or []
            if len(nodes) != 1 or len(nodes[0].output_tensors) != 1:
                return None, False
            followers = list(layer._outbound_nodes)
            if id(nodes[0].output_tensors[0]) in self._outputs:
                return None, not followers
            if len(followers) != 1:
                return None, False
            layer = followers[0].operation
            name = class_name(layer)
            if name not in _PASSES:
                activation = activation_of(layer) if name in ACTIVATIONS else None
                parametric = (
                    bool(getattr(layer, "_trainable_variables", None)) or name == "BatchNormalization"
                )
                return activation, activation is not None or parametric

    def zeros_before(self, layer: Any) -> Pairs | None:
        """Give the zeros that padding layers directly before a layer add around each axis; None without such layers."""
        found: Pairs | None = None
        for before in self.operations_before(input_of(layer)):
            if class_name(before) not in ZERO_PADS:
                break
            sides = before.padding
            pairs = (tuple(sides),) if isinstance(sides[0], int) else tuple(map(tuple, sides))
            found = pairs if found is None else added(found, pairs)
        return found

    def layers_before(self, layer: Any, among: Collection[int]) -> tuple[Any, ...] | None:
        """Give the nearest of some layers that a layer's inputs depend on; None if the layer is not on a graph.

        Parameters
        ----------
        layer : keras.Layer
            The layer.
        among : collection of int
            The layers, by their identity.
        """
        if not is_on_graph(layer):
            return None
        found: dict[int, Any] = {}
        seen: set[int] = set()
        left = list(layer._inbound_nodes[0].input_tensors)
        while left:
            operation = self.maker_of(left.pop())
            if id(operation) in seen:
                continue
            seen.add(id(operation))
            if id(operation) in among:
                found[id(operation)] = operation
            else:
                left.extend(one for node in operation._inbound_nodes for one in node.input_tensors)
        return tuple(found.values())

    def operations_before(self, tensor: Any, *, through_merges: bool = False) -> Iterator[Any]:
        """Give the operations before a tensor, nearest first, as long as each has one input.

        With `through_merges`, continue at the first input of an operation that merges maps of one shape.
        """
        while tensor is not None:
            operation = self.maker_of(tensor)
            yield operation
            tensor = input_of(operation, first=through_merges and class_name(operation) in MERGES)

    def maker_of(self, tensor: Any) -> Any:
        """Give the operation that computes a tensor; if it is a nested model, the operation inside that model."""
        while True:
            if id(tensor) in self._outside:
                tensor = self._outside[id(tensor)]
                continue
            history = tensor._keras_history
            inner = _tensors_of(history.operation, "outputs")
            if not inner:
                return history.operation
            tensor = inner[history.tensor_index]


def input_of(operation: Any, *, first: bool = False) -> Any:
    """Give the only input of an operation, or with `first` its first input; None if there is none or it is unknown."""
    nodes = getattr(operation, "_inbound_nodes", None) or []
    tensors = nodes[0].input_tensors if len(nodes) == 1 else []
    return tensors[0] if len(tensors) == 1 or (first and tensors) else None


def _tensors_of(layer: Any, name: str) -> list[Any]:
    """Give the inputs or the outputs of a functional model, an empty list for a plain layer."""
    graph = getattr(layer, "_functional", None) or layer
    if not any(base.__name__ == "Functional" for base in type(graph).__mro__):
        return []
    return list(getattr(graph, name))
