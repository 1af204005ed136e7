"""What a trace shows of the way from an input to a score: what is affine, what has kinks, what it needs to keep."""

from __future__ import annotations

from collections.abc import Container
from math import prod
from typing import Any


def names(words: str) -> frozenset[str]:
    """Give the words as a set of names.

    Examples
    --------
    >>> sorted(names("Mul Add"))
    ['Add', 'Mul']
    """
    return frozenset(words.split())


# Operations by their types. Affine in all their inputs together.
_ADDITIVE = names(
    "Add AddV2 AddN Sub Neg BiasAdd ConcatV2 Pack Unpack Reshape Transpose Squeeze ExpandDims StridedSlice Slice Split "
    "SplitV Identity Pad PadV2 MirrorPad Sum Mean AvgPool AvgPool3D GatherV2 GatherNd ReverseV2 Tile BroadcastTo "
    "SpaceToBatchND BatchToSpaceND DepthToSpace SpaceToDepth ResizeNearestNeighbor ResizeBilinear SelectV2"
)
# Affine in one of their inputs while the others are held.
_LINEAR_IN_EACH = names("Mul MatMul BatchMatMul BatchMatMulV2 Einsum Conv2D Conv3D DepthwiseConv2dNative")
# What makes a prefix worth skipping.
_COSTLY = names("MatMul BatchMatMul BatchMatMulV2 Einsum Conv2D Conv3D DepthwiseConv2dNative")
_SMOOTH = names(
    "Tanh Sigmoid Softmax LogSoftmax Softplus Exp Expm1 Log Log1p Pow Sqrt Rsqrt Reciprocal RealDiv Erf Erfc Square "
    "SquaredDifference Sin Cos IdentityN StopGradient"
)
# What a loop does besides computing.
_BOOKKEEPING = names(
    "Placeholder Const ReadVariableOp NoOp TensorListReserve TensorListFromTensor TensorListGetItem TensorListSetItem "
    "TensorListStack TensorListElementShape ZerosLike OnesLike Fill"
)
_LOOPS = frozenset({"While", "StatelessWhile"})
# They give a shape, which does not depend on any value.
_SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"})


class ScoreGraph:
    """The part of a trace through which a score depends on one input.

    Parameters
    ----------
    graph : FuncGraph
        The trace.
    source : tf.Tensor
        The input, in the trace.
    score : tf.Tensor
        The score, in the trace.
    """

    def __init__(self, graph: Any, source: Any, score: Any) -> None:
        self._source = source.op
        self._score = score.op
        self._graph = graph
        # Of every operation that depends on the input: those it depends on it through, in order of the trace.
        self._ways: dict[Any, list[Any]] = {self._source: []}
        self._affine: set[Any] = {self._source}
        self._costly: set[Any] = set()
        for operation in graph.get_operations():
            self._look_at(operation)

    @property
    def has_kinks(self) -> bool:
        """Whether anything on the way is not known to be smooth."""
        left, seen = [self._score], set()
        while left:
            one = left.pop()
            if one in seen or one in self._affine:
                continue
            seen.add(one)
            if not self._is_smooth(one):
                return True
            left.extend(self._ways.get(one, ()))
        return False

    def is_affine(self, operation: Any) -> bool:
        """Tell whether what an operation made is affine in the input, and cost something."""
        return operation in self._affine and operation in self._costly

    def is_the_only_way(self, operation: Any) -> bool:
        """Tell whether the score depends on the input through this operation alone."""
        left, seen = [self._score], {operation}
        while left:
            one = left.pop()
            if one in seen:
                continue
            seen.add(one)
            if one is self._source:
                return False
            left.extend(self._ways.get(one, ()))
        return True

    def bytes_of_results(self, loop_steps: int) -> int:
        """Sum the results that depend on the input, for one example; those inside loops once a step."""
        total = 0
        for operation in self._ways:
            total += _bytes(operation.outputs)
            for body in self._bodies(operation):
                total += loop_steps * sum(
                    _bytes(one.outputs) for one in body.get_operations() if one.type not in _BOOKKEEPING
                )
        return total

    def _look_at(self, operation: Any) -> None:
        if operation is self._source or operation.type in _SHAPES:
            return
        ways = [tensor.op for tensor in operation.inputs if tensor.op in self._ways]
        if not ways:
            return
        self._ways[operation] = ways
        if is_affine_kind(operation, self._ways) and all(way in self._affine for way in ways):
            self._affine.add(operation)
        if operation.type in _COSTLY or any(way in self._costly for way in ways):
            self._costly.add(operation)

    def _is_smooth(self, operation: Any) -> bool:
        if operation.type in _LOOPS:
            return all(
                one.type in _BOOKKEEPING or _is_smooth_kind(one) or not _bytes(one.outputs)
                for body in self._bodies(operation)
                for one in body.get_operations()
            )
        return operation.type in _BOOKKEEPING or _is_smooth_kind(operation)

    def _bodies(self, operation: Any) -> list[Any]:
        """Give the graph of what a loop repeats, which TensorFlow holds by its name."""
        if operation.type not in _LOOPS:
            return []
        from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

        name = operation.get_attr("body").name
        return [function_def_to_graph(self._graph._get_function(name).cached_definition)]


def _is_smooth_kind(operation: Any) -> bool:
    # A choice may follow the input.
    known = operation.type in _SMOOTH or operation.type in _LINEAR_IN_EACH or operation.type in _ADDITIVE
    return known and operation.type != "SelectV2"


def is_affine_kind(operation: Any, dependent: Container[Any]) -> bool:
    """Tell whether an operation is affine in those of its inputs that depend on the explained one."""
    depends = [tensor.op in dependent for tensor in operation.inputs]
    if operation.type in _LINEAR_IN_EACH:
        return sum(depends) == 1
    if operation.type == "RealDiv":
        return depends == [True, False]
    if operation.type == "SelectV2":
        return not depends[0]
    if operation.type == "Cast":
        return bool(operation.inputs[0].dtype.is_floating and operation.outputs[0].dtype.is_floating)
    return operation.type in _ADDITIVE


def _bytes(tensors: Any) -> int:
    """Give the bytes of floating-point tensors, sizes that are open counted as one."""
    return sum(
        prod(size or 1 for size in tensor.shape) * tensor.dtype.size
        for tensor in tensors
        if tensor.dtype.is_floating and tensor.shape.rank is not None
    )
