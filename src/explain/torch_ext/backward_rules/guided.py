"""Guided backpropagation and deconvolution: every ReLU propagates no negative gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from explain.torch_ext.backward_rules.backward import Rules
from explain.torch_ext.backward_rules.tape import Run
from explain.torch_ext.model.graph import name_of, operands_of


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

    readers = _readers(run.nodes)
    return Rules({node: propagate for node in run.nodes if _is_rectifier(node, readers)})


def _is_rectifier(node: Any, readers: Mapping[Any, Sequence[Any]]) -> bool:
    """Tell whether a node is a ReLU, however it is written, or one with an upper bound.

    A bounded ReLU that is divided by its bound is a hard sigmoid, and PyTorch's power pools multiply the ReLU of an
    absolute value by its sign: both are parts of another function.
    """
    name, most = name_of(node), None
    if name in ("Clamp", "Hardtanh"):
        least, most = _bounds(node)
        rectifies = least == 0
    else:
        rectifies = (
            name == "Relu"
            or (name == "ClampMin" and getattr(node, "_saved_min", None) == 0)
            or (name == "Threshold" and getattr(node, "_saved_threshold", None) == 0)
        )
    if not rectifies or _is_signed_again(node, readers):
        return False
    return most is None or not _divides(most, node, readers)


def _bounds(node: Any) -> tuple[Any, Any]:
    """Give the least and the greatest value that a clamp leaves as it is; None where there is no bound."""
    if name_of(node) == "Clamp":
        return getattr(node, "_saved_min", None), getattr(node, "_saved_max", None)
    return getattr(node, "_saved_min_val", None), getattr(node, "_saved_max_val", None)


def _is_signed_again(node: Any, readers: Mapping[Any, Sequence[Any]]) -> bool:
    """Tell whether an operation on an absolute value is multiplied by a sign, as in ``sign(x) * relu(abs(x))``."""
    return any(name_of(below) == "Abs" for below in operands_of(node)) and any(
        name_of(factor) == "Sign"
        for above in readers.get(node, ())
        if name_of(above) == "Mul"
        for factor in operands_of(above)
    )


def _readers(nodes: Iterable[Any]) -> dict[Any, list[Any]]:
    """Give, for each operation, those that read its result."""
    found: dict[Any, list[Any]] = {}
    for node in nodes:
        for below in operands_of(node):
            found.setdefault(below, []).append(node)
    return found


def _divides(bound: float, node: Any, readers: Mapping[Any, Sequence[Any]]) -> bool:
    """Tell whether a result is divided by a number, at once or after a product: ``x * relu6(x + 3) / 6``."""
    above = list(readers.get(node, ()))
    above += [second for first in above if name_of(first) == "Mul" for second in readers.get(first, ())]
    return any(name_of(one) == "Div" and _divisor(one) == bound for one in above)


def _divisor(division: Any) -> float | None:
    """Give the number that a division divides by; None if it is not one number."""
    other = getattr(division, "_saved_other", None)
    return float(other) if other is not None and other.numel() == 1 else None
