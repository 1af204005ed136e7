"""Which call of a layer in one model is which in another, and how far what they give is apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from explain.examples import Array
from explain.observation import Observation, ObservedCall
from explain.parameters import ParameterLayer
from explain.similarity import relative_l2

# What only moves values, or nothing at all: the two frameworks need not have it at the same places.
_MOVES_ONLY = frozenset(
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
_RECURRENT = ("simple_rnn", "lstm", "gru")
# Weights that are equal up to rounding tell two layers of the same shape apart.
_SAME_WEIGHTS = 1e-6

# How much nearer two layers must be behind a normalisation to say that it is folded into one of them.
_FOLDED = 0.1

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Model:
    """One of the two models, observed.

    Parameters
    ----------
    observation : Observation
        Its run.
    parameters : sequence of ParameterLayer
        The layers that hold parameters.
    """

    observation: Observation
    parameters: Sequence[ParameterLayer] = ()

    @property
    def flattens_channels_last(self) -> bool:
        """Whether a map is flattened with its channels last."""
        return self.observation.flattens_channels_last

    def parts(self, call: ObservedCall) -> tuple[ParameterLayer, ...]:
        """Give the parameters of the layer that was called: several sets for one of several parts."""
        return tuple(one for one in self.parameters if one.name == call.name)


@dataclass(frozen=True, eq=False)
class Aligned:
    """Two calls of layers that do the same in the two models.

    Parameters
    ----------
    a, b : ObservedCall
        Of either model.
    parts : tuple of (ParameterLayer, ParameterLayer)
        The parameters of the two, part by part; none for layers without any.
    error : float
        Relative L2 of what they give; infinite if it has not the same shape.
    before : float, optional
        The same of what they are given; None if it cannot be compared.
    """

    a: ObservedCall
    b: ObservedCall
    parts: tuple[tuple[ParameterLayer, ParameterLayer], ...]
    error: float
    before: float | None


@dataclass(frozen=True, eq=False)
class _Unit:
    """One set of parameters at one call of its layer."""

    call: int
    layer: ParameterLayer

    @property
    def signature(self) -> Any:
        return self.layer.kind, tuple(sorted(self.layer.shapes.items()))


def aligned_calls(a: Model, b: Model) -> tuple[Aligned, ...]:
    """Align the calls of two models' layers, in the order in which the first model makes them.

    Layers that hold parameters are aligned by what they do and the shapes of what they hold, and among equals by their
    weights, then their names, then their order. What lies between them, by order and by what it does.
    """
    units = [_units(one) for one in (a, b)]
    matched = _matched_units(*units)
    of_calls: dict[tuple[int, int], list[tuple[ParameterLayer, ParameterLayer]]] = {}
    for unit_a, unit_b in matched:
        of_calls.setdefault((unit_a.call, unit_b.call), []).append((unit_a.layer, unit_b.layer))
    pairs = {pair: tuple(parts) for pair, parts in _whole_calls(of_calls, *units).items()}
    for between in _between(sorted(pairs), a.observation.calls, b.observation.calls):
        pairs[between] = ()
    found = []
    pairs = _folded(pairs, a.observation.calls, b.observation.calls)
    for place_a, place_b in sorted(pairs):
        one, other = a.observation.calls[place_a], b.observation.calls[place_b]
        flat = (
            None
            if a.flattens_channels_last == b.flattens_channels_last
            else map_before(a.observation.calls, place_a)
        )
        error = difference(one.outputs, other.outputs, one.operation, flat, a.flattens_channels_last)
        before = None
        if one.inputs is not None and other.inputs is not None:
            gap = difference(one.inputs, other.inputs, "", flat, a.flattens_channels_last)
            before = None if math.isinf(gap) else gap
        found.append(Aligned(one, other, pairs[place_a, place_b], error, before))
    return tuple(found)


def _folded(
    pairs: dict[tuple[int, int], tuple[tuple[ParameterLayer, ParameterLayer], ...]],
    a: Sequence[ObservedCall],
    b: Sequence[ObservedCall],
) -> dict[tuple[int, int], tuple[tuple[ParameterLayer, ParameterLayer], ...]]:
    """Pair a batch normalisation that only one model has with the layer in the other that it is folded into.

    Only where that brings the two together: a batch normalisation that is simply missing stays unmatched.
    """
    taken = {one for one, _ in pairs}, {other for _, other in pairs}

    def gap(pair: tuple[int, int]) -> float:
        return difference(a[pair[0]].outputs, b[pair[1]].outputs)

    found = {}
    for pair, parts in pairs.items():
        behind = [
            *((place, pair[1]) for place in _normalised_next(a, pair[0], taken[0])),
            *((pair[0], place) for place in _normalised_next(b, pair[1], taken[1])),
        ]
        nearer = [one for one in behind if gap(one) < _FOLDED * gap(pair)]
        found.update({nearer[0]: ()} if nearer else {pair: parts})
    return found


def _normalised_next(calls: Sequence[ObservedCall], place: int, taken: Container[int]) -> list[int]:
    """Give the call after one if it is a batch normalisation that has no like in the other model."""
    after = range(place + 1, min(place + 2, len(calls)))
    return [one for one in after if one not in taken and calls[one].operation == "batch_normalization"]


def difference(
    a: Array,
    b: Array,
    operation: str = "",
    flattened: tuple[int, ...] | None = None,
    a_flattens_channels_last: bool = False,
) -> float:
    """Give the relative L2 of two arrays, batch first and channels last; infinite if their shapes differ.

    Parameters
    ----------
    a, b : numpy.ndarray
        Of one shape. Of a recurrent layer's whole sequence and its last step, the last steps are compared.
    operation : str
        What gave them.
    flattened : tuple of int, optional
        The map, channels last, that the frameworks flatten in different orders: vectors of its size are compared in
        one order.
    a_flattens_channels_last : bool
        Which of the two flattens it with the channels last.
    """
    if operation in _RECURRENT or operation == "bidirectional":
        a, b = _last_steps(a, b), _last_steps(b, a)
    if a.shape != b.shape:
        # A map of one place, and its vector.
        a, b = (one.reshape(len(one), *(side for side in one.shape[1:] if side > 1)) for one in (a, b))
    if a.shape != b.shape:
        return math.inf
    error = _relative(a, b)
    if flattened is not None and a.ndim == 2 and a.shape[1] == math.prod(flattened):
        order = flatten_order(flattened)
        one, other = (b, a) if a_flattens_channels_last else (a, b)
        error = min(error, _relative(one[:, order], other))
    return error


def flatten_order(shape: Sequence[int]) -> Array:
    """Give the places, in a map flattened channels first, of the values in the order of channels last.

    Examples
    --------
    >>> flatten_order((2, 1, 3)).tolist()
    [0, 2, 4, 1, 3, 5]
    """
    *space, channels = shape
    return np.moveaxis(np.arange(math.prod(shape)).reshape(channels, *space), 0, -1).ravel()


def map_before(calls: Sequence[ObservedCall], place: int) -> tuple[int, ...] | None:
    """Give the shape of the last map, channels last, that was seen before a call."""
    for call in reversed(calls[:place]):
        if call.outputs.ndim > 2:
            return tuple(call.outputs.shape[1:])
    return None


def _relative(a: Array, b: Array) -> float:
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.inf if not np.array_equal(a, b, equal_nan=True) else 0.0
    return relative_l2(np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel())


def _last_steps(own: Array, other: Array) -> Array:
    """Give the last step of a whole sequence where the other has only that; of two directions, each its own last."""
    if own.ndim != 3 or other.ndim != 2:
        return own
    half = own.shape[-1] // 2
    last = own[:, -1]
    both = np.concatenate([own[:, -1, :half], own[:, 0, half:]], axis=-1)
    return both if last.shape == other.shape and _relative(both, other) < _relative(last, other) else last


def _units(model: Model) -> list[_Unit]:
    return [
        _Unit(place, layer)
        for place, call in enumerate(model.observation.calls)
        for layer in model.parts(call)
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
    return all(_relative(tensor, b.tensors[name]) < _SAME_WEIGHTS for name, tensor in a.tensors.items())


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


def _whole_calls(
    of_calls: dict[tuple[int, int], list[tuple[ParameterLayer, ParameterLayer]]],
    a: Sequence[_Unit],
    b: Sequence[_Unit],
) -> dict[tuple[int, int], list[tuple[ParameterLayer, ParameterLayer]]]:
    """Keep the pairs of calls whose last parts are a pair: what the two give is then the same thing."""
    last = [{unit.call: unit.layer for unit in units} for units in (a, b)]
    return {
        pair: parts
        for pair, parts in of_calls.items()
        if any(last[0][pair[0]] is one and last[1][pair[1]] is other for one, other in parts)
    }


def _between(
    pairs: Sequence[tuple[int, int]], a: Sequence[ObservedCall], b: Sequence[ObservedCall]
) -> list[tuple[int, int]]:
    """Match the calls without parameters between those that are matched already."""
    found = []
    ends = [(-1, -1), *pairs, (len(a), len(b))]
    taken = {one for one, _ in pairs}, {other for _, other in pairs}
    for (start_a, start_b), (end_a, end_b) in pairwise(ends):
        if end_b <= start_b:
            continue
        gaps = [
            [
                place
                for place in range(start + 1, end)
                if place not in used and calls[place].operation not in _MOVES_ONLY
            ]
            for start, end, calls, used in (
                (start_a, end_a, a, taken[0]),
                (start_b, end_b, b, taken[1]),
            )
        ]
        operations = [
            [(place, calls[place].operation) for place in gap]
            for gap, calls in zip(gaps, (a, b), strict=True)
        ]
        found += [
            (one[0], other[0]) for one, other in _in_order(operations[0], operations[1], lambda one: one[1])
        ]
    return found
