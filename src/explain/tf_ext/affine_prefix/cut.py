"""The affine prefix of a TensorFlow model: find where it ends, compute its output, and run the rest of the model."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import tensorflow as tf

from explain.backends.operations.score_graph import Survey
from explain.backends.places import EndOfRun
from explain.backends.scoring import Reading
from explain.inputs.examples import Examples
from explain.inputs.layer_calls import RecordedCall
from explain.keras.calls import replaced
from explain.keras.layers import direct_layers, named_layers
from explain.keras.model.tracing import Beside
from explain.tf_ext.model.endings import without_graph
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass
from explain.tf_ext.model.graph import ScoreGraph
from explain.tf_ext.model.layers.calls import noted_calls
from explain.tf_ext.model.opened import OpenedModel
from explain.tf_ext.model.runs.traced_run import TracedRun, values_by_place

ExplainedFrom = Callable[[Any, Callable[[], tuple[Any, ...]], Beside], Any]
"""From a value at the cut, a function that gives points with as many rows, and a `Beside` to the explained output."""


@dataclass(frozen=True)
class ModuleCut:
    """The affine prefix ends in a layer: at the input of its activation, or at its output.

    Parameters
    ----------
    layer : weakref.ref
        The layer. The reference is weak, since a cut is cached with a trace, which must not keep a model alive.
    where : str
        ``"activation"`` or ``"call"``.
    """

    layer: weakref.ref[Any]
    where: Literal["activation", "call"]

    @property
    def recorded(self) -> tuple[Any, ...]:
        """What the run of the model records the value at the cut by."""
        return self.layer, self.where, 0

    def prefix(
        self, forward: TensorFlowForwardPass, points: tuple[Any, ...], beside: Beside
    ) -> tuple[Any, ExplainedFrom]:
        """Run the model until the value at the cut is known; give it, and the rest of the model."""
        run = forward.traced_run
        if run is not None:
            return _copied_prefix(run, run.values[self.recorded], points, beside)
        layer, where = self.layer(), self.where
        own, found = getattr(layer, where), []

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            found.append(arguments[0] if where == "activation" else own(*arguments, **keywords))
            # What follows is not read: to trace it would take longer than the prefix itself.
            raise EndOfRun

        with replaced(layer, where, call), suppress(EndOfRun):
            forward.read(points, beside)
        return found[0], self.rest(forward, points, beside)

    def rest(self, forward: TensorFlowForwardPass, points: tuple[Any, ...], beside: Beside) -> ExplainedFrom:
        """Give the rest of the model alone; nothing is run."""
        run = forward.traced_run
        if run is not None:
            return _copied_rest(run, run.values[self.recorded])
        return partial(self._explained, forward)

    def _explained(
        self,
        forward: TensorFlowForwardPass,
        value: Any,
        points: Callable[[], tuple[Any, ...]],
        beside: Beside,
    ) -> Any:
        """Run the model with a value at the cut in place of the layer's value; a trace drops unused operations."""
        layer, where = self.layer(), self.where
        own = getattr(layer, where)

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            return own(value) if where == "activation" else value

        with replaced(layer, where, call):
            return forward.read(points(), beside).explained


@dataclass(frozen=True)
class SourceCut:
    """The whole model is affine, up to the logits or to another source of the explained output."""

    @property
    def recorded(self) -> str:
        """What the run of the model records the source by."""
        return _SOURCE

    def prefix(
        self, forward: TensorFlowForwardPass, points: tuple[Any, ...], beside: Beside
    ) -> tuple[Any, ExplainedFrom]:
        """Run the whole model; give its source, and the transform of a source to the explained output."""
        run = forward.traced_run
        if run is not None:
            return _copied_prefix(run, run.values[self.recorded], points, beside)
        reading = forward.read(points, beside)
        return reading.source, lambda value, points, beside: reading.transform(value)

    def rest(self, forward: TensorFlowForwardPass, points: tuple[Any, ...], beside: Beside) -> ExplainedFrom:
        """Give the transform of a source alone; a trace drops the run that shows it."""
        run = forward.traced_run
        if run is not None:
            return _copied_rest(run, run.values[self.recorded])
        return self.prefix(forward, points, beside)[1]


_SOURCE = "source"
"""What is recorded of the source of the explained output."""


def _copied_prefix(
    run: TracedRun, name: str, points: tuple[Any, ...], beside: Beside
) -> tuple[Any, ExplainedFrom]:
    """Copy the operations of a prefix, which end at a value of this name; give the value, and the rest of the model."""
    (found,) = run.copied((points, beside), [name])
    return found, _copied_rest(run, name)


def _copied_rest(run: TracedRun, name: str) -> ExplainedFrom:
    """Give the rest of the model behind a value of this name, which copies its operations."""

    def explained_from(value: Any, points: Callable[[], tuple[Any, ...]], beside: Beside) -> Any:
        (explained,) = run.copied((points(), beside), replaced={name: value})
        return explained

    return explained_from


# TensorFlow names the operations of a tape's gradient so.
_OF_A_TAPE = "gradient_tape/"


@dataclass(frozen=True)
class _Call:
    """A place where the affine prefix may end.

    Parameters
    ----------
    cut : ModuleCut
        The place.
    value : tensor
        The value that a run from there replaces.
    result : tensor
        What is computed from the replaced value only: the output of the activation, or the value itself, which has
        every reader of the layer's output.
    """

    cut: ModuleCut
    value: Any
    result: Any


