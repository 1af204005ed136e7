"""Answers the primitives for one PyTorch model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from explain.backend import Finding, Primitive, Question
from explain.chunks import blocks
from explain.errors import ExplainError, GradientError, InputError, LayoutError, ModelCallError, ScoreError
from explain.examples import Array, Examples
from explain.keras_layers import has_masking, held_masks, kept_losses, layers_of, recorded_masks
from explain.points import path_gradients_point_by_point
from explain.scoring import ActivationKind, explained_output, opaque_finding, pick_output, terminal_activation
from explain.stepwise import check_step_result
from explain.torch_ext.inspection import first_layer_complaint, has_convolutions, inspect_model
from explain.torch_ext.recurrent import last_output
from explain.torch_ext.scores import (
    ActivationRecorder,
    TorchArithmetic,
    class_axis,
    functional_activation,
    is_single,
    pick_scores,
)
from explain.torch_ext.state import inference_mode


class TorchBackend:
    """One PyTorch model, opened; see `explain.backend.Backend`.

    Parameters
    ----------
    model : torch.nn.Module or callable
        The model as the user gave it.
    question : Question
        What is asked of it.
    like : object
        The input as it was given: a model without parameters follows its dtype and device.
    """

    name = "torch"
    provides: frozenset[Primitive] = frozenset({"outputs", "gradients", "path_gradients"})

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        self._inspection = inspect_model(model, question.forward_kwargs)
        self._model = self._inspection.model
        self._question = question
        if self._inspection.opaque and question.score not in ("logit", "output"):
            raise ScoreError(
                f"score={question.score!r} cannot be had of a model whose inside cannot be reached, since it is not "
                "known what its output is: say score='output', or give the original module."
            )
        self.model_name = getattr(self._model, "__name__", type(self._model).__name__)
        self.fixed_batch_size = self._inspection.fixed_batch_size
        self.device, self._model_dtype = _device_and_dtype(self._model, like)
        # Half precision holds the points too coarsely: they are formed in float32 and rounded by the model.
        self._precision = torch.float64 if self._model_dtype == torch.float64 else torch.float32
        self.dtype: np.dtype[Any] = np.dtype(np.float64 if self._precision == torch.float64 else np.float32)
        self._recorder = ActivationRecorder(self._model, self._inspection.keras)
        self._keras_layers = layers_of(self._model) if self._inspection.keras else []
        self._functional: ActivationKind | None = None
        self._put_back: Callable[[], None] = lambda: None
        # On a CPU both frameworks then run the same convolution kernels, so that their twins' first layers agree to
        # the last bit and fewer kinks are taken on different sides; it is the faster order too. In double precision
        # there are no such kernels, and PyTorch's own round a flat patch alike only in the usual order.
        single = self._model_dtype == torch.float32
        self._channels_last = single and self.device.type == "cpu" and has_convolutions(self._model)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold the model in inference mode; on any exit it is again as it came."""
        with inference_mode(self._model, self.device) as self._put_back:
            yield

    def hold(self, examples: Examples) -> Examples:
        """Fill in the masks that Keras layers work out from values."""
        if not has_masking(self._keras_layers):
            return examples
        with torch.no_grad(), recorded_masks(self._keras_layers) as masks:
            self._explained(self._tensors(examples.inputs), examples)
        return replace(examples, held=tuple(mask.cpu().numpy() for mask in masks))

    def outputs(self, examples: Examples) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and what kind of score it is."""
        padded = self._padded(examples)
        # With gradients on, since the graph tells which operation made the output.
        points = self._tensors(padded.inputs, grad=True)
        try:
            explained, finding = self._explained(points, padded)
        except ModelCallError:
            if not self._channels_last:
                raise
            # A model that takes a view of its features wants them in order; if that is not it, it fails again.
            self._channels_last = False
            explained, finding = self._explained(points, padded)
        return _host(explained[: len(examples)]), finding

    def scores(self, examples: Examples) -> Array:
        """Give one number an example, shape (N,): the output at its target."""
        padded = self._padded(examples)
        with torch.no_grad():
            scores = self.scores_of(self._tensors(padded.inputs), padded)
        return _host(scores[: len(examples)])

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""
        padded = self._padded(examples)
        points = self._tensors(padded.inputs, grad=True)
        gradients, scores = self._gradients(points, padded)
        return tuple(_host(part[: len(examples)]) for part in gradients), _host(scores[: len(examples)])

    def path_gradients(
        self,
        examples: Examples,
        baselines: tuple[Array, ...],
        alphas: Array,
        weights: Array,
        batch_size: int,
    ) -> tuple[Array, ...]:
        """Give the weighted sum of the gradients along the straight path, accumulated on the device."""
        if self.fixed_batch_size is not None:
            return path_gradients_point_by_point(self, examples, baselines, alphas, weights, batch_size)
        ends, starts = self._tensors(examples.inputs), self._tensors(baselines)
        differences = tuple(end - start for end, start in zip(ends, starts, strict=True))
        totals = tuple(torch.zeros_like(end) for end in ends)
        nodes = torch.from_numpy(alphas).to(self.device)
        shares = torch.from_numpy(weights).to(self.device)
        for rows, steps in blocks(len(examples), len(alphas), batch_size):
            count, n_steps = rows.stop - rows.start, steps.stop - steps.start
            points = tuple(
                _along(start[rows], difference[rows], nodes[steps])
                for start, difference in zip(starts, differences, strict=True)
            )
            repeated = examples.rows(np.arange(rows.start, rows.stop).repeat(n_steps))
            gradients, _ = self._gradients(tuple(point.requires_grad_() for point in points), repeated)
            for total, gradient in zip(totals, gradients, strict=True):
                by_step = gradient.reshape(count, n_steps, *gradient.shape[1:])
                share = shares[steps].reshape(1, n_steps, *([1] * (gradient.ndim - 1)))
                total[rows] += (share * by_step).sum(dim=1)
        return tuple(_host(total) for total in totals)

    def scores_of(self, points: Sequence[Tensor], examples: Examples) -> Tensor:
        """Give the scores at points on the device, differentiable; the reference engine runs on this."""
        explained, _ = self._explained(points, examples)
        return pick_scores(explained, examples.target)

    def tensors(self, arrays: Sequence[Array]) -> tuple[Tensor, ...]:
        """Bring host arrays to the model's device, in the precision of points."""
        return self._tensors(arrays)

    def _gradients(self, points: Sequence[Tensor], examples: Examples) -> tuple[tuple[Tensor, ...], Tensor]:
        scores = self.scores_of(points, examples)
        if not scores.requires_grad:
            raise GradientError(_no_gradient(self.model_name))
        gradients = torch.autograd.grad(scores.sum(), points, allow_unused=True)
        if all(gradient is None for gradient in gradients):
            raise GradientError(_no_gradient(self.model_name))
        return (
            tuple(
                torch.zeros_like(point) if gradient is None else gradient
                for point, gradient in zip(points, gradients, strict=True)
            ),
            scores.detach(),
        )

    def _explained(self, points: Sequence[Tensor], examples: Examples) -> tuple[Tensor, Finding]:
        """Run the model on points, batch first, and give the explained output, batch first."""
        self._put_back()
        layout = self._question.layout
        inputs = [self._ordered(point.to(self._model_dtype)) for point in points]
        keywords = {
            **self._question.forward_kwargs,
            **{name: self._companion(array) for name, array in examples.companions.items()},
        }
        keywords = {
            name: value.to(self.device) if isinstance(value, Tensor) else value
            for name, value in keywords.items()
        }
        held = [torch.from_numpy(mask).to(self.device) for mask in examples.held]
        with kept_losses(self._keras_layers), held_masks(self._keras_layers, held, _masked):
            if self._inspection.stepwise:
                return self._explained_at_last_step(inputs[0], examples, keywords)
            inputs[0] = inputs[0].movedim(0, layout.batch_axis)
            explained, finding, _ = self._call(inputs, keywords, self._question.output)
        if layout.batch_axis != 0 and explained.ndim >= 3:
            explained = explained.movedim(layout.batch_axis, 0)
        if explained.ndim == 0 or len(explained) != len(points[0]):
            raise InputError(
                f"The model gave an output of shape {tuple(explained.shape)} for a batch of {len(points[0])}: the "
                "output should have one row an example. Does x have a batch axis, and is layout= right?"
            )
        return explained, finding

    def _explained_at_last_step(
        self, inputs: Tensor, examples: Examples, keywords: dict[str, Any]
    ) -> tuple[Tensor, Finding]:
        findings: list[Finding] = []

        def step(one: Tensor, state: Any) -> tuple[Tensor, Any]:
            output = 0 if self._question.output is None else self._question.output
            explained, finding, result = self._call([one, state], keywords, output, check_step_result)
            findings.append(finding)
            return explained, result[1]

        axis = self._question.layout.batch_first.time_axis
        if axis is None:
            raise LayoutError(
                f"layout={self._question.layout.axes!r} has no time axis T, but the model takes one step of a "
                "sequence at a time: give x as (N, T, C), or say which axis is T with layout=."
            )
        mask = None if examples.mask is None else torch.from_numpy(examples.mask).to(self.device)
        return last_output(step, self._model, inputs, axis, mask), findings[0]

    def _call(
        self, inputs: Sequence[Any], keywords: dict[str, Any], output: int | str | None, check: Any = None
    ) -> tuple[Tensor, Finding, Any]:
        """Call the model once; give the explained output, what it is, and all that was returned."""
        if self._inspection.keras:
            keywords = {**keywords, "training": False}
        with self._recorder.recording() as recorded:
            try:
                result = self._model(*inputs, **keywords)
            except ExplainError:
                raise
            # The model is foreign code, which may raise anything.
            except Exception as cause:
                raise self._call_error(cause, inputs[0]) from cause
        if check is not None:
            check(result)
        chosen = pick_output(result, output)
        if not isinstance(chosen, Tensor):
            raise ScoreError(
                f"The model's output is of type {type(chosen).__name__}, not a tensor: pick one with output=."
            )
        if chosen.grad_fn is not None:
            # Remembered for the calls without gradients, where no graph tells.
            self._functional = functional_activation(chosen)
        if self._inspection.opaque:
            return chosen, opaque_finding(self._question.score, self._functional), result
        explained, finding = explained_output(
            chosen,
            self._question.score,
            TorchArithmetic(),
            terminal=terminal_activation(chosen, recorded),
            functional=self._functional,
            class_axis=class_axis(chosen, self._question.layout),
            single=is_single(chosen),
        )
        return explained, finding, result

    def _call_error(self, cause: Exception, inputs: Tensor) -> ExplainError:
        """Say what was wrong with the input where that can be seen, else what the model said."""
        shape = tuple(inputs.shape)
        complaint = None if self._inspection.stepwise else first_layer_complaint(self._model, shape)
        if complaint is not None:
            text, is_order = complaint
            return (LayoutError if is_order else InputError)(
                f"The model cannot take x: {text}. (It said: {cause})"
            )
        return ModelCallError(
            f"The model raised {type(cause).__name__} for an input of shape {shape} and dtype {inputs.dtype}: {cause}. "
            "Check the shape and dtype; what it needs besides x goes into forward_kwargs."
        )

    def _ordered(self, points: Tensor) -> Tensor:
        """Lay pictures out channels last in memory; what their axes mean does not change."""
        if self._channels_last and points.ndim == 4:
            return points.contiguous(memory_format=torch.channels_last)
        return points

    def _companion(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        return tensor.to(self._model_dtype) if tensor.is_floating_point() else tensor

    def _tensors(self, arrays: Sequence[Array], grad: bool = False) -> tuple[Tensor, ...]:
        return tuple(
            torch.tensor(array, dtype=self._precision, device=self.device, requires_grad=grad)
            for array in arrays
        )

    def _padded(self, examples: Examples) -> Examples:
        return examples if self.fixed_batch_size is None else examples.padded(self.fixed_batch_size)


def _along(start: Tensor, difference: Tensor, nodes: Tensor) -> Tensor:
    """Form the points start + node × difference, example by example, shape (count × nodes, ...).

    The same two elementwise operations in the same order as in every extension: points that differ in
    their last bit flip kinks.
    """
    steps = nodes.reshape(1, -1, *([1] * (start.ndim - 1)))
    points = start[:, None] + steps * difference[:, None]
    return points.reshape(-1, *start.shape[1:])


def _masked(inputs: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask[..., None], inputs, torch.zeros((), dtype=inputs.dtype, device=inputs.device))


def _host(tensor: Tensor) -> Array:
    """Copy to the host, half precision as float32."""
    tensor = tensor.detach()
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    array: npt.NDArray[Any] = tensor.cpu().numpy()
    return array


def _device_and_dtype(model: Any, like: Any) -> tuple[torch.device, torch.dtype]:
    """Follow the model's parameters, else its input."""
    if isinstance(model, nn.Module):
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                return tensor.device, tensor.dtype
    if isinstance(like, Tensor):
        return like.device, like.dtype
    return torch.device("cpu"), torch.float64 if getattr(like, "dtype", None) == np.float64 else torch.float32


def _no_gradient(name: str) -> str:
    return (
        f"The score of {name} has no gradient to its input: on the way it is detached, rounded, taken as class numbers "
        "(argmax), converted to NumPy, or computed without the input. Explain a score that depends smoothly on the "
        "input."
    )
