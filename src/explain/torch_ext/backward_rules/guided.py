"""Guided backpropagation and deconvolution: every ReLU propagates no negative gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from explain.inputs.examples import Examples
from explain.torch_ext.backward_rules.tape import ON_A_VIEW, Run, Tape
from explain.torch_ext.model.graph import name_of, operands_first, operands_of
from explain.torch_ext.model.opened import OpenedModel
from explain.torch_ext.model.scores import KeptPass, begun_at, gradients_of, pick_scores, reached


def rectified(
    opened: OpenedModel, examples: Examples, last: KeptPass | None, *, deconvolution: bool
) -> tuple[tuple[Tensor, ...], int]:
    """Give the gradients, where every ReLU propagates the positive part of its gradient, and the number of ReLUs.

    With `deconvolution`, a ReLU propagates the positive part of the incoming gradient.

    Parameters
    ----------
    opened : OpenedModel
        The model.
    examples : Examples
        The examples.
    last : KeptPass, optional
        A run of the model on them.
    deconvolution : bool
        The rule.

    Raises
    ------
    GradientError
        If nothing reaches the inputs.
    UnsupportedModelError
        If a ReLU works in place on a view of another tensor, which hides it.
    """
    target = examples.target
    points, explained = _run_on(opened, examples) if last is None else (last.points, last.explained)
    scores = explained if target.function is None else pick_scores(explained, target)
    nodes = [] if scores.grad_fn is None else operands_first(scores.grad_fn)
    if any(name_of(node).endswith(ON_A_VIEW) for node in nodes):
        # Only a run that records its operations tells which of them worked on a view.
        run = Run.on(Tape(hold=False), opened, examples)
        run.refuse_hidden("relu", "clamp", "hardtanh")
        points, scores, begun = run.points, run.scores, torch.ones_like(run.scores)
        nodes = operands_first(scores.grad_fn)
    else:
        begun = begun_at(scores, target)
    changed = 0

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        nonlocal changed
        changed += 1
        gradient = arriving[0] if deconvolution else given[0]
        return (None if gradient is None else gradient.clamp(min=0), *given[1:])

    readers = _readers(nodes)
    for node in nodes:
        if _is_rectifier(node, readers):
            node.register_hook(propagate)
    # Autograd calls the hooks of those alone that lie between the input and the score.
    found = gradients_of(scores, points, begun) if scores.requires_grad else [None for _ in points]
    return reached(found, points, opened.model_name), changed


def _run_on(opened: OpenedModel, examples: Examples) -> tuple[tuple[Tensor, ...], Tensor]:
    points = opened.tensors(examples.inputs, grad=True)
    return points, opened.read(points, examples).explained


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
