"""The pairing of the layers of two models: by a mapping, by names, by order and shape."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from explain.migration.porting.dependence import contradict, follow_each_other, owners
from explain.migration.porting.fitting import Layers, Pair, by_form, description, fits
from explain.migration.porting.layer_names import is_telling, plain_name
from explain.migration.porting.mapping import mapped_pairs
from explain.parameters.canonical import ParameterLayer


@dataclass(frozen=True, eq=False)
class Pairing:
    """How the layers of two models are paired.

    Attributes
    ----------
    pairs : tuple of Pair
        The pairs, in the order of the target's layers.
    left_source, left_target : tuple of ParameterLayer
        The layers without a partner.
    set_aside : tuple of ParameterLayer
        The layers of either model that the mapping leaves out.
    problems : tuple of str
        Why layers have no partner, one sentence per reason.
    """

    pairs: tuple[Pair, ...]
    left_source: tuple[ParameterLayer, ...] = ()
    left_target: tuple[ParameterLayer, ...] = ()
    set_aside: tuple[ParameterLayer, ...] = ()
    problems: tuple[str, ...] = ()


def pair_layers(source: Layers, target: Layers, mapping: Mapping[str, str | None] | None = None) -> Pairing:
    """Pair the layers of two models.

    Layers that `mapping` names are paired first. The others can be paired with layers of the same kind whose tensors
    have the same shapes in canonical axes. If the names of all layers of one shape agree, without capitals, punctuation
    and words such as "layer", they are paired by name. The rest is paired in order, if both models have their layers in
    the same order of kinds and shapes, where norms count with the layers that they follow. Otherwise only these are
    paired: layers whose names agree, layers that are the only ones of their shape, layers in order between such pairs,
    and layers that depend on each other, so that only one order is possible.

    Parameters
    ----------
    source, target : sequence of ParameterLayer
        The layers of the two models, in order.
    mapping : Mapping of str to str or None, optional
        From layer names of the source to layer names of the target. None excludes the layer of that name, in either
        model.

    Raises
    ------
    PortError
        If `mapping` names a layer that does not exist, or two layers that do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> here = [ParameterLayer("features.0", "dense", {"kernel": np.zeros((3, 2))})]
    >>> there = [ParameterLayer("fc", "dense", {"kernel": np.zeros((3, 2))})]
    >>> [(pair.source.name, pair.target.name, pair.reason) for pair in pair_layers(here, there).pairs]
    [('features.0', 'fc', 'order')]
    """
    mapped, set_aside = mapped_pairs(source, target, mapping or {})
    excluded = set(map(id, set_aside))
    sources, targets = (_without(layers, _ids(mapped) | excluded) for layers in (source, target))
    named = _by_name(sources, targets)
    found = [*mapped, *_whole_forms(named, sources, targets)]
    in_order = _in_order(_without(sources, _ids(found)), _without(targets, _ids(found)), found)
    found += in_order
    if not in_order:
        bare = _bare(source, target, found, excluded)
        found += _in_order(*bare, found) or _out_of_order(source, target, found, *bare)
        found += _norms_that_follow(source, target, found, excluded)
        used = _ids(found)
        found += [pair for pair in named if not _ids([pair]) & used]
        used = _ids(found)
        found += _out_of_order(source, target, found, _without(sources, used), _without(targets, used))
        found += _norms_that_follow(source, target, found, excluded)
    left_source, left_target = _without(sources, _ids(found)), _without(targets, _ids(found))
    position = {id(one): number for number, one in enumerate(target)}
    return Pairing(
        tuple(sorted(found, key=lambda pair: position[id(pair.target)])),
        tuple(left_source),
        tuple(left_target),
        tuple(set_aside),
        tuple(_problems(left_source, left_target)),
    )


def _ids(pairs: Iterable[Pair]) -> set[int]:
    """Give the identities of the layers in some pairs."""
    return {id(one) for pair in pairs for one in (pair.source, pair.target)}


def _without(layers: Layers, used: Collection[int]) -> list[ParameterLayer]:
    """Give the layers whose identities are not used."""
    return [one for one in layers if id(one) not in used]


def _by_name(sources: Layers, targets: Layers) -> list[Pair]:
    """Pair layers whose names agree and occur once in each model.

    Names that only number the layers ("0", "conv 2 d 1") do not count.
    """
    names: dict[str, tuple[list[ParameterLayer], list[ParameterLayer]]] = defaultdict(lambda: ([], []))
    for model, layers in enumerate((sources, targets)):
        for layer in layers:
            names[f"{plain_name(layer.name)} {layer.part}"][model].append(layer)
    return [
        Pair(first[0], second[0], "name")
        for first, second in names.values()
        if len(first) == len(second) == 1
        and is_telling(plain_name(first[0].name))
        and fits(first[0], second[0])
    ]


def _whole_forms(named: Sequence[Pair], sources: Layers, targets: Layers) -> list[Pair]:
    """Keep named pairs of a form only if all its layers are paired: otherwise names may number layers differently."""
    pairs = {id(one): pair for pair in named for one in (pair.source, pair.target)}
    return [
        pairs[id(one)]
        for first, second in by_form(sources, targets).values()
        if all(id(one) in pairs for one in (*first, *second))
        for one in first
    ]


def _in_order(sources: Layers, targets: Layers, known: Sequence[Pair]) -> list[Pair]:
    """Pair all layers one by one, if they fit and do not contradict the order in which layers follow each other."""
    if len(sources) != len(targets) or not all(map(fits, sources, targets)):
        return []
    found = [Pair(one, other, "order") for one, other in zip(sources, targets, strict=True)]
    return [] if contradict((pair.source, pair.target) for pair in [*known, *found]) else found


def _bare(
    source: Layers, target: Layers, known: Sequence[Pair], excluded: Collection[int]
) -> tuple[list[ParameterLayer], list[ParameterLayer]]:
    """Give the layers without a partner that are not the norm of another layer."""
    used = _ids(known) | set(excluded) | owners(source).keys() | owners(target).keys()
    return _without(source, used), _without(target, used)


def _out_of_order(
    source: Layers, target: Layers, known: Sequence[Pair], sources: Layers, targets: Layers
) -> list[Pair]:
    """Pair the layers that can be paired although the models have them in different orders."""
    found = _between_known(source, target, known, sources, targets)
    used = _ids(found)
    for first, second in by_form(_without(sources, used), _without(targets, used)).values():
        if len(first) == len(second) and (
            follow_each_other(second, target) or follow_each_other(first, source)
        ):
            found += [Pair(one, other, "order") for one, other in zip(first, second, strict=True)]
    return found


def _norms_that_follow(
    source: Layers, target: Layers, known: Sequence[Pair], excluded: Collection[int]
) -> list[Pair]:
    """Pair the norms that follow the two layers of a pair."""
    used = _ids(known) | set(excluded)
    norms_by_owner: list[dict[int, list[ParameterLayer]]] = []
    for layers in (source, target):
        owned = owners(layers)
        norms: dict[int, list[ParameterLayer]] = defaultdict(list)
        for one in _without(layers, used):
            if id(one) in owned:
                norms[id(owned[id(one)])].append(one)
        norms_by_owner.append(norms)
    both = [(norms_by_owner[0][id(pair.source)], norms_by_owner[1][id(pair.target)]) for pair in known]
    return [
        Pair(first[0], second[0], "follows")
        for first, second in both
        if len(first) == len(second) == 1 and fits(first[0], second[0])
    ]


def _between_known(
    source: Layers, target: Layers, known: Sequence[Pair], sources: Layers, targets: Layers
) -> list[Pair]:
    """Pair layers that are the only ones of their form, and layers in order between pairs that have the same order."""
    position = {id(one): number for layers in (source, target) for number, one in enumerate(layers)}
    found = _the_only_ones(sources, targets)
    anchors = sorted(
        ((position[id(pair.source)], position[id(pair.target)]) for pair in [*known, *found]),
        key=lambda two: two[0],
    )
    seconds = [second for _, second in anchors]
    if seconds != sorted(seconds):
        return found
    used = _ids(found)
    edges = [(-1, -1), *anchors, (len(source), len(target))]
    for (low, other_low), (high, other_high) in itertools.pairwise(edges):
        first = [one for one in _without(sources, used) if low < position[id(one)] < high]
        second = [one for one in _without(targets, used) if other_low < position[id(one)] < other_high]
        found += _in_order(first, second, [*known, *found])
    return found


def _the_only_ones(sources: Layers, targets: Layers) -> list[Pair]:
    return [
        Pair(first[0], second[0], "shape")
        for first, second in by_form(sources, targets).values()
        if len(first) == len(second) == 1
    ]


def _problems(sources: Layers, targets: Layers) -> Iterator[str]:
    for (kind, _), (first, second) in by_form(sources, targets).items():
        names = (", ".join(one.label for one in layers) for layers in (first, second))
        mine, other = names
        if not second:
            leave = f" Constants are left out by mapping={{{first[0].label!r}: None}}." * (kind == "weights")
            yield f"No layer of the target is of the kind and shape of {description(first)} of the source.{leave}"
        elif not first:
            leave = f" Constants are left as they are by mapping={{{second[0].label!r}: None}}." * (
                kind == "weights"
            )
            yield f"No layer of the source is of the kind and shape of {description(second)} of the target.{leave}"
        elif len(first) == len(second):
            yield (
                f"{len(first)} layers of kind {kind} have the same shapes, and the two models do not have their layers "
                f"in the same order: {mine} of the source, {other} of the target. Say which is which: "
                f"mapping={{{first[0].label!r}: {second[0].label!r}, ...}}."
            )
        else:
            yield (
                f"There are {len(first)} layers of one kind and shape in the source ({mine}), and {len(second)} in the "
                f"target ({other})."
            )