def has_kinks(opened: OpenedModel, examples: Examples) -> bool:
    """Tell whether gradients may jump along a path: False only if every operation is known to be smooth."""
    return survey(opened, examples).kinked


def survey(opened: OpenedModel, examples: Examples) -> Survey:
    """Find kinks and the end of the affine prefix in a trace; a model that cannot be traced may have kinks."""
    if examples.target.function is None:
        found = opened.survey_of_outputs(examples)
    else:
        # The function is a part of what is surveyed.
        found = opened.analysed(_recorded_scores, examples, lambda _, forward: forward.notes[0])
    return Survey(kinked=True) if found is None else found


def _recorded_scores(forward: TensorFlowForwardPass, points: tuple[Any, ...], beside: Beside) -> Any:
    """Give the scores, and survey the way to them."""
    seen: list[_Call] = []
    with _recorded_calls(forward.layers, seen):
        reading = forward.read(points, beside)
    scores = forward.scores_of(reading.explained, beside)
    forward.notes.append(_survey_of(forward, points, beside, scores, seen, reading.source))
    return scores


def surveyed_reading(
    forward: TensorFlowForwardPass, points: tuple[Any, ...], beside: Beside, read: Callable[[], Reading]
) -> tuple[Reading, Survey, TracedRun | None]:
    """Read the output of a model that is traced, survey the way to it, and keep it for copies.

    All of it before a gradient adds operations.
    """
    seen: list[_Call] = []
    calls: list[RecordedCall] = []
    results: list[Any] = []
    layers = forward.layers
    named = named_layers(forward.model) if layers else {}
    with noted_calls(named, calls, results), _recorded_calls(layers, seen):
        reading = read()
    explained = reading.explained
    survey = _survey_of(forward, points, beside, explained, seen, reading.source)
    values = values_by_place([(call.cut.layer, call.cut.where, call.value) for call in seen])
    ending = without_graph(forward.endings)
    kept = TracedRun.of(
        (points, beside),
        explained,
        reading.finding,
        ending,
        {**values, _SOURCE: reading.source},
        [(name, output if shape else None) for (name, shape), output in zip(calls, results, strict=True)],
    )
    return reading, survey, kept


def _survey_of(
    forward: TensorFlowForwardPass,
    points: tuple[Any, ...],
    beside: Beside,
    score: Any,
    seen: Sequence[_Call],
    source: Any,
) -> Survey:
    steps, graph = _loop_steps(forward, points, beside), tf.compat.v1.get_default_graph()
    ways = [ScoreGraph(graph, point, score) for point in points]
    return Survey(
        kinked=any(way.has_kinks(beyond=way.affine) for way in ways),
        # Search for a prefix only if there is one input.
        cut=_find_cut(ways[0], seen, source) if len(points) == 1 else None,
        bytes_per_point=max((way.bytes_of_results(steps) for way in ways), default=0),
    )


def _loop_steps(forward: TensorFlowForwardPass, points: tuple[Any, ...], beside: Beside) -> int:
    """Give the number of iterations of a loop."""
    axis, (_, _, _, outer, _, _) = forward.question.layout.batch_first.time_axis, beside
    # With several inputs, the sequence that a loop iterates over is unknown.
    if axis is None or forward.question.wiring is not None:
        return 1
    return int((outer or points)[0].shape[axis])


def _find_cut(graph: ScoreGraph, seen: Sequence[_Call], source: Any) -> ModuleCut | SourceCut | None:
    """Find the last tensor, among the logits and the outputs of layers, that ends an affine prefix."""

    if not graph.operations or any(_OF_A_TAPE in one.name for one in graph.operations):
        # The model differentiates by its input, which a run from the cut does not read.
        return None

    def ends_prefix(tensor: Any) -> bool:
        whole = tensor.shape.rank is not None and tensor.shape.rank >= 2 and None not in tensor.shape[1:]
        # Points in lower precision would be rounded.
        whole = whole and tensor.dtype == graph.operations[0].outputs[0].dtype
        return whole and graph.is_affine(tensor.op) and graph.is_the_only_way(tensor.op)

    if ends_prefix(source):
        return SourceCut()
    places = [call.cut for call in seen]
    for call in reversed(seen):
        # The input of an activation may have other readers, for which nothing would be replaced.
        is_all = call.result is call.value or graph.is_the_only_way(call.result.op)
        if is_all and places.count(call.cut) == 1 and ends_prefix(call.value):
            return call.cut
    return None


@contextmanager
def _recorded_calls(layers: Sequence[Any], seen: list[_Call]) -> Iterator[None]:
    """Record the input of every layer's activation, and the output of every layer."""

    def noted(function: Callable[..., Any], cut: ModuleCut) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            output = function(*arguments, **keywords)
            if hasattr(output, "op"):
                value = arguments[0] if cut.where == "activation" else output
                seen.append(_Call(cut, value, output))
            return output

        return call

    with ExitStack() as stack:
        for layer in layers:
            if direct_layers(layer):
                continue
            cuts = [ModuleCut(weakref.ref(layer), "call")]
            if _applies_an_activation(layer):
                cuts.insert(0, ModuleCut(weakref.ref(layer), "activation"))
            for cut in cuts:
                stack.enter_context(replaced(layer, cut.where, noted(getattr(layer, cut.where), cut)))
        yield


def _applies_an_activation(layer: Any) -> bool:
    """Tell whether a layer applies its own activation; a recurrent layer's activation belongs to its cell."""
    is_property = isinstance(getattr(type(layer), "activation", None), property)
    return callable(getattr(layer, "activation", None)) and not is_property
