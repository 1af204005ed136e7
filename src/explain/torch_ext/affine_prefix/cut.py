"""The affine prefix of a PyTorch model: where it ends, what it gives, and the rest of the model run from there."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from explain.backends.operations.score_graph import Survey
from explain.backends.scoring import Reading
from explain.errors import ExplainError
from explain.inputs.examples import Examples
from explain.torch_ext.affine_prefix.dataflow import ValueFlow
from explain.torch_ext.model.graph import ScoreGraph
from explain.torch_ext.model.opened import OpenedModel
from explain.torch_ext.model.scores import gradients_of_scores, pick_scores

# How far the rest of the model, run from the cut, may be from the whole: rounding, never another function.
_SAME_OUTPUT = {torch.float32: 1e-3, torch.float64: 1e-9}

# More are kept of no model.
_KEPT_SURVEYS = 32


class CutLostError(RuntimeError):
    """The model took another way this time, past the cut: it must be run whole."""


class _Reached(BaseException):
    """Ends a run of the model at the cut; no error, so that no model's own handler takes it for one."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


@dataclass(frozen=True)
class ModuleCut:
    """The affine prefix ends at a module's output.

    Parameters
    ----------
    module : torch.nn.Module
        The first module that does work on the input: what is before it runs on, cheap as it is, and a model may
        look at what it makes.
    """

    module: nn.Module

    def prefix(self, opened: OpenedModel, points: Tensor, examples: Examples) -> Tensor:
        """Run the model up to the cut."""
        forward = self.module.forward

        def stop(*arguments: Any, **keywords: Any) -> Tensor:
            raise _Reached(forward(*arguments, **keywords))

        try:
            opened.read((points,), examples, within=_replaced([(self.module, stop)]))
        except _Reached as reached:
            return reached.value
        raise CutLostError

    def gradients(
        self, opened: OpenedModel, form: Callable[[], Tensor], points: Tensor, examples: Examples
    ) -> tuple[Tensor, Tensor]:
        """Run the model from the cut; give the gradient of the scores to what enters there, and the outputs.

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

        within = _replaced([(self.module, enter)])
        explained = opened.read((points,), examples, within=within).explained
        gradients_of_scores(explained, examples.target, (token,))
        if not entered or len(taken) != 1:
            raise CutLostError
        return taken[0], explained.detach()


@dataclass(frozen=True)
class SourceCut:
    """The whole model is affine, up to the logits or whatever the explained output is made from.

    Parameters
    ----------
    transform : callable
        From there to the explained output.
    """

    transform: Callable[[Any], Any]

    def prefix(self, opened: OpenedModel, points: Tensor, examples: Examples) -> Tensor:
        """Run the whole model."""
        source: Tensor = opened.read((points,), examples).source
        return source

    def gradients(
        self, opened: OpenedModel, form: Callable[[], Tensor], points: Tensor, examples: Examples
    ) -> tuple[Tensor, Tensor]:
        """Give the gradient of the scores to what the outputs are made from, and the outputs."""
        source = form().requires_grad_()
        explained = self.transform(source)
        (gradient,) = gradients_of_scores(explained, examples.target, (source,))
        if gradient is None:
            raise CutLostError
        return gradient, explained.detach()


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


class _Known(NamedTuple):
    """What is kept of a survey: nothing that holds the model."""

    kinked: bool
    has_cut: bool


_known: weakref.WeakKeyDictionary[Any, dict[Hashable, _Known]] = weakref.WeakKeyDictionary()


def has_kinks(opened: OpenedModel, examples: Examples) -> bool:
    """Tell whether gradients may jump along a path: False only if every operation is known to be smooth."""
    known = _known_of(opened.model, _key(opened, examples)) if opened.survey is None else None
    return survey(opened, examples).kinked if known is None else known.kinked


def survey(opened: OpenedModel, examples: Examples) -> Survey:
    """Look for kinks and for the end of the model's affine prefix, once as it is entered and left now.

    A model that is known to have no prefix is not run again; one that has it must show it to every opened model.
    """
    if opened.survey is None:
        key = _key(opened, examples)
        known = _known_of(opened.model, key)
        if known is not None and not known.has_cut:
            opened.survey = Survey(known.kinked)
        else:
            opened.survey = _survey(opened, opened.padded(examples))
            _keep(opened.model, key, opened.survey)
    return opened.survey


def _key(opened: OpenedModel, examples: Examples) -> Hashable:
    """Give what a survey depends on, None where that cannot be told: a caller's function may do anything."""
    question = opened.question
    if question.forward_kwargs or examples.target.function is not None:
        return None
    how = question.score, question.output, question.layout, examples.mask is None, *examples.companions
    where = tuple(place and place.call for place in (opened.entry, opened.exit))
    shapes = (array.shape[1:] for array in (*examples.inputs, *examples.unmoved))
    wired = question.wiring, tuple((place, reader.call) for place, reader in opened.readers)
    return opened.inspection.structure.token(), where, how, wired, *shapes


