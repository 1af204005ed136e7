"""The operations of a trace between an input and a score: which are affine, which have kinks, how large they are."""

from __future__ import annotations

from collections.abc import Container, Sequence
from math import prod
from typing import Any

import tensorflow as tf

# TensorFlow's own backward pass uses the same registry of gradients.
from tensorflow.python.framework.ops import get_gradient_function

from explain.backends.operations import score_graph
from explain.backends.operations.score_graph import Operations, names

# Operations by their types. These are affine jointly in all their operands.
_ADDITIVE = names(
    "Add AddV2 AddN Sub Neg BiasAdd ConcatV2 Pack Unpack Reshape Transpose Squeeze ExpandDims StridedSlice Slice Split "
    "SplitV Identity Pad PadV2 MirrorPad Sum Mean AvgPool AvgPool3D GatherV2 GatherNd ReverseV2 Tile BroadcastTo "
    "SpaceToBatchND BatchToSpaceND DepthToSpace SpaceToDepth ResizeNearestNeighbor ResizeBilinear SelectV2"
)
# Affine in one operand if the others are constant.
_LINEAR_IN_EACH = names("Mul MatMul BatchMatMul BatchMatMulV2 Einsum Conv2D Conv3D DepthwiseConv2dNative")
# Operations that make a prefix worth skipping.
_COSTLY = names("MatMul BatchMatMul BatchMatMulV2 Einsum Conv2D Conv3D DepthwiseConv2dNative")
_SMOOTH = names(
    "Tanh Sigmoid Softmax LogSoftmax Softplus Exp Expm1 Log Log1p Pow Sqrt Rsqrt Reciprocal RealDiv Erf Erfc Square "
    "SquaredDifference Sin Cos IdentityN StopGradient"
)
# Operations that a loop needs and that compute no values of the model.
_BOOKKEEPING = names(
    "Placeholder Const ReadVariableOp NoOp TensorListReserve TensorListFromTensor TensorListGetItem TensorListSetItem "
    "TensorListStack TensorListElementShape ZerosLike OnesLike Fill"
)
_LOOPS = frozenset({"While", "StatelessWhile"})
_CONTAINING = _LOOPS | names("If StatelessIf Case StatelessCase PartitionedCall StatefulPartitionedCall")
SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"})
"""Operations whose results depend on shapes only."""


class ScoreGraph(score_graph.ScoreGraph):
    """The part of a trace through which a score depends on one input.

    Parameters
    ----------
    trace : FuncGraph
        The trace.
    source : tf.Tensor
        The input, in the trace.
    score : tf.Tensor
        The score, in the trace.
    """

    def __init__(self, trace: Any, source: Any, score: Any) -> None:
        super().__init__(trace.get_operations(), source.op, score.op, _KNOWN)

    def bytes_of_results(self, loop_steps: int) -> int:
        """Sum the bytes of results that depend on the input, for one example; count results in a loop once per step."""
        total = 0
        for operation in self.operations:
            total += _bytes(operation.outputs)
            for body in _bodies(operation):
                total += loop_steps * sum(
                    _bytes(one.outputs) for one in body.get_operations() if name_of(one) not in _BOOKKEEPING
                )
        return total


def operands_of(operation: Any) -> list[Any]:
    """Give the operations whose results are the operands of an operation; a shape does not depend on values."""
    return [] if name_of(operation) in SHAPES else [tensor.op for tensor in operation.inputs]


def name_of(operation: Any) -> str:
    """Give the name of an operation's kind."""
    return str(operation.type)


