"""The errors for operations that backward rules cannot handle."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from explain.backends.operations.rules import no_rule_reason
from explain.backends.operations.score_graph import names
from explain.errors import UnsupportedModelError
from explain.tf_ext.model.graph import name_of

_CONVERSIONS = names("Cast Complex Real Imag ComplexAbs Identity")


def no_rule(
    method: str, operation: Any, dependent: Collection[Any], model_name: str
) -> UnsupportedModelError:
    """Give the error for an operation without a rule; among complex numbers, it names the operation that needs one."""
    if _is_complex(operation):
        makers = (one for one in dependent if _is_complex(one) and name_of(one) not in _CONVERSIONS)
        operation = next(makers, operation)
    name = name_of(operation)
    ways = sum(tensor.op in dependent for tensor in operation.inputs)
    return UnsupportedModelError(no_rule_reason(method, f"{name} ({operation.name})", name, ways, model_name))


def _is_complex(operation: Any) -> bool:
    return any(tensor.dtype.is_complex for tensor in (*operation.inputs, *operation.outputs))
