"""The end of a model on JAX: the activations in a trace that made its output, and the output without them.

JAX has no operation of the name softmax: an activation is known by what it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeGuard

import jax

from explain.backends.operations.endings import CONSTANT, OTHER, ActivationKind, Ending, Step, ending_of
from explain.backends.operations.score_graph import names
from explain.jax_ext.model.graph import Graph, Operation, Value
from explain.jax_ext.model.survey import MOVES

_MIXES = names(
    "add add_any sub mul div neg reduce_sum reduce_prod reduce_max reduce_min max min clamp integer_pow pow square "
    "sqrt select_n pad cumsum reduce_window_sum reduce_window_max top_k sort scatter scatter-add dynamic_update_slice"
)
_LOGARITHMS, _EXPONENTS = names("log log1p"), names("exp")
_Activation = tuple[ActivationKind, Value, int]
"""The kind of an activation, its logits, and the axis of the classes."""


def ending_in(graph: Graph, sources: Collection[Value]) -> Ending | None:
    """Follow the first result of a trace back to its activations; None if it is made of anything else.

    Parameters
    ----------
    graph : Graph
        The trace.
    sources : collection of Value
        The inputs that are not weights.
    """
    dependent = graph.dependent_on(sources, lambda operation: True)
    return ending_of(graph.outputs[0], partial(_step_of, graph, dependent))


def _step_of(graph: Graph, dependent: Collection[Value], value: Value) -> Step:
    if value not in dependent:
        return CONSTANT
    found = activation_of(graph, value)
    if found is not None:
        return Step("activates", kind=found[0])
    operation = graph.made_by.get(value)
    if operation is None or not value.is_floating:
        return OTHER
    operands, name = [one for one in operation.inputs if one.is_floating], operation.name
    if name in MOVES:
        return Step("moves", operands, label=name)
    if name in _MIXES:
        return Step("mixes", operands, label=name)
    if name in _EXPONENTS:
        return Step("exp", operands, label=name)
    return Step("log", operands, label=name) if name in _LOGARITHMS else OTHER


def activation_of(graph: Graph, value: Value) -> _Activation | None:
    """Give the activation that a value is the result of, None if it is of none.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> graph = Graph(jax.make_jaxpr(lambda x: jax.nn.softmax(3 * x, axis=0))(jnp.ones((2, 4))))
    >>> kind, logits, axis = activation_of(graph, graph.outputs[0])
    >>> kind, graph.made_by[logits].name, axis
    ('softmax', 'mul', 0)
    """
    operation = graph.made_by.get(value)
    if operation is None:
        return None
    if operation.name == "logistic":
        return "sigmoid", operation.inputs[0], -1
    if operation.name == "neg":
        return _log_sigmoid(graph, operation)
    if operation.name == "div":
        # exp(z) / sum(exp(z))
        top, bottom = operation.inputs
        exponential = graph.made_by.get(top)
        if _is(exponential, "exp"):
            return _along(graph, "softmax", exponential.inputs[0], bottom)
    if operation.name == "sub":
        # z − log(sum(exp(z)))
        logits, shift = operation.inputs
        if _is(_behind_moves(graph, shift), "log"):
            return _along(graph, "log_softmax", logits, shift)
    return None


def _log_sigmoid(graph: Graph, negation: Operation) -> _Activation | None:
    """Tell whether −f(−x) is −log(exp(−x) + exp(0))."""
    name, given = graph.calls.get(negation.inputs[0], ("", ()))
    if name != "logaddexp" or given[1].literal is None or given[1].literal != 0:
        return None
    inner = graph.made_by.get(given[0])
    return ("log_sigmoid", inner.inputs[0], -1) if _is(inner, "neg") else None


def _along(graph: Graph, kind: ActivationKind, shifted: Value, total: Value) -> _Activation | None:
    """Give the activation if a total, perhaps its logarithm, is that of the exponentials along one axis."""
    summed = _behind_moves(graph, total)
    if _is(summed, "log"):
        summed = _behind_moves(graph, summed.inputs[0])
    if not _is(summed, "reduce_sum") or len(summed.parameters["axes"]) != 1:
        return None
    exponential, (axis,) = graph.made_by.get(summed.inputs[0]), summed.parameters["axes"]
    if (
        not _is(exponential, "exp")
        or exponential.inputs[0] != shifted
        or total.shape != _of_each(shifted, axis)
    ):
        return None
    return kind, _unshifted(graph, shifted, axis), axis


def _of_each(value: Value, axis: int) -> tuple[int, ...]:
    """Give the shape of one number for each line along an axis, beside which a value is not spread another way."""
    return (*value.shape[:axis], 1, *value.shape[axis + 1 :])


def _unshifted(graph: Graph, value: Value, axis: int) -> Value:
    """Give z from z − max(z), which is taken against overflow, and the value itself for any other."""
    operation = graph.made_by.get(value)
    if not _is(operation, "sub"):
        return value
    whole, shift = operation.inputs
    most = _behind_moves(graph, shift)
    while _is(most, "max"):
        # The maximum begins with minus infinity.
        most = next((one for one in map(partial(_behind_moves, graph), most.inputs) if one is not None), None)
    is_most = _is(most, "reduce_max") and most.inputs[0] == whole and most.parameters["axes"] == (axis,)
    return whole if is_most and shift.shape == _of_each(value, axis) else value


def _behind_moves(graph: Graph, value: Value) -> Operation | None:
    """Give the operation that made a value, from before it was spread along an axis."""
    operation = graph.made_by.get(value)
    while _is(operation, "broadcast_in_dim reshape expand_dims stop_gradient"):
        operation = graph.made_by.get(operation.inputs[0])
    return operation


def _is(operation: Operation | None, kinds: str) -> TypeGuard[Operation]:
    return operation is not None and operation.name in kinds.split()


def without_activations(graph: Graph, ending: Ending, inputs: Sequence[Any], wanted: str) -> Any:
    """Run a trace with another function in place of the activations that made its first result.

    Parameters
    ----------
    graph : Graph
        The trace.
    ending : Ending
        Its end, which consists of moves only.
    inputs : sequence of jax.Array
        The inputs of the trace.
    wanted : str
        ``"logit"``, ``"probability"`` or ``"log_probability"``.
    """
    replaced = {}
    for value in ending.activations:
        found = activation_of(graph, value)
        assert found is not None
        replaced[value] = partial(_replacement, wanted, *found)
    return graph.run_again(inputs, replaced)


def _replacement(
    wanted: str, kind: ActivationKind, logits: Value, axis: int, values: Mapping[Value, Any]
) -> Any:
    if wanted == "logit":
        return values[logits]
    if kind in ("sigmoid", "log_sigmoid"):
        function: Callable[[Any], Any] = jax.nn.sigmoid if wanted == "probability" else jax.nn.log_sigmoid
        return function(values[logits])
    along = jax.nn.softmax if wanted == "probability" else jax.nn.log_softmax
    return along(values[logits], axis=axis)
