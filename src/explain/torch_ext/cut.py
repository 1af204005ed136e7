"""The affine prefix of a PyTorch model: where it ends, what it gives, and the rest of the model run from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from explain.examples import Examples
from explain.torch_ext.graph import ScoreGraph
from explain.torch_ext.scores import pick_scores

if TYPE_CHECKING:
    from explain.torch_ext.backend import TorchBackend

# How far the rest of the model, run from the cut, may be from the whole: rounding, never another function.
_SAME_SCORE = {torch.float32: 1e-3, torch.float64: 1e-9}


class CutLostError(RuntimeError):
    """The model took another way this time, past the cut: it must be run whole."""


class _Reached(BaseException):
    """Ends a run of the model at the cut; no error, so that no model's own handler takes it for one."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


@dataclass(frozen=True)
class Survey:
    """What one run of a model on a few examples showed.

    Parameters
    ----------
    kinked : bool
        Whether anything between input and score is not known to be smooth.
    cut : ModuleCut or SourceCut, optional
        Where the affine prefix ends, if there is one through which alone the score depends on the input.
    """

    kinked: bool
    cut: ModuleCut | SourceCut | None = None


@dataclass(frozen=True)
class ModuleCut:
    """The affine prefix ends at a module's output.

    Parameters
    ----------
    module : torch.nn.Module
        The last module of the prefix.
    before : tuple of (torch.nn.Module, shape)
        Those before it, which need not run either, and the shape of what they give for one example.
    """

    module: nn.Module
    before: tuple[tuple[nn.Module, torch.Size], ...]

    def prefix(self, backend: TorchBackend, points: Tensor, examples: Examples) -> Tensor:
        """Run the model up to the cut."""
        forward = self.module.forward

        def stop(*arguments: Any, **keywords: Any) -> Tensor:
            raise _Reached(forward(*arguments, **keywords))

        try:
            backend.read((points,), examples, within=_replaced([(self.module, stop)]))
        except _Reached as reached:
            return reached.value
        raise CutLostError

    def gradients(
        self, backend: TorchBackend, form: Callable[[], Tensor], points: Tensor, examples: Examples
    ) -> tuple[Tensor, Tensor]:
        """Run the model from the cut; give the gradient of the scores to what enters there, and the scores.

        Parameters
        ----------
        form : callable
            Makes what enters at the cut.
        points : torch.Tensor
            The input that belongs to it: a model may look at its input besides.
        """
        token = torch.zeros((), device=points.device, requires_grad=True)
        taken: list[Tensor] = []
        entered: list[None] = []

        def enter(*arguments: Any, **keywords: Any) -> Tensor:
            if entered:
                raise CutLostError
            entered.append(None)
            return _entry(token, form, taken)

        def skipped(output: Tensor) -> Callable[..., Tensor]:
            return lambda *arguments, **keywords: output

        nothing = points.new_zeros(())
        replacements = [
            (self.module, enter),
            *((module, skipped(nothing.expand(len(points), *shape))) for module, shape in self.before),
        ]
        reading = backend.read((points,), examples, within=_replaced(replacements))
        scores = pick_scores(reading.explained, examples.target)
        if not entered or not scores.requires_grad:
            raise CutLostError
        torch.autograd.grad(scores, token, torch.ones_like(scores))
        if len(taken) != 1:
            raise CutLostError
        return taken[0], scores.detach()


@dataclass(frozen=True)
class SourceCut:
    """The whole model is affine, up to the logits or whatever the explained output is made from.

    Parameters
    ----------
    transform : callable
        From there to the explained output.
    """

    transform: Callable[[Any], Any]

    def prefix(self, backend: TorchBackend, points: Tensor, examples: Examples) -> Tensor:
        """Run the whole model."""
        source: Tensor = backend.read((points,), examples).source
        return source

    def gradients(
        self, backend: TorchBackend, form: Callable[[], Tensor], points: Tensor, examples: Examples
    ) -> tuple[Tensor, Tensor]:
        """Give the gradient of the scores to what they are made from, and the scores."""
        source = form().requires_grad_()
        scores = pick_scores(self.transform(source), examples.target)
        (gradient,) = torch.autograd.grad(scores, source, torch.ones_like(scores))
        return gradient, scores.detach()


