"""The affine prefix of a PyTorch model: find where it ends, compute its output, and run the rest of the model."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from explain.backends.operations.score_graph import Survey
from explain.backends.scoring import Reading
from explain.errors import ExplainError
from explain.inputs.examples import Examples
from explain.public_calls.passes import count_passes, uncounted
from explain.torch_ext.affine_prefix.dataflow import ValueFlow
from explain.torch_ext.model.graph import ScoreGraph
from explain.torch_ext.model.memory import LARGE, values_of
from explain.torch_ext.model.opened import OpenedModel
from explain.torch_ext.model.scores import gradients_of_scores, pick_scores

# Tolerance between the output computed from the cut and the output of the whole model: rounding only.
_SAME_OUTPUT = {torch.float32: 1e-3, torch.float64: 1e-9}

# Of examples with so many values a chunk holds few: tensors at the ends of their paths would need as much memory as it.
_TOO_LARGE = 2**20

# The largest number of surveys cached for one model.
_MAX_CACHED_SURVEYS = 32


class CutLostError(RuntimeError):
    """This run of the model bypassed the cut: run the whole model instead."""


class _CutReached(BaseException):
    """Ends a run of the model at the cut; not an `Exception`, so that no handler in the model catches it."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


@dataclass(frozen=True)
class ModuleCut:
    """The affine prefix ends at a module's output.

    Parameters
    ----------
    module : torch.nn.Module
        The first costly module. Cheap operations before it still run, and the model may use their results.
    alone : set of int
        The numbers of points at once for which the model was seen to use its input only before the cut.
    is_kept : bool
        Whether the cut was found in an earlier call, perhaps with other weights.
    """

    module: nn.Module
    alone: set[int] = field(default_factory=set)
    is_kept: bool = False

    def prefix(self, opened: OpenedModel, points: Tensor, examples: Examples) -> Tensor:
        """Run the model up to the cut."""
        forward = self.module.forward

        def stop(*arguments: Any, **keywords: Any) -> Tensor:
            raise _CutReached(forward(*arguments, **keywords))

        try:
            with uncounted():
                opened.read((points,), examples, within=_replaced([(self.module, stop)]))
        except _CutReached as reached:
            return reached.value
        raise CutLostError

    def gradients(
        self, opened: OpenedModel, form: Callable[[], Tensor], points: Tensor, examples: Examples
    ) -> tuple[Tensor, Tensor]:
        """Run the model from the cut; give the gradient of the scores to the value at the cut, and the outputs.

        Parameters
        ----------
        form : callable
            Computes the value at the cut.
        points : torch.Tensor
            The input that belongs to this value: a model may also use its input elsewhere.
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


@dataclass
class SourceCut:
    """The whole model is affine, up to the logits or to another source of the explained output.

    Parameters
    ----------
    alone : set of int
        The numbers of points at once for which the explained output was seen to follow from the source alone.
    is_kept : bool
        Whether the cut was found in an earlier call, perhaps with other weights.
    """

    alone: set[int] = field(default_factory=set)
    is_kept: bool = False
    _transform: Callable[[Any], Any] | None = None

    def prefix(self, opened: OpenedModel, points: Tensor, examples: Examples) -> Tensor:
        """Run the whole model; the run also shows how the explained output follows from the source."""
        with uncounted():
            reading = opened.read((points,), examples)
        self._transform = reading.transform
        source: Tensor = reading.source
        return source

    def gradients(
        self, opened: OpenedModel, form: Callable[[], Tensor], points: Tensor, examples: Examples
    ) -> tuple[Tensor, Tensor]:
        """Give the gradient of the scores to the source of the outputs, and the outputs."""
        assert self._transform is not None, "the prefix is run first"
        source = form().requires_grad_()
        count_passes(forward=len(examples))
        explained = self._transform(source)
        (gradient,) = gradients_of_scores(explained, examples.target, (source,))
        if gradient is None:
            raise CutLostError
        return gradient, explained.detach()


class _Entry(torch.autograd.Function):
    """Computes a tensor inside the graph, so that the model may change it in place, and captures its gradient."""

    @staticmethod
    def forward(ctx: Any, token: Tensor, form: Callable[[], Tensor], taken: list[Tensor]) -> Tensor:
        """Compute the value at the cut; the token connects it to the graph."""
        ctx.taken = taken
        return form()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Capture the gradient; the token itself has none."""
        ctx.taken.append(gradient)
        return gradient.new_zeros(()), None, None


