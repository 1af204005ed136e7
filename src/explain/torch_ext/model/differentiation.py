"""Gradients by autograd, whose errors name what the caller can do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explain.errors import ExplainError, GradientError
from explain.torch_ext.model.memory import is_out_of_memory


def gradients_of(
    results: Tensor, leaves: Sequence[Tensor], begun: Tensor, *, retain_graph: bool = False
) -> tuple[Tensor | None, ...]:
    """Give the gradients of results, weighted by `begun`, to some tensors; None for one that they do not depend on.

    Raises
    ------
    GradientError
        If an operation of the model cannot be differentiated.

    Examples
    --------
    >>> x = torch.tensor([1.0, 3.0], requires_grad=True)
    >>> gradients_of(x**2, [x], torch.ones(2))
    (tensor([2., 6.]),)
    """
    try:
        return torch.autograd.grad(results, leaves, begun, retain_graph=retain_graph, allow_unused=True)
    except Exception as cause:  # The derivative of a user's own operation may raise anything.
        if isinstance(cause, ExplainError) or is_out_of_memory(cause):
            raise
        said = str(cause).split("\n")[0].rstrip(".: ")
        raise GradientError(
            f"PyTorch cannot differentiate the score: {type(cause).__name__}: {said}. If the model saves memory with "
            "torch.utils.checkpoint (gradient checkpointing), turn that off: it runs layers a second time, without "
            "what is recorded or changed at them. If an operation has no derivative, take a method without gradients, "
            "such as feature_ablation."
        ) from cause
