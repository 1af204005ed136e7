"""The known mistakes of porting, planted one at a time: what is broken, why, and where it can first be seen."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from models.twins import (
    EXAMPLES,
    RESCALE,
    REVERSE,
    TRANSPOSE,
    Array,
    Family,
    Part,
    Settings,
    Side,
    Weights,
    first_last,
    gates,
    last_first,
    write_torch,
)
from torch.nn import functional

SIDES: tuple[Side, Side] = ("torch", "keras")
INPUT = "input"
LSTM_ORDERS = {"i, f, o, g": (0, 1, 3, 2), "f, i, g, o": (1, 0, 2, 3), "i, g, f, o": (0, 2, 1, 3)}
KERNELS = ("weight", "weight_ih", "weight_hh", "weight_ih_reverse", "weight_hh_reverse")
STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Plan:
    """One way to break a pair.

    Parameters
    ----------
    way : str
        Which way, in words.
    side : {"torch", "keras"}, optional
        Which model is broken; None for the input of the second model.
    part : Part, optional
        The first layer that goes wrong; None if what reaches the first layer is wrong already.
    settings : Settings
        Those of the broken model.
    change : callable, optional
        From the right weights to the wrong ones of the broken model.
    given : callable, optional
        From the right input, channels last, to the wrong one of the second model.
    where : mapping of str to tuple of str
        Of either model, where it may rightly be seen, if not in what `part` names.
    """

    way: str
    side: Side | None
    part: Part | None = None
    settings: Settings = field(default_factory=Settings)
    change: Callable[[Weights], Weights] | None = None
    given: Callable[[Array], Array] | None = None
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Case:
    """A pair with one mistake in it, and the truth about it.

    Attributes
    ----------
    mistake, family, seed, way
        Which it is.
    a, b : the models
    side_a, side_b : {"torch", "keras"}
        Their frameworks.
    x : numpy.ndarray
        In the layout of `a`.
    x_b : numpy.ndarray, optional
        The input of `b`, in its layout, where that is the mistake.
    cause : str
        As the check calls it.
    layers_a, layers_b : frozenset of str
        Where in either model it may rightly be seen.
    """

    mistake: str
    family: Family
    seed: int
    plan: Plan
    side_a: Side
    side_b: Side
    a: Any
    b: Any
    x: Array
    x_b: Array | None
    cause: str
    layers_a: frozenset[str]
    layers_b: frozenset[str]

    @property
    def title(self) -> str:
        return f"{self.mistake} ({self.plan.way}, {self.plan.side or 'x_b'}) | {self.family.title} | seed {self.seed}"


# --- the mistakes: each gives every way in which a family can be broken -------------------------------------


def changed(part: Part, tensors: Callable[[str, Array], Array]) -> Callable[[Weights], Weights]:
    """Change the tensors of one part."""

    def change(weights: Weights) -> Weights:
        own = {name: np.ascontiguousarray(tensors(name, one)) for name, one in weights[part.key].items()}
        return {**weights, part.key: own}

    return change


def height_and_width(family: Family) -> Iterator[Plan]:
    for side in SIDES:
        for part in family.of_kind("conv", "depthwise"):
            shape = family.weights(0)[part.key]["weight"].shape
            if len(shape) == 4 and shape[-1] > 1:
                turned = changed(part, lambda n, w: w.swapaxes(2, 3) if n == "weight" else w)
                yield Plan("kernel", side, part, change=turned)
        if family.coloured and family.shape[0] == family.shape[1]:
            yield Plan("layer before", side, settings=Settings(front=(TRANSPOSE, *family.front)))
    if family.coloured and family.shape[0] == family.shape[1]:
        yield Plan("input", None, given=lambda x: x.swapaxes(1, 2))


def padding(family: Family) -> Iterator[Plan]:
    for side in SIDES:
        for key, styles in family.wrong_padding.items():
            for style in styles:
                yield Plan(style, side, family.part(key), Settings(padding={key: style}))


def epsilon(family: Family) -> Iterator[Plan]:
    wrong = 1e-5 if family.epsilon == 1e-3 else 1e-3
    norms = family.of_kind("batch_norm", "layer_norm")
    for side in SIDES:
        for part in norms:
            yield Plan("one norm", side, part, Settings(epsilon={part.key: wrong}))
        if len(norms) > 1:
            yield Plan("all norms", side, norms[0], Settings(epsilon={part.key: wrong for part in norms}))


def flatten_order(family: Family) -> Iterator[Plan]:
    for part in family.parts:
        if part.flattened is not None:
            for side, turn in zip(SIDES, (last_first, first_last), strict=True):
                yield Plan("kernel as it is", side, part, change=_turned(part, turn, part.flattened))
    if family.ordered is not None:
        part = next(part for part in family.parts if part.keras in family.flattening["keras"])
        where = dict(family.flattening)
        yield Plan("no Permute", "keras", part, Settings(permuted=False), where=where)
        for side, turn in zip(SIDES, (first_last, last_first), strict=True):
            yield Plan("Permute and kernel", side, part, change=_turned(part, turn, family.ordered))


def _turned(part: Part, turn: Callable[..., Array], shape: tuple[int, ...]) -> Callable[[Weights], Weights]:
    reading = ("weight", "weight_ih", "weight_ih_reverse")
    return changed(part, lambda name, one: turn(one, shape) if name in reading else one)


def gate_order(family: Family) -> Iterator[Plan]:
    for side in SIDES:
        for part in family.of_kind("lstm", "gru"):
            orders = LSTM_ORDERS if part.kind == "lstm" else {"z, r exchanged": (1, 0, 2)}
            for way, order in orders.items():
                yield Plan(way, side, part, change=_in_order(part, order))


def _in_order(part: Part, order: Sequence[int]) -> Callable[[Weights], Weights]:
    return changed(part, lambda name, one: gates(one, order))


def channel_order(family: Family) -> Iterator[Plan]:
    if not family.coloured:
        return
    for side in SIDES:
        backwards = changed(family.parts[0], lambda name, one: one[:, ::-1] if name == "weight" else one)
        yield Plan("first kernel", side, family.parts[0], change=backwards)
        yield Plan("layer before", side, settings=Settings(front=(REVERSE, *family.front)))
    yield Plan("input", None, given=lambda x: x[..., ::-1])


def value_range(family: Family) -> Iterator[Plan]:
    if not family.coloured:
        return
    for side in SIDES:
        other = () if family.front else (RESCALE,)
        yield Plan("missing layer" if family.front else "extra layer", side, settings=Settings(front=other))
    if family.values == "bytes":
        yield Plan("input", None, given=lambda x: x / np.float32(255))
    else:
        yield Plan("input", None, given=lambda x: x * np.float32(255))


def training_mode(family: Family) -> Iterator[Plan]:
    norms = family.of_kind("batch_norm")
    for part in norms:
        yield Plan("one module in train()", "torch", part, Settings(training=frozenset([part.key])))
        yield Plan("no running statistics", "torch", part, Settings(untracked=frozenset([part.key])))
        yield Plan("training=True", "keras", part, Settings(training=frozenset([part.key])))
    if norms:
        yield Plan("model in train()", "torch", norms[0], Settings(left_in_training=True))


def another_epoch(family: Family) -> Iterator[Plan]:
    for side in SIDES:
        for part in family.parts:
            yield Plan("all tensors", side, part)
            if part.kind == "batch_norm":
                yield Plan("moving statistics", side, part)
            elif part.kind != "layer_norm":
                yield Plan("kernels", side, part)


def trained_on(family: Family, part: Part, way: str, seed: int) -> Callable[[Weights], Weights]:
    """A part's tensors as they are a few steps of training later, by one to ten per cent of their size."""
    generator = family.generator(seed, "another epoch")
    by = generator.uniform(0.01, 0.1)

    def change(weights: Weights) -> Weights:
        whole, inner = family.bare_torch()
        write_torch(inner, family.parts, weights)
        whole.train()
        x = torch.tensor(family.laid_out("torch", family.inputs(seed + 2000, 24)))
        with torch.no_grad():
            classes = whole(x[:2]).shape[-1]
        labels = torch.tensor(generator.integers(classes, size=len(x)))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            optimizer = torch.optim.Adam(whole.parameters(), lr=3e-3)
            for _ in range(4):
                optimizer.zero_grad()
                functional.cross_entropy(whole(x), labels).backward()
                optimizer.step()
        later = family.read(inner)[part.key]
        names = {"moving statistics": STATISTICS, "kernels": KERNELS, "all tensors": tuple(later)}[way]
        return changed(part, lambda name, one: moved(one, later[name], by) if name in names else one)(weights)

    return change


