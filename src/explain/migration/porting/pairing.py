"""Which layer of one model is which of the other: by an explicit mapping, by names, by order and shape."""

from __future__ import annotations

import difflib
import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from explain.errors import PortError
from explain.migration.porting.dependence import contradict, follow_each_other, owners
from explain.migration.porting.layer_names import is_telling, plain_name
from explain.parameters.canonical import ParameterLayer

Reason = Literal["mapping", "name", "order", "shape", "follows"]
Layers = Sequence[ParameterLayer]


@dataclass(frozen=True, eq=False)
class Pair:
    """A layer of the source and the layer of the target that does the same.

    Attributes
    ----------
    source, target : ParameterLayer
        The two.
    reason : {"mapping", "name", "order", "shape", "follows"}
        Why they are taken for the same: the caller says so, their names agree, they stand at the same place among
        those of their shape, no other has their shape, or they are norms of what two layers of a pair give.
    """

    source: ParameterLayer
    target: ParameterLayer
    reason: Reason


@dataclass(frozen=True, eq=False)
class Pairing:
    """How the layers of two models were paired.

    Attributes
    ----------
    pairs : tuple of Pair
        In the order of the target's layers.
    left_source, left_target : tuple of ParameterLayer
        Those without a partner.
    set_aside : tuple of ParameterLayer
        Those of either model that the mapping leaves out.
    problems : tuple of str
        Why layers are left, a sentence each.
    """

    pairs: tuple[Pair, ...]
    left_source: tuple[ParameterLayer, ...] = ()
    left_target: tuple[ParameterLayer, ...] = ()
    set_aside: tuple[ParameterLayer, ...] = ()
    problems: tuple[str, ...] = ()


def pair_layers(source: Layers, target: Layers, mapping: Mapping[str, str | None] | None = None) -> Pairing:
    """Pair the layers of two models.

    What `mapping` names is paired first. Of the rest, a layer can be paired with one of its kind whose tensors have the
    same shapes in canonical axes. Where all layers of one shape have names that agree, these decide, once capitals,
    signs and words such as "layer" are taken out. The rest goes in order, if the two models have their layers in the
    same order of kinds and shapes, norms counted with the layers that they follow. If they have not, only those are
    paired whose names agree, which are the only ones of their shape, which stand in order between such pairs, or which
    depend on each other, so that they have one order only.

    Parameters
    ----------
    source, target : sequence of ParameterLayer
        The layers of the two models, in order.
    mapping : Mapping of str to str or None, optional
        From names of the source's layers to names of the target's. A name of either with None leaves that layer out.

    Raises
    ------
    PortError
        If `mapping` names a layer that is not there, or two that do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> here = [ParameterLayer("features.0", "dense", {"kernel": np.zeros((3, 2))})]
    >>> there = [ParameterLayer("fc", "dense", {"kernel": np.zeros((3, 2))})]
    >>> [(pair.source.name, pair.target.name, pair.reason) for pair in pair_layers(here, there).pairs]
    [('features.0', 'fc', 'order')]
    """
    mapped, set_aside = _mapped(source, target, mapping or {})
    used = {id(one) for pair in mapped for one in (pair.source, pair.target)} | set(map(id, set_aside))
    here = [one for one in source if id(one) not in used]
    there = [one for one in target if id(one) not in used]
    named = _by_name(here, there)
    found = [*mapped, *_whole_forms(named, here, there)]
    used |= {id(one) for pair in found for one in (pair.source, pair.target)}
    here_left = [one for one in here if id(one) not in used]
    there_left = [one for one in there if id(one) not in used]
    in_order = _in_order(here_left, there_left, found)
    found += in_order
    if not in_order:
        aside = set(map(id, set_aside))
        bare = _bare(source, target, found, aside)
        found += _in_order(*bare, found) or _out_of_order(source, target, found, *bare)
        found += _norms_that_follow(source, target, found, aside)
        used |= {id(one) for pair in found for one in (pair.source, pair.target)}
        found += [pair for pair in named if not {id(pair.source), id(pair.target)} & used]
        used |= {id(one) for pair in found for one in (pair.source, pair.target)}
        left = ([one for one in side if id(one) not in used] for side in (here, there))
        found += _out_of_order(source, target, found, *left)
        found += _norms_that_follow(source, target, found, aside)
    used |= {id(one) for pair in found for one in (pair.source, pair.target)}
    here_left = [one for one in here if id(one) not in used]
    there_left = [one for one in there if id(one) not in used]
    place = {id(one): number for number, one in enumerate(target)}
    return Pairing(
        tuple(sorted(found, key=lambda pair: place[id(pair.target)])),
        tuple(here_left),
        tuple(there_left),
        tuple(set_aside),
        tuple(_problems(here_left, there_left)),
    )


