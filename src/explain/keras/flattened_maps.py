"""The maps that a Keras model flattens before a layer, read from its graph; does not import Keras."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from explain.keras.activations import ACTIVATIONS
from explain.keras.graph import (
    MAX_POOLS,
    MERGES,
    ONLY_IN_TRAINING,
    ZERO_PADS,
    Graph,
    input_of,
    input_shape_of,
    is_on_graph,
)
from explain.keras.layers import class_name, layers_of
from explain.parameters.flattened import Block, Row, without_vectors

# Layers that keep every value at its position.
_ELEMENTWISE = ONLY_IN_TRAINING | ACTIVATIONS | {"PReLU", "Rescaling"}
_ELEMENTWISE |= {"BatchNormalization", "LayerNormalization", "GroupNormalization"}
_POOLS = MAX_POOLS | ZERO_PADS
_POOLS |= {f"{name}{count}D" for name in ("AveragePooling", "UpSampling", "Cropping") for count in (1, 2, 3)}
# Layers whose outputs are sequences of features; both frameworks have the feature axis last.
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


def row_before(graph: Graph, layer: Any) -> Row | None:
    """Give the maps flattened into a layer's input or into each of its steps; None if nothing is flattened."""
    tensor = input_of(layer)
    row = None if tensor is None or len(tensor.shape) not in (2, 3) else _row(graph, tensor)
    return None if row is None else without_vectors(row)


def map_after(layer: Any) -> Block | None:
    """Give the spatial map that a later layer reshapes this layer's output, a row, to; None if there is none."""
    row = layer
    while len(followers := list(getattr(row, "_outbound_nodes", None) or [])) == 1:
        row = followers[0].operation
        name = class_name(row)
        if name == "Reshape":
            shape = tuple(followers[0].output_tensors[0].shape[1:])
            after = [class_name(one.operation) for one in row._outbound_nodes]
            spatial = len(shape) > 2 or (len(shape) == 2 and any("Conv1D" in one for one in after))
            if not spatial or None in shape or len(input_of(row).shape) != 2:
                return None
            formats = {getattr(one.operation, "data_format", None) for one in row._outbound_nodes}
            last = "channels_first" not in formats
            channels = int(shape[-1] if last else shape[0])
            return Block(math.prod(map(int, shape)) // channels, channels, last)
        if name not in _ELEMENTWISE or name == "LayerNormalization":
            return None
    return None


def built_flattenings(model: Any) -> dict[int, Row]:
    """Map the number of features of each Flatten layer of a model without a graph to the maps that it flattens.

    The maps are those that the layer was built for. Their channel axis is that of the layer's ``data_format``.
    """
    found: dict[int, Row] = {}
    for layer in layers_of(model):
        shape = input_shape_of(layer) if class_name(layer) == "Flatten" and not is_on_graph(layer) else None
        if shape is not None and len(shape) > 2 and None not in shape[1:]:
            sizes = [int(size or 0) for size in shape[1:]]
            channels = sizes[0] if layer.data_format == "channels_first" else sizes[-1]
            spatial = True if len(sizes) > 2 else None
            row = without_vectors((Block(math.prod(sizes) // channels, channels, spatial=spatial),))
            if row is not None:
                found[math.prod(sizes)] = row
    return found


def _row(graph: Graph, tensor: Any) -> Row | None:
    operation = graph.maker_of(tensor)
    name, given = class_name(operation), input_of(operation)
    width, rank = tensor.shape[-1], len(tensor.shape)
    if width is None:
        return None
    if name == "Concatenate" and operation.axis in (-1, rank - 1):
        parts = [_row(graph, one) for one in operation._inbound_nodes[0].input_tensors]
        return None if None in parts else tuple(block for part in parts for block in part or ())
    if given is not None and len(given.shape) == rank and name in {*_ELEMENTWISE, "Flatten"}:
        return _row(graph, given)
    if name in MERGES and is_on_graph(operation):
        return _row(graph, operation._inbound_nodes[0].input_tensors[0])
    by_steps = name == "TimeDistributed" and class_name(operation.layer) == "Flatten"
    flattens = name in ("Flatten", "Reshape") or by_steps
    if not flattens or given is None or not _is_flattened_to(given.shape, tensor.shape):
        return (Block(1, int(width)),)
    last = _has_channels_last(graph, given, steps=rank == 3)
    sizes = list(map(int, given.shape[rank - 1 :]))
    channels = sizes[0] if last is False else sizes[-1]
    if name == "Flatten" and operation.data_format == "channels_first":
        # With channels_first, Flatten moves the first axis to the end before it flattens.
        last = True if last is False else None
    return (Block(math.prod(sizes) // channels, channels, last, _is_spatial(graph, given)),)


def _is_spatial(graph: Graph, tensor: Any) -> bool:
    """Tell whether a tensor is a spatial map or a sequence of features, by the layer that computes it."""
    for before in graph.operations_before(tensor, through_merges=True):
        name = class_name(before)
        if name in _SEQUENTIAL:
            return False
        if "Conv" in name:
            return True
    return len(tensor.shape) > 3


def _has_channels_last(graph: Graph, tensor: Any, *, steps: bool = False) -> bool | None:
    """Tell whether a map, or the map of each step, has its channels last; None if that is unknown."""
    moved: list[tuple[int, ...]] = []
    for before in graph.operations_before(tensor, through_merges=True):
        name = class_name(before)
        if name == "Permute":
            moved.append(tuple(before.dims))
        elif not (name in MERGES or (name in _ELEMENTWISE and name != "BatchNormalization")):
            last = getattr(before, "data_format", "channels_last") != "channels_first"
            # A pool's default data_format is no evidence: the layers before it decide.
            if not (name in _POOLS and last):
                return _after_moving(last, moved, steps)
    return _after_moving(True, moved, steps)


def _after_moving(last: bool, moved: list[tuple[int, ...]], steps: bool) -> bool | None:
    """Tell whether a map has its channels last after permutations of its axes; the first axis may be steps."""
    count = len(moved[0]) if moved else 0
    places = list(range(1, count + 1))
    for dims in reversed(moved):
        places = [places[axis - 1] for axis in dims]
    if not moved:
        # With channels first, each step is a channel.
        return None if steps and not last else last
    channels = count if last else 1
    places = places[1:] if steps else places
    space = [place for place in places if place != channels]
    if space != sorted(space) or channels not in places:
        return None
    return {0: False, len(places) - 1: True}.get(places.index(channels))


def _is_flattened_to(given: Sequence[int | None], row: Sequence[int | None]) -> bool:
    """Tell whether a tensor of one shape is flattened to rows, or to one row per step with its steps unchanged."""
    rank = len(row)
    inside = given[rank - 1 :]
    return (
        len(given) > rank
        and None not in inside
        and math.prod(int(size or 0) for size in inside) == row[-1]
        and tuple(given[1 : rank - 1]) == tuple(row[1:-1])
    )
