"""The operations of a TensorFlow model that first change the values of its input."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.operations.first_operations import Beginnings
from explain.backends.operations.first_operations import unscaled_uses as uses_before_scaling
from explain.backends.operations.first_reads import EnoughRead, Read, Role, repeated
from explain.backends.operations.score_graph import names
from explain.inputs.examples import Examples
from explain.keras.calls import replaced
from explain.tf_ext.model.endings import MOVES
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass
from explain.tf_ext.model.graph import name_of, operands_of
from explain.tf_ext.model.opened import OpenedModel
from explain.tf_ext.model.tracing import Beside

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
    found: list[Read] = []

    def noted(layer: Any) -> Callable[..., Any]:
        own = layer.call

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            tensor = next(iter([*arguments, *keywords.values()]), None)
            read = _read_by(layer, tensor) if tf.is_tensor(tensor) else None
            if read is not None:
                found.append(read)
                if len(found) == most:
                    raise EnoughRead
            return own(*arguments, **keywords)

        return call

    with ExitStack() as stack:
        for layer in layers.values():
            stack.enter_context(replaced(layer, "call", noted(layer)))
        with suppress(EnoughRead):
            run()
    return found


def _read_by(layer: Any, tensor: Any) -> Read | None:
    roles = _roles_for(layer, len(tensor.shape))
    if roles is None or len(roles) != len(tensor.shape) or not tensor.dtype.is_floating:
        return None
    # Inside a traced loop a tensor has no values.
    is_known = not tf.is_symbolic_tensor(tensor)
    array = np.asarray(tf.cast(tensor, tf.float64)) if is_known else None
    return Read(roles, tuple(tensor.shape), array, id(layer) if layer.weights else None)


def _roles_for(layer: Any, rank: int) -> tuple[Role, ...] | None:
    """Give the roles of the axes of a layer's input; None for a layer that does not tell them apart."""
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    count = len(window) if isinstance(window, (tuple, list)) else 0
    cell = getattr(layer, "cell", None)
    # A convolution inside a recurrent layer has its window in the cell.
    steps: tuple[Role, ...] = () if cell is None else ("T",)
    if count:
        extents = repeated("S", count)
        first = getattr(layer, "data_format", None) == "channels_first"
        return ("N", *steps, "C", *extents) if first else ("N", *steps, *extents, "C")
    if cell is not None or hasattr(layer, "backward_layer") or hasattr(layer, "num_heads"):
        return ("N", "T", "C")
    if hasattr(layer, "units") and hasattr(layer, "kernel"):
        return (*repeated("*", rank - 1), "F")
    return None
