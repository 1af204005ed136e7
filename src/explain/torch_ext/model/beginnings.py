"""The operations of a PyTorch model that first change the values of its input."""

from __future__ import annotations

from explain.backends.operations.first_operations import Beginnings
from explain.backends.operations.first_operations import unscaled_uses as uses_before_scaling
from explain.backends.operations.score_graph import names
from explain.inputs.examples import Examples
from explain.torch_ext.model.endings import MOVES
from explain.torch_ext.model.graph import name_of, operands_first, operands_of
from explain.torch_ext.model.opened import OpenedModel

_KINDS = Beginnings(
    moves=MOVES
    | names(
        "ConstantPadNd ReflectionPad2D ReplicationPad2D UpsampleBilinear2D UpsampleBilinear2DAa UpsampleBicubic2D "
        "UpsampleBicubic2DAa AvgPool2D AdaptiveAvgPool2D"
    ),
    shifts=names("Add Sub Rsub"),
    scales=names("Mul Div NativeBatchNorm CudnnBatchNorm MiopenBatchNorm"),
    operands_of=operands_of,
    name_of=name_of,
)


def unscaled_uses(opened: OpenedModel, examples: Examples) -> list[str] | None:
    """Name the operations that use the values of the input before these are scaled; None if none can be seen."""
    points = opened.tensors(examples.inputs, grad=True)
    output = opened.read(points, examples).source
    if output.grad_fn is None:
        return None
    nodes = operands_first(output.grad_fn)
    source = next((node for node in nodes if getattr(node, "variable", None) is points[0]), None)
    return None if source is None else uses_before_scaling(nodes, source, _KINDS)
