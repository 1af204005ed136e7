"""A backward pass in which some operations propagate another value than their gradient.

Operations are the nodes of the autograd graph, not modules: so a module that is called twice and a plain function need
no special case. The model does not change: a rule is a hook on a node of one graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from explain.torch_ext.model.graph import operands_first
from explain.torch_ext.model.scores import gradients_of, reached

# Takes the outgoing and the incoming gradients of a node; gives the outgoing gradients to use instead.
Propagation = Callable[[tuple[Any, ...], tuple[Any, ...]], Any]


@dataclass
class Rules:
    """The values that operations propagate instead of their gradients.

    Parameters
    ----------
    propagate : Mapping of nodes to callables
        Called after a node has run.
    prepare : Mapping of nodes to callables
        Called before a node runs: takes its incoming gradients, gives the incoming gradients to use instead.
    beside : tuple, optional
        The scores and the points of another run, whose nodes `propagate` calls.
    """

    propagate: Mapping[Any, Propagation]
    prepare: Mapping[Any, Callable[[tuple[Any, ...]], tuple[Any, ...]]] = field(default_factory=dict)
    beside: tuple[Tensor, Sequence[Tensor]] | None = None


def sloped(given: Tensor, arriving: Tensor, rise: Tensor, step: Tensor, flat: Tensor) -> Tensor:
    """Give the arriving value times rise / step, and the gradient where the step is flat."""
    return torch.where(flat, given, (rise / step).mul_(arriving))


def _in_own_dtype(hook: Propagation) -> Propagation:
    """Give a hook whose gradients have the dtypes of those that it replaces, as autograd demands.

    Under autocast the operands of an operation may be in single precision and its gradients in half.
    """

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        found = hook(given, arriving)
        if isinstance(found, tuple):
            return tuple(
                one if one is None or old is None or one.dtype == old.dtype else one.to(old.dtype)
                for one, old in zip(found, given, strict=True)
            )
        return found

    return propagate


def operations_between(scores: Tensor, points: Sequence[Tensor]) -> dict[Any, None]:
    """Give the nodes through which the scores depend on the points, each after its operands; the points come first."""
    order, leaves = operands_first(scores.grad_fn), {id(point) for point in points}
    found: dict[Any, None] = dict.fromkeys(
        node for node in order if id(getattr(node, "variable", None)) in leaves
    )
    for node in order:
        if any(below in found for below, _ in node.next_functions):
            found[node] = None
    return found


def backward(
    scores: Tensor, points: Sequence[Tensor], rules: Rules, model_name: str
) -> tuple[tuple[Tensor, ...], int]:
    """Propagate from scores to points; give the results at the points, and the number of operations with a rule.

    Raises
    ------
    GradientError
        If nothing reaches the points.
    """
    for node, hook in rules.propagate.items():
        node.register_hook(_in_own_dtype(hook))
    for node, prehook in rules.prepare.items():
        node.register_prehook(prehook)
    begun = torch.ones_like(scores)
    if rules.beside is None:
        found = gradients_of(scores, points, begun)
    else:
        # Autograd computes the gradients of those nodes only that lie on its way. Nothing flows through the other run.
        other, others = rules.beside
        root: Any = other.grad_fn
        root.register_prehook(lambda arriving: (None,) * len(arriving))
        results, leaves = (scores, other), (*points, *others)
        found = gradients_of(results, leaves, (begun, begun), retain_graph=True)[: len(points)]
    return reached(found, points, model_name), len(rules.propagate) + len(rules.prepare)
