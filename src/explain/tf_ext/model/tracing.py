"""Computations traced once for a signature, and kept as long as the model exists."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from explain.backends.protocol import Finding

_ASSIGNMENTS = ("Scatter", "ResourceScatter", "RngReadAndSkip", "StatefulUniform", "StatefulStandardNormal")
# The gradient of indexing, which assigns to no variable.
_NO_ASSIGNMENT = "ScatterNd"


# What goes beside the points, row by row: companions, mask (none or one), held masks, the model's own inputs if the
# points are outputs of a layer, its inputs that stay fixed, target indices.
Beside = tuple[Mapping[str, Any], tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], Any]


@dataclass(frozen=True)
class Trace:
    """A computation that was traced.

    Parameters
    ----------
    function : callable
        Of flat tensors.
    finding : Finding, optional
        The finding about the score at the first reading of the output.
    assigns : bool
        Whether running it assigns to any variable.
    analysis : object
        The result of the analysis of the trace, if it was analysed.
    """

    function: Callable[..., Any]
    finding: Finding | None
    assigns: bool
    analysis: Any = None


_kept: weakref.WeakKeyDictionary[Any, dict[Any, Trace]] = weakref.WeakKeyDictionary()


def traces_of(model: Any) -> dict[Any, Trace]:
    """Give the traces of a model; they are dropped with the model."""
    return _kept.setdefault(model, {})


def traced(
    function: Callable[..., Any], arguments: tuple[Any, ...], specifications: Sequence[Any]
) -> tuple[Callable[..., Any], Any]:
    """Trace a function of nested tensors for their specifications; give the traced function, and its graph.

    It takes flat tensors: TensorFlow takes longer to bind nested arguments than to run a small model.
    """
    structure = tf.nest.map_structure(lambda tensor: None, arguments)

    def of_flat(*tensors: Any) -> Any:
        return function(*tf.nest.pack_sequence_as(structure, tensors))

    # Keras does not convert a model's control flow either, and without conversion errors keep their class.
    concrete = tf.function(of_flat, autograph=False).get_concrete_function(*specifications)
    return concrete, concrete.graph


def specifications_of(tensors: Sequence[Any], fixed_batch_size: int | None = None) -> list[Any]:
    """Give the specifications of flat tensors with any batch size."""
    return [tf.TensorSpec([fixed_batch_size, *tensor.shape[1:]], tensor.dtype) for tensor in tensors]


def assigns(graph: Any) -> bool:
    """Tell whether running a graph assigns to any variable."""
    definition = graph.as_graph_def()
    nodes = [
        *definition.node,
        *(node for function in definition.library.function for node in function.node_def),
    ]
    return any(
        "Assign" in node.op or (node.op.startswith(_ASSIGNMENTS) and node.op != _NO_ASSIGNMENT)
        for node in nodes
    )