def moved(before: Array, after: Array, by: float) -> Array:
    """On from `before` towards `after`, by a share of the size of `before`."""
    step = after - before
    size = np.linalg.norm(step)
    return (
        before if size == 0 else (before + step * (by * np.linalg.norm(before) / size)).astype(before.dtype)
    )


# By name: the function, and the cause as the check calls it.
MISTAKES: dict[str, tuple[Callable[[Family], Iterator[Plan]], str]] = {
    "swapped height and width": (height_and_width, "height and width"),
    "same/valid padding": (padding, "padding"),
    "epsilon 1e-3 against 1e-5": (epsilon, "epsilon"),
    "wrong flatten order": (flatten_order, "flatten order"),
    "wrong gate order": (gate_order, "gate order"),
    "RGB/BGR": (channel_order, "channel order"),
    "[0,1] against [0,255]": (value_range, "value range"),
    "training-mode batch norm": (training_mode, "training mode"),
    "one layer's weights from another epoch": (another_epoch, "weights"),
}


# --- cases --------------------------------------------------------------------------------------------------


def applies(mistake: str, family: Family) -> bool:
    """Whether a family can be broken that way."""
    return next(MISTAKES[mistake][0](family), None) is not None


def planned(mistake: str, family: Family, seed: int) -> Plan:
    """The way for a seed: ways and layers come in turn, the side by lot."""
    plans = list(MISTAKES[mistake][0](family))
    turn = zlib.crc32(f"{mistake}, {family.title}".encode()) + seed
    ways = list(dict.fromkeys(plan.way for plan in plans))
    way = ways[turn % len(ways)]
    of_way = [plan for plan in plans if plan.way == way]
    side = family.generator(seed, mistake).choice(sorted({plan.side or "" for plan in of_way}))
    of_side = [plan for plan in of_way if (plan.side or "") == side]
    # First, in the middle, last: by the seed.
    place = (0, (len(of_side) - 1) // 2, len(of_side) - 1)[
        turn // len(ways) % 3 if len(ways) > 2 else turn % 3
    ]
    plan = of_side[place]
    if MISTAKES[mistake][0] is another_epoch:
        plan = replace(plan, change=trained_on(family, plan.part, plan.way, seed))
    return plan


