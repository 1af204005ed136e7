"""Guided backpropagation and deconvolution: every ReLU hands on no negative gradient."""

from __future__ import annotations

from typing import Any

from explain.torch_ext.backward_rules.backward import Rules
from explain.torch_ext.backward_rules.tape import Run
from explain.torch_ext.model.graph import name_of


def rectified(run: Run, *, deconvolution: bool) -> Rules:
    """Let every ReLU hand on the positive part of its gradient; with `deconvolution` that of what arrives.

    Raises
    ------
    UnsupportedModelError
        If a ReLU is hidden: it works in place on a view of another tensor.
    """
    run.refuse_hidden("relu", "clamp", "hardtanh")

    def hand_on(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        gradient = arriving[0] if deconvolution else given[0]
        return (None if gradient is None else gradient.clamp(min=0), *given[1:])

    return Rules({node: hand_on for node in run.nodes if _is_rectifier(node)})


def _is_rectifier(node: Any) -> bool:
    """Tell a ReLU, in whichever way it is written, and one with an upper bound."""
    name = name_of(node)
    return name == "Relu" or (
        (name == "ClampMin" and getattr(node, "_saved_min", None) == 0)
        or (name == "Clamp" and getattr(node, "_saved_min", None) == 0)
        or (name == "Hardtanh" and getattr(node, "_saved_min_val", None) == 0)
        or (name == "Threshold" and getattr(node, "_saved_threshold", None) == 0)
    )
