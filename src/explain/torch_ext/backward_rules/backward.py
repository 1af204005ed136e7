"""A backward pass in which some operations propagate something else than their gradient.

Operations are the nodes of the autograd graph, not modules: so a module that is called twice and a plain function are
no special cases. The model is not changed: a rule is a hook on a node of one graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from explain.backends.scoring import no_gradient_reason
from explain.errors import GradientError
from explain.torch_ext.model.graph import ScoreGraph

# From the outgoing gradients of a node and its incoming ones to other outgoing gradients.
Propagation = Callable[[tuple[Any, ...], tuple[Any, ...]], Any]


@dataclass
class Rules:
    """What operations propagate.

    Parameters
    ----------
    propagate : Mapping of nodes to callables
        Called after a node has run.
    prepare : Mapping of nodes to callables
        Called before a node runs: from its incoming gradients to those that it runs on.
    """

    propagate: Mapping[Any, Propagation]
    prepare: Mapping[Any, Callable[[tuple[Any, ...]], tuple[Any, ...]]] = field(default_factory=dict)


def sloped(rise: Tensor, step: Tensor, flat: Tensor) -> Propagation:
    """Give a rule that propagates rise / step times what arrives, and the gradient where the step is flat."""
    slope = rise / torch.where(flat, torch.ones_like(step), step)

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        if given[0] is None:
            return None
        return (torch.where(flat, given[0], arriving[0] * slope), *given[1:])

    return propagate


def operations_between(scores: Tensor, points: Sequence[Tensor]) -> dict[Any, None]:
    """Give the nodes through which the scores depend on the points, those of the points included."""
    found: dict[Any, None] = {}
    for point in points:
        found.update(dict.fromkeys(ScoreGraph(scores.grad_fn, point).operations))
    return found


def backward(
    scores: Tensor, points: Sequence[Tensor], rules: Rules, model_name: str
) -> tuple[tuple[Tensor, ...], int]:
    """Propagate from scores to points; give what arrives there, and the number of operations with a rule.

    Raises
    ------
    GradientError
        If nothing arrives.
    """
    for node, hook in rules.propagate.items():
        node.register_hook(hook)
    for node, prehook in rules.prepare.items():
        node.register_prehook(prehook)
    found = torch.autograd.grad(scores.sum(), points, allow_unused=True)
    if all(gradient is None for gradient in found):
        raise GradientError(no_gradient_reason(model_name))
    gradients = tuple(
        torch.zeros_like(point) if gradient is None else gradient
        for point, gradient in zip(points, found, strict=True)
    )
    return gradients, len(rules.propagate) + len(rules.prepare)
