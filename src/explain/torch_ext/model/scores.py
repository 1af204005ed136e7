"""Computes the explained scalar from a PyTorch model's output."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from explain.backends.operations.endings import ActivationKind
from explain.backends.outputs.target_function import called_target, not_scalars_error
from explain.backends.scoring import Arithmetic, RecordedActivation, no_gradient_reason
from explain.errors import ExplainError, GradientError
from explain.inputs.examples import Array, Target
from explain.inputs.layer_calls import LayerCall
from explain.keras.calls import recorded_activations
from explain.keras.layers import layers_of
from explain.public_calls.passes import count_passes
from explain.torch_ext.model.inspection import TorchInspection
from explain.torch_ext.model.memory import is_out_of_memory

ARITHMETIC = Arithmetic(
    softmax=torch.softmax,
    log_softmax=torch.log_softmax,
    sigmoid=torch.sigmoid,
    log_sigmoid=nn.functional.logsigmoid,
    exp=torch.exp,
    log=torch.log,
)
"""PyTorch's operations on tensors."""

_ENGINE: Any = torch.autograd.Variable._execution_engine


@dataclass(frozen=True)
class KeptPass:
    """A forward pass with its autograd graph, from which further results are taken.

    Parameters
    ----------
    points : tuple of torch.Tensor
        The inputs.
    explained : torch.Tensor
        The explained output.
    outputs : numpy.ndarray
        The same on the host.
    tape : object, optional
        The tape on which its operations are recorded.
    units : (LayerCall, torch.Tensor), optional
        A call of a layer, and its output, batch first, on the way from the inputs to the explained output.
    """

    points: tuple[Tensor, ...]
    explained: Tensor
    outputs: Array
    tape: Any = None
    units: tuple[LayerCall, Tensor] | None = None


class ActivationRecorder:
    """Finds a model's softmax, log-softmax and sigmoid layers once, and records their calls.

    Parameters
    ----------
    inspection : TorchInspection
        The model; if its layers cannot be accessed, nothing is recorded.
    """

    def __init__(self, inspection: TorchInspection) -> None:
        # Keras layers do not call hooks.
        self._keras_layers = layers_of(inspection.model) if inspection.keras else []
        self._activations = inspection.structure.activations

    def recording(self) -> AbstractContextManager[list[RecordedActivation]]:
        """Record every call of an activation layer made by this thread."""
        if not (self._activations or self._keras_layers):
            return nullcontext([])
        return self._recording()

    @contextmanager
    def _recording(self) -> Iterator[list[RecordedActivation]]:
        thread = threading.get_ident()
        with ExitStack() as stack:
            recorded = stack.enter_context(recorded_activations(self._keras_layers))

            for module, kind in self._activations:

                def hook(
                    module: nn.Module,
                    arguments: tuple[Any, ...],
                    keywords: dict[str, Any],
                    output: Any,
                    kind: ActivationKind = kind,
                ) -> None:
                    if threading.get_ident() == thread:
                        logits = arguments[0] if arguments else next(iter(keywords.values()))
                        recorded.append(RecordedActivation(kind, logits, output, _axis_of(module, logits)))

                stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
            yield recorded


def scalars_of(function: Callable[[Any], Any], outputs: Any, count: int) -> Tensor:
    """Give what a callable target makes of outputs: one scalar per example, shape (N,).

    Raises
    ------
    TargetError
        If it does not give N scalars.
    """
    scores = called_target(function, outputs)
    if not isinstance(scores, Tensor) or scores.numel() != count:
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise not_scalars_error(shape, outputs, count=count)
    return scores.reshape(count)


def pick_scores(outputs: Tensor, target: Target) -> Tensor:
    """Give one scalar per example, shape (N,).

    Raises
    ------
    TargetError
        If a callable target does not give N scalars.
    """
    if target.function is not None:
        return scalars_of(target.function, outputs, len(outputs))
    indices = _indices(outputs, target)
    if outputs.ndim == 2:
        # `gather` and `scatter` along one axis are faster than indices of all axes.
        return outputs.gather(1, indices).squeeze(1)
    return outputs[_places(indices)]


