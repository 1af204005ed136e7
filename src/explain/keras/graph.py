"""What the graph of a functional Keras model tells of the layers beside a layer; Keras is not imported.

A Sequential model has such a graph too. A subclassed one has none: nothing is told of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from explain.keras.activations import ACTIVATIONS, activation_of
from explain.keras.layers import class_name
from explain.parameters.flattened import Block, Row, without_vectors
from explain.parameters.padding import Pairs, added

_ONLY_IN_TRAINING = frozenset(
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
_MAX_POOLS = frozenset({"MaxPooling1D", "MaxPooling2D", "MaxPooling3D"})
# What an activation after them is still an activation of what was before them.
_PASSES = _ONLY_IN_TRAINING | _MAX_POOLS | {"Flatten", "Reshape"}
# What keeps every value at its place.
_ELEMENTWISE = _ONLY_IN_TRAINING | ACTIVATIONS | {"PReLU", "Rescaling"}
_ELEMENTWISE |= {"BatchNormalization", "LayerNormalization", "GroupNormalization"}
_ZERO_PADS = frozenset({"ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"})
_POOLS = _MAX_POOLS | _ZERO_PADS
_POOLS |= {f"{name}{count}D" for name in ("AveragePooling", "UpSampling", "Cropping") for count in (1, 2, 3)}
# What makes sequences of features, which both frameworks have last.
_SEQUENTIAL = frozenset(
    [
        "LSTM",
        "GRU",
        "SimpleRNN",
        "RNN",
        "Bidirectional",
        "Embedding",
        "Dense",
        "EinsumDense",
        "MultiHeadAttention",
        "GroupQueryAttention",
        "TimeDistributed",
        "RepeatVector",
        "Reshape",
    ]
)
_SUMS = frozenset({"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"})


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


def in_order_of_calls(layers: list[Any]) -> list[Any]:
    """Give the layers of one graph in the order in which they were called when it was made, where that is known.

    Keras has them by how far they are from the output. That mixes branches; the code that made them went through one
    after the other. Its tensors are numbered.
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
        # Numbers begin anew when Keras's session is cleared: then they say nothing.
        if any(number >= numbers[id(layer)] for number in before):
            return layers
    return sorted(layers, key=lambda layer: numbers[id(layer)])


def is_on_graph(layer: Any) -> bool:
    """Tell whether a layer's place in a graph is known."""
    return len(getattr(layer, "_inbound_nodes", None) or []) == 1


