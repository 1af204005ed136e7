"""Guided backpropagation and deconvolution: every ReLU propagates no negative gradient."""

from __future__ import annotations

from typing import Any

from explain.torch_ext.backward_rules.backward import Rules
from explain.torch_ext.backward_rules.tape import Run
from explain.torch_ext.model.graph import name_of


def rectified(run: Run, *, deconvolution: bool) -> Rules:
    """Make every ReLU propagate the positive part of its gradient; with `deconvolution`, of the incoming gradient.

    Raises
    ------
    UnsupportedModelError
        If a ReLU works in place on a view of another tensor, which hides it.
    """
    run.refuse_hidden("relu", "clamp", "hardtanh")

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        gradient = arriving[0] if deconvolution else given[0]
        return (None if gradient is None else gradient.clamp(min=0), *given[1:])

    return Rules({node: propagate for node in run.nodes if _is_rectifier(node)})


def _is_rectifier(node: Any) -> bool:
    """Tell whether a node is a ReLU, however it is written, or one with an upper bound."""
    name = name_of(node)
    return name == "Relu" or (
        (name == "ClampMin" and getattr(node, "_saved_min", None) == 0)
        or (name == "Clamp" and getattr(node, "_saved_min", None) == 0)
        or (name == "Hardtanh" and getattr(node, "_saved_min_val", None) == 0)
        or (name == "Threshold" and getattr(node, "_saved_threshold", None) == 0)
    )
