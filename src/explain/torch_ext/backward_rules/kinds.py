"""The kinds of operations that the rules distinguish, and the error for operations without a rule."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from torch import nn

from explain.backends.operations.rules import no_rule_reason
from explain.backends.operations.score_graph import names
from explain.errors import UnsupportedModelError
from explain.torch_ext.model.graph import name_of, operands_of

POOLS = names("MaxPool2DWithIndices MaxPool3DWithIndices AdaptiveMaxPool2D AdaptiveMaxPool3D")
ELEMENTWISE = names(
    "Relu ClampMin ClampMax Clamp Threshold Hardtanh Hardtanh LeakyRelu Elu Celu Sigmoid Tanh Softplus Gelu Silu Mish "
    "Hardsigmoid Hardswish LogSigmoid Exp Exp2 Expm1 Log Log1P Log2 Sqrt Abs Sin Cos Erf"
)
"""Each output value depends on one input value."""
COMPOSITE = names("MkldnnRnnLayer CudnnRnn MiopenRnn ThnnFusedLstmCell ThnnFusedGruCell")
"""Fused operations, whose parts no rule can reach: whole recurrent layers, or steps of them."""
ALSO_AFFINE = names("Rsub MaskedFill Cumsum Movedim")
"""Affine operations that `explain.torch_ext.model.graph` does not list, since no prefix needs them."""


def no_rule(
    method: str, node: Any, dependent: Container[Any], model_name: str, modules: Sequence[nn.Module]
) -> UnsupportedModelError:
    """Give the error for an operation without a rule; it names the modules that may have run it."""
    name, hint = name_of(node), ""
    made_by = _modules_that_make(node, modules)
    if name in COMPOSITE and method == "LRP":
        hint = " It is a fused step of a recurrent layer: move the model to the CPU, where its operations run singly."
    operation = f"{name or node.name()}{f' (in {made_by})' if made_by else ''}"
    ways = sum(below in dependent for below in operands_of(node))
    return UnsupportedModelError(no_rule_reason(method, operation, name, ways, model_name, hint))


def _modules_that_make(node: Any, modules: Sequence[nn.Module]) -> str:
    """Name the modules that may have run an operation last."""
    inside: list[str] = []
    for module in modules:
        kind = type(module).__name__.lower().replace("norm", "")
        if kind and kind[:4] in name_of(node).lower():
            inside.append(str(module))
    return ", ".join(dict.fromkeys(inside))