def gradients_of_scores(
    outputs: Tensor, target: Target, leaves: Sequence[Tensor], *, retain_graph: bool = False
) -> tuple[Tensor | None, ...]:
    """Give the gradient of every example's score to some tensors; None for one that the score does not depend on.

    Scores picked by index are not computed: the backward pass starts at the outputs, with a one at each score's
    index.
    """
    if target.function is not None:
        outputs = pick_scores(outputs, target)
    if not outputs.requires_grad:
        return (None,) * len(leaves)
    return gradients_of(outputs, leaves, begun_at(outputs, target), retain_graph=retain_graph)


def begun_at(outputs: Tensor, target: Target) -> Tensor:
    """Give the gradient of every example's score to outputs, or to the scores that a callable target made of them."""
    if target.function is not None:
        return torch.ones_like(outputs)
    if outputs.ndim == 2 and outputs.dtype == torch.float32 and outputs.device.type == "cpu":
        # NumPy does this in a fraction of the time of three operations of PyTorch.
        assert target.indices is not None
        ones = np.zeros(outputs.shape, np.float32)
        ones[np.arange(len(ones)), target.indices[:, 0]] = 1
        return torch.from_numpy(ones)
    begun, indices = torch.zeros_like(outputs), _indices(outputs, target)
    if outputs.ndim == 2:
        begun.scatter_(1, indices, 1)
    else:
        begun[_places(indices)] = 1
    return begun


def reached(
    gradients: Sequence[Tensor | None], points: Sequence[Tensor], model_name: str
) -> tuple[Tensor, ...]:
    """Give zeros for the points that the scores do not depend on.

    Raises
    ------
    GradientError
        If they depend on none.
    """
    if all(gradient is None for gradient in gradients):
        raise GradientError(no_gradient_reason(model_name))
    return tuple(
        torch.zeros_like(point) if gradient is None else gradient
        for point, gradient in zip(points, gradients, strict=True)
    )


def gradients_of(
    results: Tensor | Sequence[Tensor],
    leaves: Sequence[Tensor] | Sequence[GradientEdge],
    begun: Tensor | Sequence[Tensor],
    *,
    retain_graph: bool = False,
) -> tuple[Tensor | None, ...]:
    """Give the gradients of results, weighted by `begun`, to some tensors; None for one that they do not depend on.

    A tensor may also be given as an edge of autograd's graph.

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
    ends = (results,) if isinstance(results, Tensor) else tuple(results)
    arriving = (begun,) if isinstance(begun, Tensor) else tuple(begun)
    # Of several results the others serve the gradients of the first.
    count_passes(backward=len(ends[0]))
    try:
        # What `torch.autograd.grad` calls too, after it has compared the shapes: for that it loads a library of
        # algebra, half a second and 50 MB at the first call, and then takes as long as a layer. The engine compares
        # them itself.
        found: tuple[Tensor | None, ...] = _ENGINE.run_backward(
            ends, arriving, retain_graph, False, tuple(leaves), allow_unreachable=True, accumulate_grad=False
        )
        return found
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


def _indices(outputs: Tensor, target: Target) -> Tensor:
    assert target.indices is not None
    return torch.from_numpy(target.indices).to(outputs.device)


def _places(indices: Tensor) -> tuple[Tensor, ...]:
    """Give the index of every example's score in outputs of any rank."""
    return (torch.arange(len(indices), device=indices.device), *indices.unbind(dim=1))


def _axis_of(module: nn.Module, logits: Tensor) -> int:
    """Give the axis of a softmax; PyTorch's default depends on the rank."""
    if isinstance(module, nn.Softmax2d):
        return -3
    axis = getattr(module, "dim", None)
    return axis if isinstance(axis, int) else (0 if logits.ndim in (0, 1, 3) else 1)