def fits(one: ParameterLayer, other: ParameterLayer) -> bool:
    """Tell whether two layers could hold the same parameters: of one kind, the tensors that both have of one shape.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = {"kernel": np.zeros((3, 2))}
    >>> biased = kernel | {"bias": np.zeros(2)}
    >>> fits(ParameterLayer("a", "dense", kernel), ParameterLayer("b", "dense", biased))
    True
    """
    if one.kind != other.kind:
        return False
    bare = one.kind.endswith("normalization") and not (one.tensors and other.tensors)
    return bare or _form(one) == _form(other)


def _form(layer: ParameterLayer) -> tuple[object, ...]:
    """Give what two layers that fit have in common."""
    shapes = layer.shapes
    if layer.kind == "weights":
        return tuple(sorted(shapes.values()))
    if layer.kind.endswith("normalization"):
        # Of normalised axes a framework may have the channels first or last.
        return (tuple(sorted(next(iter(shapes.values()), ()))),)
    needed = {name: shape for name, shape in shapes.items() if not name.endswith("bias")}
    return tuple(sorted(needed.items()))


def _mapped(
    source: Layers, target: Layers, mapping: Mapping[str, str | None]
) -> tuple[list[Pair], list[ParameterLayer]]:
    pairs: list[Pair] = []
    set_aside: list[ParameterLayer] = []
    for name, other in mapping.items():
        if other is None:
            named = _named(name, [*source, *target], "of either model")
            set_aside.extend(named)
            continue
        here, there = _named(name, source, "of the source"), _named(other, target, "of the target")
        if len(here) != len(there) or not all(map(fits, here, there)):
            raise PortError(
                f"mapping={{{name!r}: {other!r}}}: the two do not fit each other. {_described(here)} in the source, "
                f"and {_described(there)} in the target."
            )
        pairs += [Pair(one, two, "mapping") for one, two in zip(here, there, strict=True)]
    twice = [pair.target.label for pair in pairs if sum(pair.target is one.target for one in pairs) > 1]
    if twice:
        raise PortError(
            f"mapping gives {twice[0]!r} of the target to several layers of the source: name it once."
        )
    return pairs, set_aside


