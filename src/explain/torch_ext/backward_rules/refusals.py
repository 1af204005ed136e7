"""The errors for operations that backward rules cannot handle."""

from __future__ import annotations

from typing import Any

from explain.backends.operations.rules import no_rule_reason
from explain.errors import UnsupportedModelError
from explain.torch_ext.backward_rules.kinds import COMPOSITE
from explain.torch_ext.model.graph import name_of


def no_rule(method: str, node: Any, ways: int, model_name: str, place: str) -> UnsupportedModelError:
    """Give the error for an operation without a rule.

    Parameters
    ----------
    method : str
        The method in words.
    node : autograd node
        The operation.
    ways : int
        The number of its operands that depend on the input.
    model_name : str
        The model.
    place : str
        The module that ran it, empty if none is known.
    """
    name, hint = name_of(node), ""
    if name in COMPOSITE and method == "LRP":
        hint = " It is a fused step of a recurrent layer: move the model to the CPU, where its operations run singly."
    operation = f"{name or node.name()}{f' (in {place})' if place else ''}"
    return UnsupportedModelError(no_rule_reason(method, operation, name, ways, model_name, hint))


def on_a_view(operation: str) -> UnsupportedModelError:
    """Give the error for an operation that a view hides."""
    return UnsupportedModelError(
        f"The model runs {operation.removeprefix('aten.').split('.')[0]} in place on a view of another tensor, which "
        "hides the operation from the backward pass (ReLU(inplace=True) after a Flatten, for example). Build that "
        "module with inplace=False, or use integrated_gradients, which needs no rules."
    )