def run_again(operation: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    """Run an operation of a trace on other inputs; give its outputs."""
    definition, left = operation.op_def, list(inputs)
    arguments: dict[str, Any] = {}
    for one in definition.input_arg:
        if one.number_attr or one.type_list_attr:
            attribute = operation.get_attr(one.number_attr or one.type_list_attr)
            count = attribute if one.number_attr else len(attribute)
            arguments[one.name], left = left[:count], left[count:]
        else:
            arguments[one.name] = left.pop(0)
    # The counts and types of inputs follow from the inputs.
    known = {
        name for one in definition.input_arg for name in (one.number_attr, one.type_attr, one.type_list_attr)
    }
    for one in definition.attr:
        if one.name not in known:
            value = operation.get_attr(one.name)
            arguments[one.name] = value.decode() if isinstance(value, bytes) else value
    made = getattr(tf.raw_ops, name_of(operation))(**arguments)
    return list(made) if isinstance(made, (list, tuple)) else [made]


def gradients_in_graph(target: Any, sources: Sequence[Any], arriving: Any = None) -> list[Any]:
    """Give what `tf.gradients` gives, in half of its time where there are no loops and calls of functions.

    Parameters
    ----------
    target : tensor
        A tensor of the trace that is being made.
    sources : sequence of tensor
        The tensors to which the gradients are taken.
    arriving : tensor, optional
        The gradients that arrive at the target, by default ones.
    """
    operations = target.graph.get_operations()
    reached = _between(operations, {source.ref() for source in sources}, target)
    if any(name_of(one) in _CONTAINING for one in reached):
        found: list[Any] = tf.gradients(target, list(sources), arriving)
        return found
    arrived: dict[Any, list[Any]] = {target.ref(): [tf.ones_like(target) if arriving is None else arriving]}
    wanted = {source.ref() for source in sources}
    for operation in reversed(operations):
        if operation not in reached:
            continue
        given = [_sum_of(arrived.get(output.ref())) for output in operation.outputs]
        if all(one is None for one in given):
            continue
        function = get_gradient_function(operation)
        if function is None:
            continue
        filled = [
            tf.zeros_like(output) if one is None and _is_number(output) else one
            for output, one in zip(operation.outputs, given, strict=True)
        ]
        made = function(operation, *filled)
        made = made if isinstance(made, (list, tuple)) else [made]
        for tensor, gradient in zip(operation.inputs, made, strict=True):
            if gradient is not None and (tensor.op in reached or tensor.ref() in wanted):
                arrived.setdefault(tensor.ref(), []).append(tf.convert_to_tensor(gradient))
    return [_sum_of(arrived.get(source.ref())) for source in sources]


def _between(operations: Sequence[Any], sources: set[Any], target: Any) -> set[Any]:
    """Give the operations that make the target from sources, in a graph whose operations are in their order."""
    dependent: set[Any] = set()
    for operation in operations:
        if any(tensor.ref() in sources or tensor.op in dependent for tensor in operation.inputs):
            dependent.add(operation)
    found: set[Any] = set()
    left = [target.op]
    while left:
        operation = left.pop()
        if operation in dependent and operation not in found:
            found.add(operation)
            left.extend(tensor.op for tensor in operation.inputs)
    return found


def _is_number(tensor: Any) -> bool:
    return bool(tensor.dtype.is_floating or tensor.dtype.is_complex)


def _sum_of(gradients: list[Any] | None) -> Any:
    if not gradients:
        return None
    return gradients[0] if len(gradients) == 1 else tf.add_n(gradients)


def _is_smooth(operation: Any) -> bool:
    if name_of(operation) in _LOOPS:
        return all(
            name_of(one) in _BOOKKEEPING or _is_smooth_kind(one) or not _bytes(one.outputs)
            for body in _bodies(operation)
            for one in body.get_operations()
        )
    return name_of(operation) in _BOOKKEEPING or _is_smooth_kind(operation)


def _bodies(operation: Any) -> list[Any]:
    """Give the graph of a loop's body, which TensorFlow stores under a name."""
    if name_of(operation) not in _LOOPS:
        return []
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    name = operation.get_attr("body").name
    return [function_def_to_graph(operation.graph._get_function(name).cached_definition)]


def _is_smooth_kind(operation: Any) -> bool:
    name = name_of(operation)
    # The condition of SelectV2 may depend on the input.
    return (name in _SMOOTH or name in _LINEAR_IN_EACH or name in _ADDITIVE) and name != "SelectV2"


def is_affine_kind(operation: Any, dependent: Container[Any]) -> bool:
    """Tell whether an operation is affine in its operands that depend on the explained input."""
    name, depends = name_of(operation), [tensor.op in dependent for tensor in operation.inputs]
    if name in _LINEAR_IN_EACH:
        return sum(depends) == 1
    if name == "RealDiv":
        return depends == [True, False]
    if name == "SelectV2":
        return not depends[0]
    if name == "Cast":
        return bool(operation.inputs[0].dtype.is_floating and operation.outputs[0].dtype.is_floating)
    return name in _ADDITIVE


def _bytes(tensors: Any) -> int:
    """Give the bytes of floating-point tensors; unknown sizes count as one."""
    return sum(
        prod(size or 1 for size in tensor.shape) * tensor.dtype.size
        for tensor in tensors
        if tensor.dtype.is_floating and tensor.shape.rank is not None
    )


_KNOWN = Operations(
    operands_of=operands_of,
    is_affine=is_affine_kind,
    is_costly=lambda operation: name_of(operation) in _COSTLY,
    is_smooth=_is_smooth,
)
