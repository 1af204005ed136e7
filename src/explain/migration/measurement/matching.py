"""Which call of a layer in one model corresponds to which call in the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from itertools import pairwise
from math import prod
from typing import Any, TypeVar

from explain.backends.observation import Observation, ObservedCall
from explain.migration.measurement.distance import apart, difference
from explain.parameters.canonical import ParameterLayer

# Layers that only move values, or do nothing: the frameworks may have them at different positions.
MOVES_ONLY = frozenset(
    {
        "flatten",
        "reshape",
        "identity",
        "permute",
        "inputlayer",
        "zeropadding1d",
        "zeropadding2d",
        "zeropadding3d",
    }
)
# Among layers of one shape, those whose weights are equal up to rounding match.
_SAME_WEIGHTS = 1e-6
# A normalisation counts as folded into a layer if the distance of the outputs after it is below this share of the
# distance before it.
_FOLDED = 0.1

Item = TypeVar("Item")
Parts = tuple[tuple[ParameterLayer, ParameterLayer], ...]


@dataclass(frozen=True, eq=False)
class ObservedModel:
    """One of the two models, with the observations of its run.

    Parameters
    ----------
    observation : Observation
        The run.
    parameters : sequence of ParameterLayer
        The layers with parameters.
    given : tuple of int
        The shape of one example of its input, channels last.
    """

    observation: Observation
    parameters: Sequence[ParameterLayer] = ()
    given: tuple[int, ...] = ()

    @property
    def flattens_channels_last(self) -> bool:
        """Whether the model flattens a map with its channels last."""
        return self.observation.flattens_channels_last

    def flattened_before(self, place: int, width: int) -> tuple[int, ...] | None:
        """Give the shape of the last map with `width` values before a call: its input may be this map, flattened."""
        calls = [call for call in self.observation.calls[:place] if call.operation not in MOVES_ONLY]
        seen = [call.outputs.shape[1:] for call in calls]
        shapes = (shape for shape in (*reversed(seen), self.given) if len(shape) > 1 and prod(shape) == width)
        return next(shapes, None)

    def parts(self, call: ObservedCall) -> tuple[ParameterLayer, ...]:
        """Give the parameters of the layer that was called: one set for each of its parts."""
        return tuple(one for one in self.parameters if one.name == call.name)


@dataclass(frozen=True)
class Match:
    """A pair of corresponding calls, one in each model.

    Parameters
    ----------
    a, b : int
        The positions of the calls among all calls of their model.
    begins : tuple of (int, int)
        The calls at which the computation begins: two recurrent layers in one model may be one layer of two parts in
        the other.
    parts : tuple of (ParameterLayer, ParameterLayer)
        The parameters, part by part.
    """

    a: int
    b: int
    begins: tuple[int, int]
    parts: Parts = field(default=(), compare=False)


@dataclass(frozen=True, eq=False)
class _Unit:
    """One set of parameters at one call of its layer: the position of the call, and of the set in its layer."""

    call: int
    place: int
    layer: ParameterLayer

    @property
    def signature(self) -> Any:
        return self.layer.kind, tuple(sorted(self.layer.shapes.items()))


def matched_calls(a: ObservedModel, b: ObservedModel) -> list[Match]:
    """Match the calls of two models' layers, in the order in which the first model makes them.

    Layers with parameters are matched by their kind and the shapes of their tensors; if several have the same kind and
    shapes, by their weights, then their names, then their order. Layers between them are matched by order and kind.
    """
    calls = a.observation.calls, b.observation.calls
    found = _whole_calls(_matched_units(_units(a), _units(b)))
    found += _between(sorted((one.a, one.b) for one in found), *calls)
    return sorted(_folded(found, *calls), key=lambda one: (one.a, one.b))


def _units(model: ObservedModel) -> list[_Unit]:
    return [
        _Unit(call, place, layer)
        for call, seen in enumerate(model.observation.calls)
        for place, layer in enumerate(model.parts(seen))
    ]


def _matched_units(a: Sequence[_Unit], b: Sequence[_Unit]) -> list[tuple[_Unit, _Unit]]:
    left_a, left_b = list(a), list(b)
    found: list[tuple[_Unit, _Unit]] = []

    def take(pairs: Sequence[tuple[_Unit, _Unit]]) -> None:
        for one, other in pairs:
            found.append((one, other))
            left_a.remove(one)
            left_b.remove(other)

    counts = Counter(unit.signature for unit in a), Counter(unit.signature for unit in b)
    for signature, count in counts[0].items():
        if counts[1][signature] == count:
            group = [[unit for unit in units if unit.signature == signature] for units in (a, b)]
            take(_matched_equals(*group))
    # The remaining layers may have other shapes in the other model: match them in order, by kind.
    take(_in_order(left_a, left_b, lambda unit: unit.layer.kind))
    return found


def _matched_equals(a: Sequence[_Unit], b: Sequence[_Unit]) -> list[tuple[_Unit, _Unit]]:
    """Match units of one signature: by weights, then by names, then by order."""
    found, rest_a, rest_b = [], list(a), list(b)
    for same in (_same_weights, _same_name):
        for one in list(rest_a):
            equal = [other for other in rest_b if same(one.layer, other.layer)]
            rivals = [other for other in rest_a if equal and same(other.layer, equal[0].layer)]
            if len(equal) == 1 and len(rivals) == 1:
                found.append((one, equal[0]))
                rest_a.remove(one)
                rest_b.remove(equal[0])
    return [*found, *zip(rest_a, rest_b, strict=True)]


def _same_weights(a: ParameterLayer, b: ParameterLayer) -> bool:
    return all(apart(tensor, b.tensors[name]) < _SAME_WEIGHTS for name, tensor in a.tensors.items())


def _same_name(a: ParameterLayer, b: ParameterLayer) -> bool:
    return _plain(a.label) == _plain(b.label)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _in_order(a: Sequence[Item], b: Sequence[Item], key: Callable[[Item], Any]) -> list[tuple[Item, Item]]:
    """Match two sequences by the longest runs of equal keys."""
    matcher = SequenceMatcher(None, [key(one) for one in a], [key(one) for one in b], autojunk=False)
    return [
        (a[block.a + offset], b[block.b + offset])
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    ]


def _whole_calls(matched: Sequence[tuple[_Unit, _Unit]]) -> list[Match]:
    """Match the calls whose last parts are matched: their outputs and all their parts then correspond."""
    last = [
        {unit.call: unit for unit in sorted(units, key=lambda unit: (unit.call, unit.place))}
        for units in ([one for one, _ in matched], [other for _, other in matched])
    ]
    found = []
    for one, other in matched:
        if last[0][one.call] is one and last[1][other.call] is other:
            of_both = [pair for pair in matched if pair[0].call == one.call or pair[1].call == other.call]
            of_both.sort(key=lambda pair: (pair[0].call, pair[0].place))
            begins = min(pair[0].call for pair in of_both), min(pair[1].call for pair in of_both)
            parts = tuple((pair[0].layer, pair[1].layer) for pair in of_both)
            found.append(Match(one.call, other.call, begins, parts))
    return found


def _between(
    pairs: Sequence[tuple[int, int]], a: Sequence[ObservedCall], b: Sequence[ObservedCall]
) -> list[Match]:
    """Match the calls without parameters that lie between matched calls."""
    found = []
    taken = {one for one, _ in pairs}, {other for _, other in pairs}

    def unmatched(calls: Sequence[ObservedCall], model: int, start: int, end: int) -> list[tuple[int, str]]:
        return [
            (place, calls[place].operation)
            for place in range(start + 1, end)
            if place not in taken[model] and calls[place].operation not in MOVES_ONLY
        ]

    for (start_a, start_b), (end_a, end_b) in pairwise([(-1, -1), *pairs, (len(a), len(b))]):
        gaps = unmatched(a, 0, start_a, end_a), unmatched(b, 1, start_b, end_b)
        for (one, _), (other, _) in _in_order(gaps[0], gaps[1], lambda seen: seen[1]):
            found.append(Match(one, other, (one, other)))
    return found


def _folded(found: Sequence[Match], a: Sequence[ObservedCall], b: Sequence[ObservedCall]) -> list[Match]:
    """Match a batch normalisation of one model with the layer of the other that it is folded into.

    Only if their outputs then agree: a batch normalisation that is missing in the other model stays unmatched.
    """
    taken = {one.a for one in found}, {one.b for one in found}

    def gap(match: Match) -> float:
        return difference(a[match.a].outputs, b[match.b].outputs)

    folded = []
    for match in found:
        behind = [
            *(replace(match, a=place, parts=()) for place in _normalised_next(a, match.a, taken[0])),
            *(replace(match, b=place, parts=()) for place in _normalised_next(b, match.b, taken[1])),
        ]
        folded.append(next((one for one in behind if gap(one) < _FOLDED * gap(match)), match))
    return folded


def _normalised_next(calls: Sequence[ObservedCall], place: int, taken: Container[int]) -> list[int]:
    """Give the next call if it is a batch normalisation without a match in the other model."""
    after = range(place + 1, min(place + 2, len(calls)))
    return [one for one in after if one not in taken and calls[one].operation == "batch_normalization"]
