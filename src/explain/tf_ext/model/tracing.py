"""Computations traced once per signature."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from explain.backends.operations.endings import Ending
from explain.backends.question import Finding
from explain.tf_ext.model.runs.traced_run import TracedRun

_ASSIGNMENTS = ("Scatter", "ResourceScatter", "RngReadAndSkip", "StatefulUniform", "StatefulStandardNormal")
# The gradient of indexing, which assigns to no variable.
_NO_ASSIGNMENT = "ScatterNd"


@dataclass(frozen=True)
class Trace:
    """A traced computation.

    Parameters
    ----------
    function : callable
        The traced function; it takes flat tensors.
    finding : Finding, optional
        The finding about the score at the first reading of the output.
    assigns : bool
        Whether running it assigns to any variable.
    analysis : object
        The result of the analysis of the trace, or the survey of its output; None without one.
    ending : Ending, optional
        The activations at the end of the model, without the tensors of the trace.
    run : (hashable, TracedRun), optional
        The run of the model in it, for copies in other traces, and for which points it is.
    """

    function: Callable[..., Any]
    finding: Finding | None
    assigns: bool
    analysis: Any = None
    ending: Ending | None = None
    run: tuple[Hashable, TracedRun] | None = None


def traced(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    specifications: Sequence[Any],
    *,
    ordered: bool = True,
) -> tuple[Callable[..., Any], Any]:
    """Trace a function of nested tensors for their specifications; give the traced function, and its graph.

    The traced function takes flat tensors: TensorFlow takes longer to bind nested arguments than to run a small model.
    Operations that are not `ordered` run in any order, and only if a result needs them: they should have no effects. To
    find their order takes a tenth of the time of a trace.
    """
    structure = tf.nest.map_structure(lambda tensor: None, arguments)

    def of_flat(*tensors: Any) -> Any:
        return function(*tf.nest.pack_sequence_as(structure, tensors))

    # Keras does not convert a model's control flow either. Without conversion, exceptions keep their class.
    attributes = None if ordered else {"_disable_acd": True}
    whole = tf.function(of_flat, autograph=False, experimental_attributes=attributes)
    concrete = whole.get_concrete_function(*specifications)
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
