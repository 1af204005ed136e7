"""What a trace of a model shows: kinks, the memory of a point, and whether its score has a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explain.backends.operations.endings import Ending
from explain.backends.operations.first_operations import Beginnings, unscaled_uses
from explain.backends.operations.score_graph import names
from explain.jax_ext.model.graph import Graph, Operation, Value, bodies_of

MOVES = names(
    "broadcast_in_dim concatenate convert_element_type copy copy_p dynamic_slice expand_dims gather "
    "optimization_barrier reduce_precision reshape rev slice split squeeze transpose"
)
"""Each value of the result is one value of an operand; other operands say where it goes."""

_LINEAR = names(
    "add add_any sub neg mul div dot_general conv_general_dilated reduce_sum reduce_window_sum cumsum pad "
    "dynamic_update_slice scatter scatter-add real imag"
)
_SMOOTH = (
    MOVES
    | _LINEAR
    | names(
        "exp exp2 expm1 log log1p tanh logistic erf erfc erf_inv sin cos tan atan asinh sinh cosh pow integer_pow "
        "square sqrt rsqrt cbrt stop_gradient lgamma digamma random_seed random_wrap random_unwrap"
    )
)
# Functions that are smooth, though the operations inside them have kinks that cancel.
_SMOOTH_FUNCTIONS = names("logaddexp softplus logsumexp")
_WITHOUT_GRADIENT = names("stop_gradient round floor ceil sign nextafter")


@dataclass(frozen=True)
class Survey:
    """What the trace of a model shows.

    Parameters
    ----------
    ending : Ending, optional
        The activations that made the output, if no layer applies them.
    kinked : bool
        Whether any operation between an input and the score is not known to be smooth.
    connected : bool
        Whether the score has a gradient to an input.
    bytes_per_point : int
        The size of all results between input and score for one example.
    uses : tuple of str
        The first operations on the first input that do not scale it.
    """

    ending: Ending | None
    kinked: bool
    connected: bool
    bytes_per_point: int
    uses: tuple[str, ...]


def surveyed(graph: Graph, sources: Sequence[Value], ending: Ending | None, rows: int) -> Survey:
    """Survey a trace whose first result is the explained output.

    Parameters
    ----------
    graph : Graph
        The trace.
    sources : sequence of Value
        The inputs that are explained.
    ending : Ending, optional
        The activations at its end.
    rows : int
        The number of examples in the trace.
    """
    result = graph.outputs[0]
    needed = graph.needed_for(result, _passes_value)
    depending = graph.dependent_on(sources, _passes_value)
    between = [
        one
        for one in graph.operations
        if any(value in depending for value in one.outputs) and any(value in needed for value in one.outputs)
    ]
    return Survey(
        ending=ending,
        kinked=any(not _is_smooth(one) for one in between),
        connected=result in graph.dependent_on(sources, _passes_gradient),
        bytes_per_point=sum(map(_bytes, between)) // rows,
        uses=tuple(_unscaled_uses(graph, sources)),
    )


def _passes_value(operation: Operation) -> bool:
    # The values behind it are constants for a gradient, such as the maximum that a softmax takes off.
    return operation.name != "stop_gradient"


def _passes_gradient(operation: Operation) -> bool:
    return operation.name not in _WITHOUT_GRADIENT and any(one.is_floating for one in operation.outputs)


def _is_smooth(operation: Operation) -> bool:
    bodies = list(bodies_of(operation))
    if operation.name == "scan":
        return all(
            _is_smooth(one) or not any(value.is_floating for value in one.outputs)
            for body, _ in bodies
            for one in body.operations
        )
    return operation.name in _SMOOTH or any(name in _SMOOTH_FUNCTIONS for name in operation.callers)


def _bytes(operation: Operation) -> int:
    inside = sum(length * sum(map(_bytes, body.operations)) for body, length in bodies_of(operation))
    return inside + sum(value.nbytes for value in operation.outputs)


def _unscaled_uses(graph: Graph, sources: Sequence[Value]) -> list[str]:
    """Name the first operations on the first input that do not scale it."""
    needed = graph.needed_for(graph.outputs[0], lambda operation: True)
    kinds = Beginnings(
        moves=MOVES | names("pad reduce_window_sum"),
        shifts=names("add sub"),
        scales=names("mul div"),
        operands_of=lambda operation: [graph.made_by.get(value, value) for value in operation.inputs],
        name_of=lambda operation: str(operation.name),
    )
    operations = [one for one in graph.operations if any(value in needed for value in one.outputs)]
    return unscaled_uses(operations, sources[0], kinds) if sources else []