def direction(mistake: str, family: Family, seed: int) -> tuple[Side, Side]:
    """Which model is the first and which the second, by lot."""
    return SIDES if family.generator(seed, f"{mistake}, direction").integers(2) else SIDES[::-1]


def planted(mistake: str, family: Family, seed: int, count: int = EXAMPLES) -> Case:
    """A pair with one mistake in it."""
    plan = planned(mistake, family, seed)
    weights = family.weights(seed)
    side_a, side_b = direction(mistake, family, seed)
    models = {side: family.right(side, seed) for side in SIDES if side != plan.side}
    if plan.side is not None:
        wrong = weights if plan.change is None else plan.change(weights)
        models[plan.side] = family.build(plan.side, wrong, plan.settings)
    x = family.inputs(seed, count)
    return Case(
        mistake,
        family,
        seed,
        plan,
        side_a,
        side_b,
        models[side_a],
        models[side_b],
        family.laid_out(side_a, x),
        None if plan.given is None else family.laid_out(side_b, np.ascontiguousarray(plan.given(x))),
        MISTAKES[mistake][1],
        truth(family, plan, side_a),
        truth(family, plan, side_b),
    )


def truth(family: Family, plan: Plan, side: Side) -> frozenset[str]:
    """Where in a model a mistake may rightly be seen: the first layer whose output is not that of the right model.

    If what reaches the first layer is wrong, it is the input, what is done to the input, or the first layer.
    """
    settings = plan.settings if side == plan.side else Settings()
    prefix = family.prefix(settings) if side == "torch" else ""
    if plan.part is not None:
        return frozenset(prefix + name for name in plan.where.get(side, plan.part.names(side)))
    front = family.settled(settings).front
    # A convolution of Keras may have its padding in a layer before it.
    before = (*front, f"{family.parts[0].keras}_pad") if side == "keras" else ("0",) if prefix else ()
    return frozenset([INPUT, *before, *(prefix + name for name in family.parts[0].names(side))])
