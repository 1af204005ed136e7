"""The kinds of operations that the rules distinguish, by their types."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import tensorflow as tf

from explain.backends.operations.flow import Kinds
from explain.backends.operations.score_graph import names
from explain.tf_ext.model.graph import is_affine_kind, name_of

PICKS = names("MaxPool MaxPool3D Max Min")
"""Each result is one of the values of their operand."""
PAIR_PICKS = names("Maximum Minimum")
"""Each result is one of two values at the same place of two operands."""
ELEMENTWISE = names(
    "Relu Relu6 LeakyRelu Elu Selu Sigmoid Tanh Softplus Softsign Exp Expm1 Log Log1p Sqrt Rsqrt Abs Sin Cos Sinh Cosh "
    "Asinh Atan Erf Erfc Reciprocal Inv Pow"
)
"""Each result depends on one value of the operand that depends on the input."""
PRODUCTS = names(
    "MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum Conv2D Conv3D DepthwiseConv2dNative Conv2DBackpropInput "
    "Conv3DBackpropInputV2 DepthwiseConv2dNativeBackpropInput"
)
"""Sums of products of values of two operands; a transposed convolution is the gradient of a convolution."""
QUADRATIC = PRODUCTS | names("Mul MulNoNan Square SquaredDifference")
"""Polynomials of degree two in all operands."""
SOFTMAXES = names("Softmax")
ROOTS = names("ComplexAbs")
"""Roots of quadratic functions."""
COMPOSITE = names(
    "While StatelessWhile If StatelessIf Case StatelessCase PartitionedCall StatefulPartitionedCall"
)
"""Operations that contain other operations, which no rule can reach: loops, and calls of functions."""
WRAPPED = "IdentityN"
"""A function with a custom gradient: its operations are in the trace before it."""
_ALSO_AFFINE = names(
    "Cumsum Roll ScatterNd TensorScatterUpdate TensorScatterAdd TensorScatterSub MatrixBandPart MatrixDiagV3 "
    "MatrixDiagPartV3 MatrixSetDiagV3 Gather ParallelConcat ReverseSequence DynamicStitch DynamicPartition "
    "ExtractImagePatches ExtractVolumePatches UnsortedSegmentSum SegmentSum Snapshot PreventGradient ResizeBicubic "
    "ScaleAndTranslate "
    "FFT FFT2D FFT3D IFFT IFFT2D IFFT3D RFFT RFFT2D RFFT3D IRFFT IRFFT2D IRFFT3D Complex Real Imag"
)
# Affine in their operand at this position, if the others are constant.
_AFFINE_IN = {
    "Conv2DBackpropInput": 2,
    "Conv3DBackpropInputV2": 2,
    "DepthwiseConv2dNativeBackpropInput": 2,
    "MulNoNan": 0,
    "DivNoNan": 0,
    "SparseTensorDenseMatMul": 3,
    "SparseMatMul": 1,
}
_ADDITIONS = names("Add AddV2 AddN Sub BiasAdd")
_INTERPOLATIONS = names("ResizeBilinear")
_IDENTITIES = names("Identity IdentityN Cast Reshape Snapshot")
KINDS = Kinds(
    sums=_ADDITIONS
    | PRODUCTS
    | _INTERPOLATIONS
    | names(
        "Sum Mean Cumsum AvgPool AvgPool3D ResizeBicubic TensorScatterAdd UnsortedSegmentSum SegmentSum "
        "SparseTensorDenseMatMul FusedBatchNormV3"
    ),
    additions=_ADDITIONS,
    scales=names("Mul RealDiv Neg"),
    gates=names("Sigmoid Relu6 Erf Erfc"),
    elementwise=ELEMENTWISE,
    identities=_IDENTITIES,
    broadcasts=_IDENTITIES | names("ExpandDims BroadcastTo Tile"),
    interpolations=_INTERPOLATIONS,
    bounds=PAIR_PICKS,
    quotients=names("RealDiv DivNoNan"),
    exponentials=names("Exp"),
    logarithms=names("Log"),
    totals=names("Sum"),
)


def is_affine(operation: Any, dependent: Collection[Any]) -> bool:
    """Tell whether an operation is affine in its operands that depend on the explained input; see `is_affine_kind`."""
    name = name_of(operation)
    moving = [place for place, tensor in enumerate(operation.inputs) if tensor.op in dependent]
    if name in _AFFINE_IN:
        return moving == [_AFFINE_IN[name]]
    if name == "Cast":
        # Also to complex numbers and back.
        kinds = [
            one.dtype.is_floating or one.dtype.is_complex for one in (*operation.inputs, *operation.outputs)
        ]
        return all(kinds)
    if name == "FusedBatchNormV3":
        return moving == [0] and not operation.get_attr("is_training")
    return is_affine_kind(operation, dependent) or name in _ALSO_AFFINE or name == WRAPPED


def is_reciprocal(operation: Any, dependent: Collection[Any]) -> bool:
    """Tell whether an operation divides a constant by its operand, or by a power of it."""
    name = name_of(operation)
    if name == "RealDiv":
        return [tensor.op in dependent for tensor in operation.inputs] == [False, True]
    if name == "Pow":
        exponent = tf.get_static_value(operation.inputs[1])
        return exponent is not None and bool((exponent < 0).all())
    return name in ("Rsqrt", "Reciprocal", "Inv")


def axes_of(operation: Any) -> tuple[int, ...] | None:
    """Give the axes over which an operation sums, None if the trace does not know them."""
    found = tf.get_static_value(operation.inputs[1])
    return None if found is None else tuple(int(axis) for axis in found.reshape(-1))
