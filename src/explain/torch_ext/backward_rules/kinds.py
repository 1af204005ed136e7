"""The kinds of operations that the rules distinguish, by the names of their nodes in the autograd graph."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from explain.backends.operations.flow import Kinds
from explain.backends.operations.score_graph import names
from explain.torch_ext.model.graph import is_affine_kind, name_of

PICKS = names(
    "MaxPool2DWithIndices MaxPool3DWithIndices AdaptiveMaxPool2D AdaptiveMaxPool3D Max Amax Min Amin"
)
"""Each result is one of the values of their operand."""
PAIR_PICKS = names("Maximum Minimum")
"""Each result is one of two values at the same place of two operands."""
ELEMENTWISE = names(
    "Relu ClampMin ClampMax Clamp Threshold Hardtanh Hardtanh LeakyRelu Elu Celu Sigmoid Tanh Softplus Gelu Silu Mish "
    "Hardsigmoid Hardswish LogSigmoid Exp Exp2 Expm1 Log Log1P Log2 Log10 Sqrt Rsqrt Reciprocal Abs Sin Cos Sinh Cosh "
    "Asinh Atan Erf Erfc Hardshrink Softshrink RreluWithNoise PreluKernel Pow"
)
"""Each result depends on one value of the operand that depends on the input."""
SOFTMAXES = names("Softmax SafeSoftmax")
NORMS = names("NativeLayerNorm NativeGroupNorm NativeBatchNorm CudnnBatchNorm MiopenBatchNorm")
"""Fused norms; a batch norm with stored statistics is affine instead."""
ROOTS = names("Std LinalgVectorNorm Abs")
"""Roots of quadratic functions; the absolute value of complex numbers is one, that of real numbers is elementwise."""
PRODUCTS = names("Mm Addmm Bmm Baddbmm Addbmm Mv Dot Linear Convolution Trilinear")
"""Sums of products of values of two operands."""
QUADRATIC = PRODUCTS | names("Mul Addcmul Lerp Var VarMean")
"""Polynomials of degree two in all operands."""
COMPOSITE = names("MkldnnRnnLayer CudnnRnn MiopenRnn ThnnFusedLstmCell ThnnFusedGruCell")
"""Fused operations, whose parts no rule can reach: whole recurrent layers, or steps of them."""
_ALSO_AFFINE = names(
    "Rsub MaskedFill Cumsum Movedim Scatter ScatterAdd IndexAdd IndexCopy IndexPut IndexFill MaskedScatter "
    "MaskedSelect FftC2C FftR2C FftC2R Real Imag Complex ViewAsComplex ViewAsReal "
    "Take TakeAlongDim Diagonal DiagonalScatter SelectScatter SliceScatter Tril Triu Trace Im2Col Col2Im "
    "PixelUnshuffle "
    "UpsampleNearest1D UpsampleNearest3D UpsampleNearestExact1D UpsampleNearestExact2D UpsampleNearestExact3D "
    "UpsampleLinear1D UpsampleTrilinear3D UpsampleBicubic2D UpsampleBilinear2DAa UpsampleBicubic2DAa "
    "ReflectionPad3D ReplicationPad3D AdaptiveAvgPool3D ChannelShuffle Rot90 Swapaxes NarrowCopy Fill Zero "
    "UnsafeSplitWithSizes UnfoldCopy PackPaddedSequence"
)
# Affine in their first operand if the others are constant.
_AFFINE_IN_THE_FIRST = names("GridSampler2D GridSampler3D")
_ADDITIONS = names("Add Sub Rsub")
_INTERPOLATIONS = names("UpsampleLinear1D UpsampleBilinear2D UpsampleTrilinear3D UpsampleBilinear2DAa")
_IDENTITIES = names("Clone Alias ToCopy View UnsafeView Reshape ReshapeAlias")
KINDS = Kinds(
    sums=_ADDITIONS
    | PRODUCTS
    | _INTERPOLATIONS
    | names(
        "Sum Mean Cumsum AvgPool1D AvgPool2D AvgPool3D AdaptiveAvgPool1D AdaptiveAvgPool2D AdaptiveAvgPool3D "
        "UpsampleBicubic2D "
        "UpsampleBicubic2DAa GridSampler2D GridSampler3D ScatterAdd IndexAdd Col2Im Trace "
        "NativeBatchNorm CudnnBatchNorm MiopenBatchNorm"
    ),
    additions=_ADDITIONS,
    scales=names("Mul Div Neg"),
    gates=names("Sigmoid Hardsigmoid Hardtanh Erf"),
    elementwise=ELEMENTWISE,
    identities=_IDENTITIES,
    broadcasts=_IDENTITIES | names("Unsqueeze Expand"),
    interpolations=_INTERPOLATIONS,
    bounds=PAIR_PICKS | names("ClampMin ClampMax Clamp"),
    quotients=names("Div"),
    exponentials=names("Exp"),
    logarithms=names("Log"),
    totals=names("Sum"),
)


def is_affine(node: Any, dependent: Container[Any]) -> bool:
    """Tell whether an operation is affine in its operands that depend on the explained input; see `is_affine_kind`."""
    name = name_of(node)
    if name in _AFFINE_IN_THE_FIRST:
        return [below in dependent for below, _ in node.next_functions] == [True, False]
    if name == "Lerp":
        # The third operand is the weight; a number is none.
        return not any(below in dependent for below, _ in node.next_functions[2:])
    return is_affine_kind(node, dependent) or name in _ALSO_AFFINE


def is_reciprocal(node: Any, dependent: Container[Any]) -> bool:
    """Tell whether an operation divides a constant by its operand, or by a power of it."""
    name = name_of(node)
    if name == "Div":
        return [below in dependent for below, _ in node.next_functions] == [False, True]
    if name == "Pow":
        exponent = getattr(node, "_saved_exponent", None)
        return isinstance(exponent, (int, float)) and exponent < 0
    return name in ("Rsqrt", "Reciprocal")


def axes_of(node: Any) -> tuple[int, ...]:
    """Give the axes along which a node works, none if it works along all; negative ones are stored as large numbers."""
    saved = getattr(node, "_saved_dim", None)
    if saved is None:
        return ()
    axes = saved if isinstance(saved, (tuple, list)) else (saved,)
    return tuple(axis - 2**64 if axis >= 2**63 else axis for axis in axes)