def _known_of(model: Any, key: Hashable) -> _Known | None:
    """Give what is kept of a model's survey under a key; nothing is of a model that cannot be referred to weakly."""
    try:
        return _known.get(model, {}).get(key)
    except TypeError:
        return None


def _keep(model: Any, key: Hashable, found: Survey) -> None:
    if key is None:
        return
    with suppress(TypeError):
        kept = _known.setdefault(model, {})
        if len(kept) >= _KEPT_SURVEYS:
            # A model that counts its calls is another one each time.
            kept.clear()
        kept[key] = _Known(found.kinked, found.cut is not None)


def _survey(opened: OpenedModel, examples: Examples) -> Survey:
    """Run the model on a few examples, and look for kinks and for the end of its affine prefix."""
    count = opened.fixed_batch_size or _telling_count(examples)
    few = examples.rows(np.arange(count) % len(examples))
    points = tuple(tensor.requires_grad_() for tensor in opened.tensors(few.inputs))
    if len(points) != 1:
        return _survey_of_several(opened, points, few)
    calls: list[_Call] = []
    flow = ValueFlow(points[0])
    try:
        with flow, _seen(opened.leaf_modules, flow, calls):
            reading = opened.read(points, few)
    except ExplainError:
        # What fails because it is watched is not looked into; what fails by itself says so when it is run.
        return Survey(kinked=True)
    explained, root = reading.explained, _root(reading, few)
    if root is None:
        return Survey(kinked=True)
    graph = ScoreGraph(root, points[0])
    cut, node = _find_cut(graph, flow, reading, calls, count)
    if isinstance(cut, ModuleCut) and not _leads_to(cut, opened, points[0].detach(), few, explained.detach()):
        cut = node = None
    return Survey(graph.has_kinks(beyond={node}), cut)


def _survey_of_several(opened: OpenedModel, points: tuple[Tensor, ...], few: Examples) -> Survey:
    """Look for kinks on the way from each of several inputs; a prefix of them all is not looked for."""
    try:
        root = _root(opened.read(points, few), few)
    except ExplainError:
        # What fails says so when it is run.
        return Survey(kinked=True)
    return Survey(root is None or any(ScoreGraph(root, point).has_kinks() for point in points))


def _root(reading: Reading, examples: Examples) -> Any:
    """Give the node of the scores; what picks a class from the outputs is ours, and chooses nothing by the input."""
    explained, target = reading.explained, examples.target
    return (explained if target.function is None else pick_scores(explained, target)).grad_fn


def _telling_count(examples: Examples) -> int:
    """Give a number of examples that no other axis has, so that the axis of examples can be told from the others."""
    sizes = {size for array in examples.inputs for size in array.shape[1:]}
    return next(count for count in range(3, len(sizes) + 4) if count not in sizes)


@dataclass(frozen=True)
class _Call:
    """A call of a module: what it gave, the node that made that, and whether it is affine in the input."""

    module: nn.Module
    output: Tensor
    node: Any
    affine: bool


def _find_cut(
    graph: ScoreGraph, flow: ValueFlow, reading: Reading, calls: list[_Call], count: int
) -> tuple[ModuleCut | SourceCut | None, Any]:
    """Find what ends an affine prefix, and its node: the logits if all is affine, else the first module that works."""

    def ends_prefix(tensor: Tensor, node: Any) -> bool:
        whole = tensor.ndim >= 2 and len(tensor) == count
        return whole and node is not None and graph.is_affine(node) and graph.is_the_only_way(node)

    source = reading.source
    if flow.is_affine(source) and ends_prefix(source, source.grad_fn):
        return SourceCut(reading.transform), source.grad_fn
    modules = [call.module for call in calls]
    for call in calls:
        if call.affine and modules.count(call.module) == 1 and ends_prefix(call.output, call.node):
            return ModuleCut(call.module), call.node
    return None, None


def _leads_to(
    cut: ModuleCut, opened: OpenedModel, points: Tensor, examples: Examples, expected: Tensor
) -> bool:
    """Tell whether the model run from the cut gives the outputs of the whole model."""
    try:
        with torch.no_grad():
            entering = cut.prefix(opened, points, examples)
        _, found = cut.gradients(opened, entering.clone, points, examples)
    except (CutLostError, ExplainError):
        # Run from the cut the model fails, or goes another way: it is run whole.
        return False
    tolerance = _SAME_OUTPUT[points.dtype]
    return torch.allclose(found, expected, rtol=tolerance, atol=tolerance)


@contextmanager
def _seen(modules: Sequence[nn.Module], flow: ValueFlow, calls: list[_Call]) -> Iterator[None]:
    """Note every call of a module: its output, as it is before anything changes it in place."""

    def note(module: nn.Module, arguments: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            calls.append(_Call(module, output, output.grad_fn, flow.is_affine(output)))

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