def _entry(token: Tensor, form: Callable[[], Tensor], taken: list[Tensor]) -> Tensor:
    # `apply` has no type annotations.
    entry: Callable[..., Tensor] = _Entry.apply
    return entry(token, form, taken)


_SOURCE = -1


class _CachedSurvey(NamedTuple):
    """The part of a survey that is cached; it holds no reference to the model."""

    kinked: bool
    cut: int | None
    """The place of the module among the modules of the model, `_SOURCE` for the source, None if there is no cut."""
    alone: set[int]

    @classmethod
    def of(cls, opened: OpenedModel, found: Survey) -> _CachedSurvey:
        """Take from a survey what may be kept."""
        cut = found.cut
        if isinstance(cut, ModuleCut):
            modules = opened.inspection.structure.modules
            place = next(place for place, module in enumerate(modules) if module is cut.module)
            return cls(found.kinked, place, cut.alone)
        return cls(found.kinked, None, set()) if cut is None else cls(found.kinked, _SOURCE, cut.alone)

    def survey(self, opened: OpenedModel) -> Survey:
        """Give the survey for a model with the same structure."""
        if self.cut is None:
            return Survey(self.kinked)
        if self.cut == _SOURCE:
            return Survey(self.kinked, SourceCut(self.alone, is_kept=True))
        module = opened.inspection.structure.modules[self.cut]
        return Survey(self.kinked, ModuleCut(module, self.alone, is_kept=True))


_surveys: weakref.WeakKeyDictionary[Any, dict[Hashable, _CachedSurvey]] = weakref.WeakKeyDictionary()


def has_kinks(opened: OpenedModel, examples: Examples) -> bool:
    """Tell whether gradients may jump along a path: False only if every operation is known to be smooth."""
    known = _cached_survey(opened.model, _key(opened, examples)) if opened.survey is None else None
    return survey(opened, examples).kinked if known is None else known.kinked


def survey(opened: OpenedModel, examples: Examples) -> Survey:
    """Find kinks and the end of the affine prefix, once for the current entry and exit of the model.

    A model of the same structure is not run again for the same question, unless it was seen to use its input beyond the
    cut too. Its code may still run other operations than in the earlier call, by the values of its weights. Hence
    each use of a kept cut checks that the prefix is affine and that nothing else uses the input.
    """
    if opened.survey is None:
        key = _key(opened, examples)
        known = _cached_survey(opened.model, key)
        if known is not None and (known.cut is None or known.alone):
            opened.survey = known.survey(opened)
        else:
            few = examples.rows(slice(0, opened.fixed_batch_size))
            with uncounted():
                opened.survey = _survey(opened, opened.padded(few))
            _cache_survey(opened, key, opened.survey)
    return opened.survey


def _key(opened: OpenedModel, examples: Examples) -> Hashable:
    """Give the cache key of a survey; None if a function of the caller, which may do anything, takes part."""
    question = opened.question
    if question.forward_kwargs or question.runs_a_function(examples):
        return None
    how = question.score, question.output, question.layout, examples.mask is None, *examples.companions
    where = tuple(place and place.call for place in (opened.entry, opened.exit))
    shapes = (array.shape[1:] for array in (*examples.inputs, *examples.unmoved))
    wired = question.wiring, tuple((place, reader.call) for place, reader in opened.readers)
    return opened.structure_token, where, how, wired, *shapes


def _cached_survey(model: Any, key: Hashable) -> _CachedSurvey | None:
    """Give the cached survey of a model for a key; a model that does not support weak references has none."""
    try:
        return _surveys.get(model, {}).get(key)
    except TypeError:
        return None


def _cache_survey(opened: OpenedModel, key: Hashable, found: Survey) -> None:
    if key is None:
        return
    with suppress(TypeError):
        kept = _surveys.setdefault(opened.model, {})
        if len(kept) >= _MAX_CACHED_SURVEYS:
            # A model that counts its calls produces a new key each time.
            kept.clear()
        kept[key] = _CachedSurvey.of(opened, found)