def _named(name: str, layers: Layers, where: str) -> list[ParameterLayer]:
    found = [one for one in layers if name in (one.name, one.label)]
    if not found:
        names = list(dict.fromkeys(one.name for one in layers))
        close = difflib.get_close_matches(str(name), names, 3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {', '.join(names)}."
        raise PortError(f"mapping names {name!r}, which is no layer {where} that holds parameters: {hint}")
    return found


def _by_name(here: Layers, there: Layers) -> list[Pair]:
    """Pair layers whose names agree, where no other of either model has that name.

    A name that only counts ("0", "conv 2 d 1") is a matter of order, not a name.
    """
    names: dict[str, tuple[list[ParameterLayer], list[ParameterLayer]]] = defaultdict(lambda: ([], []))
    for side, layers in enumerate((here, there)):
        for layer in layers:
            names[f"{plain_name(layer.name)} {layer.part}"][side].append(layer)
    return [
        Pair(ours[0], theirs[0], "name")
        for ours, theirs in names.values()
        if len(ours) == len(theirs) == 1 and is_telling(plain_name(ours[0].name)) and fits(ours[0], theirs[0])
    ]


def _whole_forms(named: Sequence[Pair], here: Layers, there: Layers) -> list[Pair]:
    """Keep pairs of names where every layer of that shape is in one: names that agree in part may be counted apart."""
    pairs = {id(one): pair for pair in named for one in (pair.source, pair.target)}
    return [
        pairs[id(one)]
        for ours, theirs in _by_form(here, there).values()
        if all(id(one) in pairs for one in (*ours, *theirs))
        for one in ours
    ]


def _in_order(here: Layers, there: Layers, known: Sequence[Pair]) -> list[Pair]:
    """Pair all layers one by one, if they fit so and nothing that is known of what follows what is against it."""
    if len(here) != len(there) or not all(map(fits, here, there)):
        return []
    found = [Pair(one, other, "order") for one, other in zip(here, there, strict=True)]
    return [] if contradict((pair.source, pair.target) for pair in [*known, *found]) else found


def _bare(
    source: Layers, target: Layers, known: Sequence[Pair], left_out: Collection[int]
) -> tuple[list[ParameterLayer], list[ParameterLayer]]:
    """Give the layers without a partner that are no norm of a layer before them."""
    used = {id(one) for pair in known for one in (pair.source, pair.target)} | set(left_out)
    left_out = used | owners(source).keys() | owners(target).keys()
    here, there = ([one for one in side if id(one) not in left_out] for side in (source, target))
    return here, there


def _out_of_order(
    source: Layers, target: Layers, known: Sequence[Pair], here: Layers, there: Layers
) -> list[Pair]:
    """Pair what can be paired though the models have their layers in other orders."""
    found = _between_known(source, target, known, here, there)
    used = {id(one) for pair in found for one in (pair.source, pair.target)}
    left = ([one for one in side if id(one) not in used] for side in (here, there))
    for ours, theirs in _by_form(*left).values():
        if len(ours) == len(theirs) and (
            follow_each_other(theirs, target) or follow_each_other(ours, source)
        ):
            found += [Pair(one, other, "order") for one, other in zip(ours, theirs, strict=True)]
    return found


def _norms_that_follow(
    source: Layers, target: Layers, known: Sequence[Pair], left_out: Collection[int]
) -> list[Pair]:
    """Pair norms of what two layers of a pair give."""
    used = {id(one) for pair in known for one in (pair.source, pair.target)} | set(left_out)
    sides: list[dict[int, list[ParameterLayer]]] = []
    for side in (source, target):
        owned = owners(side)
        norms: dict[int, list[ParameterLayer]] = defaultdict(list)
        for one in side:
            if id(one) in owned and id(one) not in used:
                norms[id(owned[id(one)])].append(one)
        sides.append(norms)
    both = [(sides[0][id(pair.source)], sides[1][id(pair.target)]) for pair in known]
    return [
        Pair(ours[0], theirs[0], "follows")
        for ours, theirs in both
        if len(ours) == len(theirs) == 1 and fits(ours[0], theirs[0])
    ]


def _between_known(
    source: Layers, target: Layers, known: Sequence[Pair], here: Layers, there: Layers
) -> list[Pair]:
    """Pair what is the only one of its shape; and, between pairs that stand in the same order, what goes in order."""
    place = {id(one): number for layers in (source, target) for number, one in enumerate(layers)}
    found = _the_only_ones(here, there)
    anchors = sorted(
        ((place[id(pair.source)], place[id(pair.target)]) for pair in [*known, *found]),
        key=lambda two: two[0],
    )
    seconds = [second for _, second in anchors]
    if seconds != sorted(seconds):
        return found
    used = {id(one) for pair in found for one in (pair.source, pair.target)}
    edges = [(-1, -1), *anchors, (len(source), len(target))]
    for (low, other_low), (high, other_high) in itertools.pairwise(edges):
        ours = [one for one in here if low < place[id(one)] < high and id(one) not in used]
        theirs = [one for one in there if other_low < place[id(one)] < other_high and id(one) not in used]
        found += _in_order(ours, theirs, [*known, *found])
    return found


def _the_only_ones(here: Layers, there: Layers) -> list[Pair]:
    return [
        Pair(ours[0], theirs[0], "shape")
        for ours, theirs in _by_form(here, there).values()
        if len(ours) == len(theirs) == 1
    ]


def _by_form(
    here: Layers, there: Layers
) -> dict[tuple[object, ...], tuple[list[ParameterLayer], list[ParameterLayer]]]:
    forms: dict[tuple[object, ...], tuple[list[ParameterLayer], list[ParameterLayer]]] = defaultdict(
        lambda: ([], [])
    )
    for side, layers in enumerate((here, there)):
        for layer in layers:
            forms[layer.kind, _form(layer)][side].append(layer)
    return forms


def _problems(here: Layers, there: Layers) -> Iterable[str]:
    for (kind, _), (ours, theirs) in _by_form(here, there).items():
        names = (", ".join(one.label for one in layers) for layers in (ours, theirs))
        mine, other = names
        if not theirs:
            leave = f" Constants are left out by mapping={{{ours[0].label!r}: None}}." * (kind == "weights")
            yield f"No layer of the target is of the kind and shape of {_described(ours)} of the source.{leave}"
        elif not ours:
            leave = f" Constants are left as they are by mapping={{{theirs[0].label!r}: None}}." * (
                kind == "weights"
            )
            yield f"No layer of the source is of the kind and shape of {_described(theirs)} of the target.{leave}"
        elif len(ours) == len(theirs):
            yield (
                f"{len(ours)} layers of kind {kind} have the same shapes, and the two models do not have their layers "
                f"in the same order: {mine} of the source, {other} of the target. Say which is which: "
                f"mapping={{{ours[0].label!r}: {theirs[0].label!r}, ...}}."
            )
        else:
            yield (
                f"There are {len(ours)} layers of one kind and shape in the source ({mine}), and {len(theirs)} in the "
                f"target ({other})."
            )


def _described(layers: Layers) -> str:
    return "; ".join(
        f"{one.label!r} ({one.kind}, "
        + ", ".join(f"{name} {'×'.join(map(str, shape)) or '1'}" for name, shape in one.shapes.items())
        + ")"
        for one in layers
    )