class _Entry(torch.autograd.Function):
    """Makes a tensor inside the graph, which what follows may change in place, and takes its gradient out."""

    @staticmethod
    def forward(ctx: Any, token: Tensor, form: Callable[[], Tensor], taken: list[Tensor]) -> Tensor:
        """Make what enters at the cut; the token gives it a place in the graph."""
        ctx.taken = taken
        return form()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Keep the gradient; the token itself has none."""
        ctx.taken.append(gradient)
        return gradient.new_zeros(()), None, None


def _entry(token: Tensor, form: Callable[[], Tensor], taken: list[Tensor]) -> Tensor:
    # PyTorch leaves `apply` without types.
    entry: Callable[..., Tensor] = _Entry.apply
    return entry(token, form, taken)


def survey(backend: TorchBackend, examples: Examples) -> Survey:
    """Run the model on two examples, and look for kinks and for the end of its affine prefix."""
    few = examples.rows(np.array([0, min(1, len(examples) - 1)]))
    points = tuple(tensor.requires_grad_() for tensor in backend.tensors(few.inputs))
    calls: list[tuple[nn.Module, Tensor, Any]] = []
    with _seen(backend.leaf_modules, calls):
        reading = backend.read(points, few)
    scores = pick_scores(reading.explained, few.target)
    if scores.grad_fn is None or len(points) != 1:
        return Survey(kinked=True)
    graph = ScoreGraph(scores.grad_fn, points[0])
    cut = _find_cut(graph, reading, calls, len(few))
    if cut is not None and not _leads_to(cut, backend, points[0].detach(), few, scores.detach()):
        cut = None
    return Survey(graph.has_kinks, cut)


def _find_cut(
    graph: ScoreGraph, reading: Any, calls: list[tuple[nn.Module, Tensor, Any]], count: int
) -> ModuleCut | SourceCut | None:
    """Find the last tensor, of the logits and the modules' outputs, that ends an affine prefix."""

    def ends_prefix(tensor: Tensor, node: Any) -> bool:
        whole = tensor.ndim >= 2 and len(tensor) == count
        return whole and node is not None and graph.is_affine(node) and graph.is_the_only_way(node)

    if ends_prefix(reading.source, reading.source.grad_fn):
        return SourceCut(reading.transform)
    modules = [module for module, _, _ in calls]
    for place in reversed(range(len(calls))):
        module, output, node = calls[place]
        if modules.count(module) == 1 and ends_prefix(output, node):
            before = [
                (one, given.shape[1:])
                for one, given, made_by in calls[:place]
                if modules.count(one) == 1 and made_by is not None and len(given) == count
            ]
            return ModuleCut(module, tuple(before))
    return None


def _leads_to(
    cut: ModuleCut | SourceCut, backend: TorchBackend, points: Tensor, examples: Examples, expected: Tensor
) -> bool:
    """Tell whether the model run from the cut gives the scores of the whole model."""
    try:
        with torch.no_grad():
            entering = cut.prefix(backend, points, examples)
        _, scores = cut.gradients(backend, entering.clone, points, examples)
    except CutLostError:
        return False
    tolerance = _SAME_SCORE[points.dtype]
    return torch.allclose(scores, expected, rtol=tolerance, atol=tolerance)


@contextmanager
def _seen(modules: Sequence[nn.Module], calls: list[tuple[nn.Module, Tensor, Any]]) -> Iterator[None]:
    """Note every call of a module: its output, and the node that made it before anything changed it in place."""

    def note(module: nn.Module, arguments: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            calls.append((module, output, output.grad_fn))

    handles = [module.register_forward_hook(note) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _replaced(forwards: Sequence[tuple[nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    """Put other functions in the place of modules' ``forward``, each on its own instance."""
    missing = object()
    before = [(module, module.__dict__.get("forward", missing)) for module, _ in forwards]
    try:
        for module, function in forwards:
            module.__dict__["forward"] = function
        yield
    finally:
        for module, own in before:
            if own is missing:
                module.__dict__.pop("forward", None)
            else:
                module.__dict__["forward"] = own
