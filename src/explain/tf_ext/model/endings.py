"""The end of a TensorFlow model: the activations in a trace that made its output, and the output without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

from explain.backends.operations.endings import CONSTANT, OTHER, ActivationKind, Ending, Step, ending_of
from explain.backends.operations.score_graph import names
from explain.tf_ext.model.graph import name_of, run_again
from explain.tf_ext.model.runs.eager_run import EagerRun

_ACTIVATIONS: dict[str, ActivationKind] = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
}
# Each value of the result is one value of an operand; the other operands say where it goes.
MOVES = names(
    "Identity Reshape Squeeze ExpandDims Transpose ConcatV2 Pack Unpack Split SplitV StridedSlice Slice GatherV2 "
    "GatherNd ReverseV2 Tile BroadcastTo Cast DepthToSpace SpaceToDepth SpaceToBatchND BatchToSpaceND "
    "ResizeNearestNeighbor EnsureShape PreventGradient Roll"
)
_MIXES = names(
    "Mul MulNoNan Add AddV2 AddN Sub RealDiv DivNoNan Neg Mean Sum Prod Max Min Maximum Minimum ClipByValue Pow Square "
    "Sqrt SelectV2 Select Pad PadV2 MirrorPad BiasAdd AvgPool AvgPool3D MaxPool MaxPool3D ResizeBilinear Cumsum TopKV2 "
    "Relu Relu6 TensorScatterUpdate"
)
_LOGARITHMS, _EXPONENTS = names("Log Log1p"), names("Exp")
# Functions that are not inlined in a trace.
_CALLS = names("PartitionedCall StatefulPartitionedCall")


def ending_of_output(output: Any, run: EagerRun | None = None) -> Ending | None:
    """Follow an output back to its activations, through its trace or a recorded run; None where there is neither."""
    if tf.is_symbolic_tensor(output):
        return ending_of(output.ref(), partial(_step_of, _traced_operation))
    return None if run is None else ending_of(output.ref(), partial(_step_of, run.operation_of))


def _traced_operation(tensor: Any) -> Any:
    return tensor.op


def _step_of(operation_of: Callable[[Any], Any], reference: Any) -> Step:
    tensor = reference.deref()
    operation = operation_of(tensor)
    name = name_of(operation)
    logits = _logits_of(operation, operation_of)
    if logits is not None:
        return Step("activates", kind=logits[0])
    if not tensor.dtype.is_floating:
        return OTHER if tensor.dtype.is_complex else CONSTANT
    if name in _CALLS and tf.is_symbolic_tensor(tensor):
        return _step_in_function(tensor)
    if name == "IdentityN":
        # A function with a custom gradient: each result is the operand at its place.
        place = (
            tensor.value_index
            if tf.is_symbolic_tensor(tensor)
            else next(place for place, one in enumerate(operation.outputs) if one is tensor)
        )
        return Step("moves", [operation.inputs[place].ref()], label=name)
    operands = [one.ref() for one in operation.inputs if one.dtype.is_floating or one.dtype.is_complex]
    if name in MOVES and not operands:
        # Whole numbers, converted.
        return CONSTANT
    if name in MOVES:
        return Step("moves", operands, label=name)
    if name in _MIXES:
        return Step("mixes", operands, label=name)
    if name in _EXPONENTS:
        return Step("exp", operands, label=name)
    if name in _LOGARITHMS:
        return Step("log", operands, label=name)
    return CONSTANT if _is_constant(operation, operation_of) else OTHER


def _logits_of(operation: Any, operation_of: Callable[[Any], Any]) -> tuple[ActivationKind, Any] | None:
    """Give the kind of an activation and its logits; None for another operation."""
    name = name_of(operation)
    if name in _ACTIVATIONS:
        return _ACTIVATIONS[name], operation.inputs[0]
    if name == "Neg" and name_of(below := operation_of(operation.inputs[0])) == "Softplus":
        # A log-sigmoid is written as −softplus(−x).
        inner = operation_of(below.inputs[0])
        if name_of(inner) == "Neg":
            return "log_sigmoid", inner.inputs[0]
    return None


def _is_constant(operation: Any, operation_of: Callable[[Any], Any]) -> bool:
    """Tell whether an operation depends on no input, only on constants and weights."""
    graph = getattr(operation, "graph", None)
    captured = {tensor.ref() for tensor in graph.internal_captures} if graph is not None else set()
    left, seen = [operation], {id(operation)}
    while left:
        one = left.pop()
        if one.type == "Placeholder" and one.outputs[0].ref() not in captured:
            return False
        for tensor in one.inputs:
            below = operation_of(tensor)
            if id(below) not in seen:
                seen.add(id(below))
                left.append(below)
    return True


def _step_in_function(tensor: Any) -> Step:
    """Give the activations at the end of a function that a trace calls: their kind is known, their logits are not."""
    name = tensor.op.get_attr("f").name
    inner = function_def_to_graph(tensor.op.graph._get_function(name).cached_definition)
    found = ending_of(inner.outputs[tensor.value_index].ref(), partial(_step_of, _traced_operation))
    if found is None:
        return OTHER
    return Step("activates" if found.moved else "mixes", kind=found.kinds[0], label=name)


def with_replaced(output: Any, ending: Ending, function: Callable[[ActivationKind, Any], Any]) -> Any:
    """Give an output in which another function replaces the activations that made its values.

    None if their logits cannot be reached.

    Parameters
    ----------
    output : tf.Tensor
        The output, in a trace.
    ending : Ending
        Its ending, which consists of moves only.
    function : callable
        From the kind of an activation and its logits to the replacement.
    """
    if not (
        ending.activations
        and all(_logits_of(one.deref().op, _traced_operation) for one in ending.activations)
    ):
        return None
    made: dict[Any, Any] = {}
    left = [output]
    while left:
        tensor = left[-1]
        operation = tensor.op
        logits = _logits_of(operation, _traced_operation)
        if tensor.ref() in made:
            left.pop()
        elif logits is not None:
            made[tensor.ref()] = function(*logits)
        elif name_of(operation) == "IdentityN":
            below = operation.inputs[tensor.value_index]
            if below.ref() in made:
                made[tensor.ref()] = made[below.ref()]
            else:
                left.append(below)
        else:
            missing = [one for one in operation.inputs if one.dtype.is_floating and one.ref() not in made]
            if missing:
                left.extend(missing)
            else:
                results = run_again(operation, [made.get(one.ref(), one) for one in operation.inputs])
                for before, after in zip(operation.outputs, results, strict=True):
                    made[before.ref()] = after
    return made[output.ref()]


def replacement(wanted: str) -> Callable[[ActivationKind, Any], Any]:
    """Give the function that replaces an activation for a wanted kind of score.

    Parameters
    ----------
    wanted : str
        ``"logit"``, ``"probability"`` or ``"log_probability"``.
    """

    def function(kind: ActivationKind, logits: Any) -> Any:
        if wanted == "logit":
            return logits
        if kind in ("sigmoid", "log_sigmoid"):
            return tf.math.sigmoid(logits) if wanted == "probability" else tf.math.log_sigmoid(logits)
        return tf.nn.softmax(logits) if wanted == "probability" else tf.nn.log_softmax(logits)

    return function


def without_graph(endings: Sequence[Ending | None]) -> Ending | None:
    """Give the last of the ends that a trace shows, without the tensors of the trace; None if it shows none."""
    last = endings[-1] if endings else None
    return None if last is None else replace(last, activations=())
