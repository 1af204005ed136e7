"""Which call of a layer in one model is which in another."""

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

# What only moves values, or nothing at all: the two frameworks need not have it at the same places.
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
# Weights that are equal up to rounding tell two layers of the same shape apart.
_SAME_WEIGHTS = 1e-6
# How much nearer two layers must be behind a normalisation to say that it is folded into one of them.
_FOLDED = 0.1

Item = TypeVar("Item")
Parts = tuple[tuple[ParameterLayer, ParameterLayer], ...]


@dataclass(frozen=True, eq=False)
class Model:
    """One of the two models, observed.

    Parameters
    ----------
    observation : Observation
        Its run.
    parameters : sequence of ParameterLayer
        The layers that hold parameters.
    given : tuple of int
        The shape of one example of its input, channels last.
    """

    observation: Observation
    parameters: Sequence[ParameterLayer] = ()
    given: tuple[int, ...] = ()

    @property
    def flattens_channels_last(self) -> bool:
        """Whether a map is flattened with its channels last."""
        return self.observation.flattens_channels_last

    def flattened_before(self, place: int, width: int) -> tuple[int, ...] | None:
        """Give the last map before a call, channels last, of so many values: flattened, it may be what reaches it."""
        calls = [call for call in self.observation.calls[:place] if call.operation not in MOVES_ONLY]
        seen = [call.outputs.shape[1:] for call in calls]
        shapes = (shape for shape in (*reversed(seen), self.given) if len(shape) > 1 and prod(shape) == width)
        return next(shapes, None)

    def parts(self, call: ObservedCall) -> tuple[ParameterLayer, ...]:
        """Give the parameters of the layer that was called: several sets for one of several parts."""
        return tuple(one for one in self.parameters if one.name == call.name)


@dataclass(frozen=True)
class Match:
    """A call of a layer in either model, by their places among the calls.

    Parameters
    ----------
    a, b : int
        The calls.
    begins : tuple of (int, int)
        The calls at which what they do begins: two recurrent layers in the one may be one of two in the other.
    parts : tuple of (ParameterLayer, ParameterLayer)
        Their parameters, part by part.
    """

    a: int
    b: int
    begins: tuple[int, int]
    parts: Parts = field(default=(), compare=False)


@dataclass(frozen=True, eq=False)
class _Unit:
    """One set of parameters at one call of its layer: which call of the model, and which set of the layer."""

    call: int
    place: int
    layer: ParameterLayer

    @property
    def signature(self) -> Any:
        return self.layer.kind, tuple(sorted(self.layer.shapes.items()))


def matched_calls(a: Model, b: Model) -> list[Match]:
    """Match the calls of two models' layers, in the order in which the first model makes them.

    Layers that hold parameters are matched by what they do and the shapes of what they hold, and among equals by their
    weights, then their names, then their order. What lies between them, by order and by what it does.
    """
    calls = a.observation.calls, b.observation.calls
    found = _whole_calls(_matched_units(_units(a), _units(b)))
    found += _between(sorted((one.a, one.b) for one in found), *calls)
    return sorted(_folded(found, *calls), key=lambda one: (one.a, one.b))


def _units(model: Model) -> list[_Unit]:
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
    # What has no equal on the other side may have another shape there: in order, by what it does.
    take(_in_order(left_a, left_b, lambda unit: unit.layer.kind))
    return found


def _matched_equals(a: Sequence[_Unit], b: Sequence[_Unit]) -> list[tuple[_Unit, _Unit]]:
    """Match units of one signature: by weights, by names, by order."""
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
    """Match calls whose last parts are matched, since what they give is then the same thing, with all their parts."""
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
    """Match the calls without parameters between those that are matched already."""
    found = []
    taken = {one for one, _ in pairs}, {other for _, other in pairs}

    def gap(calls: Sequence[ObservedCall], side: int, start: int, end: int) -> list[tuple[int, str]]:
        return [
            (place, calls[place].operation)
            for place in range(start + 1, end)
            if place not in taken[side] and calls[place].operation not in MOVES_ONLY
        ]

    for (start_a, start_b), (end_a, end_b) in pairwise([(-1, -1), *pairs, (len(a), len(b))]):
        gaps = gap(a, 0, start_a, end_a), gap(b, 1, start_b, end_b)
        for (one, _), (other, _) in _in_order(gaps[0], gaps[1], lambda seen: seen[1]):
            found.append(Match(one, other, (one, other)))
    return found


def _folded(found: Sequence[Match], a: Sequence[ObservedCall], b: Sequence[ObservedCall]) -> list[Match]:
    """Match a batch normalisation that only one model has with the layer in the other that it is folded into.

    Only where that brings the two together: a batch normalisation that is simply missing stays unmatched.
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
    """Give the call after one if it is a batch normalisation that has no like in the other model."""
    after = range(place + 1, min(place + 2, len(calls)))
    return [one for one in after if one not in taken and calls[one].operation == "batch_normalization"]