def _survey(opened: OpenedModel, examples: Examples) -> Survey:
    """Run the model on a few examples, and find kinks and the end of its affine prefix."""
    too_large = values_of(examples) >= _TOO_LARGE
    count = opened.fixed_batch_size or (1 if too_large else _unique_batch_size(examples))
    few = examples.rows(np.arange(count) % len(examples))
    points = tuple(tensor.requires_grad_() for tensor in opened.tensors(few.inputs))
    if too_large or len(points) != 1:
        return _survey_of_kinks(opened, points, few)
    calls: list[_Call] = []
    flow = ValueFlow(points[0])
    try:
        with flow, _recorded_calls(opened.leaf_modules, flow, calls):
            reading = opened.read(points, few)
    except ExplainError:
        # If the hooks cause the failure, there is no survey; any other failure raises again in the real run.
        return Survey(kinked=True)
    explained, root = reading.explained, _root(reading, few)
    if root is None:
        return Survey(kinked=True)
    graph = ScoreGraph(root, points[0])
    cut, node = _find_cut(graph, flow, reading, calls, count)
    kinked, kinked_beyond = graph.has_kinks(), graph.has_kinks(beyond={node})
    given, expected = points[0].detach(), explained.detach()
    # They hold all that the run has computed, which the next run computes again.
    calls.clear()
    del graph, root, node, reading, explained, points
    if isinstance(cut, ModuleCut) and not _gives_same_output(cut, opened, given, few, expected):
        return Survey(kinked)
    return Survey(kinked_beyond, cut)


def _survey_of_kinks(opened: OpenedModel, points: tuple[Tensor, ...], few: Examples) -> Survey:
    """Find kinks between each input and the score; do not search for a prefix."""
    try:
        root = _root(opened.read(points, few), few)
    except ExplainError:
        # If the model fails here, it raises again in the real run.
        return Survey(kinked=True)
    return Survey(root is None or any(ScoreGraph(root, point).has_kinks() for point in points))


def _root(reading: Reading, examples: Examples) -> Any:
    """Give the node of the scores, or the node of the outputs if a constant index picks the scores."""
    explained, target = reading.explained, examples.target
    return (explained if target.function is None else pick_scores(explained, target)).grad_fn


def _unique_batch_size(examples: Examples) -> int:
    """Give a number of examples that differs from the size of every other axis, to recognise the batch axis."""
    sizes = {size for array in examples.inputs for size in array.shape[1:]}
    first = 2 if values_of(examples) >= LARGE else 3
    return next(count for count in range(first, len(sizes) + first + 1) if count not in sizes)


@dataclass(frozen=True)
class _Call:
    """A call of a module, and, if its output is affine in the input, the output and the node of the output."""

    module: nn.Module
    output: Tensor | None
    node: Any


def _find_cut(
    graph: ScoreGraph, flow: ValueFlow, reading: Reading, calls: list[_Call], count: int
) -> tuple[ModuleCut | SourceCut | None, Any]:
    """Find the end of the affine prefix, and its node: the logits if all is affine, else the first costly module."""

    def ends_prefix(tensor: Tensor, node: Any) -> bool:
        whole = tensor.ndim >= 2 and len(tensor) == count
        return whole and node is not None and graph.is_affine(node) and graph.is_the_only_way(node)

    source = reading.source
    if flow.is_affine(source) and ends_prefix(source, source.grad_fn):
        return SourceCut(), source.grad_fn
    modules = [call.module for call in calls]
    for call in calls:
        if (
            call.output is not None
            and modules.count(call.module) == 1
            and ends_prefix(call.output, call.node)
        ):
            return ModuleCut(call.module), call.node
    return None, None


def _gives_same_output(
    cut: ModuleCut, opened: OpenedModel, points: Tensor, examples: Examples, expected: Tensor
) -> bool:
    """Tell whether running from the cut gives the same outputs as running the whole model."""
    try:
        with torch.no_grad():
            entering = cut.prefix(opened, points, examples)
        _, found = cut.gradients(opened, entering.clone, points, examples)
    except (CutLostError, ExplainError):
        # If the run from the cut fails or bypasses the cut, the caller runs the whole model.
        return False
    tolerance = _SAME_OUTPUT[points.dtype]
    return torch.allclose(found, expected, rtol=tolerance, atol=tolerance)


@contextmanager
def _recorded_calls(modules: Sequence[nn.Module], flow: ValueFlow, calls: list[_Call]) -> Iterator[None]:
    """Record every call of a module, with its output before a later operation changes it in place."""

    def note(module: nn.Module, arguments: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            affine = flow.is_affine(output)
            calls.append(_Call(module, output, output.grad_fn) if affine else _Call(module, None, None))

    handles = [module.register_forward_hook(note) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _replaced(forwards: Sequence[tuple[nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    """Replace the ``forward`` of module instances; restore it on exit."""
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
