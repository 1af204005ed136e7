"""Gradients along straight paths in PyTorch, computed where the model's affine prefix ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explain.errors import ExplainError
from explain.inputs.examples import Array, Arrays, Examples
from explain.running import path_gradients
from explain.torch_ext.affine_prefix.cut import CutLostError, ModuleCut, SourceCut
from explain.torch_ext.affine_prefix.dataflow import ValueFlow
from explain.torch_ext.model.opened import OpenedModel
from explain.torch_ext.model.scores import gradients_of

# Relative tolerance for the output of an affine prefix on a straight line: the rounding of sums.
_STRAIGHT = {torch.float32: 1e-4, torch.float64: 1e-10}


class Line(path_gradients.Line):
    """Straight paths of a PyTorch model; see `explain.running.path_gradients.Line`."""

    _opened: OpenedModel
    _cut: ModuleCut | SourceCut | None

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        device = self._opened.device
        self._all_nodes, self._all_weights = (
            torch.from_numpy(array).to(device) for array in (self._alphas, self._weights)
        )

    def sums(self, examples: Examples, starts: Arrays) -> Arrays:
        """Sum the gradients at points of the input, one array of shape (N, M, ...) for each input."""
        first = self._opened.tensors(starts)
        weights = self._all_weights
        ends = self._opened.tensors(examples.inputs)
        differences = tuple(end - start for end, start in zip(ends, first, strict=True))
        beside = examples.without_inputs()
        totals = tuple(end.new_zeros((len(end), len(weights), end[0].numel())) for end in ends)

        def compute(rows: slice, steps: slice) -> list[Tensor]:
            points = tuple(
                self._along(start, difference, rows, steps).requires_grad_()
                for start, difference in zip(first, differences, strict=True)
            )
            gradients = self._opened.gradients_at(points, _repeated(beside, rows, steps))
            return [
                weights[:, steps] @ gradient.reshape(rows.stop - rows.start, -1, total.shape[-1])
                for total, gradient in zip(totals, gradients, strict=True)
            ]

        for rows, _, sums in self._executor.over_blocks(len(examples), len(self._alphas), compute):
            for total, part in zip(totals, sums, strict=True):
                total[rows] += part
        return tuple(
            _to_host(total.reshape(len(end), -1, *end.shape[1:]))
            for total, end in zip(totals, ends, strict=True)
        )

    def sums_beyond(self, examples: Examples, starts: Arrays) -> Arrays | None:
        """Sum the gradients at points beyond the affine prefix and pull them back; None if it is not affine."""
        if self._cut is None:
            return None
        try:
            return self._sums_beyond(self._cut, examples, *self._opened.tensors(starts))
        except (CutLostError, ExplainError) as error:
            if self._executor.ran_out(error):
                raise
            # If the cut is not the cause, the whole model fails with the same error.
            self._cut = None
            return None

    def _sums_beyond(self, cut: ModuleCut | SourceCut, examples: Examples, start: Tensor) -> Arrays | None:
        """Sum the gradients beyond a cut.

        A model may also use its input elsewhere. The first run with each number of points shows whether it does. If
        not, the next runs get NaNs of the same shape, which saves the computation of the points. If NaNs reach the
        outputs nevertheless, the caller runs the whole model.
        """
        opened = self._opened
        (end,) = opened.tensors(examples.inputs)
        weights = self._all_weights
        with torch.no_grad():
            entering_start = cut.prefix(opened, start, examples)
        end.requires_grad_()
        entering_end = cut.prefix(opened, end, examples)
        if len(entering_end) != len(examples):
            return None
        order = _Order.of(entering_end)
        first = order.flat(entering_start)
        step = order.flat(entering_end.detach()) - first
        difference = end.detach() - start
        if not self._is_straight(cut, examples, (start, difference), (first, step), order):
            return None
        totals = first.new_zeros((len(first), len(weights), first.shape[1]))
        beside = examples.without_inputs()

        def compute(rows: slice, steps: slice) -> Tensor:
            def form() -> Tensor:
                # Not a view: the model may change it in place.
                value = order.empty((rows.stop - rows.start) * (steps.stop - steps.start), first)
                points = order.flat(value).view(rows.stop - rows.start, -1, first.shape[1])
                torch.mul(self._all_nodes[steps].reshape(1, -1, 1), step[rows][:, None], out=points)
                points += first[rows][:, None]
                return value

            gradient = self._gradient_beyond(
                cut, form, (start[rows], difference[rows]), steps, _repeated(beside, rows, steps)
            )
            return weights[:, steps] @ order.flat(gradient).reshape(
                rows.stop - rows.start, -1, first.shape[1]
            )

        for rows, _, sums in self._executor.over_blocks(len(examples), len(self._alphas), compute):
            totals[rows] += sums
        pulled = []
        for one in range(len(weights)):
            begun = order.shaped(totals[:, one].contiguous())
            (gradient,) = gradients_of(entering_end, [end], begun, retain_graph=True)
            assert gradient is not None, "the prefix is computed from the input"
            pulled.append(gradient)
        return (_to_host(torch.stack(pulled, dim=1)),)

    def _gradient_beyond(
        self,
        cut: ModuleCut | SourceCut,
        form: Callable[[], Tensor],
        outside: tuple[Tensor, Tensor],
        steps: slice,
        repeated: Examples,
    ) -> Tensor:
        """Give the gradients to the result of `form`; compute points of the input only if the model uses them."""
        count, (start, _) = len(repeated), outside
        if count in cut.alone:
            placeholder = start.new_full((), torch.nan).expand(count, *start.shape[1:])
            gradient, outputs = cut.gradients(self._opened, form, placeholder, repeated)
            if outputs.isnan().any():
                raise CutLostError
            return gradient
        points = self._along(*outside, slice(None), steps)
        with ValueFlow(points) as flow:
            gradient, outputs = cut.gradients(self._opened, form, points, repeated)
        if not flow.may_follow(outputs):
            cut.alone.add(count)
        elif cut.is_kept:
            # The gradient may reach the input beyond the cut, as it did not when the cut was found.
            raise CutLostError
        return gradient

    def _is_straight(
        self,
        cut: ModuleCut | SourceCut,
        examples: Examples,
        outside: tuple[Tensor, Tensor],
        inside: tuple[Tensor, Tensor],
        order: _Order,
    ) -> bool:
        """Tell whether the prefix maps the midpoint of each example's path to the midpoint of its image."""
        middle = slice(len(self._alphas) // 2, len(self._alphas) // 2 + 1)
        rows = slice(0, len(examples))
        with torch.no_grad():
            true = order.flat(cut.prefix(self._opened, self._along(*outside, rows, middle), examples))
        expected = self._along(*inside, rows, middle)
        # Relative to each example's own magnitude, so that a large example does not hide the deviation of another.
        size = true.abs().amax(dim=1)
        return bool(((true - expected).abs().amax(dim=1) <= _STRAIGHT[true.dtype] * size).all())

    def _along(self, start: Tensor, difference: Tensor, rows: slice, steps: slice) -> Tensor:
        """Compute the points start + alpha × difference, example by example, shape (count × steps, ...).

        Every extension uses the same two elementwise operations in the same order: points that differ in
        their last bit can fall on different sides of a kink.
        """
        alphas = self._all_nodes[steps].reshape(1, -1, *([1] * (start.ndim - 1)))
        points = alphas * difference[rows][:, None]
        points += start[rows][:, None]
        return points.reshape(-1, *start.shape[1:])


@dataclass(frozen=True)
class _Order:
    """The memory order of a tensor, so that it can be viewed as rows without a copy."""

    shape: torch.Size
    channels_last: bool

    @classmethod
    def of(cls, tensor: Tensor) -> _Order:
        last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
        return cls(tensor.shape[1:], last and not tensor.is_contiguous())

    def empty(self, count: int, like: Tensor) -> Tensor:
        """Allocate a batch of `count`."""
        order = torch.channels_last if self.channels_last else torch.contiguous_format
        return torch.empty((count, *self.shape), dtype=like.dtype, device=like.device, memory_format=order)

    def flat(self, tensor: Tensor) -> Tensor:
        """View a tensor as one row per example, in memory order."""
        return (tensor.permute(0, 2, 3, 1) if self.channels_last else tensor).reshape(len(tensor), -1)

    def shaped(self, flat: Tensor) -> Tensor:
        """Undo `flat`."""
        if not self.channels_last:
            return flat.reshape(-1, *self.shape)
        channels, height, width = self.shape
        return flat.reshape(-1, height, width, channels).permute(0, 3, 1, 2)


def _to_host(sums: Tensor) -> Array:
    found: Array = sums.cpu().numpy()
    return found


def _repeated(examples: Examples, rows: slice, steps: slice) -> Examples:
    return examples.rows(np.arange(rows.start, rows.stop).repeat(steps.stop - steps.start))