class Graph:
    """The graph of a Keras model, those of the models inside it included.

    Parameters
    ----------
    model : keras.Model
        The model; of a subclassed one only what its Flatten layers were built for is told.

    Attributes
    ----------
    flattened : dict of int to tuple of Block
        Of a model without a graph, what its Flatten layers were built for, by how many features they give. Their maps
        are taken to have their channels where the layer says.
    """

    def __init__(self, model: Any) -> None:
        layers = list(model._flatten_layers())
        self._outputs = frozenset(map(id, _tensors_of(model, "outputs")))
        self._outside: dict[int, Any] = {}
        for layer in layers:
            nodes = getattr(layer, "_inbound_nodes", None) or []
            inner = _tensors_of(layer, "inputs")
            if len(nodes) == 1 and len(nodes[0].input_tensors) == len(inner):
                self._outside |= {
                    id(one): tensor for one, tensor in zip(inner, nodes[0].input_tensors, strict=True)
                }
        self.flattened = _built_flattenings(layers)

    def following_activation(self, layer: Any) -> tuple[str | None, bool]:
        """Give the activation that follows a layer which applies none, and whether that can be told."""
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
        """Give the zeros that layers directly before a layer put around each axis of its input, None without one."""
        found: Pairs | None = None
        for before in self._before(_input_of(layer)):
            if class_name(before) not in _ZERO_PADS:
                break
            sides = before.padding
            pairs = (tuple(sides),) if isinstance(sides[0], int) else tuple(map(tuple, sides))
            found = pairs if found is None else added(found, pairs)
        return found

    def row_before(self, layer: Any) -> Row | None:
        """Give what was put in a row to be a layer's input, or each step of it, None where no map was."""
        tensor = _input_of(layer)
        row = None if tensor is None or len(tensor.shape) not in (2, 3) else self._row(tensor)
        return None if row is None else without_vectors(row)

    def map_after(self, layer: Any) -> Block | None:
        """Give the map that a row which a layer gives is made into, None where it is not made into one of space."""
        row = layer
        while len(followers := list(getattr(row, "_outbound_nodes", None) or [])) == 1:
            row = followers[0].operation
            name = class_name(row)
            if name == "Reshape":
                shape = tuple(followers[0].output_tensors[0].shape[1:])
                after = [class_name(one.operation) for one in row._outbound_nodes]
                spatial = len(shape) > 2 or (len(shape) == 2 and any("Conv1D" in one for one in after))
                if not spatial or None in shape or len(_input_of(row).shape) != 2:
                    return None
                formats = {getattr(one.operation, "data_format", None) for one in row._outbound_nodes}
                last = "channels_first" not in formats
                channels = int(shape[-1] if last else shape[0])
                return Block(math.prod(map(int, shape)) // channels, channels, last)
            if name not in _ELEMENTWISE or name == "LayerNormalization":
                return None
        return None

    def layers_before(self, layer: Any, among: Collection[int]) -> tuple[Any, ...] | None:
        """Give the nearest of some layers that a layer's inputs come from, None where its graph does not say.

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
            operation = self._maker(left.pop())
            if id(operation) in seen:
                continue
            seen.add(id(operation))
            if id(operation) in among:
                found[id(operation)] = operation
            else:
                left.extend(one for node in operation._inbound_nodes for one in node.input_tensors)
        return tuple(found.values())

    def _row(self, tensor: Any) -> Row | None:
        operation = self._maker(tensor)
        name, given = class_name(operation), _input_of(operation)
        width, rank = tensor.shape[-1], len(tensor.shape)
        if width is None:
            return None
        if name == "Concatenate" and operation.axis in (-1, rank - 1):
            parts = [self._row(one) for one in operation._inbound_nodes[0].input_tensors]
            return None if None in parts else tuple(block for part in parts for block in part or ())
        if given is not None and len(given.shape) == rank and name in {*_ELEMENTWISE, "Flatten"}:
            return self._row(given)
        if name in _SUMS and is_on_graph(operation):
            return self._row(operation._inbound_nodes[0].input_tensors[0])
        by_steps = name == "TimeDistributed" and class_name(operation.layer) == "Flatten"
        flattens = name in ("Flatten", "Reshape") or by_steps
        if not flattens or given is None or not _puts_in_rows(given.shape, tensor.shape):
            return (Block(1, int(width)),)
        last = self._has_channels_last(given, steps=rank == 3)
        sizes = list(map(int, given.shape[rank - 1 :]))
        channels = sizes[0] if last is False else sizes[-1]
        if name == "Flatten" and operation.data_format == "channels_first":
            # It puts the first axis last before it flattens.
            last = True if last is False else None
        return (Block(math.prod(sizes) // channels, channels, last, self._is_spatial(given)),)

    def _is_spatial(self, tensor: Any) -> bool:
        """Tell a map of space from a sequence of features, by the layer that made it."""
        for before in self._before(tensor, through_sums=True):
            name = class_name(before)
            if name in _SEQUENTIAL:
                return False
            if "Conv" in name:
                return True
        return len(tensor.shape) > 3

    def _has_channels_last(self, tensor: Any, *, steps: bool = False) -> bool | None:
        """Tell whether a map has its channels last, or those of each step; None where that cannot be told."""
        moved: list[tuple[int, ...]] = []
        for before in self._before(tensor, through_sums=True):
            name = class_name(before)
            if name == "Permute":
                moved.append(tuple(before.dims))
            elif not (name in _SUMS or (name in _ELEMENTWISE and name != "BatchNormalization")):
                last = getattr(before, "data_format", "channels_last") != "channels_first"
                # Pools, of which many give no thought to their format, leave it to what is before them.
                if not (name in _POOLS and last):
                    return _after_moving(last, moved, steps)
        return _after_moving(True, moved, steps)

    def _before(self, tensor: Any, *, through_sums: bool = False) -> Iterator[Any]:
        """Give the operations before a tensor, from the nearest on, as long as there is one way only.

        `through_sums`: of what merges maps of one shape, go on at the first.
        """
        while tensor is not None:
            operation = self._maker(tensor)
            yield operation
            tensor = _input_of(operation, first=through_sums and class_name(operation) in _SUMS)

    def _maker(self, tensor: Any) -> Any:
        """Give the operation that makes a tensor: of a model inside the model, the one in there."""
        while True:
            if id(tensor) in self._outside:
                tensor = self._outside[id(tensor)]
                continue
            history = tensor._keras_history
            inner = _tensors_of(history.operation, "outputs")
            if not inner:
                return history.operation
            tensor = inner[history.tensor_index]


def _input_of(operation: Any, *, first: bool = False) -> Any:
    """Give the only tensor that goes into an operation, or the first; None if there is none or it is not known."""
    nodes = getattr(operation, "_inbound_nodes", None) or []
    tensors = nodes[0].input_tensors if len(nodes) == 1 else []
    return tensors[0] if len(tensors) == 1 or (first and tensors) else None


def _tensors_of(layer: Any, name: str) -> list[Any]:
    """Give the inputs or the outputs of a model that is in a graph, nothing of a plain layer."""
    graph = getattr(layer, "_functional", None) or layer
    if not any(base.__name__ == "Functional" for base in type(graph).__mro__):
        return []
    return list(getattr(graph, name))


def _built_flattenings(layers: list[Any]) -> dict[int, Row]:
    found: dict[int, Row] = {}
    for layer in layers:
        shape = input_shape_of(layer) if class_name(layer) == "Flatten" and not is_on_graph(layer) else None
        if shape is not None and len(shape) > 2 and None not in shape[1:]:
            sizes = [int(size or 0) for size in shape[1:]]
            channels = sizes[0] if layer.data_format == "channels_first" else sizes[-1]
            spatial = True if len(sizes) > 2 else None
            row = without_vectors((Block(math.prod(sizes) // channels, channels, spatial=spatial),))
            if row is not None:
                found[math.prod(sizes)] = row
    return found


def _after_moving(last: bool, moved: list[tuple[int, ...]], steps: bool) -> bool | None:
    """Tell where the channels are after the axes of a map were permuted, its first axis left out if it is of steps."""
    count = len(moved[0]) if moved else 0
    places = list(range(1, count + 1))
    for dims in reversed(moved):
        places = [places[axis - 1] for axis in dims]
    if not moved:
        # Of steps of a map with its channels first, each is a channel.
        return None if steps and not last else last
    channels = count if last else 1
    places = places[1:] if steps else places
    space = [place for place in places if place != channels]
    if space != sorted(space) or channels not in places:
        return None
    return {0: False, len(places) - 1: True}.get(places.index(channels))


def _puts_in_rows(given: Sequence[int | None], row: Sequence[int | None]) -> bool:
    """Tell whether a tensor of one shape becomes one of rows, or of a row a step, whose steps are those it has."""
    rank = len(row)
    inside = given[rank - 1 :]
    return (
        len(given) > rank
        and None not in inside
        and math.prod(int(size or 0) for size in inside) == row[-1]
        and tuple(given[1 : rank - 1]) == tuple(row[1:-1])
    )
