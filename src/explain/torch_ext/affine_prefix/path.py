"""Gradients along straight paths in PyTorch, computed where the model's affine prefix ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from explain.errors import ExplainError
from explain.inputs.examples import Array, Arrays, Examples
from explain.public_calls.passes import uncounted
from explain.running.paths import path_sums
from explain.torch_ext.affine_prefix.cut import CutLostError, ModuleCut, SourceCut
from explain.torch_ext.affine_prefix.dataflow import ValueFlow
from explain.torch_ext.model.opened import OpenedModel
from explain.torch_ext.model.scores import gradients_of

# Where the paths are seen to be straight: not in the middle, where a symmetric bend may be hidden.
_MIDDLE = 0.45

# As many values of signs at a time.
_PIECE = 2**16

# Relative tolerance for the output of an affine prefix on a straight line: the rounding of sums.
_STRAIGHT = {torch.float32: 1e-4, torch.float64: 1e-10}


class Sums(path_sums.DeviceSums):
    """Sums of the gradients of a PyTorch model; see `explain.running.paths.path_sums`."""

    lost = (CutLostError, ExplainError)
    _opened: OpenedModel
    _cut: ModuleCut | SourceCut | None
    _order: _Order | None = None
    """The memory order of the value at the cut; None if the paths are at the input."""
    _sums: tuple[Tensor, ...] = ()

    def begin_at_input(self) -> None:
        """Take the paths and the directions to the device, as they are."""
        starts = self._opened.tensors(self._starts)
        ends = self._opened.tensors(self._examples.inputs)
        self._order = None
        # The paths at the input, and where their gradients are summed: starts and differences.
        self._outside = tuple((start, end - start) for start, end in zip(starts, ends, strict=True))
        # One row of signs for all examples.
        self._signs_at_input = tuple(
            torch.from_numpy(one.reshape(len(one), start[0].numel())).to(self._opened.device)
            for one, start in zip(self._signs, starts, strict=True)
        )

    def begin_at_cut(self) -> bool:
        """Take the paths and the directions to the cut; False if the paths are not straight there."""
        cut, opened, examples = self._cut, self._opened, self._examples
        assert cut is not None, "the base class asks only with a cut"
        (start,), (end,) = opened.tensors(self._starts), opened.tensors(examples.inputs)
        with torch.no_grad():
            entering_start = cut.prefix(opened, start, examples)
            entering_end = cut.prefix(opened, end, examples)
        # In a lower precision, as under autocast, points at the cut would be rounded.
        if len(entering_end) != len(examples) or entering_end.dtype not in _STRAIGHT:
            return False
        order = _Order.of(entering_end)
        first = order.flat(entering_start)
        step = order.flat(entering_end) - first
        difference = end - start
        self._order, self._outside, self._inside = order, ((start, difference),), (first, step)
        if not self._is_straight(cut):
            return False
        # An affine map takes a direction as it takes the difference of two points.
        self._directions = first.new_empty((len(first), self.n_directions, first.shape[1]))
        for one, signs in enumerate(self._signs[0]):
            own = torch.from_numpy(signs).to(difference.device) * difference
            with torch.no_grad():
                moved = order.flat(cut.prefix(opened, start + own, examples))
            torch.sub(moved, first, out=self._directions[:, one])
        return True

    def added(self, alphas: Array, weights: Array, becomes: npt.NDArray[np.intp] | None) -> Array:
        """Add the weighted gradients, where the paths are."""
        device = self._opened.device
        nodes, shares = torch.from_numpy(alphas).to(device), torch.from_numpy(weights).to(device)
        places = (
            [start.reshape(len(self), -1) for start, _ in self._outside]
            if self._order is None
            else self._inside[:1]
        )
        sums = tuple(one.new_zeros((len(self), len(weights), one.shape[1])) for one in places)
        if becomes is not None:
            after = _indices(becomes, device)
            for total, part in zip(sums, self._sums, strict=True):
                total.index_add_(1, after, part)
        products = np.zeros((len(alphas), len(self), self.n_directions))
        beside = self._examples.without_inputs()

        # Of several sums, most gradients are a part of one only.
        parts = [[(one, float(column[one])) for one in np.flatnonzero(column)] for column in weights.T]
        matrix = shares if len(weights) == 1 or sum(map(len, parts)) > len(parts) else None

        def compute(rows: slice, steps: slice) -> tuple[list[Tensor], Tensor]:
            gradients = self._gradients(rows, nodes[steps], _repeated(beside, rows, steps))
            flat = [one.reshape(rows.stop - rows.start, -1, one.shape[-1]) for one in gradients]
            with _in_full_precision(device):
                return flat, self._seen(flat, rows)

        for rows, steps, (flat, along) in self._executor.over_blocks(len(self), len(alphas), compute):
            for total, gradient in zip(sums, flat, strict=True):
                if matrix is None:
                    for place, of_node in enumerate(parts[steps]):
                        for one, weight in of_node:
                            total[rows, one].add_(gradient[:, place], alpha=weight)
                else:
                    with _in_full_precision(device):
                        total[rows] += matrix[:, steps] @ gradient.to(total.dtype)
            products[steps, rows] = _to_host(along.transpose(0, 1))
        self._sums = sums
        return products

    def _seen(self, gradients: Sequence[Tensor], rows: slice) -> Tensor:
        """Give the products of gradients, shape (n, k, values), with the directions, shape (n, k, R)."""
        found = gradients[0].new_zeros((*gradients[0].shape[:2], self.n_directions))
        if not self.n_directions:
            return found
        if self._order is not None:
            (gradient,), directions = gradients, self._directions[rows]
            return gradient.to(directions.dtype) @ directions.transpose(1, 2)
        for gradient, (_, difference), signs in zip(
            gradients, self._outside, self._signs_at_input, strict=True
        ):
            moved = difference[rows].reshape(len(gradient), 1, -1)
            # In pieces: the signs of a large input would take much memory as numbers of the gradient's precision.
            for first in range(0, gradient.shape[-1], _PIECE):
                piece = slice(first, first + _PIECE)
                along = gradient[..., piece] * moved[..., piece]
                found += along.to(found.dtype) @ signs[:, piece].to(found.dtype).T
        return found

    def mixed(self, shares: Array, which: Array) -> tuple[Tensor, ...]:
        """Combine the sums of some examples where they are, shape (S, N', values)."""
        weights = torch.from_numpy(shares).to(self._opened.device)
        rows = _indices(which, weights.device)
        with _in_full_precision(weights.device):
            return tuple((weights.to(one.dtype) @ one[rows]).transpose(0, 1) for one in self._sums)

    @staticmethod
    def joined(parts: Sequence[Tensor]) -> Tensor:
        """Put tensors of combinations behind one another."""
        return torch.cat(tuple(parts))

    def pulled(self, mixed: tuple[Tensor, ...], examples: Examples) -> Arrays:
        """Give combinations of the sums, one for each of some examples, as gradients to the inputs."""
        if self._order is None:
            return tuple(
                _to_host(one.reshape(len(one), *start.shape[1:]))
                for one, (start, _) in zip(mixed, self._outside, strict=True)
            )
        (end,) = self._opened.tensors(examples.inputs)
        end.requires_grad_()
        assert self._cut is not None, "sums are taken at the cut"
        entering = self._cut.prefix(self._opened, end, examples)
        with uncounted():
            (gradient,) = gradients_of(entering, [end], self._order.shaped(mixed[0].contiguous()))
        assert gradient is not None, "the prefix is computed from the input"
        return (_to_host(gradient),)

    def keep(self, order: Array) -> None:
        """Go on with some of the examples in another order: those that move take the places of those that go."""
        super().keep(order)
        every = *self._sums, *(part for path in self._outside for part in path)
        every = *every, *((*self._inside, self._directions) if self._order is not None else ())
        moves = np.flatnonzero(order != np.arange(len(order)))
        into, taken = (_indices(rows, self._opened.device) for rows in (moves, order[moves]))
        for one in every:
            one[into] = one[taken]
        count = len(order)
        self._sums = tuple(one[:count] for one in self._sums)
        self._outside = tuple((start[:count], step[:count]) for start, step in self._outside)
        if self._order is not None:
            self._inside = self._inside[0][:count], self._inside[1][:count]
            self._directions = self._directions[:count]

    def _gradients(self, rows: slice, nodes: Tensor, repeated: Examples) -> list[Tensor]:
        """Give the gradients at some nodes of some paths, one row per point, where they are summed."""
        if self._order is None:
            points = tuple(
                _along(start, difference, rows, nodes).requires_grad_() for start, difference in self._outside
            )
            found = self._opened.gradients_at(points, repeated)
            return [gradient.reshape(len(gradient), -1) for gradient in found]
        order, (first, step), ((start, difference),) = self._order, self._inside, self._outside
        count = rows.stop - rows.start

        def form() -> Tensor:
            # Not a view: the model may change it in place.
            value = order.empty(count * len(nodes), first)
            points = order.flat(value).view(count, -1, first.shape[1])
            torch.mul(nodes.reshape(1, -1, 1), step[rows][:, None], out=points)
            points += first[rows][:, None]
            return value

        assert self._cut is not None, "sums are taken at the cut"
        outside = start[rows], difference[rows]
        return [order.flat(self._gradient_beyond(self._cut, form, outside, nodes, repeated))]

    def _gradient_beyond(
        self,
        cut: ModuleCut | SourceCut,
        form: Callable[[], Tensor],
        outside: tuple[Tensor, Tensor],
        nodes: Tensor,
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
        points = _along(*outside, slice(None), nodes)
        with ValueFlow(points) as flow:
            gradient, outputs = cut.gradients(self._opened, form, points, repeated)
        if not flow.may_follow(outputs):
            cut.alone.add(count)
        elif cut.is_kept:
            # The gradient may reach the input beyond the cut, as it did not when the cut was found.
            raise CutLostError
        return gradient

    def _is_straight(self, cut: ModuleCut | SourceCut) -> bool:
        """Tell whether the prefix maps a point of each example's path to the same point of the path of its image."""
        order, every = self._order, slice(None)
        assert order is not None, "the paths are at the cut"
        ((start, difference),) = self._outside
        middle = torch.full((1,), _MIDDLE, dtype=start.dtype, device=start.device)
        with torch.no_grad():
            points = _along(start, difference, every, middle)
            true = order.flat(cut.prefix(self._opened, points, self._examples))
        expected = _along(*self._inside, every, middle)
        # Relative to each example's own magnitude, so that a large example does not hide the deviation of another.
        size = true.abs().amax(dim=1)
        return bool(((true - expected).abs().amax(dim=1) <= _STRAIGHT[true.dtype] * size).all())


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


def _along(start: Tensor, difference: Tensor, rows: slice, nodes: Tensor) -> Tensor:
    """Compute the points start + node × difference, example by example, shape (count × nodes, ...).

    Every extension uses the same two elementwise operations in the same order: points that differ in
    their last bit can fall on different sides of a kink.
    """
    steps = nodes.reshape(1, -1, *([1] * (start.ndim - 1)))
    points = steps * difference[rows][:, None]
    points += start[rows][:, None]
    return points.reshape(-1, *start.shape[1:])


def _in_full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Leave autocast, which would multiply sums of gradients in half precision."""
    return (
        torch.autocast(device.type, enabled=False)
        if torch.is_autocast_enabled(device.type)
        else nullcontext()
    )


def _indices(rows: Array, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rows)).to(device)


def _to_host(sums: Tensor) -> Array:
    found: Array = sums.cpu().numpy()
    return found


def _repeated(examples: Examples, rows: slice, steps: slice) -> Examples:
    return examples.rows(np.arange(rows.start, rows.stop).repeat(steps.stop - steps.start))
