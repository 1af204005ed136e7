"""The operations of a TensorFlow model that first change the values of its input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.operations.first_operations import Beginnings
from explain.backends.operations.first_operations import unscaled_uses as uses_before_scaling
from explain.backends.operations.first_reads import Read
from explain.backends.operations.score_graph import names
from explain.inputs.examples import Examples
from explain.keras import beginnings as keras_beginnings
from explain.keras.beginnings import Given
from explain.keras.model.tracing import Beside
from explain.tf_ext.model.endings import MOVES
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass
from explain.tf_ext.model.graph import name_of, operands_of
from explain.tf_ext.model.opened import OpenedModel

_KINDS = Beginnings(
    moves=MOVES
    | names("Pad PadV2 MirrorPad ResizeBilinear ResizeBicubic ResizeArea ScaleAndTranslate AvgPool"),
    shifts=names("Add AddV2 Sub BiasAdd"),
    scales=names("Mul RealDiv DivNoNan FusedBatchNormV3"),
    operands_of=operands_of,
    name_of=name_of,
)


def unscaled_uses(opened: OpenedModel, examples: Examples) -> list[str] | None:
    """Name the operations that use the values of the input before these are scaled; None if none can be seen."""

    def look(graph: Any, forward: TensorFlowForwardPass) -> list[str] | None:
        needed, left = set(), [graph.outputs[0].op]
        while left:
            operation = left.pop()
            if operation not in needed:
                needed.add(operation)
                left.extend(operands_of(operation))
        operations = [one for one in graph.get_operations() if one in needed]
        source = graph.inputs[0].op
        return uses_before_scaling(operations, source, _KINDS) if source in needed else None

    found: list[str] | None = opened.analysed(_outputs, examples, look)
    return found


def _outputs(forward: TensorFlowForwardPass, points: tuple[Any, ...], beside: Beside) -> Any:
    """Give the output in a trace of its own, which holds the result of the analysis."""
    return forward.read(points, beside).source


def reads_in(run: Callable[[], Any], layers: Mapping[str, Any], most: int) -> list[Read]:
    """Run a model; give the inputs of the first layers that tell axes apart, at most as many."""

    def values_of(tensor: Any) -> Given | None:
        if not tf.is_tensor(tensor) or not tensor.dtype.is_floating:
            return None
        # Inside a traced loop a tensor has no values.
        is_known = not tf.is_symbolic_tensor(tensor)
        return tuple(tensor.shape), np.asarray(tf.cast(tensor, tf.float64)) if is_known else None

    return keras_beginnings.reads_in(run, layers, most, values_of)
