"""The affine prefix of a TensorFlow model: where it ends, what it gives, and the rest of the model run from there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from explain.keras.layers import replaced
from explain.tf_ext.model.graph import ScoreGraph

Place = Literal["activation", "call"]


@dataclass(frozen=True)
class ModuleCut:
    """The affine prefix ends in a layer: where its activation is applied, or at its output.

    Parameters
    ----------
    layer : int
        The layer, by its place among the model's layers.
    place : str
        ``"activation"`` or ``"call"``.
    """

    layer: int
    place: Place


@dataclass(frozen=True)
class SourceCut:
    """The whole model is affine, up to the logits or whatever the explained output is made from."""


@dataclass(frozen=True)
class Survey:
    """What a trace of a model showed.

    Parameters
    ----------
    kinked : bool
        Whether anything between input and score is not known to be smooth.
    cut : ModuleCut or SourceCut, optional
        Where the affine prefix ends, if there is one through which alone the score depends on the input.
    bytes_per_point : int
        The size of all that is computed for one example.
    """

    kinked: bool
    cut: ModuleCut | SourceCut | None = None
    bytes_per_point: int = 0


@dataclass
class Seen:
    """What was called while a model was traced."""

    calls: list[tuple[ModuleCut, Any]]
    source: Any = None


def survey(graph: Any, seen: Seen, score: Any, loop_steps: int, n_points: int = 1) -> Survey:
    """Look in a trace for kinks and for the end of the model's affine prefix: of one input, not of several."""
    if n_points != 1:
        ways = [ScoreGraph(graph, point, score) for point in graph.inputs[:n_points]]
        return Survey(
            any(way.has_kinks for way in ways),
            None,
            max((way.bytes_of_results(loop_steps) for way in ways), default=0),
        )
    point = graph.inputs[0]
    found = ScoreGraph(graph, point, score)
    return Survey(found.has_kinks, _find_cut(found, seen), found.bytes_of_results(loop_steps))


def _find_cut(graph: ScoreGraph, seen: Seen) -> ModuleCut | SourceCut | None:
    """Find the last tensor, of the logits and what layers gave, that ends an affine prefix."""

    def ends_prefix(tensor: Any) -> bool:
        whole = tensor.shape.rank is not None and tensor.shape.rank >= 2 and None not in tensor.shape[1:]
        return whole and graph.is_affine(tensor.op) and graph.is_the_only_way(tensor.op)

    if seen.source is not None and ends_prefix(seen.source):
        return SourceCut()
    places = [cut for cut, _ in seen.calls]
    for cut, tensor in reversed(seen.calls):
        if places.count(cut) == 1 and ends_prefix(tensor):
            return cut
    return None


@contextmanager
def noted_calls(layers: Sequence[Any], seen: Seen) -> Iterator[None]:
    """Note what goes into every layer's activation, and what comes out of every layer."""

    def noted(function: Callable[..., Any], cut: ModuleCut) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            if cut.place == "activation":
                seen.calls.append((cut, arguments[0]))
                return function(*arguments, **keywords)
            output = function(*arguments, **keywords)
            if hasattr(output, "op"):
                seen.calls.append((cut, output))
            return output

        return call

    with ExitStack() as stack:
        for place, layer in enumerate(layers):
            if list(layer._layers):
                continue
            for name in _places_of(layer):
                cut = ModuleCut(place, name)
                stack.enter_context(replaced(layer, name, noted(getattr(layer, name), cut)))
        yield


@contextmanager
def entered(layers: Sequence[Any], cut: ModuleCut, value: Any) -> Iterator[None]:
    """Let the layer at a cut give `value` there, whatever it computes: what is not used is not run."""
    layer = layers[cut.layer]
    own = getattr(layer, cut.place)

    @functools.wraps(own)
    def call(*arguments: Any, **keywords: Any) -> Any:
        return own(value) if cut.place == "activation" else value

    with replaced(layer, cut.place, call):
        yield


def _places_of(layer: Any) -> list[Place]:
    """Tell where a layer may end an affine prefix; a recurrent layer's activation is its cell's."""
    own = callable(getattr(layer, "activation", None)) and not isinstance(
        getattr(type(layer), "activation", None), property
    )
    return ["activation", "call"] if own else ["call"]
